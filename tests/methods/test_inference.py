"""Intervals hold what they promise (simulated), tests find planted effects and no others, edges are defined."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from receptive.methods import inference
from receptive.methods.inference import (
    apart,
    bootstrap,
    difference,
    difference_of_shares,
    mcnemar,
    mean_interval,
    median_interval,
    over_trainings,
    paired_difference,
    pooled,
    rank_correlations,
    share,
    wilson,
)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def holds(rate: float, promised: float, trials: int, spread: float = 3.5) -> bool:
    """Whether a simulated rate agrees with the promised one, within its own sampling error."""
    return abs(rate - promised) <= spread * np.sqrt(promised * (1 - promised) / trials)


# ------------------------------------------------------------- coverage, simulated


def test_bootstrap_interval_of_a_mean_covers_it():
    draws, trials = chance(1), 400
    inside = 0
    for _ in range(trials):
        found = bootstrap(draws.normal(2, 3, 80), rng=draws, resamples=500)
        inside += found.low <= 2 <= found.high
    assert 0.92 <= inside / trials <= 0.975  # BCa of 80 values: a little less than 95%


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 10, 29])
def test_interval_of_few_values_covers_their_mean(count):
    draws, trials = chance(11), 1500
    found = [bootstrap(draws.normal(2, 3, count), rng=draws) for _ in range(trials)]
    assert holds(np.mean([one.low <= 2 <= one.high for one in found]), 0.95, trials)
    skewed = [bootstrap(draws.exponential(1, count), rng=draws) for _ in range(trials)]
    assert np.mean([one.low <= 1 <= one.high for one in skewed]) > 0.87


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "least", "least_skewed"), [(5, 0.91, 0.84), (9, 0.92, 0.87), (16, 0.92, 0.88), (30, 0.92, 0.89)]
)
def test_the_studentized_interval_covers_more_of_skewed_values_and_no_less_of_normal_ones(count, least, least_skewed):
    """Lognormal values, of which Student's t covers 79, 83, 85 and 88% (``method`` of ``bootstrap``)."""
    draws, trials = chance(31), 800

    def coverage(draw, mean, **options):
        found = [bootstrap(draw(), rng=draws, resamples=500, **options) for _ in range(trials)]
        return np.mean([one.low <= mean <= one.high for one in found])

    assert coverage(lambda: draws.normal(2, 3, count), 2, method="studentized") >= least
    skewed = coverage(lambda: draws.lognormal(0, 1, count), np.exp(0.5), method="studentized")
    assert skewed >= least_skewed
    assert skewed > coverage(lambda: draws.lognormal(0, 1, count), np.exp(0.5)) + 0.01


def test_the_studentized_interval_word_for_word():
    """Resample by resample: how far its mean lies from the sample's, in its own standard errors."""
    values, rng = chance(32).lognormal(0, 1, 12), chance(33)
    places = chance(33).integers(0, 12, (400, 12))
    found = bootstrap(values, rng=rng, method="studentized", resamples=400)
    distances = [(values[row].mean() - values.mean()) / stats.sem(values[row]) for row in places]
    low, high = np.quantile(distances, [0.025, 0.975])
    error = stats.sem(values)
    assert found == pytest.approx((values.mean(), values.mean() - high * error, values.mean() - low * error))
    few = bootstrap(values[:4], rng=rng, method="studentized")
    assert few == pytest.approx(bootstrap(values[:4], rng=rng))
    assert bootstrap([0.1] * 7, rng=rng, method="studentized") == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(ValueError, match="one sample's mean"):
        bootstrap(values, values, rng=rng, statistic=rank_correlations, paired=True, method="studentized")


def test_few_values_are_judged_as_scipy_does():
    draws = chance(12)
    a, b = draws.normal(size=9), draws.normal(2, 5, 13)
    assert bootstrap(a, rng=draws)[1:] == pytest.approx(tuple(stats.ttest_1samp(a, 0).confidence_interval()))
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert difference(a, b, draws)[1:] == pytest.approx(tuple(welch))
    x, y = a + 9, b[:9] + 30
    ratio = bootstrap(x, y, rng=draws, statistic=lambda x, y, axis: x.mean(axis) / y.mean(axis), paired=True)
    literal = [np.delete(x, i).mean() / np.delete(y, i).mean() for i in range(9)]
    error = np.sqrt(8 / 9 * ((literal - np.mean(literal)) ** 2).sum())
    assert ratio.high - ratio.value == pytest.approx(stats.t.ppf(0.975, 8) * error)


