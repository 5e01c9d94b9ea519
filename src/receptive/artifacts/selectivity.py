"""``data/selectivity/<network>``: what every unit is tuned to."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_json, write_table, writing

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
COLUMNS = {"units": _UNITS, "filters": _UNITS, "stimuli": ("axis", "orientation", "frequency")}
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
        units: ``COLUMNS["units"]``, one row per state, layer and unit: ``methods.selectivity.measures`` and the
            verdicts ``JUDGED``; NA where a unit answers nothing, or the images have no colour.
        filters: ``COLUMNS["filters"]``, the same of the first convolution, from its kernels alone.
        stimuli: ``COLUMNS["stimuli"]``, one row per condition.
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
    arrays = {
        f"{name}/{layer}": values
        for layer, tuning in content.tuning.items()
        for name, values in tuning._asdict().items()
    }
    with writing(folder) as new:
        for name in COLUMNS:
            write_table(new / f"{name}.parquet", getattr(content, name)[list(COLUMNS[name])])
        # savez takes any name as a keyword, which its type does not say
        np.savez(new / "tuning.npz", **arrays)  # type: ignore[arg-type]
        write_json(new / "metrics.json", content.metrics)
    return folder


def read_selectivity(network: str, table: str = "units") -> pd.DataFrame:
    """One table of ``Selectivity``: "units", "filters" or "stimuli"."""
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", COLUMNS[table])


def read_tuning(network: str) -> dict[str, np.ndarray]:
    """The arrays "strength/<layer>" and "rate/<layer>", condition x unit, in the order of stimuli.parquet."""
    return read_arrays(FOLDER / network / "tuning.npz", f"{STAGE}@{network}")
