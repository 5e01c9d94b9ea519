"""``data/filters/<network>``: virtual filters of the second layer."""

from pathlib import Path

import numpy as np

from receptive.artifacts.files import read_arrays, read_json, write_json, writing

FILTERS = Path("data/filters")


def write_filters(network: str, arrays: dict[str, np.ndarray], names: dict, metrics: dict) -> Path:
    """``data/filters/<network>``: filters.npz, filters.json and metrics.json.

    Args:
        arrays: ``first`` (k x q x y x x), ``second`` (p x k x y x x), and of ``methods.virtual_filters`` ``virtual``,
            ``weights`` and ``places``.
        names: ``first`` and ``second``, the names of the weights, and ``folded``, of the batch norm or None.
    """
    folder = FILTERS / network
    with writing(folder) as new:
        np.savez(new / "filters.npz", **arrays)
        write_json(new / "filters.json", names)
        write_json(new / "metrics.json", metrics)
    return folder


def read_filters(network: str) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and names of ``write_filters``."""
    folder, made_by = FILTERS / network, f"filters@{network}"
    return read_arrays(folder / "filters.npz", made_by), read_json(folder / "filters.json", made_by)
