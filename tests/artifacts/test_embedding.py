"""data/embedding: the tables, and per layer a table of points and its grids."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice
from tables import table_of

from receptive.artifacts.deconvolution import UnitPatches
from receptive.artifacts.embedding import (
    COLUMNS,
    Embedding,
    LayerMap,
    read_embedding,
    read_grids,
    read_neighbours,
    read_region_patches,
    write_embedding,
)

FOLDER = Path("data/embedding/toy")
STAGE = "embed@toy"
TABLES = ("layers", "regions", "region_units", "purity", "purity_images")
GRIDS = {"regions": np.zeros((1, 2, 2), np.int64), "grid_4": np.arange(16).reshape(4, 4)}
CONTENT = Embedding(
    **{name: table_of(COLUMNS[f"{name}.parquet"], 2 + at) for at, name in enumerate(TABLES)},
    maps={"c1.relu": LayerMap(table_of(COLUMNS["<layer>.parquet"], 5), GRIDS)},
    units=UnitPatches(table_of(COLUMNS["units.parquet"], 3), {"c1.relu": np.ones((3, 2, 2, 3), np.float16)}),
    purity_neighbours={"trained/c1.relu": np.array([[1, 2], [0, -1], [0, 1]], np.int32)},
    metrics={"purity.c1": 0.5},
)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_embedding("toy", CONTENT) == FOLDER


def test_everything_is_read_back(stored):
    for name in TABLES:
        pd.testing.assert_frame_equal(read_embedding("toy", name), getattr(CONTENT, name))
    pd.testing.assert_frame_equal(read_embedding("toy", "c1.relu"), CONTENT.maps["c1.relu"].points)
    grids = read_grids("toy", "c1.relu")
    assert list(grids) == list(GRIDS)
    for name, values in GRIDS.items():
        np.testing.assert_array_equal(grids[name], values)
    units = read_region_patches("toy")
    pd.testing.assert_frame_equal(units.rows, CONTENT.units.rows)
    np.testing.assert_array_equal(units.patches["c1.relu"], CONTENT.units.patches["c1.relu"])
    neighbours = read_neighbours("toy")
    assert list(neighbours) == ["trained/c1.relu"]
    np.testing.assert_array_equal(neighbours["trained/c1.relu"], [[1, 2], [0, -1], [0, 1]])
    names = {*COLUMNS} - {"<layer>.parquet"} | {"c1.relu.parquet", "c1.relu.npz", "units.npz", "metrics.json"}
    names |= {"purity_neighbours.npz"}
    assert set(files(FOLDER)) == names


def test_the_same_content_is_written_twice_with_the_same_bytes(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_embedding("toy", CONTENT))) == 11


@pytest.mark.parametrize("name", [*TABLES, "units", "c1.relu"])
def test_tables_are_refused_where_they_lack_something(stored, name):
    path, columns = FOLDER / f"{name}.parquet", COLUMNS.get(f"{name}.parquet", COLUMNS["<layer>.parquet"])

    def read():
        return read_embedding("toy", name)

    refuses_missing_and_damaged(path, STAGE, read)
    needs_columns(path, STAGE, read, columns)


def test_missing_and_damaged_arrays_are_named_with_the_cure(stored):
    refuses_missing_and_damaged(FOLDER / "c1.relu.npz", STAGE, lambda: read_grids("toy", "c1.relu"))
    refuses_missing_and_damaged(FOLDER / "purity_neighbours.npz", STAGE, lambda: read_neighbours("toy"))
    refuses_missing_and_damaged(FOLDER / "units.npz", STAGE, lambda: read_region_patches("toy"))
