"""``data/sparsity/<network>``: the share of zero responses of every layer."""

from pathlib import Path

import pandas as pd

from receptive.artifacts.files import read_table, write_table, writing

FOLDER = Path("data/sparsity")
STAGE = "sparsity"
COLUMNS = {"layers.parquet": ("network", "layer", "alias", "depth", "kind", "zero_fraction")}


def write_sparsity(network: str, layers: pd.DataFrame) -> Path:
    """Writes layers.parquet of a network; returns its folder.

    Args:
        layers: one row per layer (``methods.sparsity.layer_sparsity``).
    """
    folder = FOLDER / network
    with writing(folder) as new:
        write_table(new / "layers.parquet", layers)
    return folder


def read_sparsity(network: str) -> pd.DataFrame:
    """One row per layer: ``zero_fraction``, the share of zero responses, in [0, 1]."""
    return read_table(FOLDER / network / "layers.parquet", f"{STAGE}@{network}", COLUMNS["layers.parquet"])
