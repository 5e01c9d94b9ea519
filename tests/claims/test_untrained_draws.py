"""Claims 1, 2, 6, 7 and 10 beside several untrained draws: their mean is taken off, and their spread widens."""

from dataclasses import replace

import numpy as np
import pandas as pd
import planted
import pytest
from planted import TUNED, coupled, energies, pick, repeating, ring, tuned, weights, zeros
from scipy import stats

from receptive.claims import (
    deconvolution_energy,
    filters_coupling,
    filters_redundancy,
    selectivity_opponency,
    selectivity_orientation,
    sparsity,
)
from receptive.methods.inference import over_trainings, share

RISING = {"c1": 0.4, "p1": 0.1, "c2": 0.5, "c3": 0.7, "p3": 0.6, "fc": 0.0}
MIDDLE = {"c1": 0.5, "p1": 0.4, "c2": 0.4, "c3": 0.6, "p3": 0.5, "fc": 0.0}
FALLING = {"c1": 0.7, "p1": 0.6, "c2": 0.5, "c3": 0.4, "p3": 0.3, "fc": 0.0}


def prediction(draws) -> float:
    """Half the width of the prediction interval of one more draw."""
    return stats.t.ppf(0.975, len(draws) - 1) * np.std(draws, ddof=1) * np.sqrt(1 + 1 / len(draws))


@pytest.mark.parametrize("claim", [selectivity_orientation, selectivity_opponency])
def test_shares_of_units_beside_draws(claim):
    shares = [0.1, 0.2, 0.3]
    drawn = pd.concat([tuned({"untrained": part}).assign(draw=draw) for draw, part in enumerate(shares)])
    drawn = drawn[drawn["layer"] != "c"]  # draws have low layers alone
    study = planted.study(
        ["resnet34"],
        drawn={"selectivity": ["resnet34"]},
        selectivity=lambda _: tuned({"trained": 0.5, "untrained": 0.4, "shuffled": 0.2}),
        layers=lambda _: TUNED,
        untrained=lambda network, table: {("resnet34", "selectivity"): drawn}[network, table],
    )
    rows = claim.measure(study)
    row = pick(rows, "resnet34", selectivity_orientation.Quantity.LOW, beyond="untrained")
    assert (row.value, row.draws) == (pytest.approx(0.3), pytest.approx((0.1, 0.2, 0.3)))
    own = share(40, 80)
    assert row.low == pytest.approx(0.3 - np.hypot(own.value - own.low, prediction(shares)))
    assert row.high == pytest.approx(0.3 + np.hypot(own.high - own.value, prediction(shares)))
    assert (row.over, row.decides) == ("units and untrained draws", True)
    assert "untrained 10.0% to 30.0% in 3 draws" in row.reason
    shuffled = pick(rows, "resnet34", selectivity_orientation.Quantity.LOW, beyond="shuffled")
    assert (shuffled.draws, shuffled.over) == ((), "units")
    high = pick(rows, "resnet34", selectivity_orientation.Quantity.HIGH, beyond="untrained")
    assert (high.draws, high.value) == ((), pytest.approx(0.1))


def test_rise_of_zeros_beside_draws():
    drawn = pd.concat(
        [
            zeros(RISING, means, seed=draw).query("state == 'untrained'").assign(draw=draw)
            for draw, means in enumerate((RISING, MIDDLE, FALLING))
        ]
    )
    study = planted.study(
        ["vggcnn"],
        drawn={"zeros": ["vggcnn"]},
        zeros=lambda _: zeros(RISING, FALLING),
        untrained=lambda network, table: {("vggcnn", "zeros"): drawn}[network, table],
    )
    rows = sparsity.measure(study)
    row = pick(rows, "vggcnn", sparsity.Quantity.RISE, beyond="untrained")
    rises = (1.0, 0.5, -1.0)  # ranks 1, 2, 3; 2, 1, 3; 3, 2, 1
    assert row.draws == pytest.approx(rises)
    assert row.value == pytest.approx(1 - np.mean(rises))
    assert row.estimate.high - row.value == pytest.approx(
        prediction(rises)
    )  # every image rises alike: no spread of its own
    assert row.verdict == "undecided"
    assert pick(rows, "vggcnn", sparsity.Quantity.RISE).draws == ()


