"""Claim 6 on filters in a ring whose weights follow their likeness, or do not."""

from types import SimpleNamespace

import numpy as np
import pytest

from receptive.claims import Study, overall
from receptive.claims import filters_coupling as coupling
from receptive.io import artifacts

FILTERS, UNITS, PERMUTATIONS = 13, 40, 99


def first() -> np.ndarray:
    """Filters k x q x y x x round a ring: the cosine of two falls with the angle between them."""
    places = np.arange(FILTERS) + np.random.default_rng(1).uniform(-0.2, 0.2, FILTERS)  # no ties
    angles = 2 * np.pi * places / FILTERS
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(27, 2)))[0]
    return (np.stack([np.cos(angles), np.sin(angles)], 1) @ basis.T).reshape(FILTERS, 3, 3, 3)


def weights(like: float, seed: int = 0, sign: bool = False) -> np.ndarray:
    """Weights p x k x 1 x 1: each unit's own favourite filter, and the others as they are like it, and by chance."""
    rng = np.random.default_rng(seed)
    flat = first().reshape(FILTERS, -1)
    favourite = rng.integers(0, FILTERS, UNITS)
    following = (flat @ flat.T)[favourite]
    found = like * following + (1 - abs(like)) * rng.normal(0, 0.3, following.shape)
    found[np.arange(UNITS), favourite] = 2
    if sign:
        found *= rng.choice([-1, 1], (UNITS, 1))
    return found[..., None, None]


def measure(monkeypatch, trained, untrained, models=("resnet34",), trainings=1):
    layers = {True: trained, False: untrained}

    def read(network, names, after=True):
        assert names == ["conv1.weight", "projection.weight"]
        return [first(), layers[after]]

    names = {"first": "conv1.weight", "second": "projection.weight"}
    monkeypatch.setattr(artifacts, "read_filters", lambda network: ({}, names))
    monkeypatch.setattr(artifacts, "read_weights", read)
    copies = [""] + [f"-{k}" for k in range(2, trainings + 1)]
    params = SimpleNamespace(
        models=list(models),
        seed=2,
        claims=SimpleNamespace(permutations=PERMUTATIONS),
        trainings=lambda name: [name + copy for copy in copies],
    )
    planted = Study(params)
    rows = coupling.measure(planted)
    return planted, rows, {(row.network, row.what): row for row in rows}


def test_weights_that_follow_likeness(monkeypatch):
    planted, rows, found = measure(monkeypatch, weights(1.0), weights(0.0, seed=1))
    row = found["resnet34", "weight and similarity"]
    assert row.value + row.control == pytest.approx(1)  # perfect but for what dealing at random gives
    assert abs(row.control) < 0.2
    # the interval is the spread of dealing at random, laid around what is beyond it
    assert row.low == pytest.approx(1 - row.control_high)
    assert row.high == pytest.approx(1 - row.control_low)
    assert row.p_value == 1 / (PERMUTATIONS + 1)
    assert (row.units, row.decides, row.verdict) == (UNITS, True, "supported")
    before = found["resnet34", "before training"]
    assert abs(before.value) < 0.2
    assert before.p_value > 0.01
    learned = found["resnet34", "trained - before training"]
    assert learned.value == pytest.approx(row.value - before.value)
    assert learned.decides
    assert overall(rows) == "supported"
    assert coupling.figure(planted, rows).get_size_inches()[0] > 5


def test_the_sign_of_a_units_weights_does_not_matter(monkeypatch):
    """A unit that wants all its filters turned round couples them as one that wants them as they are."""
    _, _, found = measure(monkeypatch, weights(1.0, sign=True), weights(0.0, seed=1))
    assert found["resnet34", "weight and similarity"].value > 0.8


def test_without_sign_opposite_filters_are_coupled_as_strongly(monkeypatch):
    _, _, found = measure(monkeypatch, weights(1.0), weights(1.0))
    by_size = found["resnet34", "size of weight and similarity"]
    assert by_size.value + by_size.control < 0.5
    assert not by_size.decides
    assert found["resnet34", "trained - before training"].verdict == "undecided"  # nothing was learned


def test_weights_that_shun_likeness_contradict(monkeypatch):
    _, rows, _ = measure(monkeypatch, weights(-1.0), weights(0.0, seed=1))
    assert overall(rows) == "contradicted"


def test_without_resnet_it_is_not_measured_and_others_stand_beside(monkeypatch):
    _, rows, found = measure(monkeypatch, weights(1.0), weights(0.0), models=("vggcnn",))
    assert overall(rows) == "not measured"
    assert "resnet34" in found["resnet34", "weight and similarity"].reason
    assert not found["vggcnn", "weight and similarity"].decides


def test_several_trainings(monkeypatch):
    _, _, found = measure(monkeypatch, weights(1.0), weights(0.0, seed=1), trainings=2)
    row = found["resnet34", "weight and similarity"]
    assert (row.seeds, row.over) == (2, "seeds and first filters, dealt at random")
