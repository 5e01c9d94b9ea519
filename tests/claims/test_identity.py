"""Claim 4 on tables with a planted identity."""

import pandas as pd
import planted
import pytest
from planted import identities, pick

from receptive.claims import identity
from receptive.claims.identity import Quantity
from receptive.claims.row import overall

BOTH = "resnet34 - plainnet34"


def measure(made, trainings=None):
    study = planted.study(trainings or list(made), identity=lambda training, table: made[training][table])
    return identity.measure(study)


def test_a_planted_identity_is_found_beside_its_control():
    rows = measure(
        {
            "resnet34": identities({"trained": 0.6, "untrained": 0.4}),
            "plainnet34": identities({"trained": 0.0, "untrained": 0.1}, seed=1),
        }
    )
    for quantity in Quantity:
        own, pair = pick(rows, "resnet34", quantity), pick(rows, BOTH, quantity)
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
        assert not pick(rows, "plainnet34", quantity).decides
        assert own.images == pair.images == (300 if quantity == Quantity.RESPONSES else None)
    assert overall(rows) == "supported"


def test_stimuli_and_responses_are_kept_apart():
    made = identities({"trained": 0.2, "untrained": 0.1})
    made["units"].loc[made["units"]["measure"] == "stimuli", "own"] += 0.4
    rows = measure({"resnet34": made})
    assert pick(rows, "resnet34", Quantity.RESPONSES).value == pytest.approx(0.2, abs=0.03)
    assert pick(rows, "resnet34", Quantity.STIMULI).value == pytest.approx(0.6, abs=0.03)


def test_groups_count_alike_whatever_their_size():
    made = identities({"trained": 0.0, "untrained": 0.0}, units=(20, 400))
    wide = made["units"]["group"] == "b"
    made["units"].loc[wide, "own"] = made["units"].loc[wide, "others"] + 1
    made["units"].loc[~wide, "own"] = made["units"].loc[~wide, "others"]
    assert pick(measure({"resnet34": made}), "resnet34", Quantity.RESPONSES).value == pytest.approx(0.5)


def test_plainnet_alike_is_no_support():
    rows = measure({name: identities({"trained": 0.5, "untrained": 0.5}) for name in ("resnet34", "plainnet34")})
    assert pick(rows, BOTH, Quantity.RESPONSES).verdict == "undecided"
    assert overall(rows) == "undecided"


def test_missing_networks_and_networks_without_pairs_are_named():
    nothing = {"units": identities({"trained": 0.0})["units"].iloc[:0], "tests": pd.DataFrame(columns=["group"])}
    rows = measure({"alexcnn": nothing})
    assert "resnet34" in pick(rows, "resnet34", Quantity.RESPONSES).reason
    assert pick(rows, "alexcnn", Quantity.RESPONSES).reason.startswith("no two layers")
    assert pick(rows, "alexcnn", Quantity.STIMULI).reason.endswith("whose stimuli are known")
    assert overall(rows) == "not measured"


@pytest.mark.slow
def test_several_trainings():
    names = ["resnet34", "resnet34-2", "plainnet34", "plainnet34-2"]
    made = {
        name: identities({"trained": 0.3 * name.startswith("res"), "untrained": 0.0}, k) for k, name in enumerate(names)
    }
    rows = measure(made, planted.repeated("resnet34", "plainnet34", times=2))
    for network in ("resnet34", BOTH):
        row = pick(rows, network, Quantity.RESPONSES)
        assert (row.repeats, row.over) == (2, "trainings and units")
        assert row.value == pytest.approx(0.3, abs=0.05)
