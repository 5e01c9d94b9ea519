"""Claim 10: filters repeat each other up to rotation and colour."""

from enum import StrEnum

import numpy as np

from receptive.claims.row import Row, beyond_untrained, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.filters_redundancy import CHANGES, best_likeness, shuffled_pixels
from receptive.methods.inference import Estimate, apart, difference_of_shares, share
from receptive.params.sections import Claims

NUMBER = 10
TITLE = "Filters repeat up to rotation and colour"
STATEMENT = "Some filters of a layer are the same but for their colours, or turned by some angle."
SOURCE = "TG 5.1 (3)"
STATISTIC = (
    "The share of first-layer filters with a partner whose cosine, in size, reaches claims.same_cosine: as they are, "
    "turned (quarter turns and reflection exactly, finer rotations by interpolation for kernels of 5 px and more), "
    "recoloured (the best orthogonal map of the colours), or both."
)
CONTROL = (
    "The same filters with the pixels of each in random order (mean and middle 95% of claims.shuffles sets), and the "
    "same layer of networks with fresh weights, untrained.draws of them. Turning and recolouring make chance "
    "likenesses, in small kernels many; both controls have them too."
)
RULE = (
    "For the three networks of TG (VGGCNN, DigitCNN, FiveCNN) two rows each decide: the share with a partner turned or "
    "recoloured, minus that of shuffled pixels, and minus that of untrained networks (Wilson's intervals over the "
    "filters, joined with the spread of the control). The other networks are shown beside."
)
NETWORKS = ("vggcnn", "digitcnn", "fivecnn")


class Quantity(StrEnum):
    """What filters may undergo before they are compared (``methods.filters_redundancy.CHANGES``)."""

    PLAIN = "as they are"
    TURNED = "turned"
    RECOLOURED = "recoloured"
    BOTH = "turned and recoloured"


_BEYOND = {"shuffled": "beyond shuffled pixels", "untrained": "beyond untrained networks"}


def measure(study: Study) -> list[Row]:
    """Shares of repeated filters of every network by what they may undergo, and the two differences."""
    rows = [
        not_measured(
            Quantity.BOTH, study.missing(network), what=_words("shuffled"), beyond="shuffled", networks=(network,)
        )
        for network in NETWORKS
        if study.missing(network)
    ]
    for network in study.networks:
        given = network in NETWORKS, study.drawn_filters(network)
        rows += study.across(_of_training, network, given=given)
    return rows


def _words(control: str) -> str:
    return f"{Quantity.BOTH}: {_BEYOND[control]}"


def _of_training(study: Study, training: str, decides: bool, drawn: tuple[np.ndarray, np.ndarray] | None) -> list[Row]:
    """The rows of one training.

    Args:
        drawn: first and second weights of untrained draws; None: the control is the single network before training.
    """
    settings = study.params.claims
    filters, before = study.first_filters(training, True), study.first_filters(training, False)
    rng = study.chance("redundancy", training)
    shuffled = [_counts(shuffled_pixels(filters, rng), settings) for _ in range(settings.shuffles)]
    trained, untrained = _counts(filters, settings), _counts(before, settings)
    units, rows = len(filters), []
    for quantity in Quantity:
        by_chance = np.array([counts[quantity] for counts in shuffled]) / units
        estimate = share(trained[quantity], units)
        control = Estimate(by_chance.mean(), *np.quantile(by_chance, [0.025, 0.975]))
        rows.append(
            measured(
                quantity, estimate, "filters", control=control, units=units, decides=False,
                reason=f"{trained[quantity]} of {units} filters, {untrained[quantity]} before training",
            )
        )  # fmt: skip
    # of the last quantity, both changes together
    facts = [{"what": _words(it), "beyond": it, "units": units, "decides": decides} for it in _BEYOND]
    rows.append(measured(Quantity.BOTH, apart(estimate, control), "filters", **facts[0]))
    if drawn is None:
        learned = difference_of_shares(trained[Quantity.BOTH], units, untrained[Quantity.BOTH], units)
        return [*rows, measured(Quantity.BOTH, learned, "filters", **facts[1])]
    draws = [_counts(first.transpose(0, 2, 3, 1), settings)[Quantity.BOTH] / units for first in drawn[0]]
    return [*rows, beyond_untrained(Quantity.BOTH, estimate, draws, "filters", **facts[1])]


def _counts(filters: np.ndarray, settings: Claims) -> dict[str, int]:
    """How many filters have a partner, by what they may undergo."""
    likeness = best_likeness(filters, settings.angle_step)
    return {change: int((likeness[change] >= settings.same_cosine).sum()) for change in CHANGES}
