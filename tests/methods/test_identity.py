"""Similarity of equal channels against scipy, loops over pixels, and plantings whose answer is known."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats

from receptive.errors import ReceptiveError
from receptive.methods.identity import (
    ResponseCorrelations,
    common_window,
    correlations,
    identity_test,
    own_and_others,
    share_less_similar,
)


def rng(seed=0):
    return np.random.default_rng(seed)


# ---------------------------------------------------------------- correlation of rows


def test_correlations_are_pearsons():
    first, second = rng().normal(5, 2, (4, 30)), rng(1).normal(-3, 1, (6, 30))
    found = correlations(first, second)
    assert found.shape == (4, 6)
    for i, j in np.ndindex(4, 6):
        assert found[i, j] == pytest.approx(stats.pearsonr(first[i], second[j])[0], abs=1e-12)


def test_brightness_and_contrast_do_not_count_and_a_negative_is_minus_one():
    rows = rng().random((3, 20))
    np.testing.assert_allclose(np.diagonal(correlations(rows, 7 * rows - 2)), 1)
    np.testing.assert_allclose(np.diagonal(correlations(rows, 1 - rows)), -1)


def test_constant_and_unknown_rows_have_no_correlation():
    rows = rng().random((4, 23))
    rows[1] = 0.1
    assert (rows[1] != rows[1].mean()).any()  # centring leaves rounding errors
    rows[2] = np.nan
    known = np.isfinite(correlations(rows, rows))
    np.testing.assert_array_equal(known, np.outer([1, 0, 0, 1], [1, 0, 0, 1]).astype(bool))


# ---------------------------------------------------------------- what both layers see


def test_the_common_window_shows_the_same_pixels():
    image = np.arange(20 * 24 * 3.0).reshape(20, 24, 3)
    start, size = (2, 1), (11, 12)  # the layer that sees more
    inner_start, inner = (4, 6), (5, 3)
    more = image[None, start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    less = image[None, inner_start[0] : inner_start[0] + inner[0], inner_start[1] : inner_start[1] + inner[1]]
    np.testing.assert_array_equal(common_window(more, start, inner, inner_start), less)
    np.testing.assert_array_equal(common_window(more, (-7, -7), (11, 12), (-7, -7)), more)


@pytest.mark.parametrize(
    ("window", "start"), [((3, 3), (-1, 0)), ((3, 3), (0, -1)), ((3, 3), (6, 0)), ((3, 3), (0, 6)), ((9, 1), (0, 0))]
)
def test_a_window_that_leaves_the_stimuli_is_refused(window, start):
    with pytest.raises(ReceptiveError, match="sees more first"):
        common_window(np.zeros((2, 8, 8, 3)), (0, 0), window, start)


# ---------------------------------------------------------------- correlation of responses


def maps(images=7, seed=0):
    """Two layers' maps, 3 and 2 channels on 4 x 5 positions; the second's last channel is the first's doubled."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(images, 3, 4, 5, generator=generator) + 2
    second = torch.cat([torch.randn(images, 1, 4, 5, generator=generator), 2 * first[:, :1] + 1], 1)
    return first, second


def streamed(first, second, size, order=None):
    found = ResponseCorrelations()
    rows = torch.arange(len(first)) if order is None else order
    for part in rows.split(size):
        found.add([first[part], second[part]])
    return found.result()


def test_responses_are_correlated_over_images_and_positions():
    first, second = maps()
    flat = torch.cat([first, second], 1).movedim(1, 0).flatten(1).numpy().astype(float)
    np.testing.assert_allclose(streamed(first, second, 7), np.corrcoef(flat), atol=1e-12)


def test_batches_order_and_memory_layout_change_only_the_last_digits():
    first, second = maps()
    whole = streamed(first, second, 7)
    assert whole[0, 4] == pytest.approx(1)
    order = torch.from_numpy(rng().permutation(7))
    last = [layer.contiguous(memory_format=torch.channels_last) for layer in (first, second)]
    for other in (streamed(first, second, 1), streamed(first, second, 3, order), streamed(*last, 2)):
        np.testing.assert_allclose(other, whole, atol=1e-12)


def test_channels_that_never_change_have_no_correlation():
    first, second = maps()
    first[:, 1] = 0
    second[:, 0] = 0.1
    known = np.isfinite(streamed(first, second, 2))
    np.testing.assert_array_equal(known, np.outer([1, 0, 1, 0, 1], [1, 0, 1, 0, 1]).astype(bool))


def test_rounding_errors_of_constant_channels_are_no_pattern():
    constants = torch.from_numpy(rng().random(40)).float()[None, :, None, None].expand(101, 40, 3, 3)
    assert np.isnan(streamed(constants, constants[:, :1], 10)).all()


def test_nothing_to_correlate_is_refused():
    with pytest.raises(ReceptiveError, match="no images"):
        ResponseCorrelations().result()


# ---------------------------------------------------------------- own against others


def literal_own_and_others(similarity):
    channels = range(len(similarity))
    both = [
        [similarity[k, j] for j in channels if j != k] + [similarity[j, k] for j in channels if j != k]
        for k in channels
    ]
    others = [np.mean([v for v in values if np.isfinite(v)] or [np.nan]) for values in both]
    return np.array([similarity[k, k] for k in channels]), np.array(others)


def test_own_and_others_against_a_loop():
    similarity = rng().normal(size=(5, 5))
    similarity[2, 3] = np.nan
    similarity[4] = similarity[:, 4] = np.nan
    own, others = own_and_others(similarity)
    for got, expected in zip((own, others), literal_own_and_others(similarity), strict=True):
        np.testing.assert_allclose(got, expected)
    assert np.isnan(own[4])
    assert np.isnan(others[4])


