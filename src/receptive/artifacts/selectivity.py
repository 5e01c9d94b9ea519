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
_LAYER = ("network", "state", "layer", "alias", "depth", "kind")
COLUMNS = {
    "units.parquet": _UNITS,
    "filters.parquet": _UNITS,
    "stimuli.parquet": ("axis", "orientation", "frequency"),
    "card.parquet": (
        *_LAYER,
        *("property", "statistic", "value", "low", "high", "lower", "upper", "measured", "units", "reason"),
    ),
    "card_units.parquet": (
        *(*_LAYER, "unit", "preferred_orientation", "circular_variance", "orientation_selective"),
        *("orientation_bandwidth", "orthogonal_ratio", "variance_bandwidth_ratio", "orthogonal_variance_difference"),
        *("peak_frequency", "frequency_selective", "frequency_bandwidth", "modulation_ratio", "maximum_response"),
        *("summation_field", "surround_diameter", "suppression_index"),
    ),
}
"""The columns of each table, in order."""


class Tuning(NamedTuple):
    """What each stimulus does to each unit of a layer: both condition x unit, float32.

    Attributes:
        strength: ``methods.selectivity.strength``.
        rate: ``methods.selectivity.rate``.
    """

    strength: np.ndarray
    rate: np.ndarray


class Card(NamedTuple):
    """The cards of V1 properties of some layers, trained and untrained.

    Attributes:
        summary: card.parquet, one row per state, layer and property (``methods.selectivity_card.PROPERTIES``, then
            colour): the median over units, or the share of units, with its 95% interval ``low, high``; the quartiles
            ``lower, upper`` of a median's units; how many of the ``units`` are ``measured``; and the reason where there
            are none, or what limits the number.
        units: card_units.parquet, one row per state, layer and unit; NaN where a unit has no such property.
    """

    summary: pd.DataFrame
    units: pd.DataFrame


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


def write_selectivity(network: str, content: Selectivity, card: Card) -> Path:
    """Writes ``data/selectivity/<network>``.

    Files: units.parquet, filters.parquet, stimuli.parquet, card.parquet, card_units.parquet, metrics.json, and
    tuning.npz with the arrays "strength/<layer>" and "rate/<layer>".

    Returns:
        The folder.
    """
    folder = FOLDER / network
    arrays: dict[str, np.ndarray] = {}
    for layer, tuning in content.tuning.items():
        arrays |= {f"strength/{layer}": tuning.strength, f"rate/{layer}": tuning.rate}
    tables = {"units": content.units, "filters": content.filters, "stimuli": content.stimuli}
    tables |= {"card": card.summary, "card_units": card.units}
    with writing(folder) as new:
        for name, table in tables.items():
            write_table(new / f"{name}.parquet", table[list(COLUMNS[f"{name}.parquet"])])
        write_arrays(new / "tuning.npz", arrays)
        write_json(new / "metrics.json", content.metrics)
    return folder


def read_selectivity(network: str, table: str = "units") -> pd.DataFrame:
    """One table: "units", "filters" or "stimuli" of ``Selectivity``, "card" or "card_units" of ``Card``."""
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", COLUMNS[f"{table}.parquet"])


def read_tuning(network: str) -> dict[str, np.ndarray]:
    """The arrays "strength/<layer>" and "rate/<layer>", condition x unit, in the order of stimuli.parquet."""
    return read_arrays(FOLDER / network / "tuning.npz", f"{STAGE}@{network}")
