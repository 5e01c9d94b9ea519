"""Effective receptive fields: where in the receptive field the gradient's energy lies (Luo et al. 2016).

W. Luo, Y. Li, R. Urtasun, R. Zemel: Understanding the effective receptive field in deep convolutional neural networks.
NeurIPS 29, 2016. They put a gradient of 1 at the central position of a layer's map, take it back to the image, and
average over images. In a stack of n convolutions of uniform k x k kernels it is a binomial picture, in the limit a
Gaussian whose width grows as sqrt(n), while the receptive field grows as n (their section 2).

Here the energy, the square of that gradient, is averaged, over images and over the units of the layer. So units and
images of either sign add up, and shares of energy can be told, as shares of the whole.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from receptive.methods.capture import capture
from receptive.methods.receptive_field.fields import central

SHARE = 0.9545
"""The share of the energy that ``side`` encloses: that of a Gaussian within two standard deviations (Luo et al. 3)."""


def energies(
    network: nn.Module, images: Float[Tensor, "image channel y x"], signs: Mapping[str, Float[Tensor, "image unit"]]
) -> dict[str, Float[Tensor, "y x"]]:
    """The gradient's energy of each layer at each pixel: its square, summed over channels and units.

    The response at the central position is multiplied with ``signs`` and summed over units, so that one backward pass
    does for a layer. With random signs of 1 and -1 the products of two units' gradients cancel on average over images,
    and what is left is the sum of the squares of each unit's gradient (Hutchinson's estimator of a trace). With signs
    of 1 for one unit and 0 for all others it is the energy of that unit, exactly.

    Args:
        network: in evaluation mode; it runs no deeper than needed.
        images: as the network sees them.
        signs: by the name of the layer, a module whose output is a map (image, unit, y, x).

    Returns:
        By the name of the layer, in the order of the forward pass: mean over the images, in squared responses per
        squared unit of the normalised pixels. Zero at pixels that no unit of positive response depends on.

    Raises:
        ReceptiveError: the network has no such layer.
    """
    given = images.detach().requires_grad_()

    def read(layer: str, response: Float[Tensor, "image unit y x"]) -> Float[Tensor, ""]:
        y, x = central((response.shape[2], response.shape[3]))
        return (response[:, :, y, x] * signs[layer]).sum()

    with torch.enable_grad(), capture(network, signs, read, stop=True) as sums:
        network(given)
        gradients = {
            layer: torch.autograd.grad(total, given, retain_graph=True)[0] if total.requires_grad else given * 0
            for layer, total in sums.items()
        }
    return {layer: gradient.detach().square().sum(1).mean(0) for layer, gradient in gradients.items()}


def random_signs(images: int, units: int, generator: torch.Generator) -> Float[Tensor, "image unit"]:
    """A sign, 1 or -1, for each image and unit."""
    return torch.randint(0, 2, (images, units), generator=generator).float() * 2 - 1


def side(energy: Float[Tensor, "y x"], share: float = SHARE) -> float:
    """Side in px of the square that has as many pixels as the fewest that hold ``share`` of the energy.

    Returns:
        The square root of their number; NaN where there is no energy.
    """
    total = energy.sum().double()
    if total <= 0:
        return float("nan")
    falling = energy.double().flatten().sort(descending=True).values.cumsum(0) / total
    # what is exactly the share may come out a rounding below it
    return float(int((falling < share - 1e-12).sum()) + 1) ** 0.5


def spread(energy: Float[Tensor, "y x"]) -> float:
    """Standard deviation in px of the energy around its centroid: the root of the mean of both axes' variances.

    Of a Gaussian gradient of width s it is s / sqrt(2), for the energy is its square. NaN where there is no energy.
    """
    total = energy.sum().double()
    if total <= 0:
        return float("nan")
    weights = energy.double() / total
    variances = []
    for axis in (1, 0):
        along = weights.sum(axis)
        at = torch.arange(len(along), dtype=along.dtype, device=along.device)
        variances.append((along * (at - (along * at).sum()).square()).sum())
    return float(torch.stack(variances).mean().sqrt())


def visible(energy: Float[Tensor, "y x"], share: float = SHARE) -> float:
    """Side in px of the square that has as many pixels as are above 1 - ``share`` of the greatest gradient.

    This is the size of Luo et al. (section 3), with the root of the mean energy in place of the mean gradient, and its
    greatest value in place of the central one. NaN where there is no energy.
    """
    gradient = energy.double().sqrt()
    return float((gradient > (1 - share) * gradient.max()).sum()) ** 0.5 if gradient.max() > 0 else float("nan")
