"""data/selectivity: three tables, and the tuning of every layer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice
from tables import table_of

from receptive.artifacts.selectivity import (
    COLUMNS,
    Card,
    Selectivity,
    Tuning,
    read_selectivity,
    read_tuning,
    write_selectivity,
)

FOLDER = Path("data/selectivity/toy")
STAGE = "selectivity@toy"
STRENGTH, RATE = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
CONTENT = Selectivity(
    units=table_of(COLUMNS["units.parquet"], 4),
    filters=table_of(COLUMNS["filters.parquet"], 2),
    stimuli=table_of(COLUMNS["stimuli.parquet"], 3),
    tuning={"c1.relu": Tuning(STRENGTH, RATE)},
    metrics={"selective.trained.c1": 0.5},
)
CARD = Card(summary=table_of(COLUMNS["card.parquet"], 5), units=table_of(COLUMNS["card_units.parquet"], 2))


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_selectivity("toy", CONTENT, CARD) == FOLDER


def test_everything_is_read_back(stored):
    pd.testing.assert_frame_equal(read_selectivity("toy"), CONTENT.units)
    for name in ("units", "filters", "stimuli"):
        pd.testing.assert_frame_equal(read_selectivity("toy", name), getattr(CONTENT, name))
    pd.testing.assert_frame_equal(read_selectivity("toy", "card"), CARD.summary)
    pd.testing.assert_frame_equal(read_selectivity("toy", "card_units"), CARD.units)
    tuning = read_tuning("toy")
    assert list(tuning) == ["strength/c1.relu", "rate/c1.relu"]
    np.testing.assert_array_equal(tuning["strength/c1.relu"], STRENGTH)
    np.testing.assert_array_equal(tuning["rate/c1.relu"], RATE)
    assert set(files(FOLDER)) == {*COLUMNS, "tuning.npz", "metrics.json"}


def test_the_same_content_is_written_twice_with_the_same_bytes(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_selectivity("toy", CONTENT, CARD))) == 7


@pytest.mark.parametrize("name", ["units", "filters", "stimuli", "card", "card_units"])
def test_tables_are_refused_where_they_lack_something(stored, name):
    path = FOLDER / f"{name}.parquet"
    refuses_missing_and_damaged(path, STAGE, lambda: read_selectivity("toy", name))
    needs_columns(path, STAGE, lambda: read_selectivity("toy", name), COLUMNS[path.name])


def test_missing_and_damaged_arrays_are_named_with_the_cure(stored):
    refuses_missing_and_damaged(FOLDER / "tuning.npz", STAGE, lambda: read_tuning("toy"))
