"""Tables with the columns of a contract and any content."""

from collections.abc import Iterable

import numpy as np
import pandas as pd


def table_of(columns: Iterable[str], rows: int) -> pd.DataFrame:
    """Column ``at`` holds the numbers from ``100 * at`` on: no two columns are equal."""
    return pd.DataFrame({column: 100 * at + np.arange(rows) for at, column in enumerate(columns)})
