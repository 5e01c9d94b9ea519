"""Mean, greatest response, share of zeros and histogram of every unit over a set of images, gathered in one pass.

All sums are counts, or float64 numbers beside which the part lost to rounding is kept. So the result does not depend on
the order of the batches or on which process saw them. The batch size changes it only through the network's own
rounding. Memory does not grow with the number of images.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor

from receptive.methods.response_histogram import ZERO, bins
from receptive.methods.response_pass.reading import Reading


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
        positive_images: how many images had a positive response at any position.
        maximum: the greatest response.
        counts: responses per bin (``histogram_edges``); bin by bin, so that units lie side by side.
    """

    images: int = 0
    positions: int = 0
    total: Float64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float64), repr=False)
    rest: Float64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float64), repr=False)
    positive_images: Int64[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.int64), repr=False)
    maximum: Float[Tensor, "unit"] = field(default_factory=lambda: _empty(torch.float32), repr=False)
    counts: Int64[Tensor, "bin unit"] = field(default_factory=lambda: torch.zeros(bins(), 0).long(), repr=False)

    @property
    def histogram(self) -> Int64[Tensor, "unit bin"]:
        """``counts``, unit by unit."""
        return self.counts.T.contiguous()

    @property
    def zeros(self) -> Int64[Tensor, "unit"]:
        """How many responses were exactly zero."""
        return self.counts[ZERO]

    def begin(self, responses: Float[Tensor, "image unit position"]) -> None:
        """Makes room for the units of these responses before the first batch."""
        if self.images:
            return
        units, self.positions = responses.shape[1:]
        device = responses.device
        self.total = torch.zeros(units, dtype=torch.float64, device=device)
        self.rest = torch.zeros(units, dtype=torch.float64, device=device)
        self.positive_images = torch.zeros(units, dtype=torch.int64, device=device)
        self.maximum = torch.full((units,), -torch.inf, device=device)
        self.counts = torch.zeros(bins(), units, dtype=torch.int64, device=device)

    def running(self) -> tuple[Shaped[Tensor, "unit"], ...]:
        """What each batch changes beside the counts: ``maximum, positive_images, total, rest``."""
        return self.maximum, self.positive_images, self.total, self.rest

    def add(self, reading: Reading) -> None:
        """Takes one batch in; what read it has added its histograms to ``counts`` already."""
        self.images += len(reading.largest)
        self.maximum = torch.maximum(self.maximum, reading.largest.amax(0))
        self.positive_images += (reading.largest > 0).sum(0)
        self._plus(reading.total.sum(0))

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
        for name in ("positive_images", "counts"):
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