def test_the_share_that_is_less_similar():
    similarity = np.array(
        [
            [0.5, 0.1, 0.9, 0.5],  # one less, one tie, one more
            [0.0, 0.8, 0.1, 0.2],  # all less
            [0.3, np.nan, 0.2, 0.4],  # of two others none
            [0.1, 0.2, 0.3, np.nan],  # nothing to compare
        ]
    )
    np.testing.assert_allclose(share_less_similar(similarity), [0.5, 1, 0, np.nan])


def test_chance_is_half():
    shares = [share_less_similar(one) for one in rng().normal(size=(300, 8, 8))]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)


# ---------------------------------------------------------------- permutations of the labels


def literal_statistic(similarity, rows, columns):
    """The permuted matrix, its diagonal and the rest."""
    matrix = similarity[np.ix_(rows, columns)]
    rest = matrix[~np.eye(len(matrix), dtype=bool)]
    return np.nanmean(np.diagonal(matrix)) - np.nanmean(rest)


def test_the_statistic_is_the_mean_over_pairs_of_own_minus_others():
    pairs = {(0, 1): rng().normal(size=(4, 4)), (1, 2): rng(1).normal(size=(4, 4)), (3, 4): rng(2).normal(size=(6, 6))}
    pairs[0, 1][1, 1] = pairs[0, 1][2, 3] = np.nan
    value, _ = identity_test(pairs, rng(), 99)
    identities = [np.arange(len(matrix)) for matrix in pairs.values()]
    expected = [literal_statistic(m, i, i) for m, i in zip(pairs.values(), identities, strict=True)]
    assert value == pytest.approx(np.mean(expected))


def test_p_is_that_of_all_permutations():
    # of one pair only the relative labelling counts, so all 24 permutations of one layer are the whole distribution
    similarity = rng(5).normal(size=(4, 4)) + 0.6 * np.eye(4)
    same = np.arange(4)
    every = [literal_statistic(similarity, same, np.array(p)) for p in permutations(range(4))]
    exact = np.mean(np.array(every) >= literal_statistic(similarity, same, same) - 1e-12)
    assert 0.05 < exact < 0.6  # a value that tells
    assert identity_test({(0, 1): similarity}, rng(), 20000)[1] == pytest.approx(exact, abs=0.01)


def test_a_layer_has_one_permutation_in_all_its_pairs():
    # three layers in two pairs: all products of three permutations
    first, second = rng(7).normal(size=(3, 3)) + 0.5 * np.eye(3), rng(8).normal(size=(3, 3)) + 0.5 * np.eye(3)
    orders = [np.array(p) for p in permutations(range(3))]
    observed = np.mean([literal_statistic(one, orders[0], orders[0]) for one in (first, second)])
    every = [
        (literal_statistic(first, a, b) + literal_statistic(second, a, c)) / 2
        for a in orders
        for b in orders
        for c in orders
    ]
    exact = np.mean(np.array(every) >= observed - 1e-12)
    joint = identity_test({(0, 1): first, (0, 2): second}, rng(), 20000)[1]
    assert joint == pytest.approx(exact, abs=0.01)
    # the same two layers in both pairs, once turned round: labellings bound to each other, and another distribution
    bound = [(literal_statistic(first, a, b) + literal_statistic(second, b, a)) / 2 for a in orders for b in orders]
    exact = np.mean(np.array(bound) >= observed - 1e-12)
    assert identity_test({(0, 1): first, (1, 0): second}, rng(), 20000)[1] == pytest.approx(exact, abs=0.01)


def test_planted_identity_is_found_and_none_is_not():
    noise = rng().normal(size=(16, 16))
    value, p_value = identity_test({(0, 1): noise + 2 * np.eye(16)}, rng(), 999)
    assert value == pytest.approx(2 + literal_statistic(noise, np.arange(16), np.arange(16)))
    assert p_value == 1 / 1000  # the observed labelling is one of the draws
    below = [identity_test({(0, 1): rng(seed).normal(size=(8, 8))}, rng(), 199)[1] <= 0.1 for seed in range(200)]
    assert 0.03 < np.mean(below) < 0.18


def test_what_all_channels_share_is_no_identity():
    value, p_value = identity_test({(0, 1): np.full((5, 5), 0.7)}, rng(), 99)
    assert value == pytest.approx(0)
    assert p_value == 1


def test_dead_channels_are_left_out():
    matrix = rng().normal(size=(5, 5))
    with_dead = np.full((7, 7), np.nan)
    with_dead[:5, :5] = matrix
    value, _ = identity_test({(0, 1): with_dead, (0, 2): np.full((7, 7), np.nan)}, rng(), 99)
    assert value == pytest.approx(literal_statistic(matrix, np.arange(5), np.arange(5)))


@pytest.mark.parametrize("similarities", [{}, {(0, 1): np.full((3, 3), np.nan)}, {(0, 1): np.ones((1, 1))}])
def test_without_anything_to_compare(similarities):
    value, p_value = identity_test(similarities, rng(), 99)
    assert np.isnan(value)
    assert p_value == 1


def test_the_same_draws_give_the_same_p():
    pairs = {(0, 1): rng().normal(size=(6, 6)) + 0.3 * np.eye(6)}
    assert identity_test(pairs, rng(3), 200) == identity_test(pairs, rng(3), 200)
