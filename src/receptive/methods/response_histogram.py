"""The histogram of a unit's responses: its bins, the bin of a response, and the quantile of a value.

Bins are read from the bits of the float32. Two bits of the fraction make four bins per octave, from 2^-12 to 2^12.
Negative values are mirrored. What lies nearer to zero is in the bins in the middle.
"""

import numpy as np
import torch
from jaxtyping import Float, Float64, Integer, Shaped
from torch import Tensor

_FRACTION_BITS = 2
_LOWEST, _HIGHEST = -12, 12
SHIFT = 23 - _FRACTION_BITS
"""Bits of the fraction that no bin asks for."""
OFFSET = (127 + _LOWEST) << _FRACTION_BITS
"""The float32's bits above these, of the smallest edge."""
HALF = (_HIGHEST - _LOWEST) << _FRACTION_BITS
"""Edges of one sign."""
ZERO = HALF + 1
"""The bin of exact zeros."""


def histogram_edges() -> Float64[np.ndarray, "edge"]:
    """The edges of the histogram's bins, rising, from -inf to inf; bin b holds edges[b] <= r < edges[b + 1].

    There are four bins per octave between 2^-12 and 2^12. As many mirrored ones are for negative responses; they hold
    edges[b] < r <= edges[b + 1]. Three lie around zero: small negative, exactly zero (between two edges of 0), and
    small positive.
    """
    steps = np.arange(HALF)
    sizes = 2.0 ** (_LOWEST + steps // 4) * (1 + (steps % 4) / 4)
    return np.concatenate([[-np.inf], -sizes[:0:-1], [-sizes[0], 0.0, 0.0, sizes[0]], sizes[1:], [np.inf]])


def bins() -> int:
    """Number of bins of the histogram."""
    return 2 * HALF + 3


def bin_numbers(responses: Float[Tensor, "*shape"]) -> Integer[Tensor, "*shape"]:
    """The number of the bin of every response, which is read as float32."""
    bits = responses.float().contiguous().view(torch.int32)
    size = (bits & 0x7FFFFFFF) >> SHIFT  # without the sign; rises with the size of the response
    step = (size - OFFSET + 1).clamp(0, HALF)  # 0 is nearer to zero than the smallest edge
    # distance from the bin of exact zeros: 0 for zeros, 1 for what is nearer than the smallest edge, then the steps
    distance = torch.where(responses == 0, 0, step + 1)
    return ZERO + torch.where(bits < 0, -distance, distance)


def quantile_of(
    value: Shaped[np.ndarray, "unit"],
    counts: Shaped[np.ndarray, "unit bin"],
    edges: Float[np.ndarray, "edge"],
    greatest: Shaped[np.ndarray, "unit"],
) -> Float64[np.ndarray, "unit"]:
    """The share of a unit's natural responses that are smaller than a value: 0 none, 1 all.

    It is exact at the edges of the bins. Inside a bin the responses count as spread evenly; in the two bins without end
    half of them count as smaller, and in the bin of exact zeros none.

    Args:
        value: of each unit; NaN gives NaN.
        counts: responses per bin (``UnitStatistics.histogram``); edges: of ``histogram_edges``.
        greatest: the greatest natural response of each unit; a greater value has quantile 1.
    """
    value, counts = np.asarray(value, np.float32), np.asarray(counts, np.float64)
    own = bin_numbers(torch.from_numpy(np.where(np.isfinite(value), value, 0).astype(np.float32))).numpy()
    low, high = edges[own], edges[own + 1]
    with np.errstate(invalid="ignore"):
        inside = np.where(low == high, 0.0, np.where(np.isinf(low) | np.isinf(high), 0.5, (value - low) / (high - low)))
    before = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(1)], axis=1)
    unit = np.arange(len(value))
    share = (before[unit, own] + inside * counts[unit, own]) / counts.sum(1)
    share = np.where(value > np.asarray(greatest), 1.0, share)
    return np.where(np.isnan(value), np.nan, np.where(value == np.inf, 1.0, np.where(value == -np.inf, 0.0, share)))
