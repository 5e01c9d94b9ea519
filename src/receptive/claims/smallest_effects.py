"""The smallest effect of interest of every row that decides: how large a difference must be to matter, and why.

A row whose interval lies within its smallest effect on either side of the threshold is ``equivalent``: whatever there
is, it is smaller than what one would care about. The numbers were set when this rule was made, with the laptop study of
that day known, before any larger study. Each states its reason; ``docs/claims.md`` and the report show both. Verdicts
with half and with twice these sizes stand beside the verdict.
"""

from types import ModuleType
from typing import NamedTuple


class Smallest(NamedTuple):
    """The smallest effect of interest of a quantity.

    Attributes:
        size: in the unit of the row's value, above 0.
        reason: why less would not matter, in a few words.
    """

    size: float
    reason: str


_CORRELATION = Smallest(0.1, "Cohen (1988) calls a correlation of 0.1 small; less is not seen in a figure")
_RANKS = Smallest(0.1, "a rank correlation of 0.1, which Cohen (1988) calls small")
_ZEROS = Smallest(0.02, "two responses in a hundred; YU's figure 6 cannot be read more finely")
_UNITS = Smallest(0.1, "one unit in ten: as much as three standard deviations between untrained networks")
_OPPONENT = Smallest(0.05, "one unit in twenty: of twenty units on a sheet one more")
_OUTSIDE = Smallest(0.02, "a fiftieth of a picture's energy; what is specific to the own subject is 0.05 to 0.07")
_NEIGHBOURS = Smallest(0.05, "half a neighbour of the ten")
_DETAIL = Smallest(0.05, "a twentieth of a picture's energy, which the eye hardly sees")
_FILTERS = Smallest(0.1, "one filter in ten: of the 16 to 64 first filters a few")
_CHROMA = Smallest(2.3, "the just noticeable difference of two colours in CIE L*a*b* (Mahy et al. 1994)")
_ACCURACY = Smallest(0.02, "two images in a hundred: about what two trainings of one network differ by")

BY_CLAIM: dict[str, dict[str, Smallest]] = {
    "selectivity_orientation": {"low layers": _UNITS},
    "selectivity_opponency": {"low layers": _OPPONENT},
    "ablation_inactive": {
        "share inactive": Smallest(0.05, "3 of KS's 64 units; they find 13 against 2"),
        "dL": Smallest(0.1, "nats: a tenth less probability for the right class; KS find 1.27"),
    },
    "identity": {"responses": _CORRELATION, "mean preferred stimuli": _CORRELATION},
    "maximization_agreement": {
        "agreement": _CORRELATION,
        "detail lost from low to high": _DETAIL,
        "detail of maximized minus mean, highest layer": _DETAIL,
    },
    "filters_coupling": {"weight and similarity": _RANKS, "trained - before training": _RANKS},
    "sparsity": {"rise with depth": _RANKS, "convolution - pool behind it": _ZEROS, "high layers": _ZEROS},
    "embedding_purity": {"rise above": _NEIGHBOURS},
    "deconvolution_energy": {"fall with depth": _OUTSIDE, "outside the subject, last convolution": _OUTSIDE},
    "filters_redundancy": {"turned and recoloured": _FILTERS},
    "maximization_initialisation": {"colour": _CHROMA, "texture": _DETAIL},
    "training_accuracy": {"difference of top-1 accuracy": _ACCURACY},
}
"""By module of a claim and by quantity. A claim that is not here may have a ``SMALLEST`` of its own."""


def of_claim(claim: ModuleType) -> dict[str, Smallest]:
    """By quantity the smallest effects of a claim: its own ``SMALLEST``, or those of ``BY_CLAIM``; empty without."""
    return getattr(claim, "SMALLEST", None) or BY_CLAIM.get(claim.__name__.rpartition(".")[2], {})
