"""Claim 1 on tables of planted units: the counts, the intervals, and what decides."""

import numpy as np
import planted
import pytest
from planted import TUNED, pick, tuned

from receptive.claims import selectivity_opponency, selectivity_orientation
from receptive.claims.row import overall
from receptive.claims.selectivity_orientation import Quantity


def study(made, trainings=None):
    return planted.study(trainings or list(made), selectivity=made.__getitem__, layers=lambda training: TUNED)


@pytest.mark.parametrize("claim", [selectivity_orientation, selectivity_opponency])
def test_planted_shares_are_found_and_decide(claim):
    rows = claim.measure(study({"resnet34": tuned({"trained": 0.5, "untrained": 0.1, "shuffled": 0.2})}))
    deciding = [row for row in rows if row.decides]
    assert [(row.quantity, row.beyond) for row in deciding] == [(Quantity.LOW, "untrained"), (Quantity.LOW, "shuffled")]
    # two low layers of 40 judged units each; the silent ones are not counted
    assert [row.value for row in deciding] == pytest.approx([0.4, 0.3])
    assert [row.units for row in deciding] == [80, 80]
    assert all(row.low < row.value < row.high for row in deciding)
    assert overall(rows) == "supported"
    assert {row.over for row in rows} == {"units"}
    assert "40 of 80 units" in deciding[0].reason
    assert "untrained 8 of 80" in deciding[0].reason
    assert pick(rows, "resnet34", Quantity.LAYER, "a", "shuffled").what == "a, trained - shuffled"
    assert pick(rows, "resnet34", Quantity.HIGH, beyond="untrained").units == 40
    assert {row.layer for row in rows if row.quantity == Quantity.LAYER} == {"a", "b"}  # c's field leaves the image


def test_both_controls_must_be_exceeded():
    rows = selectivity_orientation.measure(
        study({"resnet34": tuned({"trained": 0.5, "untrained": 0.5, "shuffled": 0.1})})
    )
    assert overall(rows) == "undecided"


def test_a_smaller_share_contradicts():
    rows = selectivity_orientation.measure(
        study({"resnet34": tuned({"trained": 0.1, "untrained": 0.5, "shuffled": 0.5})})
    )
    assert overall(rows) == "contradicted"


def test_other_networks_decide_nothing_and_a_missing_one_is_named():
    made = {"plainnet34": tuned({"trained": 0.5, "untrained": 0.1, "shuffled": 0.1})}
    rows = selectivity_orientation.measure(study(made))
    deciding = [row for row in rows if row.decides]
    assert {(row.network, row.verdict, row.reason) for row in deciding} == {
        ("resnet34", "not measured", "resnet34 is not in this study")
    }
    assert overall(rows) == "not measured"
    assert pick(rows, "plainnet34", Quantity.LOW, beyond="untrained").verdict == "supported"


def test_several_trainings_are_judged_over_trainings():
    shares = {"resnet34": 0.5, "resnet34-2": 0.6, "resnet34-3": 0.55}
    made = {name: tuned({"trained": share, "untrained": 0.1, "shuffled": 0.1}) for name, share in shares.items()}
    rows = selectivity_orientation.measure(study(made, planted.repeated("resnet34", times=3)))
    row = pick(rows, "resnet34", Quantity.LOW, beyond="untrained")
    assert (row.over, row.repeats) == ("trainings and units", 3)
    assert row.value == pytest.approx(np.mean(list(shares.values())) - 0.1)


def test_layers_whose_units_are_all_silent():
    made = {"resnet34": tuned({"trained": 0.0, "untrained": 0.0, "shuffled": 0.0}, units=0)}
    rows = selectivity_orientation.measure(study(made))
    assert {row.verdict for row in rows} == {"not measured"}
