"""Intervals over trainings end where values are impossible, and cover as often as before."""

import math
from enum import StrEnum

import numpy as np
import pytest
from scipy import special

from receptive.claims.possible import BY_CLAIM, possible
from receptive.claims.registry import claims
from receptive.claims.row import Row, across_trainings, measured
from receptive.claims.training_accuracy import Quantity
from receptive.methods.inference import pooled, share


def test_every_quantity_of_every_claim_has_its_range():
    known = {claim.Quantity for claim in claims() if hasattr(claim, "Quantity")}
    assert BY_CLAIM.keys() == {quantity.__module__.rpartition(".")[2] for quantity in known}
    for quantity in known:
        assert BY_CLAIM[quantity.__module__.rpartition(".")[2]].keys() == {str(member) for member in quantity}


def test_the_range_of_a_difference_is_twice_as_wide_and_the_unknown_has_none():
    assert possible(Quantity.ACCURACY, difference=False) == (0, 1)
    assert possible(Quantity.DIFFERENCE, difference=True) == (-1, 1)

    class Other(StrEnum):
        X = "x"

    assert possible(Other.X, difference=True) == (-math.inf, math.inf)
    assert possible("x", difference=False) == (-math.inf, math.inf)


def of_trainings(quantity, values, networks=("a",), beyond=""):
    rows = [measured(quantity, (value, value - 0.01, value + 0.01), "images", beyond=beyond) for value in values]
    return across_trainings([Row(**{**vars(row), "networks": networks, "trainings": networks}) for row in rows])


def test_accuracies_never_exceed_one():
    row = of_trainings(Quantity.ACCURACY, (0.93, 0.98))
    assert (row.value, row.low < 0.7, row.high) == (pytest.approx(0.955), True, 1)
    difference = of_trainings(Quantity.DIFFERENCE, (0.2, 0.6), networks=("a", "b"))
    assert (difference.low, difference.high) == (-1, 1)
    free = of_trainings("x", (0.93, 0.98))
    assert free.high > 1


@pytest.mark.slow
@pytest.mark.parametrize("trainings", [2, 3, 5])
@pytest.mark.parametrize(("logit", "spread"), [(3.5, 0.3), (2.0, 0.5)])
def test_the_cut_interval_covers_as_often_as_the_whole_one(trainings, logit, spread):
    """Accuracies of 0.97 and 0.87 whose logits differ from training to training, each of 1,000 images."""
    rng = np.random.default_rng(trainings)
    truth = special.expit(rng.normal(logit, spread, 200_000)).mean()
    cut, whole, beyond = 0, 0, 0
    for _ in range(400):
        right = rng.binomial(1000, special.expit(rng.normal(logit, spread, trainings)))
        estimates = [share(int(count), 1000) for count in right]
        found, plain = pooled(estimates, True, within=(0, 1)), pooled(estimates, True)
        assert 0 <= found.low <= found.value <= found.high <= 1
        cut += found.low <= truth <= found.high
        whole += plain.low <= truth <= plain.high
        beyond += plain.high > 1
    assert cut == whole >= 0.93 * 400
    if trainings == 2:
        assert beyond > 100
