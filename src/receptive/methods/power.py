"""How many images, units or trainings would decide: power of the tests of ``methods.testing``."""

import math

import numpy as np
from scipy import special, stats

POWER = 0.8
"""The chance of a decision that is asked for (Cohen 1988)."""
_MOST = 10**9


def power_of_difference(effect: float, level: float, freedom: float = math.inf) -> float:
    """The chance that a two-sided test finds an effect.

    Args:
        effect: in standard errors.
        level: of the test.
        freedom: degrees of freedom of Student's t; infinite: the normal distribution.

    Returns:
        In [0, 1]: what lies beyond the critical values, of a normal or noncentral t distribution around ``effect``.
    """
    if math.isinf(freedom):
        critical = special.ndtri(1 - level / 2)
        return float(special.ndtr(effect - critical) + special.ndtr(-effect - critical))
    critical = stats.t.ppf(1 - level / 2, freedom)
    return float(stats.nct.sf(critical, freedom, effect) + stats.nct.cdf(-critical, freedom, effect))


def power_of_equivalence(smallest: float, level: float, freedom: float = math.inf) -> float:
    """The chance that two one-sided tests find no effect where there is none.

    Args:
        smallest: the smallest effect of interest, in standard errors.
        level: of each of the two tests.
        freedom: as for ``power_of_difference``.

    Returns:
        In [0, 1]: 1 minus twice the chance that one of the two tests fails. Exact for the normal distribution; for
        Student's t a little too small, as both may fail together.
    """
    if math.isinf(freedom):
        fails = special.ndtr(special.ndtri(1 - level) - smallest)
    else:
        fails = stats.nct.cdf(stats.t.ppf(1 - level, freedom), freedom, smallest)
    return float(max(0.0, 1 - 2 * fails))


def needed(
    count: int, error: float, smallest: float, level: float, freedom: float = math.inf, power: float = POWER
) -> int:
    """How many images, units or trainings would decide: find an effect of ``smallest``, or show that there is none.

    The standard error is taken to fall with the square root of the number: error * sqrt(count / n). The number asked
    for is the smallest n at which both powers, to find an effect of ``smallest`` and to find none where there is none,
    reach ``power``. It rests on the spread of what was measured, not on the value.

    Args:
        count: how many there were.
        error: the standard error with them.
        smallest: the smallest effect of interest, in the unit of ``error``.
        level: of the tests.
        freedom: degrees of freedom with ``count``; every further one adds one.

    Returns:
        At least 2. 1,000,000,000 where more were needed.
    """

    def decides(n: int) -> bool:
        size = smallest / error * math.sqrt(n / count)
        degrees = max(1.0, freedom + n - count)
        difference, equivalence = power_of_difference(size, level, degrees), power_of_equivalence(size, level, degrees)
        return bool(np.nan_to_num(min(difference, equivalence), nan=1.0) >= power)

    if error <= 0:
        return 2
    low, high = 1, 2
    while not decides(high):
        low, high = high, 2 * high
        if high > _MOST:
            return _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
