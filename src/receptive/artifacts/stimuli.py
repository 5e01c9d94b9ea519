"""``data/stimuli/<network>``: preferred stimuli (image patches) and mean preferred stimuli, one file per layer."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_json, write_table, writing

FOLDER = Path("data/stimuli")
STAGE = "stimuli"
COLUMNS = {"choices.parquet": ("network", "state", "layer", "alias", "depth", "kind", "unit", "right")}
"""``choices.parquet``: for every unit, trained and untrained, the share ``right`` (0.5: guessing) of a model observer's
choices between unseen patches (``methods.choices``); NaN where the unit tells no patches apart."""


class LayerStimuli(NamedTuple):
    """The stimuli of one layer.

    Attributes:
        layer: name of the layer.
        arrays: one row per preferred stimulus: ``patches`` (uint8, row x y x x x channel), ``unit``, ``rank``, ``box``
            (top, left, bottom, right in px) and ``activation``. For each mode of ``methods.mean_stimulus.MODES``:
            ``mean_<mode>`` (unit x y x x x channel, in [0, 1], NaN where a unit has no mean), ``count_<mode>`` (unit)
            and ``baseline_<mode>`` (y x x x channel). The three are empty where the mode has no position. The same of
            every second image of each class: ``half_interior``, ``half_count_interior``, ``half_baseline_interior``,
            and ``half_share_interior``, the share of the images that these are.
    """

    layer: str
    arrays: dict[str, np.ndarray]


def write_stimuli(network: str, layers: Iterable[LayerStimuli]) -> Path:
    """Writes one npz file per layer, in turn, so that one layer is in memory at a time; returns their folder."""
    folder = FOLDER / network
    with writing(folder) as new:
        for layer, arrays in layers:
            write_arrays(new / f"{layer}.npz", arrays)
    return folder


def write_choices(network: str, choices: pd.DataFrame, metrics: Mapping[str, float]) -> None:
    """Adds choices.parquet (``COLUMNS``) and metrics.json to what ``write_stimuli`` wrote."""
    folder = FOLDER / network
    write_table(folder / "choices.parquet", choices[list(COLUMNS["choices.parquet"])])
    write_json(folder / "metrics.json", metrics)


def read_choices(network: str) -> pd.DataFrame:
    """One row per state, layer and unit (``COLUMNS``)."""
    return read_table(FOLDER / network / "choices.parquet", f"{STAGE}@{network}", COLUMNS["choices.parquet"])


def has_stimuli(network: str, layer: str) -> bool:
    """Whether the layer has stimuli. Layers whose field exceeds ``stimuli.largest_field`` have none."""
    return (FOLDER / network / f"{layer}.npz").exists()


def read_stimuli(network: str, layer: str) -> dict[str, np.ndarray]:
    """``LayerStimuli.arrays`` of one layer."""
    return read_arrays(FOLDER / network / f"{layer}.npz", f"{STAGE}@{network}")
