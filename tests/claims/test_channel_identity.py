"""Claim 4 on tables with a planted identity."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from receptive.claims import identity
from receptive.claims.study import Study
from receptive.claims.row import overall
from receptive.io import artifacts


def tables(apart: dict[str, float], seed=0, units=(40, 60), measures=("responses", "stimuli")):
    """identity/<network> with so much own-minus-others in every state; channels vary by 0.1 in all their pairs."""
    rng = np.random.default_rng(seed)
    rows, tests = [], []
    for state, gap in apart.items():
        for measure in measures:
            for group, count in zip(("a", "b"), units, strict=True):
                channel = rng.normal(0, 0.1, count)
                for pair in range(3):
                    others = rng.normal(0.3, 0.05, count)
                    own = others + gap + channel + 0.1 * (pair - 1)  # farther pairs are more alike
                    heading = {"state": state, "measure": measure, "group": group, "unit": np.arange(count)}
                    depths = {"depth": pair, "other_depth": pair + 2}
                    rows.append(pd.DataFrame({**heading, **depths, "own": own, "others": others}))
            tests.append({"state": state, "measure": measure, "group": "all", "p_value": 0.25})
    units_table = pd.concat(rows, ignore_index=True)
    units_table.loc[units_table["unit"] == 3, "own"] = np.nan  # a dead channel in both groups
    return {"units": units_table, "tests": pd.DataFrame(tests)}


def measured(monkeypatch, made, models=None):
    models = models or [name for name in made if "-" not in name]
    monkeypatch.setattr(artifacts, "read_identity", lambda network, table="units": made[network][table])
    params = SimpleNamespace(
        models=models,
        seed=0,
        claims=SimpleNamespace(resamples=500),
        identity=SimpleNamespace(images=300),
        trainings=lambda name: [other for other in made if other.partition("-")[0] == name],
    )
    rows = identity.measure(Study(params))
    return rows, {(row.network, row.what): row for row in rows}


def test_a_planted_identity_is_found_beside_its_control(monkeypatch):
    made = {
        "resnet34": tables({"trained": 0.6, "untrained": 0.4}),
        "plainnet34": tables({"trained": 0.0, "untrained": 0.1}, seed=1),
    }
    rows, found = measured(monkeypatch, made)
    for what in identity.MEASURES.values():
        own, pair = found["resnet34", what], found["resnet34 - plainnet34", what]
        assert own.value == pytest.approx(0.6, abs=0.03)
        assert own.control == pytest.approx(0.4, abs=0.03)
        assert own.units == 98  # two dead
        assert own.low < own.value < own.high
        assert own.high - own.low == pytest.approx(2 * 1.96 * 0.1 * (1 / 40 + 1 / 60) ** 0.5 / 2, rel=0.35)
        assert own.p_value == 0.25
        assert pair.value == pytest.approx(0.6, abs=0.05)
        assert pair.control == pytest.approx(0.3, abs=0.05)
        assert own.decides
        assert pair.decides
        assert not found["plainnet34", what].decides
    assert overall(rows) == "supported"


def test_stimuli_and_responses_are_kept_apart(monkeypatch):
    made = tables({"trained": 0.2, "untrained": 0.1})
    made["units"].loc[made["units"]["measure"] == "stimuli", "own"] += 0.4
    _, found = measured(monkeypatch, {"resnet34": made})
    assert found["resnet34", identity.MEASURES["responses"]].value == pytest.approx(0.2, abs=0.03)
    assert found["resnet34", identity.MEASURES["stimuli"]].value == pytest.approx(0.6, abs=0.03)


def test_groups_count_alike_whatever_their_size(monkeypatch):
    made = tables({"trained": 0.0, "untrained": 0.0}, units=(20, 400))
    wide = made["units"]["group"] == "b"
    made["units"].loc[wide, "own"] = made["units"].loc[wide, "others"] + 1
    made["units"].loc[~wide, "own"] = made["units"].loc[~wide, "others"]
    _, found = measured(monkeypatch, {"resnet34": made})
    assert found["resnet34", "responses"].value == pytest.approx(0.5)


def test_plainnet_alike_is_no_support(monkeypatch):
    both = {name: tables({"trained": 0.5, "untrained": 0.5}) for name in ("resnet34", "plainnet34")}
    rows, found = measured(monkeypatch, both)
    assert found["resnet34 - plainnet34", "responses"].verdict == "undecided"
    assert overall(rows) == "undecided"


def test_missing_networks_and_networks_without_pairs_are_named(monkeypatch):
    nothing = {"units": tables({"trained": 0.0})["units"].iloc[:0], "tests": pd.DataFrame(columns=["group"])}
    rows, found = measured(monkeypatch, {"alexcnn": nothing})
    assert "resnet34" in found["resnet34", "responses"].reason
    assert found["alexcnn", "responses"].reason.startswith("no two layers")
    assert overall(rows) == "not measured"


def test_several_trainings(monkeypatch):
    names = ["resnet34", "resnet34-2", "plainnet34", "plainnet34-2"]
    made = {
        name: tables({"trained": 0.3 * name.startswith("res"), "untrained": 0.0}, k) for k, name in enumerate(names)
    }
    _, found = measured(monkeypatch, made)
    for network in ("resnet34", "resnet34 - plainnet34"):
        row = found[network, "responses"]
        assert (row.seeds, row.over) == (2, "seeds and units")
        assert row.value == pytest.approx(0.3, abs=0.05)
