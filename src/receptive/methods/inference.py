"""Intervals and tests: what images, units or trainings allow one to say. On top of scipy; needs no torch.

Every interval of the project comes from here. Nothing here warns or fails on small or constant samples. Instead each
function says what it gives for them. An interval that the data cannot give is NaN on both sides, and decides nothing.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

CONFIDENCE = 0.95
FEW = 30
"""Below so many values a bootstrap interval is not to be trusted."""
FEWEST_SKEWED = 5
"""Below so many values there is no bootstrap-t, because too many resamples repeat one value."""
NORMAL_QUANTILE = 1.96
"""Standard errors on either side of a mean in its normal 95% interval."""


Values = np.ndarray | Sequence[float] | Sequence[int] | Sequence[bool]
"""Numbers, one per image, unit or training."""
Count = int | np.integer


class _Ends(NamedTuple):
    value: float
    low: float
    high: float


class Estimate(_Ends):
    """A value with its interval: a tuple of ``value, low, high``.

    Attributes:
        freedom: degrees of freedom of Student's t that the interval was made with; infinite where it was made with
            normal quantiles or from resamples. Tests need it (``methods.testing``): the fewer there are, the faster an
            interval grows with its confidence.
    """

    freedom: float = math.inf

    def with_freedom(self, freedom: float) -> "Estimate":
        """The same with other degrees of freedom."""
        copy = Estimate(*self)
        copy.freedom = float(freedom)
        return copy


_NOTHING = Estimate(np.nan, np.nan, np.nan)


def bootstrap(
    *samples: Values,
    rng: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
    paired: bool = False,
    method: Literal["BCa", "percentile", "studentized"] = "BCa",
    resamples: int = 5_000,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """The statistic of the samples with a bootstrap interval: narrow where resampling changes it little.

    ``scipy.stats.bootstrap``, bias-corrected and accelerated by default (Efron 1987), in blocks of at most 32 MB. Where
    no resample changes the statistic, the interval is the value itself. Where the acceleration or the bias has no value
    (as for some medians), the percentile interval is given. The mean of one sample has its acceleration in closed form,
    because leaving out n values one by one takes n x n numbers.

    "studentized" is the bootstrap-t of one sample's mean (Efron & Tibshirani 1993, chapter 12): the resampled means are
    measured in their own standard errors. Of skewed values it covers more than Student's t and BCa (``FEWEST_SKEWED``
    lognormal values: 88% where t has 79%; 9: 90% against 83%; 30: 92% against 88%; of normal values 94% to 96% at any
    number; simulated). It is for means of few and perhaps skewed values.

    Resampling few values gives intervals that are too narrow (means of 80 normal values: 93.5% where 95% are asked for,
    of 10: 90%, of 3: 75%; simulated). Where a sample has fewer than ``FEW`` values the interval is Student's t with the
    jackknife's standard error instead (Efron & Tibshirani 1993, chapter 11; degrees of freedom by Welch and
    Satterthwaite): for means and their differences just the usual one.

    Args:
        samples: (value,) each, resampled along their only axis: independently, or all together if ``paired``.
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
    if method == "studentized":
        if len(arrays) > 1 or statistic is not np.mean:
            raise ValueError("the studentized interval is of one sample's mean")
        return _studentized(arrays[0], value, rng, resamples, confidence)
    if fewest < FEW:
        return _jackknife(arrays, statistic, paired, confidence)
    of_one_mean = len(arrays) == 1 and statistic is np.mean and method == "BCa"
    batch = max(1, 4_000_000 // max(len(array) for array in arrays))
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # scipy warns of constant samples
        result = stats.bootstrap(
            arrays, statistic, n_resamples=resamples, batch=batch, vectorized=True, paired=paired,
            confidence_level=confidence, method="percentile" if of_one_mean else method, rng=rng,
        )  # fmt: skip
    drawn = result.bootstrap_distribution
    low, high = result.confidence_interval
    if of_one_mean:
        low, high = _accelerated(arrays[0], value, drawn, confidence)
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return Estimate(value, np.nan, np.nan)
    # rounding in another order of summing is no spread
    if np.ptp(drawn) <= 1e-12 * max(abs(value), np.abs(drawn).max()):
        return Estimate(value, value, value)
    if not (np.isfinite(low) and np.isfinite(high)):
        low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))


