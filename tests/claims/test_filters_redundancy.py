"""Claim 10 on filters with one planted pair per change."""

import numpy as np
import planted
import pytest
from planted import pick, repeating

from receptive.claims import filters_redundancy
from receptive.claims.filters_redundancy import Quantity
from receptive.claims.row import overall
from receptive.methods.filters_redundancy import CHANGES
from receptive.methods.inference import difference_of_shares, share


def measure(trained, untrained, networks=filters_redundancy.NETWORKS):
    filters = {True: trained, False: untrained}
    return filters_redundancy.measure(planted.study(networks, first_filters=lambda training, after: filters[after]))


def unrelated(seed=7):
    return np.random.default_rng(seed).normal(size=(10, 3, 3, 3))


def test_quantities_are_the_changes_that_filters_undergo():
    assert tuple(Quantity) == CHANGES


def test_planted_pairs_are_counted_by_change():
    rows = measure(repeating(), unrelated())
    for quantity, count in zip(Quantity, (0, 2, 2, 4), strict=True):
        row = pick(rows, "vggcnn", quantity)
        assert (row.value, row.low, row.high) == pytest.approx(share(count, 10))
        assert row.reason == f"{count} of 10 filters, 0 before training"
        assert (row.control, row.decides) == (0, False)  # shuffled pixels of 27 normal numbers repeat nothing
    learned = pick(rows, "vggcnn", Quantity.BOTH, beyond="untrained")
    assert (learned.value, learned.low, learned.high) == pytest.approx(difference_of_shares(4, 10, 0, 10))
    assert learned.decides
    beyond = pick(rows, "vggcnn", Quantity.BOTH, beyond="shuffled")
    # the control has no spread, so the interval is that of the share
    assert (beyond.value, beyond.low, beyond.high) == pytest.approx(share(4, 10))
    assert overall(rows) == "supported"


def test_what_was_there_before_training_was_not_learned():
    rows = measure(repeating(), repeating())
    assert pick(rows, "vggcnn", Quantity.BOTH, beyond="untrained").verdict == "undecided"
    assert overall(rows) == "undecided"


def test_other_networks_are_shown_beside_and_missing_ones_named():
    rows = measure(repeating(), unrelated(), networks=("alexcnn",))
    assert overall(rows) == "not measured"
    assert [row.network for row in rows if row.decides] == list(filters_redundancy.NETWORKS)
    assert pick(rows, "digitcnn", Quantity.BOTH, beyond="shuffled").reason == "digitcnn is not in this study"
    assert pick(rows, "alexcnn", Quantity.BOTH).value == 0.4


def test_several_trainings():
    rows = measure(repeating(), unrelated(), networks=planted.repeated("vggcnn", times=2))
    row = pick(rows, "vggcnn", Quantity.BOTH)
    assert (row.value, row.repeats, row.over) == (0.4, 2, "trainings and filters")
