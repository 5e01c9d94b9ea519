"""ResNet and PlainNet: the same chain of convolutions with and without skip connections.

He et al. 2016 as Kobayashi & Shouno use it (2.1, 3.1). PlainNet is the ResNet with every skip
connection removed, the 1x1 projections too. Modules carry the names that torchvision gives them, so
that its state dicts fit; every rectification is a module of its own that does not work in place.
The bottleneck networks stride in the 3x3 convolution, as torchvision's do (He et al. strode in the
first 1x1; the receptive fields differ).
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from receptive.networks.parts.blocks import thin

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class Block(nn.Module):
    """Two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck), and the skip past them.

    Shapes: image x channels_in x h x w to image x channels_out x ceil(h / stride) x ceil(w / stride).
    """

    is_block = True
    """Its output is a layer whose channels are those of the blocks beside it (``layers.comparable_layers``)."""

    def __init__(self, channels_in: int, channels: int, stride: int, bottleneck: bool, residual: bool):
        super().__init__()
        channels_out = 4 * channels if bottleneck else channels
        if bottleneck:
            convs = [
                (channels_in, channels, 1, 1),
                (channels, channels, 3, stride),
                (channels, channels_out, 1, 1),
            ]
        else:
            convs = [(channels_in, channels, 3, stride), (channels, channels, 3, 1)]
        self.convs = len(convs)
        for i, (c_in, c_out, kernel, s) in enumerate(convs, 1):
            self.add_module(f"conv{i}", nn.Conv2d(c_in, c_out, kernel, s, kernel // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(c_out))
            self.add_module(f"relu{i}", nn.ReLU(inplace=False))
        self.residual = residual
        self.downsample = None
        if residual and (stride != 1 or channels_in != channels_out):
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The rectified sum of the convolutions' output and the skip; without skips, of the output alone."""
        out = x
        for i in range(1, self.convs):
            out = self.get_submodule(f"relu{i}")(self._conv(i, out))
        out = self._conv(self.convs, out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.get_submodule(f"relu{self.convs}")(out)

    def _conv(self, i: int, x: Tensor) -> Tensor:
        return self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x))


class ResNet(nn.Module):
    """7x7 stride-2 convolution, 3x3 stride-2 max pool, four groups of blocks, mean, class scores.

    ``aliases`` gives each response its name in the papers. Weight layers are counted (KS figure 4): the
    first convolution is "layer 1", the output of the first block "layer 3".
    """

    def __init__(self, depth: int, classes: int, channels: int = 3, width: float = 1.0, residual: bool = True):
        super().__init__()
        bottleneck = depth >= 50
        stem = thin(64, width)
        self.conv1 = nn.Conv2d(channels, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=False)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.aliases = {"relu": "layer 1", "maxpool": "max pool", "avgpool": "average pool", "fc": "scores"}
        channels_in, layer = stem, 1
        for group, blocks in enumerate(_BLOCKS[depth], 1):
            inner = thin(64 * 2 ** (group - 1), width)
            members = OrderedDict()
            for i in range(blocks):
                block = Block(channels_in, inner, 2 if i == 0 and group > 1 else 1, bottleneck, residual)
                members[str(i)] = block
                channels_in = 4 * inner if bottleneck else inner
                for conv in range(1, block.convs + 1):
                    layer += 1
                    self.aliases[f"layer{group}.{i}.relu{conv}"] = f"layer {layer}"
            self.add_module(f"layer{group}", nn.Sequential(members))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax, image x class, of normalised images (image x channel x y x x)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


BUILDERS = {
    f"{kind}{depth}": partial(ResNet, depth, residual=kind == "resnet")
    for kind in ("resnet", "plainnet")
    for depth in _BLOCKS
}
"""By the network's name: what builds it."""
