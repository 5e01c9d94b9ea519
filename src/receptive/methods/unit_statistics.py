"""What every unit of every layer does over a whole set of images, gathered in one pass.

All sums are counts, or float64 with what its rounding left out kept beside it, so the result does not depend on
the order of the batches or on which process saw them (nor on the batch size, but for the network's own rounding).
Memory does not grow with the number of images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

# Histogram bins are read off the float's own bits: 2 bits of the fraction make 4 bins an octave, from
# 2^-12 to 2^12, mirrored for negative values, with what lies nearer to zero in the middle bins.
_FRACTION_BITS = 2
_LOWEST, _HIGHEST = -12, 12
_SHIFT = 23 - _FRACTION_BITS
_OFFSET = (127 + _LOWEST) << _FRACTION_BITS
_HALF = (_HIGHEST - _LOWEST) << _FRACTION_BITS


def histogram_edges() -> np.ndarray:
    """The edges of the histogram's bins, rising, from -inf to inf; bin b holds edges[b] <= r < edges[b + 1].

    Four bins an octave between 2^-12 and 2^12 in size, as many for negative responses (mirrored: they
    hold edges[b] < r <= edges[b + 1]), and three around zero: small negative, exactly zero, small positive.
    The exact zeros lie between two edges of 0.
    """
    steps = np.arange(_HALF)
    sizes = 2.0 ** (_LOWEST + steps // 4) * (1 + (steps % 4) / 4)
    return np.concatenate([[-np.inf], -sizes[:0:-1], [-sizes[0], 0.0, 0.0, sizes[0]], sizes[1:], [np.inf]])


def bins() -> int:
    """Number of bins of the histogram."""
    return 2 * _HALF + 3


def bin_numbers(responses: Tensor) -> Tensor:
    """The bin of every response (float32, any shape), int64."""
    bits = responses.float().contiguous().view(torch.int32)
    size = (bits & 0x7FFFFFFF) >> _SHIFT  # sign dropped; rises with the size of the response
    step = (size - _OFFSET + 1).clamp(0, _HALF)  # 0: nearer to zero than the smallest edge
    middle = _HALF + 1
    # distance from the exact-zero bin: 0 for zeros, 1 for tiny ones, then the steps
    distance = torch.where(responses == 0, 0, step + 1)
    return middle + torch.where(bits < 0, -distance, distance)


def quantile_of(value: np.ndarray, counts: np.ndarray, edges: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """Share of a unit's natural responses that are smaller than a value: 0 none, 1 all.

    Exact at the bins' edges; inside a bin the responses count as spread evenly (as half below in the two bins
    without end, and as none below zero in the bin of exact zeros).

    Args:
        value: unit; NaN gives NaN.
        counts: unit x bin, of ``UnitStatistics.histogram``; edges: of ``histogram_edges``.
        greatest: unit, the greatest natural response; a greater value has quantile 1.
    """
    value, counts = np.asarray(value, np.float32), np.asarray(counts, np.float64)
    known = np.isfinite(value)
    own = bin_numbers(torch.from_numpy(np.where(known, value, 0).astype(np.float32))).numpy()
    low, high = edges[own], edges[own + 1]
    with np.errstate(invalid="ignore"):
        inside = np.where(low == high, 0.0, np.where(np.isinf(low) | np.isinf(high), 0.5, (value - low) / (high - low)))
    before = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(1)], axis=1)
    unit = np.arange(len(value))
    share = (before[unit, own] + inside * counts[unit, own]) / counts.sum(1)
    share = np.where(value > np.asarray(greatest), 1.0, share)
    return np.where(np.isnan(value), np.nan, np.where(value == np.inf, 1.0, np.where(value == -np.inf, 0.0, share)))


@dataclass
class UnitStatistics:
    """Running statistics of the units of one layer.

    Attributes:
        images, positions: number of images seen, and of positions of the map (1 where the layer has none).
        total, rest, zeros, positive_images, maximum, histogram: per unit: sum of the responses, what rounding took
            from it (the sum is ``total + rest``), number of responses that are exactly zero, number of images with a
            positive response anywhere, greatest response, and counts by bin (unit x bin).
    """

    images: int = 0
    positions: int = 0
    total: Tensor | None = field(default=None, repr=False)
    rest: Tensor | None = field(default=None, repr=False)
    zeros: Tensor | None = field(default=None, repr=False)
    positive_images: Tensor | None = field(default=None, repr=False)
    maximum: Tensor | None = field(default=None, repr=False)
    histogram: Tensor | None = field(default=None, repr=False)

    def add(self, responses: Tensor, largest: Tensor) -> None:
        """Takes one batch in.

        Args:
            responses: image x unit x position, float32.
            largest: image x unit, the greatest over the positions.
        """
        images, units, positions = responses.shape
        if self.total is None:
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
        if other.total is None:
            return
        if self.total is None:
            self.__dict__.update({k: v.clone() if isinstance(v, Tensor) else v for k, v in other.__dict__.items()})
            return
        self.images += other.images
        self._plus(other.total)
        self.rest = self.rest + other.rest
        for name in ("zeros", "positive_images", "histogram"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.maximum = torch.maximum(self.maximum, other.maximum)

    def _plus(self, numbers: Tensor) -> None:
        """Adds to ``total``, and to ``rest`` what the sum's rounding loses (Knuth's two-sum, exact)."""
        total = self.total + numbers
        taken = total - self.total
        self.rest = self.rest + ((self.total - (total - taken)) + (numbers - taken))
        self.total = total

    def columns(self) -> dict[str, np.ndarray]:
        """``images, positions, mean, max, zero_fraction, positive_images`` by unit."""
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
