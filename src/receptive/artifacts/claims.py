"""``data/claims``: every claim of the papers as measured rows."""

from pathlib import Path

import pandas as pd

from receptive.artifacts.files import read_table, write_json, write_table, writing

CLAIMS = Path("data/claims")


def write_claims(rows: "pd.DataFrame", metrics: dict) -> Path:
    """``data/claims``: rows.parquet (``claims.table``) and, for MLflow, metrics.json."""
    with writing(CLAIMS) as new:
        write_table(new / "rows.parquet", rows)
        write_json(new / "metrics.json", metrics)
    return CLAIMS


def read_claims() -> "pd.DataFrame":
    """One row a measured number of a claim (``claims.table``)."""
    return read_table(CLAIMS / "rows.parquet", "claims")
