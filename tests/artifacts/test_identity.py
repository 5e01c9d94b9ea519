"""data/identity: two tables, and similarities under the names of pairs of layers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice
from tables import table_of

from receptive.artifacts.identity import (
    COLUMNS,
    Identity,
    identity_pair,
    read_identity,
    read_similarities,
    write_identity,
)

FOLDER = Path("data/identity/toy")
STAGE = "identity@toy"
PAIR = identity_pair("trained", "responses", "c1.relu", "c2.relu")
CONTENT = Identity(
    units=table_of(COLUMNS["units.parquet"], 3),
    tests=table_of(COLUMNS["tests.parquet"], 2),
    similarities={PAIR: np.eye(3, dtype=np.float32)},
    metrics={"responses.trained": 0.5},
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_identity("toy", CONTENT) == FOLDER


def test_everything_is_read_back(stored):
    pd.testing.assert_frame_equal(read_identity("toy"), CONTENT.units)
    pd.testing.assert_frame_equal(read_identity("toy", "tests"), CONTENT.tests)
    similarities = read_similarities("toy")
    assert list(similarities) == [PAIR]
    np.testing.assert_array_equal(similarities[PAIR], np.eye(3))
    assert set(files(FOLDER)) == {*COLUMNS, "similarities.npz", "metrics.json"}


def test_pairs_differ_by_state_measure_and_order():
    names = {PAIR, identity_pair("untrained", "responses", "c1.relu", "c2.relu")}
    names |= {identity_pair("trained", "stimuli", "c1.relu", "c2.relu")}
    names |= {identity_pair("trained", "responses", "c2.relu", "c1.relu")}
    assert len(names) == 4


def test_the_same_content_is_written_twice_with_the_same_bytes(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_identity("toy", CONTENT))) == 4


@pytest.mark.parametrize("name", ["units", "tests"])
def test_tables_are_refused_where_they_lack_something(stored, name):
    path = FOLDER / f"{name}.parquet"
    refuses_missing_and_damaged(path, STAGE, lambda: read_identity("toy", name))
    needs_columns(path, STAGE, lambda: read_identity("toy", name), COLUMNS[path.name])


def test_missing_and_damaged_arrays_are_named_with_the_cure(stored):
    refuses_missing_and_damaged(FOLDER / "similarities.npz", STAGE, lambda: read_similarities("toy"))