def test_bootstrap_interval_of_a_skewed_mean_is_better_than_a_symmetric_one():
    """BCa reaches further on the long side; the plain normal interval does not."""
    values = chance(2).lognormal(0, 1, 60)
    found = bootstrap(values, rng=chance(3))
    assert found.high - found.value > 1.15 * (found.value - found.low)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_wilson_coverage_is_exact_arithmetic(p):
    """Coverage summed over all outcomes, no simulation: Wilson's stays near 95% even for rare events."""
    trials = 60
    ends = [share(k, trials) for k in range(trials + 1)]
    covered = sum(stats.binom.pmf(k, trials, p) for k, end in enumerate(ends) if end.low <= p <= end.high)
    assert 0.92 <= covered <= 0.99


def test_difference_of_shares_coverage_is_exact_arithmetic():
    trials, others, p, q = 30, 40, 0.15, 0.4
    weight = np.outer(stats.binom.pmf(range(trials + 1), trials, p), stats.binom.pmf(range(others + 1), others, q))
    covered = 0.0
    for k in range(trials + 1):
        for m in range(others + 1):
            found = difference_of_shares(k, trials, m, others)
            covered += weight[k, m] * (found.low <= p - q <= found.high)
    assert 0.93 <= covered <= 0.97


@pytest.mark.slow
def test_interval_over_trainings_covers_at_three_trainings():
    draws, trials = chance(4), 4000
    found = [over_trainings(values) for values in draws.normal(1, 2, (trials, 3))]
    assert holds(np.mean([one.low <= 1 <= one.high for one in found]), 0.95, trials)


@pytest.mark.slow
@pytest.mark.parametrize("training", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("shared", [True, False])
def test_interval_over_trainings_and_images_covers_both(training, shared):
    """Three trainings whose estimates err by the same images, or each by its own units, and by training itself."""
    draws, trials, inside = chance(14), 4000, 0
    for _ in range(trials):
        own = draws.normal(0, 1, 1 if shared else 3)
        values = 1 + own + draws.normal(0, training, 3)
        found = pooled([inference.Estimate(value, value - 1.96, value + 1.96) for value in values], shared)
        inside += found.low <= 1 <= found.high
    assert inside / trials > 0.94  # never too narrow
    if shared and training == 0:
        assert inside / trials < 0.96
    elif not shared:
        assert inside / trials < 0.998  # a little too wide, as it says


@pytest.mark.slow
def test_spearman_interval_covers_the_population_value():
    r = 0.6  # of a bivariate normal: rho = 6/pi asin(r/2)
    rho, draws, trials = 6 / np.pi * np.arcsin(r / 2), chance(5), 200
    inside = 0
    for _ in range(trials):
        x, y = draws.multivariate_normal([0, 0], [[1, r], [r, 1]], 100).T
        found = bootstrap(x, y, rng=draws, statistic=rank_correlations, paired=True, resamples=300)
        inside += found.low <= rho <= found.high
    assert 0.90 <= inside / trials <= 0.985


# ------------------------------------------------------------- null data and planted effects


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 10, 80])
def test_nothing_there_gives_a_verdict_no_more_often_than_promised(count):
    """Differences of two halves of the same distribution: supported or contradicted in one of twenty."""
    draws, trials, decided = chance(6), 400, 0
    for _ in range(trials):
        a, b = draws.normal(size=(2, count))
        for found in (paired_difference(a, b, draws, resamples=300), difference(a, b, draws, resamples=300)):
            decided += found.low > 0 or found.high < 0
    # Welch's t of three and three values raises fewer alarms, the bootstrap of 80 values 6.5%
    assert 0.02 <= decided / (2 * trials) <= 0.09


