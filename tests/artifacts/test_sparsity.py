"""data/sparsity: one row per layer."""

from pathlib import Path

import pandas as pd
import pytest
from contracts import needs_columns, refuses_missing_and_damaged, written_twice

from receptive.artifacts.sparsity import COLUMNS, read_sparsity, write_sparsity

PATH = Path("data/sparsity/toy/layers.parquet")
LAYERS = pd.DataFrame([("toy", "c1.relu", "c1", 1, "conv", 0.5)], columns=list(COLUMNS["layers.parquet"]))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_sparsity("toy", LAYERS) == PATH.parent


def test_the_table_is_read_back(project):
    pd.testing.assert_frame_equal(read_sparsity("toy"), LAYERS)


def test_the_bytes_do_not_depend_on_the_day(tmp_path, monkeypatch):
    assert set(written_twice(tmp_path, monkeypatch, lambda: write_sparsity("toy", LAYERS))) == {str(PATH)}


def test_a_table_that_is_missing_damaged_or_poor_is_refused(project):
    refuses_missing_and_damaged(PATH, "sparsity@toy", lambda: read_sparsity("toy"))
    needs_columns(PATH, "sparsity@toy", lambda: read_sparsity("toy"), COLUMNS["layers.parquet"])
