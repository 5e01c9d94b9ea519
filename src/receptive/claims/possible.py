"""The range that each quantity of a claim lies in by its definition: intervals over trainings are cut there.

Student's t over two or three trainings knows no bounds: of accuracies of 0.93 and 0.98 it says up to 1.03. What lies
beyond the possible is no value that the truth can have, so cutting it off leaves the coverage as it is.
"""

import math

Range = tuple[float, float]
"""Least and greatest possible value."""

SHARE: Range = (0.0, 1.0)
CORRELATION: Range = (-1.0, 1.0)
DIFFERENCE: Range = (-1.0, 1.0)
"""Of two shares."""
OWN_MINUS_OTHERS: Range = (-2.0, 2.0)
"""A difference of two correlations."""
UNBOUNDED: Range = (-math.inf, math.inf)

BY_CLAIM: dict[str, dict[str, Range]] = {
    "selectivity_orientation": {"low layers": SHARE, "high layers": SHARE, "one layer": SHARE},  # and opponency
    "ablation_inactive": {
        "share inactive": SHARE,
        "dL": UNBOUNDED,  # nats
        "dL_rnd": UNBOUNDED,
        "the same noise on one active unit a mini-batch": UNBOUNDED,
    },
    "identity": {"responses": OWN_MINUS_OTHERS, "mean preferred stimuli": OWN_MINUS_OTHERS},
    "maximization_agreement": {
        "agreement": OWN_MINUS_OTHERS,
        "agreement, KS's setting": OWN_MINUS_OTHERS,
        "detail lost from low to high": UNBOUNDED,  # as a part of what natural patches have
        "detail of maximized minus mean, highest layer": UNBOUNDED,  # without noise a share may leave [0, 1]
    },
    "filters_coupling": {
        "weight and similarity": CORRELATION,
        "size of weight and similarity": CORRELATION,
        "before training": CORRELATION,
        "trained - before training": CORRELATION,
    },
    "sparsity": {"rise with depth": CORRELATION, "convolution - pool behind it": DIFFERENCE, "high layers": SHARE},
    "embedding_purity": {"rise above": DIFFERENCE, "first to last convolution, above": DIFFERENCE},
    "deconvolution_energy": {"fall with depth": OWN_MINUS_OTHERS, "outside the subject, last convolution": DIFFERENCE},
    "filters_redundancy": {
        "as they are": SHARE,
        "turned": SHARE,
        "recoloured": SHARE,
        "turned and recoloured": SHARE,
    },
    "maximization_initialisation": {
        "colour": UNBOUNDED,  # CIE L*a*b*
        "texture": DIFFERENCE,
        "colour of single pixels": UNBOUNDED,
    },
    "training_accuracy": {"top-1 accuracy": SHARE, "difference of top-1 accuracy": SHARE},
}
"""By module of the claim's ``Quantity`` and by quantity: of one network, before a control is subtracted."""


def possible(quantity: str, difference: bool) -> Range:
    """The range of a row's value; unbounded for a quantity that is not in ``BY_CLAIM``.

    Args:
        quantity: member of a claim's ``Quantity``.
        difference: whether the row subtracts a control or another network of the same quantity: then the range is that
            of the difference.
    """
    claim = type(quantity).__module__.rpartition(".")[2]
    least, most = BY_CLAIM.get(claim, {}).get(str(quantity), UNBOUNDED)
    return (least - most, most - least) if difference else (least, most)
