"""How far each quantity moves by rounding alone: other processors, other libraries, another order of summing.

The measured movements are those of docs/recut.md and of a recomputation of the laptop study by independent code, on
the weights of that study. They do not say how far another training moves: that is the spread over trainings.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple


class Tolerance(NamedTuple):
    """Two values a, b are equal within rounding where abs(a - b) <= absolute + relative * max(abs(a), abs(b))."""

    absolute: float
    relative: float
    reason: str

    def allows(self, first: float, second: float) -> bool:
        """Whether the two are equal within rounding."""
        return abs(first - second) <= self.limit(first, second)

    def limit(self, first: float, second: float) -> float:
        """The largest difference that is rounding."""
        return self.absolute + self.relative * max(abs(first), abs(second))


TOLERANCES = {
    "networks.parameters": Tolerance(0, 0, "a count that the network's plan gives"),
    "networks.*.top*": Tolerance(0.001, 0, "one image of a thousand, at a tie of two classes"),
    "networks.*.loss": Tolerance(0, 1e-4, "mean of float32 losses"),
    "sparsity.*": Tolerance(1e-5, 0, "independent code moved it by up to 1e-6"),
    "deconvolution.*": Tolerance(0.001, 0, "independent code moved it by up to 1e-3, where a pool's largest are tied"),
    "embedding.kl_divergence*": Tolerance(0, 1e-4, "another library's affinities moved it by up to 1e-9"),
    "embedding.*": Tolerance(0.001, 0, "neighbours at equal distances change places"),
    "maximization.beyond_natural": Tolerance(0.02, 0, "ascent amplifies rounding: responses moved by up to 4.7%"),
    "maximization.other_path": Tolerance(0.02, 0, "images that ascent moved take a slightly different path"),
    "maximization.*": Tolerance(1, 0, "ascent amplifies rounding: one image may end otherwise"),
    "stimuli.*": Tolerance(0.001, 0, "patches of nearly equal response change ranks"),
    "identity.*": Tolerance(1e-4, 0, "correlations of float32 responses"),
    "claim 3.*": Tolerance(1e-4, 1e-4, "losses under noise: independent code moved them by up to 1.2e-6"),
    "claim 5.*": Tolerance(0.001, 0, "images by ascent: another optimiser moved it by up to 2e-4"),
    "claim 6.*": Tolerance(0.0025, 0, "independent draws moved it by 0.0025"),
    "claim 9.*": Tolerance(0.001, 0, "ties of a pool's largest, as in deconvolution"),
    "claim *": Tolerance(1e-4, 1e-4, "means and ranks of float32 responses; independent code moved them by 1e-9"),
}
"""By pattern of the group and name of a quantity; the first that fits holds."""
OTHERWISE = Tolerance(1e-6, 1e-5, "float32")


def tolerance(quantity: str) -> Tolerance:
    """The tolerance of a quantity, by its group and name: "sparsity.zero_fraction.c1", "claim 4.responses"."""
    return next((found for pattern, found in TOLERANCES.items() if fnmatchcase(quantity, pattern)), OTHERWISE)
