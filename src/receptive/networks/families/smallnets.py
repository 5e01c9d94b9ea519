"""The two small networks of Tang et al.: DigitCNN for digits (2.1) and FiveCNN for five classes (4.1).

They write "stride size 2" for 3x3 convolutions that are each followed by a stride-2 pool. Here the stride is taken
as the pool's: the convolution has ``conv_stride`` 1, with padding 1. Dropout 0.3 acts between the two fully
connected layers.
"""

from collections import OrderedDict

from torch import nn

from receptive.networks.parts.blocks import ConvLayer, FullLayer, thin
from receptive.networks.parts.chain import Chain, flat_features


def digitcnn(
    classes: int = 10,
    channels: int = 1,
    image_size: int = 28,
    width: float = 1.0,
    dropout: float = 0.3,
    conv_stride: int = 1,
) -> Chain:
    """Two convolutions (32, 64), each followed by a 2x2 pool, and two fully connected layers."""
    return _small("digitcnn", (32, 64), False, classes, channels, image_size, width, dropout, conv_stride)


def fivecnn(
    classes: int = 5,
    channels: int = 3,
    image_size: int = 224,
    width: float = 1.0,
    dropout: float = 0.3,
    conv_stride: int = 1,
) -> Chain:
    """Four convolutions (32, 64, 128, 128), each followed by a 2x2 pool and batch norm on the output."""
    return _small("fivecnn", (32, 64, 128, 128), True, classes, channels, image_size, width, dropout, conv_stride)


def _small(
    name: str,
    sizes: tuple[int, ...],
    normalised: bool,
    classes: int,
    channels: int,
    image_size: int,
    width: float,
    dropout: float,
    conv_stride: int,
) -> Chain:
    features: OrderedDict[str, nn.Module] = OrderedDict()
    before = channels
    for i, size in enumerate((thin(s, width) for s in sizes), 1):
        features[f"c{i}"] = ConvLayer(before, size, 3, conv_stride, 1)
        features[f"p{i}"] = nn.MaxPool2d(2, 2)
        if normalised:
            features[f"n{i}"] = nn.BatchNorm2d(size)
        before = size
    flat = flat_features(name, features, image_size)
    head = OrderedDict(fc1=FullLayer(flat, thin(128, width), dropout), fc2=nn.Linear(thin(128, width), classes))
    return Chain(features, head)


BUILDERS = {"digitcnn": digitcnn, "fivecnn": fivecnn}
"""By the network's name: what builds it."""
