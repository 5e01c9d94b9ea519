"""Claim 6 on filters in a ring whose weights follow their likeness, or do not."""

import planted
import pytest
from planted import coupled, pick, weights

from receptive.claims import filters_coupling
from receptive.claims.filters_coupling import Quantity
from receptive.claims.row import overall

DEALT = "dealt at random"


def measure(trained, untrained, networks=("resnet34",)):
    return filters_coupling.measure(coupled(trained, untrained, networks))


@pytest.mark.slow
def test_weights_that_follow_likeness():
    rows = measure(weights(1.0), weights(0.0, seed=1))
    row = pick(rows, "resnet34", Quantity.COUPLING, beyond=DEALT)
    assert row.value + row.control == pytest.approx(1)  # perfect but for what dealing at random gives
    assert abs(row.control) < 0.2
    # the interval is the spread of dealing at random, laid around what is beyond it
    assert row.low == pytest.approx(1 - row.control_high)
    assert row.high == pytest.approx(1 - row.control_low)
    assert row.p_value == 1 / 101
    assert (row.units, row.decides, row.verdict) == (planted.RING, True, "supported")
    before = pick(rows, "resnet34", Quantity.BEFORE, beyond=DEALT)
    assert abs(before.value) < 0.2
    assert before.p_value > 0.01
    learned = pick(rows, "resnet34", Quantity.LEARNED, beyond="untrained")
    assert learned.value == pytest.approx(row.value - before.value)
    assert learned.decides
    assert overall(rows) == "supported"


def test_the_sign_of_a_units_weights_does_not_matter():
    """A unit that wants all its filters turned round couples them as one that wants them as they are."""
    rows = measure(weights(1.0, sign=True), weights(0.0, seed=1))
    assert pick(rows, "resnet34", Quantity.COUPLING, beyond=DEALT).value > 0.8


def test_without_sign_opposite_filters_are_coupled_as_strongly():
    rows = measure(weights(1.0), weights(1.0))
    by_size = pick(rows, "resnet34", Quantity.BY_SIZE, beyond=DEALT)
    assert by_size.value + by_size.control < 0.5
    assert not by_size.decides
    assert pick(rows, "resnet34", Quantity.LEARNED, beyond="untrained").verdict == "undecided"  # nothing was learned


def test_weights_that_shun_likeness_contradict():
    assert overall(measure(weights(-1.0), weights(0.0, seed=1))) == "contradicted"


def test_without_resnet_it_is_not_measured_and_others_stand_beside():
    rows = measure(weights(1.0), weights(0.0), networks=("vggcnn",))
    assert overall(rows) == "not measured"
    assert "resnet34" in pick(rows, "resnet34", Quantity.COUPLING).reason
    assert not pick(rows, "vggcnn", Quantity.COUPLING, beyond=DEALT).decides


def test_several_trainings():
    rows = measure(weights(1.0), weights(0.0, seed=1), planted.repeated("resnet34", times=2))
    row = pick(rows, "resnet34", Quantity.COUPLING, beyond=DEALT)
    assert (row.repeats, row.over) == (2, "trainings and first filters, dealt at random")