def _studentized(
    values: np.ndarray, mean: float, rng: np.random.Generator, resamples: int, confidence: float
) -> Estimate:
    """The bootstrap-t interval of a mean; Student's t below ``FEWEST_SKEWED`` values, which allow few resamples."""
    count = len(values)
    error = stats.sem(values)
    if error <= 1e-12 * abs(mean):  # rounding is no spread
        return Estimate(mean, mean, mean)
    if count < FEWEST_SKEWED:
        return _jackknife([values], np.mean, False, confidence)
    distances = []
    block = max(1, 4_000_000 // count)
    for start in range(0, resamples, block):
        drawn = values[rng.integers(0, count, (min(block, resamples - start), count))]
        with np.errstate(all="ignore"):
            distances.append((drawn.mean(1) - mean) / stats.sem(drawn, axis=1))
    distance = np.concatenate(distances)
    # a resample of one value alone has no standard error
    low, high = np.quantile(distance[np.isfinite(distance)], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(mean, mean - float(high) * error, mean - float(low) * error).with_freedom(count - 1)


def _accelerated(values: np.ndarray, mean: float, drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    """Ends of the BCa interval of a mean (Efron 1987), from the means of the resamples.

    The bias is scipy's: the normal quantile of the share of resampled means below the mean, where ties count half. The
    acceleration of a mean is sum(d^3) / (6 sum(d^2)^1.5) with d = values - mean, which is what scipy's jackknife gives.
    """
    deviations = values - mean
    spread = (deviations**2).sum()
    if spread == 0:
        return np.nan, np.nan
    acceleration = (deviations**3).sum() / (6 * spread**1.5)
    below = ((drawn < mean).sum() + (drawn <= mean).sum()) / (2 * len(drawn))
    bias = special.ndtri(below)
    shifted = bias + special.ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    shares = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    if not np.isfinite(shares).all():
        return np.nan, np.nan
    low, high = np.quantile(drawn, shares)
    return float(low), float(high)


def _jackknife(arrays: list[np.ndarray], statistic: Callable, paired: bool, confidence: float) -> Estimate:
    """Student's t interval with the jackknife's standard error; for means the textbook's."""
    value = float(statistic(*arrays, axis=-1))
    left_out = [np.stack([np.delete(array, i) for i in range(len(array))]) for array in arrays]
    if paired:
        without = [statistic(*left_out, axis=-1)]
    else:
        without = []
        for k, leaving_out in enumerate(left_out):
            whole = [np.broadcast_to(array, (len(leaving_out), len(array))) for array in arrays]
            without.append(statistic(*whole[:k], leaving_out, *whole[k + 1 :], axis=-1))
    counts = np.array([len(values) for values in without])
    variances = np.array([values.var() for values in without]) * (counts - 1)
    total = variances.sum()
    if not np.isfinite(total):
        return Estimate(value, np.nan, np.nan)
    if total <= 1e-24 * value**2:  # rounding is no spread
        return Estimate(value, value, value)
    freedom = total**2 / (variances**2 / (counts - 1)).sum()
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(total))
    return Estimate(value, value - half, value + half).with_freedom(freedom)


def paired_difference(first: Values, second: Values, rng: np.random.Generator, **options: Any) -> Estimate:
    """Mean of ``first - second``, pair by pair, with its bootstrap interval; above 0 where the first is greater.

    What makes one pair (an image, a unit) greater in both drops out.

    Args:
        first, second: of equal length; options: of ``bootstrap``.
    """
    return bootstrap(np.asarray(first, float) - np.asarray(second, float), rng=rng, **options)


def difference(
    first: Values,
    second: Values,
    rng: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
    **options: Any,
) -> Estimate:
    """``statistic(first) - statistic(second)`` of two independent samples, with its bootstrap interval.

    Args:
        options: of ``bootstrap``.
    """
    return bootstrap(first, second, rng=rng, statistic=partial(_between, statistic), **options)


def _between(statistic: Callable[..., Any], first: np.ndarray, second: np.ndarray, axis: int = -1) -> Any:
    return statistic(first, axis=axis) - statistic(second, axis=axis)


def wilson(
    successes: np.ndarray | Count, trials: np.ndarray | Count, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of Wilson's score interval (1927) of shares: narrower the more trials there are.

    Unlike a bootstrap it has a width also at no and at all successes. [0, 1] without trials.

    Args:
        successes, trials: counts, of shapes that broadcast.

    Returns:
        (low, high), float64, of the common shape.
    """
    successes, trials = np.broadcast_arrays(np.asarray(successes, float), np.asarray(trials, float))
    z = special.ndtri((1 + confidence) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = successes / trials
        centre = (2 * trials * shares + z**2) / (2 * (trials + z**2))
        half = z / (2 * (trials + z**2)) * np.sqrt(4 * trials * shares * (1 - shares) + z**2)
    low = np.where((successes == 0) | (trials == 0), 0.0, centre - half)
    high = np.where((successes == trials) | (trials == 0), 1.0, centre + half)
    return low, high


def share(successes: Count, trials: Count, confidence: float = CONFIDENCE) -> Estimate:
    """``successes`` of ``trials`` with Wilson's interval (``wilson``); NaN and [0, 1] without trials."""
    low, high = wilson(successes, trials, confidence)
    return Estimate(successes / trials if trials else np.nan, float(low), float(high))


def median_interval(values: Values, confidence: float = CONFIDENCE) -> Estimate:
    """Median of independent values with an interval for any distribution: two of the values, by the binomial.

    ``scipy.stats.quantile_test`` (Conover, Practical Nonparametric Statistics, 1999, section 3.2). It covers at least
    as often as promised. NaN ends for fewer than 6 values, of which no two are far enough apart; NaN for none.
    """
    array = np.asarray(values, float)
    if not len(array):
        return _NOTHING
    interval = stats.quantile_test(array, p=0.5).confidence_interval(confidence)
    return Estimate(float(np.median(array)), float(interval.low), float(interval.high))


def mean_interval(table: pd.DataFrame, column: str, by: list[str]) -> pd.DataFrame:
    """Mean of a column in each group of rows, with its normal 95% interval: mean +- 1.96 standard errors.

    For bands in figures, where a group holds many images. Missing values are left out.

    Args:
        column: numbers.
        by: columns whose values make a group.

    Returns:
        One row per group, sorted by ``by``: the columns ``by``, then ``value, low, high``. NaN ends where a group has
        one value.
    """
    groups = table.groupby(by)[column]
    value, half = groups.mean(), NORMAL_QUANTILE * groups.sem()
    return pd.DataFrame({"value": value, "low": value - half, "high": value + half}).reset_index()


def difference_of_shares(
    successes: Count, trials: Count, other_successes: Count, other_trials: Count, confidence: float = CONFIDENCE
) -> Estimate:
    """Difference of two independent shares; above 0 where the first is greater.

    Newcombe's interval (1998, method 10): ``apart`` of the two Wilson intervals. It has a width also where both shares
    are 0 or 1. NaN and [-1, 1] where one has no trials.
    """
    if trials == 0 or other_trials == 0:
        return Estimate(np.nan, -1.0, 1.0)
    return apart(share(successes, trials, confidence), share(other_successes, other_trials, confidence))


def apart(first: Estimate, second: Estimate) -> Estimate:
    """First minus second of two independent estimates, from their intervals alone; above 0 where the first is greater.

    The distances of the facing ends, as roots of sums of squares (Zou & Donner 2008, who show that Newcombe's interval
    for shares is a case of it). Where the two rise and fall together, as measurements on the same images mostly do,
    it is wider than it need be. NaN ends where either has none.
    """
    value = first.value - second.value
    joined = Estimate(
        value,
        value - float(np.hypot(first.value - first.low, second.high - second.value)),
        value + float(np.hypot(first.high - first.value, second.value - second.low)),
    )
    return joined.with_freedom(
        joint_freedom((first.high - first.low, first.freedom), (second.high - second.low, second.freedom))
    )


def joint_freedom(*parts: tuple[float, float], confidence: float = CONFIDENCE) -> float:
    """Degrees of freedom of a sum of independent errors (Welch 1947, Satterthwaite 1946); infinite without a spread.

    Args:
        parts: of each error the width of its interval and the degrees of freedom that it was made with.
    """
    quantiles = [
        special.ndtri((1 + confidence) / 2) if math.isinf(freedom) else stats.t.ppf((1 + confidence) / 2, freedom)
        for _, freedom in parts
    ]
    variances = np.array([(width / quantile) ** 2 for (width, _), quantile in zip(parts, quantiles, strict=True)])
    spread = (variances**2 / np.array([freedom for _, freedom in parts])).sum()
    return float(variances.sum() ** 2 / spread) if spread > 0 else math.inf


def mcnemar(first: Values, second: Values) -> float:
    """p of "the two are right equally often" on the same images: two-sided and exact.

    McNemar (1947) in its exact form: a binomial test on the images that only one of the two has right. 1 where there
    are no such images.

    Args:
        first, second: (image,), bool: right or not.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


def over_trainings(values: Values, confidence: float = CONFIDENCE) -> Estimate:
    """Mean over trainings with Student's t interval; NaN ends for one training, which has no spread to tell."""
    array = np.asarray(values, float)
    if len(array) == 0:
        return _NOTHING
    mean = float(array.mean())
    if len(array) == 1:
        return Estimate(mean, np.nan, np.nan)
    half = float(stats.t.ppf((1 + confidence) / 2, len(array) - 1) * stats.sem(array))
    return Estimate(mean, mean - half, mean + half).with_freedom(len(array) - 1)


def pooled(
    estimates: Sequence[Estimate | tuple[float, float, float]],
    shared: bool,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Mean over trainings, with an interval for both their spread and what each training's own interval leaves open.

    Each side is the root of the sum of two squared distances. One is Student's t over the trainings
    (``over_trainings``). The other is the mean of the trainings' own intervals: whole where what they are over is
    ``shared``, and divided by the square root of their number where every training has its own (variances of
    independent errors add; Zou & Donner 2008, MOVER). Where it is not shared the spread holds that error already, so
    the interval is a little too wide; in return two trainings that agree by chance promise nothing. An own interval of
    NaN counts as none.

    Args:
        estimates: one per training.
        shared: whether the own intervals are over what all trainings have in common, such as the images.
        within: least and greatest possible value. The interval is cut there: what is cut off cannot be the truth, so
            the coverage is the same. It was 0.93 to 0.99 for accuracies of 0.87 to 0.99 whose logits have a standard
            deviation of 0.3 to 0.5 between 2 to 5 trainings, and down to 0.86 for one of 1 (simulated).
    """
    value, low, high = over_trainings([estimate[0] for estimate in estimates])
    if len(estimates) < 2:
        return Estimate(value, low, high)
    parts = 1 if shared else len(estimates)
    below, above = (
        np.mean([np.nan_to_num(sign * (estimate[0] - estimate[end])) for estimate in estimates]) / parts**0.5
        for end, sign in ((1, 1), (2, -1))
    )
    freedom = joint_freedom((high - low, len(estimates) - 1), (below + above, math.inf))
    low, high = value - float(np.hypot(value - low, below)), value + float(np.hypot(high - value, above))
    return Estimate(value, max(low, within[0]), min(high, within[1])).with_freedom(freedom)


def with_spread_of_draws(beyond: Estimate, draws: Values, trainings: int) -> Estimate:
    """What trained networks have beyond untrained ones, with an interval that holds how much untrained draws differ.

    The interval of ``beyond`` is joined with Student's t interval of the draws, as roots of sums of squares. Over
    several trainings ``beyond`` has their spread already, and the draws add the uncertainty of their mean:
    s / sqrt(draws). A single training has no spread of its own, and that of the draws stands for it:
    s sqrt(1 + 1 / draws), the prediction interval of one more draw. Then it is tested whether the trained network could
    be one more untrained one.

    Args:
        beyond: the value less the mean of the draws, with the interval that the trained networks alone give; NaN ends
            count as no width.
        draws: the same quantity in each untrained network; two or more.
        trainings: how many trainings ``beyond`` rests on.
    """
    count = len(draws)
    spread = float(np.std(np.asarray(draws, float), ddof=1))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * spread * np.sqrt((trainings == 1) + 1 / count)
    below, above = (float(np.nan_to_num(abs(end - beyond.value))) for end in (beyond.low, beyond.high))
    joined = Estimate(
        beyond.value, beyond.value - float(np.hypot(below, half)), beyond.value + float(np.hypot(above, half))
    )
    return joined.with_freedom(joint_freedom((below + above, beyond.freedom), (2 * half, count - 1)))


def rank_correlations(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's correlation along an axis: 1 where one rises with the other, -1 where it falls, about 0 unrelated.

    Ties share their mean rank. NaN where either is constant.
    """
    return correlation(centred_ranks(first, axis), centred_ranks(second, axis), axis)


def centred_ranks(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Ranks along an axis less their mean, so they sum to 0; ties share their mean rank."""
    ranks = stats.rankdata(values, axis=axis)
    return np.asarray(ranks - ranks.mean(axis, keepdims=True))


def correlation(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    """Correlation along an axis of values whose mean is 0; NaN where either is constant."""
    with np.errstate(invalid="ignore"):
        products, squares = (first * second).sum(axis), (first * first).sum(axis) * (second * second).sum(axis)
        return np.asarray(products / np.sqrt(squares))
