"""Claim 6: a projection couples similar first filters."""

import numpy as np

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.filters import strongest_taps
from receptive.methods.filters_coupling import beside_strongest, cosines, coupling, dealt_anew
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
    "The first filters dealt out to their weights at random (its mean and the middle 95%), and the same network "
    "before training."
)
RULE = (
    "Two rows of ResNet34 decide: the correlation minus that of filters dealt at random, and minus that before "
    "training. Supported where both intervals lie above 0. The intervals are those of dealing the filters at random: "
    "units share the first filters, so resampling units would promise too much."
)
NETWORK = "resnet34"
_TRAINED = "weight and similarity"
_LEARNED = "trained - before training"


def measure(study: Study) -> list[Row]:
    """The coupling of every network, its control, and the difference that training makes."""
    missing = study.missing(NETWORK)
    rows = [not_measured(NETWORK, _TRAINED, missing)] if missing else []
    for network in study.networks:
        rows += study.across(_rows, network, given=(network == NETWORK,))
    return rows


def figure(study: Study, rows: list[Row]):
    """Weights by similarity before and after training, and the rows."""
    from receptive.figures import filters_coupling as figures

    network = NETWORK if NETWORK in study.networks else study.networks[0]
    seen = {}
    for when, trained in (("trained", True), ("before training", False)):
        weights, similarity = _layer(network, trained)
        seen[when] = beside_strongest(weights, similarity)
    return figures.weights_by_similarity(network, seen, [row for row in rows if row.what in (_TRAINED, _LEARNED)])


def _rows(study: Study, network: str, decides: bool) -> list[Row]:
    found = {}
    for name, trained, by_size in (
        (_TRAINED, True, False),
        ("size of weight and similarity", True, True),
        ("before training", False, False),
    ):
        weights, similarity = _layer(network, trained)
        value = float(np.nanmean(coupling(weights, similarity, by_size)))
        chance = study.chance("coupling", network, name)
        dealt = dealt_anew(weights, similarity, chance, study.params.claims.permutations, by_size)
        found[name] = value, dealt, weights.shape
    rows = []
    for name, (value, dealt, shape) in found.items():
        p = (1 + int((dealt >= value).sum())) / (1 + len(dealt))
        rows.append(
            measured(
                network, name, _beyond(value, dealt), "first filters, dealt at random",
                control=(dealt.mean(), *np.quantile(dealt, [0.025, 0.975])), units=shape[0], p_value=p,
                reason=f"{shape[0]} units on {shape[1]} filters", decides=decides and name == _TRAINED,
            )
        )  # fmt: skip
    after, before = (_beyond(*found[name][:2]) for name in (_TRAINED, "before training"))
    rows.append(
        measured(
            network, _LEARNED, apart(after, before), "first filters, dealt at random",
            units=found[_TRAINED][2][0], decides=decides,
        )
    )  # fmt: skip
    return rows


def _beyond(value: float, dealt: np.ndarray) -> Estimate:
    """The correlation beyond that of filters dealt at random, whose spread gives the interval."""
    low, high = np.quantile(dealt, [0.025, 0.975])
    centre = dealt.mean()
    return Estimate(value - centre, value - high, value - low)


def _layer(network: str, trained: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the second layer (p x k) and the cosines of the first filters (k x k)."""
    _, names = artifacts.read_filters(network)
    first, second = artifacts.read_weights(network, [names["first"], names["second"]], trained)
    return strongest_taps(second)[0].astype(np.float64), cosines(first)
