"""Claims are found by themselves and complete; their rows survive the way through a file."""

import importlib
import inspect
import subprocess
import sys
from enum import StrEnum

import numpy as np
import pandas as pd
import planted
import pytest

from receptive.artifacts.claims import COLUMNS
from receptive.claims import registry
from receptive.claims.row import across_trainings, measured, not_measured, overall
from receptive.errors import ReceptiveError
from receptive.report.claim_figures.drawing import draw

NEW = '''"""Claim 13: units have numbers."""

from receptive.claims.row import Row, measured
from receptive.claims.study import Study

NUMBER = 13
TITLE = "Units have numbers"
STATEMENT = SOURCE = STATISTIC = CONTROL = RULE = "words"


def measure(study: Study) -> list[Row]:
    return [measured("numbers", (2, 1, 3), "units", networks=("resnet34",))]
'''


@pytest.mark.parametrize("claim", registry.claims(), ids=lambda claim: claim.__name__.rpartition(".")[2])
def test_every_claim_says_what_it_is(claim):
    assert isinstance(claim.NUMBER, int)
    for field in ("TITLE", "STATEMENT", "SOURCE", "STATISTIC", "CONTROL", "RULE"):
        words = getattr(claim, field)
        assert isinstance(words, str)
        assert len(words) > 3, field
    assert callable(claim.measure)
    assert claim.__doc__.startswith(f"Claim {claim.NUMBER}: ")


def test_there_are_twelve_and_they_come_by_number():
    assert [claim.NUMBER for claim in registry.claims()] == list(range(1, 13))


@pytest.mark.parametrize("claim", registry.claims(), ids=lambda claim: claim.__name__.rpartition(".")[2])
def test_a_claim_reads_no_files_and_names_its_quantities(claim):
    """It is handed its data by the study, and what a row is of stands in a field."""
    source = inspect.getsource(claim)
    for room in ("receptive.artifacts", "receptive.io", "receptive.figures", "receptive.report"):
        assert room not in source
    if claim.NUMBER != 2:  # which measures as claim 1 does
        assert issubclass(claim.Quantity, StrEnum)


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "more_claims").mkdir()
    (tmp_path / "more_claims" / "__init__.py").write_text('"""Claims."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "more_claims"
    for name in [name for name in sys.modules if name.partition(".")[0] == "more_claims"]:
        del sys.modules[name]


def test_a_thirteenth_claim_is_one_file(package):
    (package / "numbers.py").write_text(NEW)
    (claim,) = registry.claims(importlib.import_module("more_claims"))
    assert claim.TITLE == "Units have numbers"
    study = planted.study(["resnet34"])
    rows = claim.measure(study)
    assert overall(rows) == "supported"
    (axes,) = draw(claim, study, rows).axes  # without a figure of its own its rows are shown
    assert axes.get_xlabel() == "Units have numbers"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["resnet34"]


def test_the_claim_in_the_docs_works_as_it_stands(package):
    docs = (planted.ROOT / "docs/claims.md").read_text()
    (package / "dead_units.py").write_text(docs.split("```python\n")[1].split("```")[0])
    (claim,) = registry.claims(importlib.import_module("more_claims"))
    units = {"resnet34": [0.0, 0.0, 1.0, 2.0], "vggcnn": [0.0, 1.0, 1.0, 1.0], "vggcnn-2": [0.0, 0.0, 0.0, 1.0]}
    study = planted.study(
        {"resnet34": ["resnet34"], "vggcnn": ["vggcnn", "vggcnn-2"]},
        units=lambda training: pd.DataFrame({"max": units[training]}),
    )
    rows = claim.measure(study)
    assert [(row.network, row.value, row.repeats) for row in rows] == [("resnet34", 0.5, 1), ("vggcnn", 0.5, 2)]
    (axes,) = draw(claim, study, rows).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["resnet34", "vggcnn"]
    style = [sys.executable, "-m", "ruff", "check", "--config", str(planted.ROOT / "pyproject.toml"), str(package)]
    assert subprocess.run(style, capture_output=True).returncode == 0


def test_an_incomplete_claim_and_a_number_twice_are_refused(package):
    (package / "numbers.py").write_text(NEW.replace("CONTROL = ", "= ").replace("= = ", "= "))
    with pytest.raises(ReceptiveError, match="numbers lacks CONTROL"):
        registry.claims(importlib.import_module("more_claims"))
    (package / "numbers.py").write_text(NEW)
    (package / "again.py").write_text(NEW)
    del sys.modules["more_claims.numbers"]
    importlib.invalidate_caches()
    with pytest.raises(ReceptiveError, match="both claim 13"):
        registry.claims(sys.modules["more_claims"])


class Quantity(StrEnum):
    IT = "it"


def test_rows_survive_a_file(tmp_path):
    row = measured("x", (1, np.nan, np.nan), "images", networks=("c", "d"), decides=False)
    rows = {
        3: [measured(Quantity.IT, (1, 0.5, 2), "units", control=(0, -1, 1), units=4, p_value=0.1, layer="c1")],
        5: [not_measured("that", "no data", networks=("b",)), across_trainings([row])],
    }
    frame = registry.table(rows)
    assert tuple(frame.columns) == COLUMNS
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert {number: registry.rows_of(back, number) for number in rows} == rows
    assert registry.table({}).empty


def test_metrics_are_numbers_under_names_that_mlflow_takes():
    row = measured("share", (1, 0.5, 2), "units", what="share (of units)", networks=("a", "b"))
    missing = not_measured("x", "none", networks=("c",))
    beside = measured("z", (1, 0.5, 2), "units", networks=("d",), decides=False)
    undecided = {"verdict": 0, "decided": 0, "flips": 0}
    assert registry.metrics({3: [row, missing, beside]}) == {"claim_03": undecided | {"a_-_b.share_of_units": 1}}
    assert registry.metrics({5: [row]})["claim_05"] == {
        "verdict": 1, "decided": 1, "flips": 0, "a_-_b.share_of_units": 1
    }  # fmt: skip
    assert registry.metrics({4: [missing]}) == {"claim_04": {}}
