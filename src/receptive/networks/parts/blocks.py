"""The building blocks that the families share, and the initial weights."""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class ConvLayer(nn.Sequential):
    """Convolution, optional batch normalisation, rectification: one "layer" of the papers.

    The response of the layer is the output of its ``relu``. It does not work in place, so that the convolution's
    output can be read, too.

    Shapes: image x channels_in x y x x to image x channels_out x y' x x'.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        batch_norm: bool = False,
    ):
        parts: list[tuple[str, nn.Module]] = [
            ("conv", nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=not batch_norm))
        ]
        if batch_norm:
            parts.append(("bn", nn.BatchNorm2d(channels_out)))
        parts.append(("relu", nn.ReLU(inplace=False)))
        super().__init__(OrderedDict(parts))


class FullLayer(nn.Sequential):
    """Fully connected layer, rectification, optional dropout: image x features_in to image x features_out."""

    def __init__(self, features_in: int, features_out: int, dropout: float = 0.0):
        super().__init__(
            OrderedDict(
                linear=nn.Linear(features_in, features_out),
                relu=nn.ReLU(inplace=False),
                dropout=nn.Dropout(dropout),
            )
        )


def thin(channels: int, width: float) -> int:
    """Number of channels of a layer thinned by ``width`` (0.5 halves it); at least one."""
    return max(1, round(channels * width))


def map_side(size: int, *windows: tuple[int, int, int]) -> int:
    """Side of a square map after windows of ``(kernel, stride, padding)``; 0 or less where no position is left."""
    for kernel, stride, padding in windows:
        size = (size + 2 * padding - kernel) // stride + 1
    return size


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator, first_scale: float = 1.0) -> None:
    """Draws every weight anew, in the order of the modules.

    Weights are He normal (He et al. 2015): with fan-out for convolutions, as the public ResNets begin, and with
    fan-in for fully connected layers. Biases are 0. Batch norms scale by 1 and add 0.

    Args:
        network: changed in place.
        generator: the only source of chance.
        first_scale: factor on the weights of the first convolution. Batch norm cancels their scale in the responses,
            so small weights raise the layer's effective learning rate: with 0.15 the first filters show structure
            after minutes of training instead of their initial noise.
    """
    first = True
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            _he_normal(module.weight, module.weight.shape[0] * module.weight[0, 0].numel(), generator)
            if first:
                module.weight.mul_(first_scale)
                first = False
        elif isinstance(module, nn.Linear):
            _he_normal(module.weight, module.weight.shape[1], generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
            continue
        else:
            continue
        if module.bias is not None:
            module.bias.zero_()


def _he_normal(weight: Tensor, fan: int, generator: torch.Generator) -> None:
    weight.normal_(0.0, (2.0 / fan) ** 0.5, generator=generator)