def test_planted_effects_are_found():
    draws = chance(7)
    low = draws.normal(0, 1, 60)
    assert paired_difference(low + 0.2 + draws.normal(0, 0.1, 60), low, draws).low > 0
    assert difference(low + 2, draws.normal(0, 1, 50), draws).low > 0
    assert difference_of_shares(30, 40, 10, 40).low > 0
    right = draws.random(500) < 0.9
    assert mcnemar(right, right & (draws.random(500) < 0.9)) < 1e-6


def test_pairs_are_paired():
    """The same values in another order of pairs: the means agree, the interval does not."""
    draws = chance(8)
    easy = draws.normal(0, 10, 100)
    paired = paired_difference(easy + 1, easy, draws)
    crossed = paired_difference(easy + 1, easy[::-1], draws)
    assert paired == pytest.approx((1, 1, 1))
    assert crossed.value == pytest.approx(1)
    assert crossed.high - crossed.low > 3


# ------------------------------------------------------------- against other implementations, and by hand


def test_wilson_by_its_formula():
    k, n, z = 3, 17, stats.norm.ppf(0.975)
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert share(k, n) == pytest.approx((p, centre - half, centre + half))


def test_wilson_of_arrays_is_scipys_of_each_number():
    successes, trials = np.meshgrid(np.arange(0, 41), [1, 7, 40, 1000], indexing="ij")
    successes = np.minimum(successes, trials)
    low, high = wilson(successes, trials)
    for at, of in np.ndenumerate(trials):
        expected = stats.binomtest(int(successes[at]), int(of)).proportion_ci(0.95, method="wilson")
        assert (low[at], high[at]) == pytest.approx((expected.low, expected.high), rel=1e-14, abs=1e-16)
    assert wilson(3, np.array([10, 20]))[0].shape == (2,)


def test_wilson_solves_its_own_equation():
    """At an end p the observed share lies z standard errors of p away."""
    low, high = wilson(np.array([3, 11]), 17, 0.9)
    for end in (low, high):
        distance = np.abs(np.array([3, 11]) / 17 - end) / np.sqrt(end * (1 - end) / 17)
        np.testing.assert_allclose(distance, stats.norm.ppf(0.95))


def test_interval_of_means_by_hand():
    """1, 2, 3: standard error 1/sqrt(3). A missing value is left out, a group of one has no interval."""
    table = pd.DataFrame({"state": list("bbbbac"), "depth": 1, "x": [1, 2, np.nan, 3, 7, np.nan]})
    found = mean_interval(table, "x", ["state", "depth"]).set_index("state")
    assert list(found) == ["depth", "value", "low", "high"]
    assert found.loc["b", ["value", "low", "high"]].tolist() == pytest.approx([2, 2 - 1.96 / 3**0.5, 2 + 1.96 / 3**0.5])
    assert found.loc["a", "value"] == 7
    assert found.loc[["a", "c"], ["low", "high"]].isna().to_numpy().all()
    assert np.isnan(found.loc["c", "value"])


@pytest.mark.parametrize("count", [30, 47, 400])
def test_closed_form_of_a_mean_is_scipys_bca_number_for_number(count):
    """The same resamples, with the acceleration that scipy works out by leaving out one value after another."""
    values = chance(20).lognormal(0, 1.5, count)
    expected = stats.bootstrap((values,), np.mean, n_resamples=999, method="BCa", rng=chance(21)).confidence_interval
    found = bootstrap(values, rng=chance(21), resamples=999)
    assert found[1:] == pytest.approx((expected.low, expected.high), rel=1e-12)
    percentile = bootstrap(values, rng=chance(21), resamples=999, method="percentile")
    assert abs(found.high - percentile.high) > 0.01 * (found.high - found.low)


