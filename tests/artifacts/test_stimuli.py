"""data/stimuli: one file per layer, one layer in memory at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracts import files, needs_columns, refuses_missing_and_damaged, written_twice

from receptive.artifacts.stimuli import (
    COLUMNS,
    LayerStimuli,
    has_stimuli,
    read_choices,
    read_stimuli,
    write_choices,
    write_stimuli,
)
from receptive.errors import ReceptiveError

FOLDER = Path("data/stimuli/toy")
LAYERS = [
    LayerStimuli("c1.relu", {"patches": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3), "unit": np.arange(2)}),
    LayerStimuli("c2", {"unit": np.arange(3), "mean_center": np.zeros(0)}),
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_stimuli_are_read_back_layer_by_layer(project):
    assert write_stimuli("toy", iter(LAYERS)) == FOLDER
    assert set(files(FOLDER)) == {"c1.relu.npz", "c2.npz"}
    for layer, arrays in LAYERS:
        assert has_stimuli("toy", layer)
        stored = read_stimuli("toy", layer)
        assert list(stored) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(stored[name], values)
            assert stored[name].dtype == values.dtype
    assert not has_stimuli("toy", "c3")
    assert not has_stimuli("other", "c2")


def test_what_breaks_off_leaves_the_stimuli_before(project):
    write_stimuli("toy", LAYERS)
    before = files(FOLDER)

    def broken():
        yield LayerStimuli("c9", {"unit": np.arange(1)})
        raise ReceptiveError("no")

    with pytest.raises(ReceptiveError, match="no"):
        write_stimuli("toy", broken())
    assert files(Path("data/stimuli")) == {f"toy/{name}": content for name, content in before.items()}


def test_the_bytes_do_not_depend_on_the_day(tmp_path, monkeypatch):
    assert len(written_twice(tmp_path, monkeypatch, lambda: write_stimuli("toy", LAYERS))) == 2


def test_missing_and_damaged_files_are_named_with_the_cure(project):
    write_stimuli("toy", LAYERS)
    refuses_missing_and_damaged(FOLDER / "c2.npz", "stimuli@toy", lambda: read_stimuli("toy", "c2"))


def test_choices_stand_beside_the_stimuli(project):
    write_stimuli("toy", LAYERS)
    table = pd.DataFrame([("toy", "trained", "c2", "c2", 2, "conv", 0, 0.75)], columns=COLUMNS["choices.parquet"])
    write_choices("toy", table, {"right.trained.c2": 0.75})
    assert set(files(FOLDER)) == {"c1.relu.npz", "c2.npz", "choices.parquet", "metrics.json"}
    assert read_choices("toy").equals(table)
    path = FOLDER / "choices.parquet"
    refuses_missing_and_damaged(path, "stimuli@toy", lambda: read_choices("toy"))
    needs_columns(path, "stimuli@toy", lambda: read_choices("toy"), COLUMNS["choices.parquet"])