def test_fall_of_energy_beside_draws():
    lost = [(0.0, 0.2, 0.1), (0.1, 0.2, 0.4), (0.2, 0.2, 0.1)]  # of c1, c2, c3
    drawn = pd.concat(
        [
            energies((0, 0, 0, 0), (*less, 0.0), seed=draw).query("state == 'untrained'").assign(draw=draw)
            for draw, less in enumerate(lost)
        ]
    )
    study = planted.study(
        ["vggcnn"],
        drawn={"energy": ["vggcnn"]},
        energy=lambda _: energies((0.0, 0.1, 0.9, 0.5), (0.0, 0.0, 0.0, 0.0)),
        untrained=lambda network, table: {("vggcnn", "energy"): drawn[drawn["layer"].isin(["c1", "c3"])]}[
            network, table
        ],
    )
    row = pick(deconvolution_energy.measure(study), "vggcnn", deconvolution_energy.Quantity.FALL, beyond="untrained")
    falls = (0.1, 0.3, -0.1)
    assert row.draws == pytest.approx(falls)
    assert row.value == pytest.approx(0.9 - 0.1)
    assert row.estimate.high - row.value == pytest.approx(prediction(falls))  # every image falls alike


def test_coupling_beside_draws():
    drawn = [weights(like, seed=seed) for seed, like in enumerate((1.0, 0.0, -1.0), 1)]
    study = replace(
        coupled(weights(1.0), weights(0.0)),
        untrained_filters=lambda network: (np.stack([ring()] * 3), np.stack(drawn)),
    )
    asked = study.params.untrained.model_copy(update={"filters": ["resnet34"]})
    study = replace(study, params=study.params.model_copy(update={"untrained": asked}))
    rows = filters_coupling.measure(study)
    row = pick(rows, "resnet34", filters_coupling.Quantity.LEARNED, beyond="untrained")
    assert row.draws[0] == pytest.approx(1)
    assert abs(row.draws[1]) < 0.3
    assert row.draws[2] < -0.8
    beyond = pick(rows, "resnet34", filters_coupling.Quantity.COUPLING, beyond="dealt at random")
    assert row.value == pytest.approx(beyond.value - np.mean(row.draws))
    assert row.estimate.high - row.value == pytest.approx(np.hypot(beyond.high - beyond.value, prediction(row.draws)))


def test_repeats_beside_draws():
    """One draw has the planted pairs, two have none; the trained filters have them."""
    rng = np.random.default_rng(7)
    first = np.stack([repeating(), *rng.normal(size=(2, 10, 3, 3, 3))]).transpose(0, 1, 4, 2, 3)
    study = planted.study(
        ["vggcnn"],
        drawn={"filters": ["vggcnn"]},
        first_filters=lambda training, after: repeating(),
        untrained_filters=lambda network: (first, np.zeros((3, 1, 10, 1, 1))),
    )
    rows = filters_redundancy.measure(study)
    row = pick(rows, "vggcnn", filters_redundancy.Quantity.BOTH, beyond="untrained")
    assert row.draws == (0.4, 0.0, 0.0)
    assert row.value == pytest.approx(0.4 - 0.4 / 3)
    assert (row.control, row.control_low) == pytest.approx(over_trainings([0.4, 0, 0])[:2])
    own = share(4, 10)
    assert row.estimate.high - row.value == pytest.approx(np.hypot(own.high - own.value, prediction([0.4, 0, 0])))
    assert row.high == 1  # a share less a share is no more; the uncut end is kept for tests
    assert row.uncut[1] == row.estimate.high > 1
