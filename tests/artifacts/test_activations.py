"""data/activations: round trip, the same bytes, and damage told in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import needs_columns, refuses_missing_and_damaged, written_twice

from receptive.artifacts import activations
from receptive.artifacts.activations import (
    COLUMNS,
    Activations,
    read_effective_fields,
    read_energies,
    read_histograms,
    read_preferred,
    read_units,
    read_zeros,
    write_activations,
)

FOLDER = Path("data/activations/toy")
READERS = {
    "units.parquet": read_units,
    "preferred.parquet": read_preferred,
    "zeros.parquet": read_zeros,
    "effective_fields.parquet": read_effective_fields,
    "histograms.npz": read_histograms,
    "energies.npz": read_energies,
}


def table(file: str) -> pd.DataFrame:
    words = {"network", "layer", "alias", "kind", "state"}
    return pd.DataFrame({name: ["a", "b"] if name in words else [3, 1] for name in COLUMNS[file]})


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Activations that are written below the current folder."""
    monkeypatch.chdir(tmp_path)
    histograms = {"edges": np.arange(4.0), "c1.relu": np.arange(6).reshape(2, 3)}
    energies = {"trained c1.relu": np.arange(4, dtype=np.float32).reshape(2, 2) / 6}
    content = Activations(*map(table, COLUMNS), histograms, energies)
    assert write_activations("toy", content) == FOLDER
    return content


def test_activations_are_read_back(stored):
    pd.testing.assert_frame_equal(read_units("toy"), stored.units)
    pd.testing.assert_frame_equal(read_preferred("toy"), stored.preferred)
    pd.testing.assert_frame_equal(read_zeros("toy"), stored.zeros)
    pd.testing.assert_frame_equal(read_effective_fields("toy"), stored.effective_fields)
    np.testing.assert_array_equal(read_energies("toy")["trained c1.relu"], stored.energies["trained c1.relu"])
    histograms = read_histograms("toy")
    assert list(histograms) == ["edges", "c1.relu"]
    for name, values in stored.histograms.items():
        np.testing.assert_array_equal(histograms[name], values)


def test_the_bytes_do_not_depend_on_the_day(tmp_path, monkeypatch, stored):
    written = written_twice(tmp_path, monkeypatch, lambda: write_activations("toy", stored))
    assert set(written) == {f"{FOLDER}/{name}" for name in READERS}


@pytest.mark.parametrize("file", READERS)
def test_missing_and_damaged_files_are_named_with_the_cure(stored, file):
    refuses_missing_and_damaged(FOLDER / file, "extract@toy", lambda: READERS[file]("toy"))


@pytest.mark.parametrize("file", COLUMNS)
def test_a_table_without_a_column_is_refused(stored, file):
    needs_columns(FOLDER / file, f"{activations.STAGE}@toy", lambda: READERS[file]("toy"), COLUMNS[file])
