"""``data/filters/<network>``: virtual filters of the second layer, and Gabor fits of the first. Needs no torch."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import (
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_json,
    write_table,
    writing,
)

FOLDER = Path("data/filters")
STAGE = "filters"
COLUMNS = {
    "gabor.parquet": (
        "network", "state", "unit", "r2", "frequency", "orientation", "sigma_across", "sigma_along", "phase",
    )
}  # fmt: skip


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


def write_filters(network: str, filters: Filters, gabor: pd.DataFrame, metrics: dict) -> Path:
    """Writes filters.npz, filters.json, gabor.parquet and metrics.json of a network; returns their folder.

    Args:
        filters: of ``measurements.filters.measure``.
        gabor: one row per first filter and state, of ``measurements.filters.gabor_table``.
        metrics: numbers that are tracked.
    """
    folder = FOLDER / network
    with writing(folder) as new:
        write_arrays(new / "filters.npz", filters.arrays)
        write_json(new / "filters.json", filters.names)
        write_table(new / "gabor.parquet", gabor)
        write_json(new / "metrics.json", metrics)
    return folder


def read_filters(network: str) -> Filters:
    """Arrays and names of a network."""
    folder, made_by = FOLDER / network, f"{STAGE}@{network}"
    return Filters(read_arrays(folder / "filters.npz", made_by), read_json(folder / "filters.json", made_by))


def read_gabor(network: str) -> pd.DataFrame:
    """The best Gabor function of every first filter (``methods.gabor_fit.GaborFit``).

    One row per unit and ``state`` ("trained", "untrained"). ``r2``, the share of the filter's energy that it explains,
    and the function's numbers are NaN where kernels are too small to be fitted.
    """
    return read_table(FOLDER / network / "gabor.parquet", f"{STAGE}@{network}", COLUMNS["gabor.parquet"])
