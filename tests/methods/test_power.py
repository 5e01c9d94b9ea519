"""Powers are those of statsmodels and of closed forms; the number needed is the smallest that reaches them."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestPower

from receptive.methods.power import needed, power_of_difference, power_of_equivalence


@pytest.mark.parametrize("level", [0.05, 0.001])
@pytest.mark.parametrize("count", [4, 20, 300])
def test_power_to_find_an_effect_is_that_of_statsmodels(count, level):
    effect = 0.3
    size = effect * math.sqrt(count)
    by_t = TTestPower().power(effect, count, level)
    assert power_of_difference(size, level, count - 1) == pytest.approx(by_t, rel=1e-6)
    by_normal = NormalIndPower(ddof=0).power(effect, count, level, ratio=0)
    assert power_of_difference(size, level) == pytest.approx(by_normal, rel=1e-6)


def test_power_to_find_none_has_a_closed_form_and_that_of_t_is_a_lower_bound():
    """Two one-sided z tests: 2 Phi(d - z) - 1 (Schuirmann 1987)."""
    for smallest, level in ((2.5, 0.05), (4.0, 0.001), (5.0, 0.05)):
        closed = max(0.0, 2 * stats.norm.cdf(smallest - stats.norm.ppf(1 - level)) - 1)
        assert power_of_equivalence(smallest, level) == pytest.approx(closed)
    rng = np.random.default_rng(0)
    count, smallest, level = 6, 5.0, 0.05  # in standard errors
    values = rng.normal(0, math.sqrt(count), (100_000, count))
    errors = values.std(1, ddof=1) / math.sqrt(count)
    inside = smallest - np.abs(values.mean(1)) > stats.t.ppf(1 - level, count - 1) * errors
    assert power_of_equivalence(smallest, level, count - 1) == pytest.approx(inside.mean(), abs=0.01)
    assert power_of_equivalence(0.1, 0.05) == 0


@pytest.mark.parametrize(("freedom", "count", "error"), [(math.inf, 100, 0.05), (8.0, 9, 0.2), (1.0, 2, 0.1)])
def test_so_many_decide_and_one_fewer_does_not(freedom, count, error):
    smallest, level = 0.1, 0.002

    def powers(number):
        size, degrees = smallest / (error * math.sqrt(count / number)), freedom + number - count
        return power_of_difference(size, level, degrees), power_of_equivalence(size, level, degrees)

    found = needed(count, error, smallest, level, freedom)
    assert min(powers(found)) >= 0.8 > min(powers(found - 1))


def test_the_number_has_the_closed_form_of_normal_tests():
    """n = count (error (z_level + z_power) / smallest)^2, the greater of the two tests'."""
    level, count, error, smallest = 0.01, 200, 0.03, 0.05
    z = stats.norm.ppf
    both = z(1 - level / 2) + z(0.8), z(1 - level) + z(0.9)
    expected = math.ceil(count * (error * max(both) / smallest) ** 2)
    assert needed(count, error, smallest, level) == expected


def test_without_a_spread_two_are_enough_and_without_end_it_stops():
    assert needed(10, 0.0, 0.1, 0.05) == 2
    assert needed(10, 1e9, 0.1, 0.05) == 10**9
