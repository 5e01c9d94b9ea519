"""data/ablation: the numbers of one network, and those that are tracked."""

import json
from pathlib import Path

import pytest
from contracts import files, refuses_missing_and_damaged

from receptive.artifacts.ablation import read_ablation, write_ablation

FOLDER = Path("data/ablation/toy")
ABLATION = {"network": "toy", "inactive_units": [1, 4], "delta_loss": 0.25, "control": {"low": None}}


@pytest.fixture(autouse=True)
def _stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_ablation("toy", ABLATION, {"inactive_units": 2}) == FOLDER


def test_the_numbers_are_read_back():
    assert read_ablation("toy") == ABLATION
    assert set(files(FOLDER)) == {"inactive.json", "metrics.json"}
    assert json.loads((FOLDER / "metrics.json").read_text()) == {"inactive_units": 2}


def test_missing_and_damaged_files_are_named_with_the_cure():
    refuses_missing_and_damaged(FOLDER / "inactive.json", "ablate@toy", lambda: read_ablation("toy"))
