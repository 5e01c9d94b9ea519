"""``data/filters/<network>``: virtual filters of the second layer. Needs no torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from receptive.artifacts.files import read_arrays, read_json, write_arrays, write_json, writing

FOLDER = Path("data/filters")
STAGE = "filters"


class Filters(NamedTuple):
    """The filters of the first two layers of a network.

    Attributes:
        arrays: ``first`` (k x q x y x x), ``second`` (p x k x y x x), and of ``methods.filters`` ``virtual``
            (p x q x y x x), ``weights`` (p x k) and ``places`` (p x k x 2).
        names: names of the weights ``first`` and ``second``, and ``folded``, the name of the batch norm that is
            multiplied into ``first``; None if there is none.
    """

    arrays: dict[str, np.ndarray]
    names: dict[str, str | None]


def write_filters(network: str, filters: Filters, metrics: dict) -> Path:
    """Writes filters.npz, filters.json and metrics.json of a network; returns their folder."""
    folder = FOLDER / network
    with writing(folder) as new:
        write_arrays(new / "filters.npz", filters.arrays)
        write_json(new / "filters.json", filters.names)
        write_json(new / "metrics.json", metrics)
    return folder


def read_filters(network: str) -> Filters:
    """Arrays and names of a network."""
    folder, made_by = FOLDER / network, f"{STAGE}@{network}"
    return Filters(read_arrays(folder / "filters.npz", made_by), read_json(folder / "filters.json", made_by))
