"""Chains of convolutions, pools and fully connected layers: AlexCNN, VGGCNN, DigitCNN and FiveCNN.

The alias of a layer is the name of its module (``c5_3``, ``p2``, ``fc6``). Fully connected layers need the side of
the last map, so a chain is built for one size of images.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.networks.parts.blocks import ConvLayer, FullLayer, map_side


class Chain(nn.Module):
    """The modules ``features`` in order, the flattened map, then the modules ``head`` in order; both by name.

    Shapes: image x channel x y x x to image x class.
    """

    def __init__(self, features: OrderedDict[str, nn.Module], head: OrderedDict[str, nn.Module]):
        super().__init__()
        self.feature_names, self.head_names = list(features), list(head)
        for name, module in (features | head).items():
            self.add_module(name, module)
        self.aliases = {}
        for name, module in (features | head).items():
            if isinstance(module, ConvLayer | FullLayer):
                self.aliases[f"{name}.relu"] = name
            elif isinstance(module, nn.MaxPool2d | nn.Linear):
                self.aliases[name] = name

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax, image x class, of normalised images."""
        for name in self.feature_names:
            x = self.get_submodule(name)(x)
        x = torch.flatten(x, 1)
        for name in self.head_names:
            x = self.get_submodule(name)(x)
        return x


def flat_features(network: str, features: OrderedDict[str, nn.Module], image_size: int) -> int:
    """Number of values of the last map of ``features``, for square images of ``image_size`` px.

    Raises:
        ReceptiveError: the images of ``network`` are too small, so that a map would have no position.
    """
    windows = []
    for module in features.values():
        if isinstance(module, ConvLayer):
            conv = module.conv
            windows.append((conv.kernel_size[0], conv.stride[0], conv.padding[0]))
            channels = conv.out_channels
        elif isinstance(module, nn.MaxPool2d):
            windows.append((module.kernel_size, module.stride, module.padding))
    side = map_side(image_size, *windows)
    # every intermediate map must hold at least one position, too
    if min(map_side(image_size, *windows[: i + 1]) for i in range(len(windows))) < 1:
        raise ReceptiveError(
            f"{network} cannot see images of {image_size} px: its last map would be empty; use larger images"
        )
    return channels * side * side


def classifier(features: int, widths: tuple[int, int], classes: int, dropout: float) -> OrderedDict[str, nn.Module]:
    """The three fully connected layers that AlexCNN and VGGCNN share (YU 3.1)."""
    first, second = widths
    return OrderedDict(
        fc6=FullLayer(features, first, dropout),
        fc7=FullLayer(first, second, dropout),
        fc8=nn.Linear(second, classes),
    )
