"""data/deconvolution: tables and arrays are read back, with or without a known subject."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice
from tables import table_of

from receptive.artifacts.deconvolution import (
    COLUMNS,
    Deconvolution,
    UnitPatches,
    read_deconvolution,
    read_energy,
    read_representations,
    read_unit_patches,
    write_deconvolution,
)

FOLDER = Path("data/deconvolution/toy")
STAGE = "deconvolve@toy"
ROWS = table_of(COLUMNS["units.parquet"], 3).assign(layer=["c1", "c2", "c1"])
PATCHES = {"c1": np.arange(8, dtype=np.float16).reshape(2, 2, 2, 1), "c2": np.ones((1, 4, 4, 1), np.float16)}
CONTENT = Deconvolution(
    images=table_of(COLUMNS["images.parquet"], 2),
    representations={"c2": np.ones((2, 4, 4, 1), np.float32), "c1": np.zeros((2, 4, 4, 1), np.float32)},
    energy=table_of(COLUMNS["energy.parquet"], 4),
    predictions=table_of(COLUMNS["predictions.parquet"], 5),
    units=UnitPatches(ROWS, PATCHES),
    metrics={"energy_outside.c1": 0.5},
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_deconvolution("toy", CONTENT) == FOLDER


def test_everything_is_read_back(stored):
    for name, table in (("images", CONTENT.images), ("predictions", CONTENT.predictions), ("units", ROWS)):
        pd.testing.assert_frame_equal(read_deconvolution("toy", name), table)
    pd.testing.assert_frame_equal(read_energy("toy"), CONTENT.energy)
    representations = read_representations("toy")
    assert list(representations) == ["c2", "c1"]  # as they were given
    for layer, values in CONTENT.representations.items():
        np.testing.assert_array_equal(representations[layer], values)


def test_patches_of_a_layer_come_with_its_rows(stored):
    found = read_unit_patches("toy", "c1")
    pd.testing.assert_frame_equal(found.rows, ROWS.iloc[[0, 2]])
    np.testing.assert_array_equal(found.patches, PATCHES["c1"])
    assert found.patches.dtype == np.float16
    assert read_unit_patches("toy", "dead") is None


def test_without_a_subject_there_is_no_energy(stored):
    write_deconvolution("toy", replace(CONTENT, energy=None, metrics={}))
    assert read_energy("toy") is None
    assert not (FOLDER / "metrics.json").exists()
    assert set(files(FOLDER)) == {
        "images.parquet", "predictions.parquet", "representations.npz", "units.parquet", "units.npz",
    }  # fmt: skip


def test_the_same_content_is_written_twice_with_the_same_bytes(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_deconvolution("toy", CONTENT))) == 7


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("images.parquet", lambda: read_deconvolution("toy", "images")),
        ("predictions.parquet", lambda: read_deconvolution("toy", "predictions")),
        ("units.parquet", lambda: read_deconvolution("toy", "units")),
        ("representations.npz", lambda: read_representations("toy")),
        ("units.npz", lambda: read_unit_patches("toy", "c1")),
    ],
)
def test_missing_and_damaged_files_are_named_with_the_cure(stored, name, read):
    refuses_missing_and_damaged(FOLDER / name, STAGE, read)
    if name in COLUMNS:
        needs_columns(FOLDER / name, STAGE, read, COLUMNS[name])


def test_an_energy_without_a_column_is_refused(stored):
    needs_columns(FOLDER / "energy.parquet", STAGE, lambda: read_energy("toy"), COLUMNS["energy.parquet"])
