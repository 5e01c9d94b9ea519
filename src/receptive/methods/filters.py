"""Filters of the second layer as pictures in pixels (KS 3.2, equation 3, figure 3). Needs no torch."""

import numpy as np
from jaxtyping import Float, Float64, Int64

from receptive.errors import ReceptiveError


def strongest_taps(
    second: Float[np.ndarray, "second first kernel_y kernel_x"],
) -> tuple[Float[np.ndarray, "second first"], Int64[np.ndarray, "second first 2"]]:
    """For every pair of units the weight that is greatest in size, and where in the kernel it is.

    W2[p, k, i*, j*] with (i*, j*) = argmax |W2[p, k]| (KS equation 3); of equal ones the first in reading order. It is
    zero where all weights from unit k to unit p are zero.

    Args:
        second: weights of the second layer, W2.

    Returns:
        (weights, places): the places are rows and columns of the kernel, (i*, j*).
    """
    flat = second.reshape(*second.shape[:2], -1)
    place = np.abs(flat).argmax(2)
    weights = np.take_along_axis(flat, place[..., None], 2)[..., 0]
    return weights, np.stack(np.unravel_index(place, second.shape[2:]), -1)


def virtual_filters(
    first: Float[np.ndarray, "first channel kernel_y kernel_x"], second: Float[np.ndarray, "second inputs *taps"]
) -> Float64[np.ndarray, "second channel kernel_y kernel_x"]:
    """The second layer's units as filters of the first layer's size; zero where the first filters cancel.

    W~2[p, q, i, j] = sum over k of W2[p, k, i*, j*] W1[k, q, i, j] (KS equation 3). Every kernel of the second layer is
    reduced to its greatest tap, and all are laid on one place. Strides, pools and rectifications between the layers are
    left out, which is the paper's approximation. A second layer of 1x1 kernels loses nothing: this is then the composed
    kernel of the two convolutions.

    Args:
        first: weights of the first layer, W1.
        second: weights of the second layer, W2; its inputs are the first layer's units.

    Raises:
        ReceptiveError: the second layer does not see the first one's units.
    """
    check_pair(first, second)
    weights, _ = strongest_taps(second)
    return np.tensordot(weights.astype(np.float64), first.astype(np.float64), 1)


def participation(weights: Float[np.ndarray, "second first"]) -> float:
    """How many first filters a unit of the second layer mixes: 1 for a single one, all of them if equally strong.

    The mean over units of the participation ratio, (sum of |w|)^2 / sum of w^2. Units without weights do not count;
    NaN where no unit has weights.

    Args:
        weights: of ``strongest_taps``.
    """
    size = np.abs(weights.astype(np.float64))
    size = size[size.any(1)]
    return float(np.mean(size.sum(1) ** 2 / (size**2).sum(1))) if len(size) else float("nan")


def composed_kernels(
    first: Float[np.ndarray, "first channel kernel_y kernel_x"],
    second: Float[np.ndarray, "second inputs *taps"],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> Float64[np.ndarray, "second channel composed_y composed_x"]:
    """The kernel of the two convolutions run one after the other, with nothing between; zero where they cancel.

    A tap (i', j') of the second kernel sees first filters that lie ``i' * dilation * stride`` px further down, so

        C[p, q, i' d s + i, j' d s + j] += sum over k of W2[p, k, i', j'] W1[k, q, i, j]

    with a side of r1 + (r2 - 1) * d * s. Its stride, as a convolution, is the product of the two strides. It is not in
    the papers, and shows what equation 3 leaves out. It is exact inside the image. At the border, a second convolution
    that pads sees zeros that the composed one does not have.

    Args:
        first: weights of the first layer, W1, which is not dilated.
        second: weights of the second layer, W2; its inputs are the first layer's units.
        stride: of the first convolution (down, across).
        dilation: of the second convolution (down, across).

    Raises:
        ReceptiveError: the second layer does not see the first one's units.
    """
    check_pair(first, second)
    step = np.multiply(stride, dilation)
    taps, size = np.array(second.shape[2:]), np.array(first.shape[2:])
    composed = np.zeros((len(second), first.shape[1], *(size + (taps - 1) * step)))
    first, second = first.astype(np.float64), second.astype(np.float64)
    for i, j in np.ndindex(*second.shape[2:]):
        y, x = (i, j) * step
        composed[:, :, y : y + size[0], x : x + size[1]] += np.tensordot(second[:, :, i, j], first, 1)
    return composed


def check_pair(first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]) -> None:
    """Refuses weights of two layers of which the second does not take all units of the first.

    Raises:
        ReceptiveError: as said.
    """
    if second.ndim != 4 or first.ndim != 4 or second.shape[1] != first.shape[0]:
        raise ReceptiveError(
            f"kernels of shapes {first.shape} and {second.shape} do not follow each other: the second must have "
            "as many input channels as the first has units (groups are not supported)"
        )


def batch_norm_scale(
    weight: Float[np.ndarray, "unit"], running_variance: Float[np.ndarray, "unit"], epsilon: float = 1e-5
) -> Float64[np.ndarray, "unit"]:
    """The factor by which a batch norm multiplies each unit: weight / sqrt(variance + epsilon); 0 silences the unit.

    To fold the batch norm into the layer before it, multiply W1[k] by the factor. Its shift is a bias and changes no
    filter.
    """
    return weight.astype(np.float64) / np.sqrt(running_variance.astype(np.float64) + epsilon)
