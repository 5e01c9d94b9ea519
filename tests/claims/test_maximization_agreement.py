"""Claim 5 on pictures made so that the answer is known."""

import pytest
from planted import maximized_neurons, pick

from receptive.claims.maximization_agreement import Quantity, measure
from receptive.claims.row import overall


def test_stimuli_that_agree_below_and_lose_detail_above():
    rows = measure(maximized_neurons())
    low = pick(rows, "resnet34", Quantity.AGREEMENT, "low")
    # in the lower layer the mean stimulus is the maximized image but for its scale
    assert low.reason == "own correlation 1.00"
    assert low.value == pytest.approx(1 - low.control, abs=1e-6)
    assert abs(low.control) < 0.5
    assert low.p_value == 1 / 200
    assert low.decides
    assert not pick(rows, "resnet34", Quantity.AGREEMENT, "high").decides
    assert not pick(rows, "resnet34", Quantity.AGREEMENT_KS, "low").decides
    lost, broad = pick(rows, "resnet34", Quantity.LOSS), pick(rows, "resnet34", Quantity.BROAD, "high")
    assert lost.value > 0.3
    assert abs(lost.control) < 0.2  # the maximized images keep theirs
    assert broad.value > 0.3
    assert overall(rows) == "supported"


def test_a_layer_without_stimuli_is_left_out():
    rows = measure(maximized_neurons(with_stimuli=("low",)))
    assert pick(rows, "resnet34", Quantity.AGREEMENT, "low").decides
    assert "high" not in {row.layer for row in rows}
    assert pick(rows, "resnet34", Quantity.LOSS).reason == "mean stimuli and maximized neurons of low alone"
    none = measure(maximized_neurons(with_stimuli=()))
    assert {row.reason for row in none} == {"no shown layer has both mean stimuli and maximized neurons"}


def test_other_units_images_are_no_agreement():
    row = pick(measure(maximized_neurons(agrees=False)), "resnet34", Quantity.AGREEMENT, "low")
    assert row.verdict != "supported"
    assert row.p_value > 0.05


def test_detail_that_stays_is_no_loss():
    rows = measure(maximized_neurons(top_loses_detail=False))
    assert pick(rows, "resnet34", Quantity.LOSS).verdict != "supported"
    assert abs(pick(rows, "resnet34", Quantity.BROAD, "high").value) < 1e-6
    assert overall(rows) == "undecided"


def test_fields_that_leave_the_image_are_compared_inside_it():
    rows = measure(maximized_neurons(boxes={"low": (-3, -5, 9, 7), "high": (24, 20, 40, 36)}))
    assert pick(rows, "resnet34", Quantity.AGREEMENT, "low").reason == "own correlation 1.00"


def test_units_without_a_maximized_image_are_left_out():
    gone = {("low", 0): "zero_gradient", ("low", 3): "diverged"}
    assert pick(measure(maximized_neurons(statuses=gone)), "resnet34", Quantity.AGREEMENT, "low").units == 6
    nearly_all = {("low", unit): "zero_gradient" for unit in range(7)}
    row = pick(measure(maximized_neurons(statuses=nearly_all)), "resnet34", Quantity.AGREEMENT, "low")
    assert (row.verdict, row.decides) == ("not measured", True)
    assert "1 of 8 units" in row.reason


def test_agreement_without_the_papers_network():
    rows = measure(maximized_neurons(["alexcnn"]))
    assert overall(rows) == "not measured"
    assert [row.reason for row in rows if row.decides] == ["resnet34 is not in this study"] * 3
    assert pick(rows, "alexcnn", Quantity.AGREEMENT, "low").reason == "own correlation 1.00"
