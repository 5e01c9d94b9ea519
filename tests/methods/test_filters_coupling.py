"""Coupling of similar filters: planted, opposite and absent, and against a loop that does it literally."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from receptive.methods.filters_coupling import beside_strongest, cosines, coupling, dealt_anew


def planted(noise: float, units: int = 20, filters: int = 16, seed: int = 0):
    """Filters on a circle; each unit weighs them by the cosine with a direction of its own."""
    draws = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, filters, endpoint=False)
    first = np.stack([np.cos(angle), np.sin(angle)], 1)
    direction = draws.uniform(0, 2 * np.pi, units)
    weights = np.cos(direction[:, None] - angle) + noise * draws.normal(size=(units, filters))
    return weights, cosines(first[:, :, None, None])


def test_cosines_by_hand():
    found = cosines(np.array([[1.0, 0], [2, 0], [0, 3], [-1, 0], [0, 0]])[:, :, None, None])
    expected = [[1, 1, 0, -1, 0], [1, 1, 0, -1, 0], [0, 0, 1, 0, 0], [-1, -1, 0, 1, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_loop_finds_the_same():
    draws = np.random.default_rng(1)
    weights, similarity = draws.normal(size=(7, 9)), cosines(draws.normal(size=(9, 3, 5, 5)))
    for by_size in (False, True):
        expected = []
        for unit in weights:
            strongest = max(range(9), key=lambda k: abs(unit[k]))
            others = [k for k in range(9) if k != strongest]
            relative = [unit[k] / unit[strongest] for k in others]
            relative = np.abs(relative) if by_size else relative
            expected.append(spearmanr(relative, [similarity[strongest, k] for k in others]).statistic)
        np.testing.assert_allclose(coupling(weights, similarity, by_size), expected)


def test_planted_coupling_is_found_and_its_opposite():
    weights, similarity = planted(0.1)
    assert coupling(weights, similarity).mean() > 0.85
    flipped = weights.copy()
    strongest = np.abs(weights).argmax(1)
    flipped[np.arange(len(weights)), strongest] *= -1  # the strongest against all that are like it
    assert coupling(flipped, similarity).mean() < -0.85
    np.testing.assert_allclose(coupling(-weights, similarity), coupling(weights, similarity))  # signs are relative


def test_weights_beside_the_strongest_are_relative_to_it():
    relative, near = beside_strongest(np.array([[1.0, -4, 2]]), np.array([[1, 0.5, 0], [0.5, 1, -0.3], [0, -0.3, 1]]))
    np.testing.assert_allclose(relative, [[-0.25, -0.5]])
    np.testing.assert_allclose(near, [[0.5, -0.3]])
    assert (beside_strongest(np.zeros((1, 3)), np.eye(3))[0] == 0).all()


def test_dealing_anew_keeps_no_coupling_and_depends_on_its_seed_alone():
    weights, similarity = planted(0.1)
    dealt = dealt_anew(weights, similarity, np.random.default_rng(2), 300)
    assert abs(dealt.mean()) < 3 * dealt.std() / np.sqrt(300) + 0.03
    assert (dealt < coupling(weights, similarity).mean()).all()
    np.testing.assert_array_equal(dealt, dealt_anew(weights, similarity, np.random.default_rng(2), 300))


@pytest.mark.slow
def test_the_share_of_false_alarms_is_the_promised_one_though_units_share_filters():
    """All units copy one random unit: dealing for each apart would see twenty times the evidence."""
    draws, alarms, trials = np.random.default_rng(3), 0, 120
    for _ in range(trials):
        weights = np.repeat(draws.normal(size=(1, 12)), 20, 0)
        similarity = cosines(draws.normal(size=(12, 1, 2, 2)))
        dealt = dealt_anew(weights, similarity, draws, 99)
        alarms += (1 + (dealt >= coupling(weights, similarity).mean()).sum()) / 100 <= 0.05
    assert alarms / trials == pytest.approx(0.05, abs=0.07)


@pytest.mark.parametrize("by_size", [False, True])
def test_dealing_all_filters_at_once_is_dealing_them_one_by_one(by_size, monkeypatch):
    random = np.random.default_rng(11)
    weights, similarity = random.normal(size=(5, 8)), cosines(random.normal(size=(8, 3, 2, 2)).round(0))
    weights[1] = 0  # constant: no correlation
    weights[2, :4] = 0.5  # ties
    similarity[2, 3:5] = similarity[3:5, 2] = 0.25
    monkeypatch.setattr("receptive.methods.filters_coupling._BLOCK", 3 * weights.size)
    dealt, literally = dealt_anew(weights, similarity, np.random.default_rng(5), 20, by_size), []
    draws = np.random.default_rng(5)
    for _ in range(20):
        order = draws.permutation(8)
        literally.append(np.nanmean(coupling(weights, similarity[np.ix_(order, order)], by_size)))
    np.testing.assert_array_equal(dealt, literally)
