"""p values are those of other libraries' tests and agree with the interval; Holm's correction keeps its promise."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from receptive.methods.inference import Estimate, apart, bootstrap, joint_freedom, over_trainings, pooled
from receptive.methods.testing import chance_below, holm, p_different, p_equivalent


def sample(count: int, mean: float = 0.4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, count)


@pytest.mark.parametrize("count", [3, 9, 25])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.3, 2.0])
def test_p_of_a_mean_of_few_values_is_that_of_the_t_test(count, threshold):
    values = sample(count)
    expected = stats.ttest_1samp(values, threshold).pvalue
    assert p_different(over_trainings(values), threshold) == pytest.approx(expected, rel=1e-9)
    by_jackknife = bootstrap(values, rng=np.random.default_rng(0))
    assert p_different(by_jackknife, threshold) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("smallest", [0.1, 0.6, 3.0])
def test_p_of_equivalence_is_that_of_two_one_sided_t_tests(threshold, smallest):
    values = sample(12)
    expected = DescrStatsW(values).ttost_mean(threshold - smallest, threshold + smallest)[0]
    assert p_equivalent(over_trainings(values), threshold, smallest) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("freedom", [np.inf, 3.0, 17.5])
@pytest.mark.parametrize("bound", [-3.0, -1.0 - 1e-6, -1.0 + 1e-6, 0.5, 4.0 - 1e-6, 4.0 + 1e-6, 9.0])
def test_p_lies_below_five_in_a_hundred_where_the_interval_leaves_the_bound_out(freedom, bound):
    crooked = Estimate(0.5, -1.0, 4.0).with_freedom(freedom)
    assert (p_different(crooked, bound) < 0.05) == (bound < -1 or bound > 4)


def test_each_side_of_the_interval_has_its_own_spread():
    crooked = Estimate(1.0, 1 - 1.959964, 1 + 2 * 1.959964)
    assert chance_below(crooked, -1) == pytest.approx(stats.norm.cdf(-2), rel=1e-6)
    assert chance_below(crooked, 5) == pytest.approx(stats.norm.cdf(2), rel=1e-6)
    assert chance_below(crooked, 1) == 0.5


def test_no_width_decides_and_no_interval_does_not():
    certain = Estimate(1.0, 1.0, 1.0)
    assert p_different(certain, 0) == 0
    assert p_different(certain, 1) == 1
    assert p_equivalent(certain, 1, 0.5) == 0
    assert p_equivalent(certain, 0, 0.5) == 1
    unknown = Estimate(1.0, np.nan, np.nan)
    assert np.isnan(p_different(unknown))
    assert np.isnan(p_equivalent(unknown, 0, 1))


def test_holm_is_that_of_statsmodels_and_leaves_out_what_was_not_tested():
    p_values = np.array([0.01, 0.2, 0.03, 0.005, 0.9, 0.03])
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
    with_gaps = np.insert(p_values, [0, 3], np.nan)
    found = holm(with_gaps)
    np.testing.assert_allclose(found[np.isfinite(with_gaps)], holm(p_values))
    assert np.isnan(found[np.isnan(with_gaps)]).all()
    assert holm(np.zeros(0)).size == 0
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])  # by hand


def test_degrees_of_freedom_are_those_of_welch():
    first, second = sample(5), 3 * sample(9, seed=1)
    expected = stats.ttest_ind(first, second, equal_var=False).df
    estimates = over_trainings(first), over_trainings(second)
    assert apart(*estimates).freedom == pytest.approx(expected)
    assert joint_freedom((1.0, np.inf), (2.0, np.inf)) == np.inf
    assert joint_freedom((0.0, 3.0)) == np.inf
    assert joint_freedom((1.0, 4.0), (0.0, np.inf)) == pytest.approx(4)


def test_pooled_trainings_have_few_degrees_of_freedom_where_their_spread_is_what_counts():
    values = [1.0, 2.0, 4.0]
    far = pooled([Estimate(value, value - 1e-6, value + 1e-6) for value in values], shared=True)
    assert far.freedom == pytest.approx(2)
    near = pooled([Estimate(1 + value * 1e-6, 0, 2) for value in values], shared=True)
    assert near.freedom > 1e6
