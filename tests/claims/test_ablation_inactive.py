"""Claim 3 on numbers made by hand: the papers' own table would support it, and a network without such units says so."""

from types import SimpleNamespace

import pytest

from receptive import claims
from receptive.claims import Study, overall
from receptive.claims import ablation_inactive as inactive_units


def found(inactive: int, loss: float | None) -> dict:
    interval = None if loss is None else [loss - 0.01, loss + 0.01]
    return {
        "inactive_units": list(range(inactive)), "units": 64, "images": 1000, "layer": "maxpool", "threshold": 0.0,
        "weakest_maximum": 0.5, "delta_loss": loss, "delta_loss_interval": interval, "delta_loss_random": loss,
        "delta_loss_random_interval": interval, "delta_loss_random_active": 0.003,
        "delta_loss_random_active_interval": [-0.001, 0.01],
        "control": {"units_each": max(1, inactive), "mean": 0.02, "low": 0.01, "high": 0.03},
    }  # fmt: skip


def measure(monkeypatch, by_network: dict, models=("resnet34", "plainnet34"), trainings: int = 1):
    monkeypatch.setattr(inactive_units.artifacts, "read_ablation", lambda name: by_network[name])
    monkeypatch.setattr(inactive_units, "_inactive_before_training", lambda *args: (1, 64))

    def names(network):
        return [network, *(f"{network}-{k}" for k in range(2, trainings + 1))] if network in models else []

    study = Study(SimpleNamespace(models=list(models), seed=0, trainings=names))
    return {(row.network, row.what): row for row in inactive_units.measure(study)}


def test_a_plain_case_is_supported_with_the_papers_numbers_beside(monkeypatch):
    rows = measure(monkeypatch, {"resnet34": found(13, 1.27), "plainnet34": found(2, 0.0)})
    assert overall(rows.values()) == "supported"
    more = rows["resnet34 - plainnet34", "share inactive"]
    assert more.value == pytest.approx(11 / 64)
    assert more.published == pytest.approx(11 / 64)
    harm = rows["resnet34 - plainnet34", "dL"]
    assert harm.value == pytest.approx(1.27)
    assert harm.high - harm.low == pytest.approx(2 * 2**0.5 * 0.01)  # of two independent intervals of +- 0.01
    assert harm.published == pytest.approx(1.26962 + 1.66893e-6)
    assert rows["resnet34", "dL"].control == 0.02


def test_without_an_inactive_unit_nothing_is_measured_and_nothing_is_zero(monkeypatch):
    rows = measure(monkeypatch, {"resnet34": found(0, None), "plainnet34": found(0, None)})
    assert overall(rows.values()) == "undecided"
    for name in ("resnet34", "plainnet34", "resnet34 - plainnet34"):
        assert rows[name, "dL"].verdict == "not measured"
        assert rows[name, "dL"].value is None
        assert "no inactive unit" in rows[name, "dL"].reason
    share = rows["resnet34 - plainnet34", "share inactive"]
    assert share.verdict == "undecided"
    assert share.low < 0 < share.high
    active = rows["resnet34", "the same noise on one active unit a mini-batch"]
    assert not active.decides
    assert active.control == 0.02


def test_one_network_alone_is_named_as_missing_its_other(monkeypatch):
    rows = measure(monkeypatch, {"plainnet34": found(2, 0.0)}, models=("plainnet34",))
    assert overall(rows.values()) == "not measured"
    assert rows["resnet34 - plainnet34", "dL"].reason == "resnet34 is not in this study"


def test_several_trainings_are_put_together(monkeypatch):
    by_network = {}
    for k, name in enumerate(("", "-2", "-3")):
        by_network |= {f"resnet34{name}": found(10 + k, 1.0 + k), f"plainnet34{name}": found(2, 0.0)}
    rows = measure(monkeypatch, by_network, trainings=3)
    harm = rows["resnet34 - plainnet34", "dL"]
    assert (harm.value, harm.seeds, harm.over) == (2, 3, "seeds and images")
    assert harm.verdict == "undecided"  # 1, 2, 3: Student's t at three trainings is wide
    assert claims.table({3: list(rows.values())})["claim"].eq(3).all()
