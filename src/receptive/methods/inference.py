"""Intervals and tests: how much images, units or seeds allow one to say. On top of scipy, needs no torch.

Nothing here warns or fails on small or constant samples; instead each function says what it gives for them. An
interval that the data cannot give is NaN on both sides, and decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
FEW = 30
"""Below so many values a bootstrap interval is not to be trusted."""


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


_NOTHING = Estimate(np.nan, np.nan, np.nan)


def bootstrap(
    *samples: np.ndarray,
    rng: np.random.Generator,
    statistic: Callable[..., np.ndarray] = np.mean,
    paired: bool = False,
    method: Literal["BCa", "percentile"] = "BCa",
    resamples: int = 5_000,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """The statistic of the samples with a bootstrap interval: narrow where resampling changes it little.

    ``scipy.stats.bootstrap``, bias-corrected and accelerated by default (Efron 1987), in blocks of at most 32 MB. Where
    no resample changes the statistic, the interval is the value itself; where the acceleration or the bias has
    no value (as for some medians), the percentile interval is given.

    Resampling few values gives intervals that are too narrow (means of 80 normal values: 93.5% where 95% are asked for,
    of 10: 90%, of 3: 75%; simulated). Where a sample has fewer than ``FEW`` values the interval is Student's t with the
    jackknife's standard error instead (Efron & Tibshirani 1993, chapter 11; degrees of freedom by Welch and
    Satterthwaite): for means and their differences just the usual one.

    Args:
        samples: one array each, resampled along their only axis: independently, or all together if ``paired``.
        rng: the only source of chance.
        statistic: of as many arrays as samples, over their last axis (keyword ``axis``).

    Returns:
        NaN for an empty sample; NaN ends where a sample has one value only.
    """
    arrays = [np.asarray(sample, float) for sample in samples]
    fewest = min(len(array) for array in arrays)
    if fewest == 0:
        return _NOTHING
    value = float(statistic(*arrays, axis=-1))
    if fewest < 2 or not np.isfinite(value):
        return Estimate(value, np.nan, np.nan)
    if fewest < FEW:
        return _jackknife(arrays, statistic, paired, confidence)
    batch = max(1, 4_000_000 // max(len(array) for array in arrays))
    with np.errstate(all="ignore"), _no_warnings():
        found = stats.bootstrap(
            arrays, statistic, n_resamples=resamples, batch=batch, vectorized=True, paired=paired,
            confidence_level=confidence, method=method, rng=rng,
        )  # fmt: skip
    drawn = found.bootstrap_distribution
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return Estimate(value, np.nan, np.nan)
    # rounding in another order of summing is no spread
    if np.ptp(drawn) <= 1e-12 * max(abs(value), np.abs(drawn).max()):
        return Estimate(value, value, value)
    low, high = found.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def _jackknife(arrays: list[np.ndarray], statistic: Callable, paired: bool, confidence: float) -> Estimate:
    """Student's t interval with the jackknife's standard error; for means the textbook's."""
    value = float(statistic(*arrays, axis=-1))
    left_out = [np.stack([np.delete(array, i) for i in range(len(array))]) for array in arrays]
    if paired:
        without = [statistic(*left_out, axis=-1)]
    else:
        without = []
        for k, its in enumerate(left_out):
            whole = [np.broadcast_to(array, (len(its), len(array))) for array in arrays]
            without.append(statistic(*whole[:k], its, *whole[k + 1 :], axis=-1))
    counts = np.array([len(values) for values in without])
    variances = np.array([values.var() for values in without]) * (counts - 1)
    total = variances.sum()
    if not np.isfinite(total):
        return Estimate(value, np.nan, np.nan)
    if total <= 1e-24 * value**2:  # rounding is no spread
        return Estimate(value, value, value)
    freedom = total**2 / (variances**2 / (counts - 1)).sum()
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(total))
    return Estimate(value, value - half, value + half)


def paired_difference(first: np.ndarray, second: np.ndarray, rng: np.random.Generator, **options) -> Estimate:
    """Mean of ``first - second``, pair by pair, with its bootstrap interval; above 0 where the first is greater.

    What makes one pair (an image, a unit) greater in both drops out.

    Args:
        first, second: of equal length; options: of ``bootstrap``.
    """
    return bootstrap(np.asarray(first, float) - np.asarray(second, float), rng=rng, **options)


