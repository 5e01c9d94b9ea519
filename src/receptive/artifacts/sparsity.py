"""``data/sparsity/<network>``: the share of zero responses of every layer."""

from pathlib import Path

import pandas as pd

from receptive.artifacts.files import read_table

SPARSITY = Path("data/sparsity")


def read_sparsity(network: str) -> "pd.DataFrame":
    """One row a layer: its share of zero responses."""
    return read_table(SPARSITY / network / "layers.parquet", f"sparsity@{network}")
