"""Claim 3 on numbers made by hand: the papers' own table would support it, and a network without such units says so."""

from collections import OrderedDict

import planted
import pytest
import torch
from planted import ablation, pick
from torch import nn

from receptive.claims import ablation_inactive
from receptive.claims.ablation_inactive import Quantity
from receptive.claims.row import overall

BOTH = "resnet34 - plainnet34"


def before_training(inactive: int) -> nn.Module:
    """64 units behind a rectification, of which the first ones answer nothing and the rest anything."""
    network = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 64, 1), relu=nn.ReLU(), pool=nn.MaxPool2d(2)))
    network.conv.weight.data.zero_()
    network.conv.bias.data = torch.where(torch.arange(64) < inactive, -1.0, 1.0)
    return network.eval()


def measure(made: dict[str, dict], trainings=None, inactive_before: int = 1):
    def load(params, training, trained):
        assert not trained
        return planted.subject(training, planted.images(channels=3), before_training(inactive_before))

    return ablation_inactive.measure(planted.study(trainings or list(made), ablation=made.__getitem__, load=load))


def test_a_plain_case_is_supported_with_the_papers_numbers_beside():
    rows = measure({"resnet34": ablation(13, 1.27), "plainnet34": ablation(2, 0.0)})
    assert overall(rows) == "supported"
    more = pick(rows, BOTH, Quantity.SHARE)
    assert more.value == pytest.approx(11 / 64)
    assert more.published == pytest.approx(11 / 64)
    harm = pick(rows, BOTH, Quantity.LOSS)
    assert harm.value == pytest.approx(1.27)
    assert harm.high - harm.low == pytest.approx(2 * 2**0.5 * 0.01)  # of two independent intervals of +- 0.01
    assert harm.published == pytest.approx(1.26962 + 1.66893e-6)
    own = pick(rows, "resnet34", Quantity.LOSS)
    assert (own.control, own.units, own.decides) == (0.02, 13, True)
    assert not pick(rows, "plainnet34", Quantity.LOSS).decides


def test_units_that_are_inactive_before_training_are_counted():
    rows = measure({"resnet34": ablation(13, 1.27), "plainnet34": ablation(2, 0.0)}, inactive_before=5)
    row = pick(rows, "resnet34", Quantity.SHARE)
    assert row.control == pytest.approx(5 / 64)
    assert row.reason == "13 of 64 units, 5 before training"
    assert pick(rows, BOTH, Quantity.SHARE).control == 0


def test_without_an_inactive_unit_nothing_is_measured_and_nothing_is_zero():
    rows = measure({"resnet34": ablation(0, None), "plainnet34": ablation(0, None)})
    assert overall(rows) == "undecided"
    for name in ("resnet34", "plainnet34", BOTH):
        row = pick(rows, name, Quantity.LOSS)
        assert (row.verdict, row.value) == ("not measured", None)
        assert "no inactive unit" in row.reason
    share = pick(rows, BOTH, Quantity.SHARE)
    assert share.verdict == "undecided"
    assert share.low < 0 < share.high
    active = pick(rows, "resnet34", Quantity.LOSS_ACTIVE)
    assert not active.decides
    assert active.control == 0.02


def test_one_network_alone_is_named_as_missing_its_other():
    rows = measure({"plainnet34": ablation(2, 0.0)})
    assert overall(rows) == "not measured"
    assert pick(rows, BOTH, Quantity.LOSS).reason == "resnet34 is not in this study"
    assert pick(rows, "plainnet34", Quantity.LOSS).value == 0


def test_several_trainings_are_put_together():
    made = {}
    for k, name in enumerate(("", "-2", "-3")):
        made |= {f"resnet34{name}": ablation(10 + k, 1.0 + k), f"plainnet34{name}": ablation(2, 0.0)}
    harm = pick(measure(made, planted.repeated("resnet34", "plainnet34", times=3)), BOTH, Quantity.LOSS)
    assert (harm.value, harm.repeats, harm.over) == (2, 3, "trainings and images")
    assert harm.verdict == "undecided"  # 1, 2, 3: Student's t at three trainings is wide
