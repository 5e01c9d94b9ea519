"""Filters of the second layer as pictures in pixels (KS 3.2, equation 3, figure 3). Needs no torch."""

import numpy as np

from receptive.errors import ReceptiveError


def strongest_taps(second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every pair of units the weight that is greatest in size, and where in the kernel it is.

    W2[p, k, i*, j*] with (i*, j*) = argmax |W2[p, k]| (KS equation 3); of equal ones the first in reading order.
    Zero where unit p does not listen to unit k at all.

    Args:
        second: weights of the second layer, p x k x y x x.

    Returns:
        (weights, places): p x k, and p x k x (i*, j*).
    """
    flat = second.reshape(*second.shape[:2], -1)
    place = np.abs(flat).argmax(2)
    weights = np.take_along_axis(flat, place[..., None], 2)[..., 0]
    return weights, np.stack(np.unravel_index(place, second.shape[2:]), -1)


def virtual_filters(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The second layer's units as filters of the first layer's size; zero where the first filters cancel.

    W~2[p, q, i, j] = sum over k of W2[p, k, i*, j*] W1[k, q, i, j] (KS equation 3). Every kernel of the second layer
    is reduced to its greatest tap, and all are laid on one place: strides, pools and rectifications between
    the layers do not enter, which is the paper's approximation. For a 1x1 second layer nothing is reduced, and
    this is the composed kernel of the two convolutions.

    Args:
        first: W1, k x q x y x x (unit, input channel, kernel); second: W2, p x k x any kernel.

    Returns:
        p x q x y x x, float64.

    Raises:
        ReceptiveError: the second layer does not see the first one's units.
    """
    check_pair(first, second)
    weights, _ = strongest_taps(second)
    return np.tensordot(weights.astype(np.float64), first.astype(np.float64), 1)


def participation(weights: np.ndarray) -> float:
    """How many first filters a unit of the second layer mixes: from 1, a single one, to all of them, equally.

    The mean over units of (sum of |w|)^2 / sum of w^2, the participation ratio; units without weights do not count,
    and NaN where there is no other.

    Args:
        weights: p x k, of ``strongest_taps``.
    """
    size = np.abs(weights.astype(np.float64))
    size = size[size.any(1)]
    return float(np.mean(size.sum(1) ** 2 / (size**2).sum(1))) if len(size) else float("nan")


def composed_kernels(
    first: np.ndarray, second: np.ndarray, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """The kernel of the two convolutions run one after the other, with nothing between; zero where they cancel.

    A tap (i', j') of the second kernel looks at first filters that lie ``i' * dilation * stride`` px further down, so

        C[p, q, i' d s + i, j' d s + j] += sum over k of W2[p, k, i', j'] W1[k, q, i, j]

    with a side of r1 + (r2 - 1) * d * s. Its own stride, as a convolution, is the product of the strides. Not in the
    papers: it shows what equation 3 leaves out. Exact inside the image; at its border a convolution that pads
    between the layers sees zeros that the composed one cannot know of.

    Args:
        first: k x q x y x x; second: p x k x y x x.
        stride: of the first convolution (down, across); dilation: of the second. The first is not dilated.

    Returns:
        p x q x y x x, float64.

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


def check_pair(first: np.ndarray, second: np.ndarray) -> None:
    """Raises ReceptiveError unless ``second`` can be run on the units of ``first``, all of them."""
    if second.ndim != 4 or first.ndim != 4 or second.shape[1] != first.shape[0]:
        raise ReceptiveError(
            f"kernels of shapes {first.shape} and {second.shape} do not follow each other: the second must have "
            "as many input channels as the first has units (groups are not supported)"
        )


def batch_norm_scale(weight: np.ndarray, running_variance: np.ndarray, epsilon: float = 1e-5) -> np.ndarray:
    """What a batch norm multiplies each unit with: weight / sqrt(variance + epsilon); 0 silences the unit.

    To fold it into the layer before, multiply W1[k] with it; its shift is a bias and changes no filter.

    Args:
        weight, running_variance: (unit,).
    """
    return weight.astype(np.float64) / np.sqrt(running_variance.astype(np.float64) + epsilon)
