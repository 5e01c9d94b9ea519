"""data/filters: arrays, the names of the weights, and numbers that are tracked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, refuses_missing_and_damaged

from receptive.artifacts.filters import COLUMNS, Filters, read_filters, read_gabor, write_filters

FOLDER = Path("data/filters/toy")
ARRAYS = {"first": np.ones((2, 3, 3, 3)), "weights": np.arange(4.0).reshape(2, 2)}
NAMES = {"first": "c1.weight", "second": "c2.weight", "folded": None}

GABOR = pd.DataFrame({name: [0.5, 0.25] for name in COLUMNS["gabor.parquet"]})


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_filters("toy", Filters(ARRAYS, NAMES), GABOR, {"first_filters": 2}) == FOLDER


def test_arrays_and_names_are_read_back():
    arrays, names = read_filters("toy")
    assert names == NAMES
    assert list(arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)
    assert set(files(FOLDER)) == {"filters.npz", "filters.json", "gabor.parquet", "metrics.json"}


def test_the_gabor_table_is_read_back():
    pd.testing.assert_frame_equal(read_gabor("toy"), GABOR)
    refuses_missing_and_damaged(FOLDER / "gabor.parquet", "filters@toy", lambda: read_gabor("toy"))


@pytest.mark.parametrize("file", ["filters.npz", "filters.json"])
def test_missing_and_damaged_files_are_named_with_the_cure(file):
    refuses_missing_and_damaged(FOLDER / file, "filters@toy", lambda: read_filters("toy"))