def test_newcombe_by_his_own_example():
    """Newcombe 1998, table II, method 10: 56/70 - 48/80 has the interval (0.0524, 0.3339)."""
    assert difference_of_shares(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_apart_of_normal_estimates_is_the_normal_interval():
    assert apart(inference.Estimate(5, 2, 8), inference.Estimate(1, -3, 5)) == pytest.approx((4, -1, 9))


def test_mcnemar_by_hand():
    """Nine images that one alone has right against one: 2 (1 + 10) / 2^10."""
    first = np.array([1] * 9 + [0] + [1] * 5 + [0] * 5, bool)
    second = np.array([0] * 9 + [1] + [1] * 5 + [0] * 5, bool)
    assert mcnemar(first, second) == pytest.approx(22 / 1024)


def test_over_trainings_by_hand():
    """1, 2, 3: mean 2, standard error 1/sqrt(3), t(2) at 97.5% is 4.3027."""
    assert over_trainings([1, 2, 3]) == pytest.approx((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


def test_rank_correlations_agree_with_scipy_ties_and_all():
    draws = chance(9)
    x, y = draws.integers(0, 4, (2, 5, 30))
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(rank_correlations(x, y), expected)


def test_bootstrap_of_a_median_agrees_with_order_statistics():
    """The percentile interval of a median lies at the order statistics that the binomial distribution names."""
    values = np.arange(101.0)
    found = bootstrap(values, rng=chance(10), statistic=np.median, method="percentile")
    np.testing.assert_allclose(found[1:], stats.binom.ppf([0.025, 0.975], 101, 0.5), atol=1.5)


def test_the_same_seed_gives_the_same_interval():
    values = chance(11).normal(size=50)
    assert bootstrap(values, rng=chance(12)) == bootstrap(values, rng=chance(12))
    assert bootstrap(values, rng=chance(12)) != bootstrap(values, rng=chance(13))


# ------------------------------------------------------------- ties and empty sets


def test_constant_values_have_an_interval_of_no_width():
    assert bootstrap([0.1] * 7, rng=chance()) == pytest.approx((0.1, 0.1, 0.1))
    assert paired_difference([1.1, 2.1, 3.1], [1, 2, 3], chance()) == pytest.approx((0.1, 0.1, 0.1))


def test_empty_and_single_values_have_no_interval():
    assert np.isnan(bootstrap([], rng=chance())).all()
    assert np.isnan(difference([1, 2], [], chance())).all()
    one = bootstrap([3], rng=chance())
    assert one.value == 3
    assert np.isnan(one[1:]).all()
    assert over_trainings([5]).value == 5
    assert np.isnan(over_trainings([5])[1:]).all()
    assert np.isnan(over_trainings([])).all()
    assert np.isnan(pooled([inference.Estimate(5, 4, 6)], True)[1:]).all()
    nothing = inference.Estimate(2, np.nan, np.nan)
    assert pooled([inference.Estimate(1, np.nan, np.nan), nothing], True) == over_trainings([1, 2])


def test_ties_and_empty_sets_give_no_evidence():
    assert mcnemar([True, False], [True, False]) == 1


def test_no_trials_tell_nothing():
    assert share(0, 0)[1:] == (0, 1)
    assert difference_of_shares(0, 0, 1, 2)[1:] == (-1, 1)
    assert share(0, 20).high > 0.1
    assert difference_of_shares(20, 20, 20, 20).low < 0 < difference_of_shares(20, 20, 20, 20).high


def test_median_interval_is_the_two_values_that_the_binomial_allows():
    """Conover's table: of 20 values the 6th and the 15th cover the median in 95.9%, of 6 the ends in 96.9%."""
    draws = chance(5).permutation(20).astype(float) + 1
    assert median_interval(draws) == (10.5, 6, 15)
    assert stats.binom.cdf(5, 20, 0.5) == pytest.approx(0.0207, abs=1e-4)
    assert median_interval([3, 1, 2, 6, 5, 4]) == (3.5, 1, 6)
    few = median_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert few.value == 3
    assert np.isnan([few.low, few.high]).all()
    assert np.isnan(median_interval([])).all()
    assert median_interval([2.0] * 10) == (2, 2, 2)


@pytest.mark.slow
def test_median_interval_covers_the_median_of_a_skewed_distribution():
    draws = chance(6)
    found = [median_interval(draws.exponential(size=30)) for _ in range(1000)]
    inside = np.mean([of.low <= np.log(2) <= of.high for of in found])
    assert inside >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 1000)
