"""Claims are found by themselves, complete, judged by intervals alone, and survive the way through a file."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from receptive import claims
from receptive.claims import Row, Study, across_seeds, decide, measured, not_measured, overall
from receptive.errors import ReceptiveError
from receptive.io import artifacts

NEW = '''"""Claim 13: units have numbers."""

from receptive.claims import Row, Study, measured

NUMBER = 13
TITLE = "Units have numbers"
STATEMENT = SOURCE = STATISTIC = CONTROL = RULE = "words"


def measure(study: Study) -> list[Row]:
    return [measured("resnet34", "numbers", (2, 1, 3), "units")]


def figure(study, rows):
    return len(rows)
'''


def study(*networks: str, trainings: int = 1) -> Study:
    def names(network: str) -> list[str]:
        return [network, *(f"{network}-{k}" for k in range(2, trainings + 1))] if network in networks else []

    return Study(SimpleNamespace(models=list(networks), seed=0, trainings=names))


@pytest.mark.parametrize("name", [info.name for info in pkgutil.iter_modules(claims.__path__)])
def test_every_claim_says_what_it_is(name):
    module = importlib.import_module(f"receptive.claims.{name}")
    assert isinstance(module.NUMBER, int)
    for field in ("TITLE", "STATEMENT", "SOURCE", "STATISTIC", "CONTROL", "RULE"):
        words = getattr(module, field)
        assert isinstance(words, str)
        assert len(words) > 3, field
    assert callable(module.measure)
    assert callable(module.figure)
    assert module.__doc__.startswith(f"Claim {module.NUMBER}: ")


def test_claims_come_by_number():
    numbers = [claim.NUMBER for claim in claims.claims()]
    assert numbers == sorted(set(numbers))
    assert {3, 6, 10, 12} <= set(numbers)


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
    found = claims.claims(importlib.import_module("more_claims"))
    assert [claim.TITLE for claim in found] == ["Units have numbers"]
    assert overall(found[0].measure(study("resnet34"))) == "supported"


def test_the_claim_in_the_docs_works_as_it_stands(package, monkeypatch):
    docs = (Path(__file__).parents[2] / "docs/claims.md").read_text()
    (package / "dead_units.py").write_text(docs.split("```python\n")[1].split("```")[0])
    (claim,) = claims.claims(importlib.import_module("more_claims"))
    units = pd.DataFrame({"max": [0.0, 0.0, 1.0, 2.0]})
    monkeypatch.setattr(artifacts, "read_units", lambda network: units)
    rows = claim.measure(study("resnet34", "vggcnn"))
    assert [(row.network, row.value) for row in rows] == [("resnet34", 0.5), ("vggcnn", 0.5)]
    assert claim.figure(study("resnet34"), rows).axes
    style = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--config",
        str(Path(__file__).parents[2] / "pyproject.toml"),
        str(package),
    ]
    assert subprocess.run(style, capture_output=True).returncode == 0


def test_an_incomplete_claim_and_a_number_twice_are_refused(package):
    (package / "numbers.py").write_text(NEW.replace("CONTROL = ", "= ").replace("= = ", "= "))
    with pytest.raises(ReceptiveError, match="numbers lacks CONTROL"):
        claims.claims(importlib.import_module("more_claims"))
    (package / "numbers.py").write_text(NEW)
    (package / "again.py").write_text(NEW)
    del sys.modules["more_claims.numbers"]
    importlib.invalidate_caches()
    with pytest.raises(ReceptiveError, match="both claim 13"):
        claims.claims(sys.modules["more_claims"])


@pytest.mark.parametrize(
    ("low", "high", "threshold", "verdict"),
    [
        (0.1, 0.3, 0, "supported"),
        (-0.3, -0.1, 0, "contradicted"),
        (-0.1, 0.1, 0, "undecided"),
        (0.0, 0.1, 0, "undecided"),  # touches
        (0.1, 0.3, 0.2, "undecided"),
        (0.1, 0.3, 0.05, "supported"),
        (0.1, 0.3, 0.35, "contradicted"),
        (None, None, 0, "undecided"),
        (float("nan"), float("nan"), 0, "undecided"),
    ],
)
def test_the_verdict_is_the_interval_s(low, high, threshold, verdict):
    assert decide(low, high, threshold) == verdict


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ("", "not measured"),
        ("n", "not measured"),
        ("s", "supported"),
        ("ss", "supported"),
        ("sn", "undecided"),
        ("su", "undecided"),
        ("sc", "undecided"),
        ("c", "contradicted"),
        ("cu", "contradicted"),
        ("cn", "contradicted"),
        ("un", "undecided"),
    ],
)
def test_a_claim_is_judged_by_the_rows_that_decide(verdicts, whole):
    words = {"s": "supported", "c": "contradicted", "u": "undecided", "n": "not measured"}
    rows = [Row(network="net", what=str(i), verdict=words[letter]) for i, letter in enumerate(verdicts)]
    beside = [Row(network="net", what="beside", verdict=word, decides=False) for word in words.values()]
    assert overall(rows + beside) == whole


def test_one_training_stays_as_it_is():
    row = measured("resnet34", "it", (2, 1, 3), "images")
    assert across_seeds([row]) is row


def test_several_trainings_give_an_interval_over_seeds():
    spread = 4.3027 / 3**0.5  # Student's t, two degrees of freedom, standard deviation 1
    for over, within in (("images", 5), ("units", 5 / 3**0.5)):  # images are shared, units each training's own
        rows = [
            measured(name, "it", (value, value - 5, value + 5), over, control=0.5, images=9, published=7.0)
            for name, value in (("resnet34", 1), ("resnet34-2", 2), ("resnet34-3", 3))
        ]
        assert {row.verdict for row in rows} == {"undecided"}
        one = across_seeds(rows)
        assert (one.network, one.over, one.seeds, one.value) == ("resnet34", f"seeds and {over}", 3, 2)
        assert (one.low, one.high) == pytest.approx((2 - np.hypot(spread, within), 2 + np.hypot(spread, within)), 1e-4)
        assert one.verdict == "undecided"
        assert (one.images, one.published, one.control) == (9, 7.0, 0.5)


def test_one_training_speaks_of_itself_alone():
    one, several = measured("a", "it", (1, 0.5, 2), "images"), measured("a", "so", (1, 0.5, 2), "images", seeds=3)
    beside, nothing = measured("b", "it", (1, 0.5, 2), "units", decides=False), not_measured("c", "it", "no data")
    assert claims.speaks_of([several, nothing, beside]) == "networks trained like these"
    assert claims.speaks_of([several, one]) == "these trained networks alone"
    assert claims.speaks_of([nothing, beside]) == ""


def test_trainings_that_agree_by_chance_promise_nothing():
    rows = [measured(name, "it", (0.1, -0.2, 0.3), "units") for name in ("a", "a-2")]
    one = across_seeds(rows)
    assert (one.low, one.high) == pytest.approx((0.1 - 0.3 / 2**0.5, 0.1 + 0.2 / 2**0.5))
    assert one.verdict == "undecided"


def test_trainings_without_a_number_are_named():
    rows = [
        measured("a - b", "it", (1, 0.5, 2), "images"),
        not_measured("a-2 - b-2", "it", "no unit"),
        measured("a-3 - b-3", "it", (1.2, 0.5, 2), "images"),
    ]
    one = across_seeds(rows)
    assert (one.network, one.seeds) == ("a - b", 2)
    assert "a-2 - b-2: no unit" in one.reason
    none = across_seeds([rows[1], not_measured("a-3 - b-3", "it", "no unit")])
    assert (none.network, none.verdict, none.value) == ("a - b", "not measured", None)


def test_rows_survive_a_file(tmp_path):
    rows = {
        3: [measured("a", "it", (1, 0.5, 2), "units", control=(0, -1, 1), units=4, p_value=0.1)],
        5: [not_measured("b", "that", "no data"), measured("c", "x", (1, np.nan, np.nan), "seeds", decides=False)],
    }
    claims.table(rows).to_parquet(tmp_path / "rows.parquet", index=False)
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert {number: claims.rows_of(back, number) for number in rows} == rows
    assert claims.table({}).empty


def test_metrics_are_numbers_under_names_that_mlflow_takes():
    rows = {3: [measured("a - b", "share (of units)", (1, 0.5, 2), "units"), not_measured("c", "x", "none")]}
    assert claims.metrics(rows) == {"claim_03": {"verdict": 0, "a_-_b.share_of_units": 1}}
    assert claims.metrics({4: [not_measured("c", "x", "none")]}) == {"claim_04": {}}


def test_a_study_knows_its_networks_and_what_it_lacks():
    it = study("resnet34", "vggcnn", trainings=2)
    assert it.networks == ["resnet34", "vggcnn"]
    assert it.replicas("resnet34") == ["resnet34", "resnet34-2"]
    assert it.replicas("alexcnn") == []
    assert it.missing("vggcnn") == ""
    assert it.missing("vggcnn", "alexcnn") == "alexcnn is not in this study"
    assert it.chance("x").random() == it.chance("x").random() != it.chance("y").random()
