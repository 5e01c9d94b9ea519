"""VGGCNN (Yu et al. 3.1): VGG-16, thirteen 3x3 convolutions in five groups and three fully connected layers."""

from collections import OrderedDict

from torch import nn

from receptive.networks.parts.blocks import ConvLayer, thin
from receptive.networks.parts.chain import Chain, classifier, flat_features

_GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vggcnn(
    classes: int,
    channels: int = 3,
    image_size: int = 224,
    width: float = 1.0,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> Chain:
    """VGG-16 for square images of ``image_size`` px; ``batch_norm`` (not in the paper) helps small budgets."""
    features: OrderedDict[str, nn.Module] = OrderedDict()
    before = channels
    for group, (size, convs) in enumerate(_GROUPS, 1):
        for conv in range(1, convs + 1):
            features[f"c{group}_{conv}"] = ConvLayer(before, thin(size, width), 3, 1, 1, batch_norm)
            before = thin(size, width)
        features[f"p{group}"] = nn.MaxPool2d(2, 2)
    flat = flat_features("vggcnn", features, image_size)
    return Chain(features, classifier(flat, (thin(4096, width), thin(4096, width)), classes, dropout))


BUILDERS = {"vggcnn": vggcnn}
"""By the network's name: what builds it."""
