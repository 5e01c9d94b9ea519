"""Feature maps: the responses of the first convolutions to one image (TG 2.2)."""

import numpy as np

from receptive.artifacts.feature_maps import FeatureMaps
from receptive.datasets.prepared import first_validation_image
from receptive.measurements.subject import Subject
from receptive.methods.capture import responses_to
from receptive.networks.layers import Layer
from receptive.params.sections import FeatureMaps as Settings


def measure(subject: Subject, settings: Settings) -> FeatureMaps:
    """The maps of the first ``settings.layers`` convolutions for the first validation image of a class.

    The class is ``settings.classes`` of the network, otherwise the one with label 0.
    """
    image = first_validation_image(subject.prepared, settings.classes.get(subject.base))
    layers = first_convolutions(subject.layers, settings.layers)
    responses = responses_to(subject.network, subject.seen(np.array([image])), [layer.name for layer in layers])
    class_name = subject.prepared.labels.set_index("image")["class_name"].loc[image]
    return FeatureMaps(
        np.array(subject.prepared.images[image]),
        {"image": int(image), "class": str(class_name)},
        {layer: response[0].numpy() for layer, response in responses.items()},
    )


def first_convolutions(layers: list[Layer], count: int) -> list[Layer]:
    """The first ``count`` convolutions of a network."""
    return [layer for layer in layers if layer.kind == "conv"][:count]


def metrics_of(layers: list[Layer], maps: dict[str, np.ndarray]) -> dict[str, float]:
    """Share of zeros, and number of channels without a positive response, of each layer by its alias."""
    aliases = {layer.name: layer.alias for layer in layers}
    metrics: dict[str, float] = {}
    for layer, channels in maps.items():
        metrics[f"zero_fraction.{aliases[layer]}"] = float((channels == 0).mean())
        metrics[f"silent_channels.{aliases[layer]}"] = int((channels <= 0).all((1, 2)).sum())
    return metrics
