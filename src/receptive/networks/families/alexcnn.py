"""AlexCNN (Yu et al. 3.1): five convolutions and three fully connected layers, no response normalisation.

The pools are 2x2 with stride 2 after convolutions 1, 2 and 5, and the 5x5 convolution has padding 1:
that is what the published table of receptive fields implies. It is not torchvision's AlexNet.
"""

from collections import OrderedDict

from torch import nn

from receptive.networks.parts.blocks import ConvLayer, thin
from receptive.networks.parts.chain import Chain, classifier, flat_features


def alexcnn(
    classes: int,
    channels: int = 3,
    image_size: int = 224,
    width: float = 1.0,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> Chain:
    """AlexCNN for square images of ``image_size`` px; ``batch_norm`` (not in the paper) helps small budgets."""
    c1, c2, c3, c4, c5 = (thin(c, width) for c in (96, 256, 384, 384, 256))
    features = OrderedDict(
        c1=ConvLayer(channels, c1, 11, 4, 2, batch_norm),
        p1=nn.MaxPool2d(2, 2),
        c2=ConvLayer(c1, c2, 5, 1, 1, batch_norm),
        p2=nn.MaxPool2d(2, 2),
        c3=ConvLayer(c2, c3, 3, 1, 1, batch_norm),
        c4=ConvLayer(c3, c4, 3, 1, 1, batch_norm),
        c5=ConvLayer(c4, c5, 3, 1, 1, batch_norm),
        p5=nn.MaxPool2d(2, 2),
    )
    flat = flat_features("alexcnn", features, image_size)
    return Chain(features, classifier(flat, (thin(4096, width), thin(4096, width)), classes, dropout))


BUILDERS = {"alexcnn": alexcnn}
"""By the network's name: what builds it."""
