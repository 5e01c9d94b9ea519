"""Mean, greatest response, share of zeros and histogram of every unit over a set of images, gathered in one pass.

All sums are counts, or float64 numbers beside which the part lost to rounding is kept. So the result does not depend on
the order of the batches or on which process saw them. The batch size changes it only through the network's own
rounding. Memory does not grow with the number of images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, Integer, Shaped
from torch import Tensor

# Bins are read from the bits of the float32: 2 bits of the fraction make 4 bins per octave, from 2^-12 to 2^12.
# Negative values are mirrored. What lies nearer to zero is in the bins in the middle.
_FRACTION_BITS = 2
_LOWEST, _HIGHEST = -12, 12
_SHIFT = 23 - _FRACTION_BITS
_OFFSET = (127 + _LOWEST) << _FRACTION_BITS
_HALF = (_HIGHEST - _LOWEST) << _FRACTION_BITS


def histogram_edges() -> Float64[np.ndarray, "edge"]:
    """The edges of the histogram's bins, rising, from -inf to inf; bin b holds edges[b] <= r < edges[b + 1].

    There are four bins per octave between 2^-12 and 2^12. As many mirrored ones are for negative responses; they hold
    edges[b] < r <= edges[b + 1]. Three lie around zero: small negative, exactly zero (between two edges of 0), and
    small positive.
    """
    steps = np.arange(_HALF)
    sizes = 2.0 ** (_LOWEST + steps // 4) * (1 + (steps % 4) / 4)
    return np.concatenate([[-np.inf], -sizes[:0:-1], [-sizes[0], 0.0, 0.0, sizes[0]], sizes[1:], [np.inf]])


def bins() -> int:
    """Number of bins of the histogram."""
    return 2 * _HALF + 3


def bin_numbers(responses: Float[Tensor, "*shape"]) -> Integer[Tensor, "*shape"]:
    """The number of the bin of every response, which is read as float32."""
    bits = responses.float().contiguous().view(torch.int32)
    size = (bits & 0x7FFFFFFF) >> _SHIFT  # without the sign; rises with the size of the response
    step = (size - _OFFSET + 1).clamp(0, _HALF)  # 0 is nearer to zero than the smallest edge
    middle = _HALF + 1
    # distance from the bin of exact zeros: 0 for zeros, 1 for what is nearer than the smallest edge, then the steps
    distance = torch.where(responses == 0, 0, step + 1)
    return middle + torch.where(bits < 0, -distance, distance)


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


def _empty(dtype: torch.dtype) -> Shaped[Tensor, "unit"]:
    return torch.zeros(0, dtype=dtype)


@dataclass
class UnitStatistics:
    """Running statistics of the units of one layer.

    The tensors are empty before the first image.

    Attributes:
        images: how many were seen.
        positions: of the map; 1 for a layer without one.
        total, rest: the sum of a unit's responses is ``total + rest``; ``rest`` is what rounding took from ``total``.
        zeros: how many responses were exactly zero.
        positive_images: how many images had a positive response at any position.
        maximum: the greatest response.
        histogram: responses per bin (``histogram_edges``).
    """

    images: int = 0
    positions: int = 0
    total: Float64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float64), repr=False)
    rest: Float64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float64), repr=False)
    zeros: Int64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.int64), repr=False)
    positive_images: Int64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.int64), repr=False)
    maximum: Float[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float32), repr=False)
    histogram: Int64[Tensor, "unit bin"] = field(default_factory=lambda: _empty(torch.int64)[:, None], repr=False)

    def add(self, responses: Float32[Tensor, "image unit position"], largest: Float32[Tensor, "image unit"]) -> None:
        """Takes one batch in.

        Args:
            largest: the greatest response of each map.
        """
        images, units, positions = responses.shape
        if not self.images:
            device = responses.device
            self.positions = positions
            self.total = torch.zeros(units, dtype=torch.float64, device=device)
            self.rest = torch.zeros(units, dtype=torch.float64, device=device)
            self.zeros = torch.zeros(units, dtype=torch.int64, device=device)
            self.positive_images = torch.zeros(units, dtype=torch.int64, device=device)
            self.maximum = torch.full((units,), -torch.inf, device=device)
            self.histogram = torch.zeros(units, bins(), dtype=torch.int64, device=device)
        self.images += images
        self._plus(responses.sum(2, dtype=torch.float64).sum(0))
        self.positive_images += (largest > 0).sum(0)
        self.maximum = torch.maximum(self.maximum, largest.amax(0))
        first = torch.arange(units, device=responses.device)[None, :, None] * bins()
        flat = (bin_numbers(responses) + first).flatten()
        counts = torch.bincount(flat, minlength=units * bins()).view(units, bins())
        self.histogram += counts
        self.zeros += counts[:, _HALF + 1]

    def merge(self, other: "UnitStatistics") -> None:
        """Takes in what another pass over other images has gathered."""
        if not other.images:
            return
        if not self.images:
            self.__dict__.update({k: v.clone() if isinstance(v, Tensor) else v for k, v in other.__dict__.items()})
            return
        self.images += other.images
        self._plus(other.total)
        self.rest = self.rest + other.rest
        for name in ("zeros", "positive_images", "histogram"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.maximum = torch.maximum(self.maximum, other.maximum)

    def _plus(self, numbers: Float64[Tensor, "unit"]) -> None:
        """Adds to ``total``, and adds to ``rest`` what rounding loses (Knuth's two-sum, which is exact)."""
        total = self.total + numbers
        taken = total - self.total
        self.rest = self.rest + ((self.total - (total - taken)) + (numbers - taken))
        self.total = total

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of a table with one row per unit.

        They are ``unit, images, positions, mean, max, zero_fraction, positive_images``.
        """
        count = self.images * self.positions
        units = len(self.total)
        return {
            "unit": np.arange(units),
            "images": np.full(units, self.images),
            "positions": np.full(units, self.positions),
            "mean": ((self.total + self.rest) / count).float().cpu().numpy(),
            "max": self.maximum.cpu().numpy(),
            "zero_fraction": (self.zeros.double() / count).cpu().numpy(),
            "positive_images": self.positive_images.cpu().numpy(),
        }
