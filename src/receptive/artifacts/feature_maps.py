"""``data/feature_maps/<network>``: the first convolutions' maps of one image."""

from pathlib import Path

import numpy as np

from receptive.artifacts.files import read_json, reading, write_json, writing

FEATURE_MAPS = Path("data/feature_maps")


def write_feature_maps(
    network: str, image: np.ndarray, facts: dict, maps: dict[str, np.ndarray], metrics: dict
) -> Path:
    """``data/feature_maps/<network>``: maps.npz, image.json and metrics.json.

    Args:
        image: bytes, y x x x channel; facts: ``image`` (its number) and ``class``.
        maps: layer to its maps, unit x y x x, in the layers' order.
    """
    folder = FEATURE_MAPS / network
    with writing(folder) as new:
        np.savez(new / "maps.npz", image=image, **{f"layer {name}": values for name, values in maps.items()})
        write_json(new / "image.json", facts)
        write_json(new / "metrics.json", metrics)
    return folder


def read_feature_maps(network: str) -> tuple[np.ndarray, dict, dict[str, np.ndarray]]:
    """The image, facts and maps of ``write_feature_maps``."""
    path, made_by = FEATURE_MAPS / network / "maps.npz", f"feature_maps@{network}"
    with reading(path, made_by), np.load(path) as arrays:
        maps = {name.removeprefix("layer "): arrays[name] for name in arrays.files if name != "image"}
        return arrays["image"], read_json(FEATURE_MAPS / network / "image.json", made_by), maps
