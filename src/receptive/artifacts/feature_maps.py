"""``data/feature_maps/<network>``: maps of the first convolutions for one image."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from receptive.artifacts.files import read_arrays, read_json, reading, write_arrays, write_json, writing

FOLDER = Path("data/feature_maps")
STAGE = "feature_maps"
_LAYER = "layer "  # before each layer's name in maps.npz, so that no layer can be called "image"


class FeatureMaps(NamedTuple):
    """The responses of some layers to one image.

    Attributes:
        image: uint8, y x x x channel.
        facts: ``image``, its number in the prepared set, and ``class``, the name of its class.
        maps: unit x y x x, by the layer's name, shallow layers first.
    """

    image: np.ndarray
    facts: dict[str, int | str]
    maps: dict[str, np.ndarray]


def write_feature_maps(network: str, feature_maps: FeatureMaps, metrics: dict) -> Path:
    """Writes maps.npz, image.json and metrics.json of a network; returns their folder."""
    folder = FOLDER / network
    with writing(folder) as new:
        maps = {f"{_LAYER}{name}": values for name, values in feature_maps.maps.items()}
        write_arrays(new / "maps.npz", {"image": feature_maps.image, **maps})
        write_json(new / "image.json", feature_maps.facts)
        write_json(new / "metrics.json", metrics)
    return folder


def read_feature_maps(network: str) -> FeatureMaps:
    """The image, its facts and the maps of a network."""
    folder, made_by = FOLDER / network, f"{STAGE}@{network}"
    arrays = read_arrays(folder / "maps.npz", made_by)
    with reading(folder / "maps.npz", made_by):
        image = arrays.pop("image")
    maps = {name.removeprefix(_LAYER): values for name, values in arrays.items()}
    return FeatureMaps(image, read_json(folder / "image.json", made_by), maps)
