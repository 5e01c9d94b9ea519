"""``data/claims``: every claim of the papers as measured rows."""

from pathlib import Path

import pandas as pd

from receptive.artifacts.files import read_table, write_json, write_table, writing

FOLDER = Path("data/claims")
STAGE = "claims"
COLUMNS = (
    *("claim", "networks", "trainings", "quantity", "layer", "beyond", "what"),
    *("value", "low", "high", "control", "control_low", "control_high", "draws", "threshold", "verdict", "reason"),
    *("images", "units", "over"),
    *("uncut", "freedom", "smallest", "p_different", "p_equivalent", "p_value", "published", "decides"),
)
"""The number of the claim, then the fields of ``claims.row.Row``; ``networks`` and ``trainings`` are lists of names,
``draws`` and ``uncut`` are lists of numbers."""


def write_claims(rows: pd.DataFrame, metrics: dict) -> Path:
    """Writes rows.parquet (``COLUMNS``; ``claims.registry.table`` makes it) and, for MLflow, metrics.json.

    Returns:
        The folder.
    """
    with writing(FOLDER) as new:
        write_table(new / "rows.parquet", rows[list(COLUMNS)])
        write_json(new / "metrics.json", metrics)
    return FOLDER


def read_claims() -> pd.DataFrame:
    """One row per measured number of a claim (``COLUMNS``)."""
    return read_table(FOLDER / "rows.parquet", STAGE, COLUMNS)
