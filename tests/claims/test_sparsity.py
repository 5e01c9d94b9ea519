"""Claim 7 on tables with planted zeros."""

import pandas as pd
import planted
import pytest
from planted import pick, zeros

from receptive.claims import sparsity
from receptive.claims.row import overall
from receptive.claims.sparsity import Quantity

RISING = {"c1": 0.4, "p1": 0.1, "c2": 0.5, "c3": 0.7, "p3": 0.6, "fc": 0.0}
FLAT = {"c1": 0.5, "p1": 0.45, "c2": 0.6, "c3": 0.4, "p3": 0.4, "fc": 1.0}


def measure(made, trainings=None):
    return sparsity.measure(planted.study(trainings or list(made), zeros=made.__getitem__))


def test_zeros_that_rise_and_pools_that_lower_them():
    lower = {name: share - 0.2 for name, share in RISING.items()}
    rows = measure({"vggcnn": zeros(RISING, FLAT), "alexcnn": zeros(lower, FLAT, seed=1)})
    rise = pick(rows, "vggcnn", Quantity.RISE)
    assert (rise.value, rise.images, rise.over) == (1, 80, "images")
    assert rise.control == pytest.approx(-0.5)  # ranks 2, 3, 1 against 1, 2, 3; pools and fc play no part
    learned = pick(rows, "vggcnn", Quantity.RISE, beyond="untrained")
    assert learned.value == pytest.approx(1.5)
    assert learned.decides
    pools = pick(rows, "vggcnn", Quantity.POOLS)
    assert pools.value == pytest.approx((0.3 + 0.1) / 2)
    assert pools.control == pytest.approx((0.05 + 0) / 2)
    high = pick(rows, "vggcnn - alexcnn", Quantity.HIGH)
    assert high.value == pytest.approx(0.2, abs=0.01)  # over the last three convolutions
    assert high.low < high.value < high.high
    assert overall(rows) == "supported"


def test_zeros_the_other_way_round_contradict():
    falling = dict(RISING, c1=0.7, p1=0.8, c2=0.5, c3=0.4, p3=0.6)
    higher = {name: share + 0.1 for name, share in falling.items()}
    rows = measure({"vggcnn": zeros(falling, FLAT), "alexcnn": zeros(higher, FLAT, seed=1)})
    assert {row.verdict for row in rows if row.decides} == {"contradicted"}


def test_what_was_there_before_training_was_not_learned():
    rows = measure({"vggcnn": zeros(RISING, RISING), "alexcnn": zeros(RISING, RISING)})
    assert pick(rows, "vggcnn", Quantity.RISE).verdict == "supported"
    assert pick(rows, "vggcnn", Quantity.RISE, beyond="untrained").verdict == "undecided"
    assert overall(rows) == "undecided"


def test_networks_with_few_layers_or_absent_ones():
    few = zeros(RISING, FLAT)
    few = few[~few["layer"].isin(["c3", "p1", "p3"])]
    rows = measure({"digitcnn": few, "alexcnn": zeros(RISING, FLAT)})
    assert pick(rows, "digitcnn", Quantity.RISE).reason == "fewer than three convolutions"
    assert pick(rows, "digitcnn", Quantity.POOLS).reason == "no pool behind a convolution"
    assert "vggcnn" in pick(rows, "vggcnn", Quantity.RISE).reason
    assert pick(rows, "vggcnn - alexcnn", Quantity.HIGH).verdict == "not measured"
    assert overall(rows) == "undecided"


def test_zeros_of_several_trainings():
    names = ["vggcnn", "vggcnn-2", "alexcnn", "alexcnn-2"]
    made = {name: zeros(RISING, FLAT, seed=k) for k, name in enumerate(names)}
    rows = measure(made, planted.repeated("vggcnn", "alexcnn", times=2))
    assert {(row.repeats, row.over) for row in rows} == {(2, "trainings and images")}
    high = pick(rows, "vggcnn - alexcnn", Quantity.HIGH)
    assert high.value == pytest.approx(0, abs=0.01)
    assert high.trainings == ("vggcnn", "alexcnn", "vggcnn-2", "alexcnn-2")


def test_only_the_last_three_convolutions_are_high_layers():
    """A fourth convolution before them plays no part."""
    more = zeros(RISING, FLAT)
    first = more[more["layer"] == "c1"].assign(layer="c0", alias="c0", depth=0, zero_fraction=0.99)
    four = pd.concat([first, more], ignore_index=True)
    rows = measure({"vggcnn": four, "alexcnn": zeros({k: v - 0.1 for k, v in RISING.items()}, FLAT)})
    assert pick(rows, "vggcnn - alexcnn", Quantity.HIGH).value == pytest.approx(0.1)


def test_a_pool_behind_a_pool_is_compared_with_nothing():
    table = zeros(RISING, FLAT)
    rows = measure({"vggcnn": table[~table["layer"].isin(["c2", "c3"])]})
    assert pick(rows, "vggcnn", Quantity.POOLS).value == pytest.approx(0.3)
