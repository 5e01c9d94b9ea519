"""How far to trust a maximized picture: does it excite its unit along the same path as natural images do?

Geirhos et al. ("Don't trust your eyes", ICML 2024) build circuits into a network that show any picture when a unit is
maximized, while natural images excite it as before: the picture takes another path. They compare the activations of
whole layers. Here each channel counts by what it contributes to the unit, so that a path of a few channels shows beside
the hundreds that have nothing to do with the unit.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from receptive.methods.capture import capture

FLAGGED = 0.5
"""A picture whose path is less than half as alike to those of the top images as these are among themselves takes
another path."""
COMMON = 0.1


def contributions(
    network: nn.Module,
    images: Float[Tensor, "image channel y x"],
    layers: Sequence[str],
    unit: str,
    response: Callable[[Tensor], Tensor],
) -> dict[str, Float[Tensor, "image _"]]:
    """What each channel of earlier layers contributes to a response: activation x gradient, summed over positions.

    In a network of convolutions, rectifiers and largest-of pools the contributions of one layer add up to the response,
    but for the biases after it (Ancona et al. 2018).

    Args:
        images: normalised.
        layers: names of modules before the unit's layer.
        unit: name of the unit's layer.
        response: from the layer's responses to one number per image.

    Returns:
        By layer, image x channel.
    """
    with torch.enable_grad(), capture(network, [*layers, unit], lambda name, output: output, stop=True) as seen:
        network(images.detach().requires_grad_())
        maps = [seen[layer] for layer in layers]
        gradients = torch.autograd.grad(response(seen[unit]).sum(), maps, allow_unused=True, materialize_grads=True)
    products = ((of_layer * gradient).detach() for of_layer, gradient in zip(maps, gradients, strict=True))
    return {layer: of.flatten(2).sum(2) if of.dim() > 2 else of for layer, of in zip(layers, products, strict=True)}


def path_similarity(
    pictures: Sequence[Float[Tensor, "image _"]], tops: Sequence[Float[Tensor, "other _"]]
) -> Float[Tensor, "image"]:
    """How alike the paths of pictures and of a unit's top natural images are: 1 is as alike as these among themselves.

    In each layer the cosines of a picture's contributions with those of the top images are averaged, and divided by the
    mean cosine of the top images among themselves; the mean over the layers is given. 0 is a path through other
    channels, or none. Layers in which the top images have no path in common (a mean cosine below ``COMMON``) say
    nothing and are left out.

    Args:
        pictures, tops: by layer, of ``contributions`` (image x channel); at least two top images.

    Returns:
        Above 1 where a picture's path is more typical than those of the top images. NaN where no layer says anything.
    """
    shares = []
    for picture, top in zip(pictures, tops, strict=True):
        directions, natural = (values / values.norm(dim=1, keepdim=True).clamp_min(1e-12) for values in (picture, top))
        alike, count = natural @ natural.T, len(top)
        among = (alike.sum() - alike.diagonal().sum()) / (count * (count - 1))
        if among >= COMMON:
            shares.append((directions @ natural.T).mean(1) / among)
    return torch.stack(shares).mean(0) if shares else pictures[0].new_full((len(pictures[0]),), torch.nan)