def difference(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    statistic: Callable[..., np.ndarray] = np.mean,
    **options,
) -> Estimate:
    """``statistic(first) - statistic(second)`` of two independent samples, with its bootstrap interval.

    Args:
        options: of ``bootstrap``.
    """

    def apart(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(a, axis=axis) - statistic(b, axis=axis)

    return bootstrap(first, second, rng=rng, statistic=apart, **options)


def share(successes: int, trials: int, confidence: float = CONFIDENCE) -> Estimate:
    """``successes`` of ``trials`` with Wilson's score interval (1927); narrower the more trials there are.

    Unlike a bootstrap it has a width also at 0 and at all. NaN and the whole of [0, 1] without trials.
    """
    if trials == 0:
        return Estimate(np.nan, 0.0, 1.0)
    found = stats.binomtest(int(successes), int(trials)).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(found.low), float(found.high))


def difference_of_shares(
    successes: int, trials: int, other_successes: int, other_trials: int, confidence: float = CONFIDENCE
) -> Estimate:
    """Difference of two independent shares; above 0 where the first is greater.

    Newcombe's interval (1998, method 10): ``apart`` of the two Wilson intervals. It has a width also where both shares
    are 0 or 1. NaN and [-1, 1] where one has no trials.
    """
    if trials == 0 or other_trials == 0:
        return Estimate(np.nan, -1.0, 1.0)
    return apart(share(successes, trials, confidence), share(other_successes, other_trials, confidence))


def apart(one: Estimate, other: Estimate) -> Estimate:
    """Difference of two independent estimates, from their intervals alone; above 0 where the first is greater.

    The distances of the facing ends, as roots of sums of squares (Zou & Donner 2008, who show that Newcombe's interval
    for shares is a case of it). Where the two rise and fall together, as measurements on the same images mostly do,
    it is wider than it need be. NaN ends where one has none.
    """
    value = one.value - other.value
    return Estimate(
        value,
        value - float(np.hypot(one.value - one.low, other.high - other.value)),
        value + float(np.hypot(one.high - one.value, other.value - other.low)),
    )


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """p of "the two are right equally often" on the same images, two-sided: exact, from the images they differ on.

    McNemar (1947) in its exact form: a binomial test on the pairs of which one alone is right; 1 without such pairs.

    Args:
        first, second: (image,), bool: right or not.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


def over_seeds(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean over trainings with Student's t interval; NaN ends for one training, which has no spread to tell."""
    values = np.asarray(values, float)
    if len(values) == 0:
        return _NOTHING
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, np.nan, np.nan)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(values))
    return Estimate(mean, mean - half, mean + half)


def pooled(estimates: Sequence[Estimate | tuple[float, float, float]], shared: bool) -> Estimate:
    """Mean over trainings, with an interval for both their spread and what each one's own interval leaves open.

    Each side is the root of the squares of two distances: Student's t over the trainings (``over_seeds``), and the mean
    of the trainings' own intervals, whole where what they are over is ``shared``, and divided by the square root of
    their number where every training has its own (variances of independent errors add; Zou & Donner 2008, MOVER).
    Where it is not shared the spread holds that error already, so the interval is a little too wide; in return two
    trainings that agree by chance promise nothing. An own interval of NaN counts as none.

    Args:
        estimates: one a training.
        shared: whether the own intervals are over what all trainings have in common, such as the images.
    """
    value, low, high = over_seeds([one[0] for one in estimates])
    if len(estimates) < 2:
        return Estimate(value, low, high)
    parts = len(estimates) if not shared else 1
    below, above = (
        np.mean([np.nan_to_num(sign * (one[0] - one[end])) for one in estimates]) / parts**0.5
        for end, sign in ((1, 1), (2, -1))
    )
    return Estimate(value, value - float(np.hypot(value - low, below)), value + float(np.hypot(high - value, above)))


def rank_correlations(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's correlation along an axis: 1 where one rises with the other, -1 where it falls, about 0 unrelated.

    Ties share their mean rank. NaN where either is constant.
    """
    ranks = [stats.rankdata(values, axis=axis) for values in (first, second)]
    a, b = (rank - rank.mean(axis, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return (a * b).sum(axis) / np.sqrt((a * a).sum(axis) * (b * b).sum(axis))


def _no_warnings():
    """scipy warns of constant samples; what they give is defined here."""
    import warnings

    return warnings.catch_warnings(action="ignore")
