"""``data/untrained``: networks of the same build that were never trained, several draws of each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_table, writing
from receptive.artifacts.selectivity import JUDGED

FOLDER = Path("data/untrained")
STAGE = "untrained"
_HEADING = ("network", "draw", "layer", "alias", "depth", "kind")
COLUMNS = {
    "zeros.parquet": (*_HEADING, "image", "zero_fraction"),
    "energy.parquet": (
        *_HEADING,
        *("image", "energy_outside_fraction", "outside_others_fraction", "others_outside_fraction"),
    ),
    "selectivity.parquet": (*_HEADING, "unit", *JUDGED),
}


@dataclass(frozen=True)
class Untrained:
    """What is measured in networks before training, draw by draw (``untrained`` of params.yaml says of which).

    Attributes:
        zeros: zeros.parquet, one row per network, draw, layer and image, as zeros.parquet of stage extract.
        energy: energy.parquet, one row per network, draw, layer and image, as energy.parquet of stage deconvolve; of
            the first and the last convolution that is carried back there.
        selectivity: selectivity.parquet, one row per network, draw, layer and unit: the verdicts of units.parquet of
            stage selectivity, of the convolutions whose receptive field fits in the image.
        filters: filters.npz, "<network>/first" (draw x k x q x y x x) and "<network>/second" (draw x p x k x y x x):
            the weights that stage filters reads of a trained network.
    """

    zeros: pd.DataFrame
    energy: pd.DataFrame
    selectivity: pd.DataFrame
    filters: dict[str, np.ndarray]


def write_untrained(content: Untrained) -> Path:
    """Writes zeros.parquet, energy.parquet, selectivity.parquet and filters.npz; returns their folder."""
    with writing(FOLDER) as new:
        for name, columns in COLUMNS.items():
            table = getattr(content, name.removesuffix(".parquet"))
            write_table(new / name, table[list(columns)])
        write_arrays(new / "filters.npz", content.filters)
    return FOLDER


def read_untrained(network: str, table: str) -> pd.DataFrame:
    """The rows of a network in one table, "zeros", "energy" or "selectivity"; none where it was not measured."""
    name = f"{table}.parquet"
    frame = read_table(FOLDER / name, STAGE, COLUMNS[name])
    return frame[frame["network"] == network].reset_index(drop=True)


def read_untrained_filters(network: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The weights of the first two layers, draw by draw (``Untrained``); None where they were not drawn."""
    arrays = read_arrays(FOLDER / "filters.npz", STAGE)
    names = f"{network}/first", f"{network}/second"
    return (arrays[names[0]], arrays[names[1]]) if names[0] in arrays else None
