"""data/maximization: one row and one picture per result."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice

from receptive.artifacts.maximization import (
    COLUMNS,
    Maximization,
    maximization_group,
    read_maximization,
    read_paths,
    write_maximization,
)

FOLDER = Path("data/maximization/toy")
WORDS = ("network", "layer", "alias", "objective", "preset", "initialisation", "status")
PATHS = pd.DataFrame({name: ["a"] if name in WORDS else [0.5] for name in COLUMNS["paths.parquet"]})


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A maximization that is written below the current folder."""
    monkeypatch.chdir(tmp_path)
    results = pd.DataFrame({name: ["a"] if name in WORDS else [0.5] for name in COLUMNS["results.parquet"]})
    images = {maximization_group("c1.relu", "neuron", "ks", "zero"): np.zeros((1, 4, 3, 3), np.float32)}
    content = Maximization(results, images)
    assert write_maximization("toy", content, {"ok": 1}, PATHS) == FOLDER
    return content


def test_results_and_images_are_read_back(stored):
    results, images = read_maximization("toy")
    pd.testing.assert_frame_equal(results, stored.results)
    assert list(images) == ["c1.relu/neuron/ks/zero"]
    np.testing.assert_array_equal(images["c1.relu/neuron/ks/zero"], np.zeros((1, 4, 3, 3)))
    assert set(files(FOLDER)) == {"results.parquet", "images.npz", "metrics.json", "paths.parquet"}
    assert json.loads((FOLDER / "metrics.json").read_text()) == {"ok": 1}


def test_the_bytes_do_not_depend_on_the_day(tmp_path, monkeypatch, stored):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_maximization("toy", stored, {"ok": 1}, PATHS))) == 4


@pytest.mark.parametrize("file", ["results.parquet", "images.npz"])
def test_missing_and_damaged_files_are_named_with_the_cure(stored, file):
    refuses_missing_and_damaged(FOLDER / file, "maximize@toy", lambda: read_maximization("toy"))


def test_a_table_without_a_column_is_refused(stored):
    path = FOLDER / "results.parquet"
    needs_columns(path, "maximize@toy", lambda: read_maximization("toy"), COLUMNS["results.parquet"])


def test_paths_are_read_back_whole_or_not_at_all(stored):
    pd.testing.assert_frame_equal(read_paths("toy"), PATHS)
    path = FOLDER / "paths.parquet"
    refuses_missing_and_damaged(path, "maximize@toy", lambda: read_paths("toy"))
    needs_columns(path, "maximize@toy", lambda: read_paths("toy"), COLUMNS["paths.parquet"])
