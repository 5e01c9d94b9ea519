"""``data/selectivity/<network>``: what every unit is tuned to."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_json, write_table, writing

FOLDER = Path("data/selectivity")
STAGE = "selectivity"
JUDGED = ("selective", "single_opponent", "double_opponent")
"""The verdicts on each unit."""
_UNITS = (
    *("network", "state", "layer", "alias", "depth", "kind", "unit"),
    *("responds", "osi", "orthogonal_index", "orientation", "frequency", "modulation"),
    *("colour_index", "colour_frequency", "colour_uniform", "colour_modulation", "colour_axis"),
    *JUDGED,
)
COLUMNS = {"units.parquet": _UNITS, "filters.parquet": _UNITS, "stimuli.parquet": ("axis", "orientation", "frequency")}
"""The columns of each table, in order."""


class Tuning(NamedTuple):
    """What each stimulus does to each unit of a layer: both condition x unit, float32.

    Attributes:
        strength: ``methods.selectivity.strength``.
        rate: ``methods.selectivity.rate``.
    """

    strength: np.ndarray
    rate: np.ndarray


@dataclass(frozen=True)
class Selectivity:
    """What units are tuned to.

    States are "trained", "untrained" and "shuffled" (the trained weights, the places of every kernel permuted).

    Attributes:
        units: units.parquet, one row per state, layer and unit: ``methods.selectivity.measures`` and the
            verdicts ``JUDGED``; NA where a unit answers nothing, or the images have no colour.
        filters: filters.parquet, the same of the first convolution, from its kernels alone.
        stimuli: stimuli.parquet, one row per condition.
        tuning: of the trained units by layer, in the order of ``stimuli``.
        metrics: small numbers, for MLflow.
    """

    units: pd.DataFrame
    filters: pd.DataFrame
    stimuli: pd.DataFrame
    tuning: dict[str, Tuning]
    metrics: dict[str, float]


def write_selectivity(network: str, content: Selectivity) -> Path:
    """Writes ``data/selectivity/<network>``.

    Files: units.parquet, filters.parquet, stimuli.parquet, metrics.json, and tuning.npz with the arrays
    "strength/<layer>" and "rate/<layer>".

    Returns:
        The folder.
    """
    folder = FOLDER / network
    arrays: dict[str, np.ndarray] = {}
    for layer, tuning in content.tuning.items():
        arrays |= {f"strength/{layer}": tuning.strength, f"rate/{layer}": tuning.rate}
    with writing(folder) as new:
        for name, columns in COLUMNS.items():
            write_table(new / name, getattr(content, name.removesuffix(".parquet"))[list(columns)])
        write_arrays(new / "tuning.npz", arrays)
        write_json(new / "metrics.json", content.metrics)
    return folder


def read_selectivity(network: str, table: str = "units") -> pd.DataFrame:
    """One table of ``Selectivity``: "units", "filters" or "stimuli"."""
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", COLUMNS[f"{table}.parquet"])


def read_tuning(network: str) -> dict[str, np.ndarray]:
    """The arrays "strength/<layer>" and "rate/<layer>", condition x unit, in the order of stimuli.parquet."""
    return read_arrays(FOLDER / network / "tuning.npz", f"{STAGE}@{network}")
