"""``data/identity/<network>``: how alike equal channels of two layers are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_json, write_table, writing

FOLDER = Path("data/identity")
STAGE = "identity"
COLUMNS = {
    "units.parquet": (
        *("network", "state", "measure", "group", "layer", "alias", "depth", "other_layer", "other_alias"),
        *("other_depth", "unit", "own", "others", "share_less_similar"),
    ),
    "tests.parquet": ("network", "state", "measure", "group", "pairs", "value", "p_value", "draws"),
}
"""The columns of each table, in order."""


@dataclass(frozen=True)
class Identity:
    """How alike equal channels of two layers are, beside the other channels of the same layers.

    States are "trained" and "untrained", measures "responses" and "stimuli".

    Attributes:
        units: units.parquet, one row per state, measure, pair of layers and channel (``methods.identity``); NaN
            where a channel has no similarity. Empty where no two layers have as many channels on maps of one size.
        tests: tests.parquet, one row per state, measure and group of layers, and one ("all") of all groups
            together (``methods.identity.identity_test``).
        similarities: under the names of ``identity_pair``, channel x channel, float32.
        metrics: small numbers, for MLflow.
    """

    units: pd.DataFrame
    tests: pd.DataFrame
    similarities: dict[str, np.ndarray]
    metrics: dict[str, float]


def write_identity(network: str, content: Identity) -> Path:
    """Writes ``data/identity/<network>``: units.parquet, tests.parquet, similarities.npz and metrics.json.

    Returns:
        The folder.
    """
    folder = FOLDER / network
    with writing(folder) as new:
        write_table(new / "units.parquet", content.units[list(COLUMNS["units.parquet"])])
        write_table(new / "tests.parquet", content.tests[list(COLUMNS["tests.parquet"])])
        write_arrays(new / "similarities.npz", content.similarities)
        write_json(new / "metrics.json", content.metrics)
    return folder


def identity_pair(state: str, measure: str, layer: str, other_layer: str) -> str:
    """The name under which the similarities of two layers' channels are kept."""
    return "/".join((state, measure, layer, other_layer))


def read_identity(network: str, table: str = "units") -> pd.DataFrame:
    """One table of ``Identity``: "units" or "tests"."""
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", COLUMNS[f"{table}.parquet"])


def read_similarities(network: str) -> dict[str, np.ndarray]:
    """Channel x channel similarities under the names of ``identity_pair``."""
    return read_arrays(FOLDER / network / "similarities.npz", f"{STAGE}@{network}")
