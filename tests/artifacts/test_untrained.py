"""data/untrained: two tables of all networks, and the filters of each draw."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice
from tables import table_of

from receptive.artifacts.untrained import (
    COLUMNS,
    Untrained,
    read_untrained,
    read_untrained_filters,
    write_untrained,
)

FOLDER = Path("data/untrained")


def table(name: str) -> pd.DataFrame:
    made = table_of(COLUMNS[name], 4)
    return made.assign(network=["vggcnn", "vggcnn", "alexcnn", "vggcnn"], draw=[0, 1, 0, 1])


CONTENT = Untrained(
    zeros=table("zeros.parquet"),
    energy=table("energy.parquet"),
    selectivity=table("selectivity.parquet"),
    filters={"vggcnn/first": np.zeros((2, 3, 1, 1, 1)), "vggcnn/second": np.ones((2, 4, 3, 1, 1))},
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_untrained(CONTENT) == FOLDER


def test_a_network_gets_its_own_rows_and_filters(stored):
    for name in ("zeros", "energy", "selectivity"):
        expected = getattr(CONTENT, name)
        read = read_untrained("vggcnn", name)
        pd.testing.assert_frame_equal(read, expected[expected["network"] == "vggcnn"].reset_index(drop=True))
        assert read_untrained("digitcnn", name).empty
    first, second = read_untrained_filters("vggcnn")
    assert (first.shape, second.shape) == ((2, 3, 1, 1, 1), (2, 4, 3, 1, 1))
    assert second.min() == 1
    assert read_untrained_filters("alexcnn") is None
    assert set(files(FOLDER)) == {*COLUMNS, "filters.npz"}


def test_the_same_content_is_written_twice_with_the_same_bytes(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_untrained(CONTENT))) == 4


@pytest.mark.parametrize("name", ["zeros", "energy", "selectivity"])
def test_tables_are_refused_where_they_lack_something(stored, name):
    path = FOLDER / f"{name}.parquet"
    refuses_missing_and_damaged(path, "untrained", lambda: read_untrained("vggcnn", name))
    needs_columns(path, "untrained", lambda: read_untrained("vggcnn", name), COLUMNS[path.name])


def test_missing_and_damaged_filters_are_named_with_the_cure(stored):
    refuses_missing_and_damaged(FOLDER / "filters.npz", "untrained", lambda: read_untrained_filters("vggcnn"))
