"""Small subjects: a network that was never trained, with a few noisy images, and nothing on the disk."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from receptive.datasets.prepared import Prepared, prepare
from receptive.measurements.subject import Subject
from receptive.networks.layers import layers
from receptive.networks.parts.normalisation import Normalisation


def noisy_images(side: int, labels: Sequence[int], training: int, channels: int = 3, seed: int = 0) -> Prepared:
    """Images of noise: the first ``training`` of them for training, the others for validation.

    The numbers of the images are not those of the table's rows, as in a set of which some classes are taken.
    """
    rng = np.random.default_rng(seed)
    count = len(labels)
    images = rng.integers(0, 256, (2 * count, side, side, channels), dtype=np.uint8)
    names = tuple(["ant", "bee", "cow", "dog"][: max(labels) + 1])
    table = pd.DataFrame(
        {
            "image": 1 + 2 * np.arange(count),
            "split": ["train"] * training + ["validation"] * (count - training),
            "label": labels,
            "class_name": [names[label] for label in labels],
        }
    )
    return prepare("toy", images, table, names)


def plain(channels: int = 3) -> Normalisation:
    """Leaves pixels as they are."""
    return Normalisation(torch.zeros(channels, 1, 1), torch.eye(channels))


def subject_of(
    network: nn.Module, prepared: Prepared, normalisation: Normalisation | None = None, name: str = "toy"
) -> Subject:
    """A network that is measured on ``prepared``, on the CPU."""
    side, channels = prepared.images.shape[2:]
    return Subject(
        name=name,
        base=name,
        network=network.eval(),
        normalisation=normalisation or plain(channels),
        layers=layers(network, side, channels),
        prepared=prepared,
        device=torch.device("cpu"),
        first_filters="",
        folded=False,
    )


def validation_views(subject: Subject) -> torch.Tensor:
    """All validation images of a subject as its network sees them, worked out without ``loading``."""
    table = subject.prepared.labels
    numbers = table[table["split"] == "validation"]["image"].to_numpy()
    pictures = torch.from_numpy(subject.prepared.images[numbers]).permute(0, 3, 1, 2).float() / 255
    return subject.normalisation(pictures)
