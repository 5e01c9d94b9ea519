"""Claim 6: a projection couples similar first filters."""

from enum import StrEnum
from typing import Any

import numpy as np

from receptive.claims.row import Row, beyond_untrained, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.filters import strongest_taps
from receptive.methods.filters_coupling import cosines, coupling, dealt_anew
from receptive.methods.inference import Estimate, apart

NUMBER = 6
TITLE = "Similar filters are coupled"
STATEMENT = "A projection behind ResNet's skips couples more strongly to first filters that are similar to each other."
SOURCE = "KS 3.2, figure 3"
STATISTIC = (
    "Spearman's correlation, over the first filters, of a filter's cosine with the unit's most strongly weighted "
    "filter and its weight relative to that one's; mean over the units of the projection. Beside it the same for "
    "weights without sign, and for the second convolution of the other networks."
)
CONTROL = (
    "The first filters dealt out to their weights at random (its mean and the middle 95%), and networks of the same "
    "build with fresh weights, untrained.draws of them."
)
RULE = (
    "Two rows of ResNet34 decide: the correlation minus that of filters dealt at random, and minus that of "
    "untrained networks. The intervals are those of dealing the filters at random (units share the first filters, so "
    "resampling units would promise too much); the second holds how much untrained draws differ, too."
)
NETWORK = "resnet34"
_OVER = "first filters, dealt at random"


class Quantity(StrEnum):
    """Which weights are compared with the similarity of the filters, or what training makes of the correlation."""

    COUPLING = "weight and similarity"
    BY_SIZE = "size of weight and similarity"
    BEFORE = "before training"
    LEARNED = "trained - before training"


def measure(study: Study) -> list[Row]:
    """The coupling of every network, its control, and the difference that training makes."""
    reason = study.missing(NETWORK)
    rows = [not_measured(Quantity.COUPLING, reason, networks=(NETWORK,))] if reason else []
    for network in study.networks:
        given = network == NETWORK, study.drawn_filters(network)
        rows += study.across(_of_training, network, given=given)
    return rows


def weights_and_similarity(study: Study, training: str, trained: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the second layer (p x k), one per unit and first filter, and the cosines of the filters (k x k)."""
    _, names = study.filters(training)
    first, second = study.weights(training, [names["first"], names["second"]], trained)
    return strongest_taps(second)[0].astype(np.float64), cosines(first)


def _of_training(study: Study, training: str, decides: bool, drawn: tuple[np.ndarray, np.ndarray] | None) -> list[Row]:
    """The rows of one training.

    Args:
        drawn: first and second weights of untrained draws; None: the control is the single network before training.
    """
    rows, beyond = [], {}
    for quantity, trained, by_size in (
        (Quantity.COUPLING, True, False),
        (Quantity.BY_SIZE, True, True),
        (Quantity.BEFORE, False, False),
    ):
        weights, similarity = weights_and_similarity(study, training, trained)
        units, filters = weights.shape
        value = float(np.nanmean(coupling(weights, similarity, by_size)))
        rng = study.chance("coupling", training, quantity)
        dealt = dealt_anew(weights, similarity, rng, study.params.claims.permutations, by_size)
        beyond[quantity] = _beyond(value, dealt)
        rows.append(
            measured(
                quantity, beyond[quantity], _OVER, control=(dealt.mean(), *np.quantile(dealt, [0.025, 0.975])),
                units=filters, p_value=(1 + int((dealt >= value).sum())) / (1 + len(dealt)),
                reason=f"{units} units on {filters} filters", beyond="dealt at random",
                decides=decides and quantity == Quantity.COUPLING,
            )
        )  # fmt: skip
    facts: dict[str, Any] = {"units": rows[0].units, "beyond": "untrained", "decides": decides}
    if drawn is None:
        learned = apart(beyond[Quantity.COUPLING], beyond[Quantity.BEFORE])
        return [*rows, measured(Quantity.LEARNED, learned, _OVER, **facts)]
    draws = [  # where filters are dealt at random the correlation is 0 on average: nothing to take off
        float(np.nanmean(coupling(strongest_taps(second)[0].astype(np.float64), cosines(first))))
        for first, second in zip(*drawn, strict=True)
    ]
    return [*rows, beyond_untrained(Quantity.LEARNED, beyond[Quantity.COUPLING], draws, _OVER, **facts)]


def _beyond(value: float, dealt: np.ndarray) -> Estimate:
    """The correlation beyond that of filters dealt at random, whose spread gives the interval."""
    low, high = np.quantile(dealt, [0.025, 0.975])
    return Estimate(value - dealt.mean(), value - high, value - low)
