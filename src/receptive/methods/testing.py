"""Tests that agree with an interval, on many quantities at once: p by inversion, equivalence, Holm's correction.

An interval says at one confidence what a test says at one level. ``chance_below`` says it at every level: the two
halves of the interval are taken for two halves of one Student's t distribution around the value, each with the spread
that the half's length gives. So a two-sided p lies below 0.05 exactly where the 95% interval leaves the bound out. For
Student's t intervals (means of few values, trainings) the p is the t test's; for the others (bootstrap, Wilson,
Newcombe, MOVER) it goes on with the normal distribution where a few thousand resamples, or an interval of one
confidence, say nothing of the far tails that a correction for many rows asks for.
"""

import numpy as np
from jaxtyping import Float, Float64
from scipy import special, stats

from receptive.methods.inference import CONFIDENCE, Estimate


def chance_below(estimate: Estimate, bound: float, confidence: float = CONFIDENCE) -> float:
    """How far up the estimate's distribution a bound lies: one-sided p of "the truth is at most ``bound``".

    0 far below the value, 0.5 at it, 1 far above (a confidence distribution; Xie & Singh 2013). One minus it is the p
    of "the truth is at least ``bound``".

    Args:
        confidence: of the interval of ``estimate``.

    Returns:
        NaN where the interval is missing. An interval of no width puts every other bound at 0 or 1.
    """
    value, low, high = estimate
    half = value - low if bound < value else high - value
    if not np.isfinite([value, half]).all():
        return np.nan
    if bound == value:
        return 0.5
    if half <= 0:
        return float(bound > value)
    freedom = estimate.freedom
    normal = np.isinf(freedom)
    quantile = special.ndtri((1 + confidence) / 2) if normal else stats.t.ppf((1 + confidence) / 2, freedom)
    place = (bound - value) / half * quantile
    return float(special.ndtr(place) if normal else stats.t.cdf(place, freedom))


def p_different(estimate: Estimate, threshold: float = 0.0) -> float:
    """Two-sided p of "the truth is ``threshold``": below 0.05 exactly where the 95% interval leaves it out.

    Returns:
        In [0, 1]; NaN where there is no interval.
    """
    below = chance_below(estimate, threshold)
    return 2 * min(below, 1 - below)


def p_equivalent(estimate: Estimate, threshold: float, smallest: float) -> float:
    """p of "the truth is at least ``smallest`` away from ``threshold``": two one-sided tests (Schuirmann 1987).

    Below 0.05 where the 90% interval lies inside ``threshold`` +- ``smallest``.

    Args:
        smallest: the smallest effect of interest, above 0.

    Returns:
        The greater p of the two tests; NaN where there is no interval.
    """
    at_most = chance_below(estimate, threshold - smallest)
    at_least = 1 - chance_below(estimate, threshold + smallest)
    return float(np.maximum(at_most, at_least))


def holm(p_values: Float[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    """p values corrected for their number (Holm 1979): those below a level keep the chance of any error below it.

    Whatever the tests have to do with each other: the smallest of m is multiplied by m, the next by m - 1, and so on;
    none comes before a smaller one.

    Args:
        p_values: (test,), in [0, 1]. NaN is no test: it stays NaN and does not count.

    Returns:
        (test,), in [0, 1].
    """
    adjusted = np.full(len(p_values), np.nan)
    tests = np.flatnonzero(np.isfinite(p_values))
    order = tests[np.argsort(np.asarray(p_values)[tests], kind="stable")]
    factors = len(tests) - np.arange(len(tests))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return adjusted
