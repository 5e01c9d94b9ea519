"""The layers of a trained network, without its weights."""

from receptive import networks
from receptive.artifacts.files import reading
from receptive.artifacts.networks import FOLDER, STAGE, read_description
from receptive.networks.layers import Layer, layers


def read_layers(name: str) -> list[Layer]:
    """The layers of a trained network, by depth; only network.json is read."""
    description = read_description(name)
    with reading(FOLDER / name / "network.json", f"{STAGE}@{name}"):
        size, channels = description["image_size"], description["channels"]
        classes = len(description["classes"])
        network = networks.outline(description["network"], classes, size, channels, **description["options"])
    return layers(network, size, channels)
