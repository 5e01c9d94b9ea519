"""Figure of claim 6: weights by similarity of the filters, and the rows."""

import numpy as np
from matplotlib.figure import Figure

from receptive.claims.filters_coupling import NETWORK, Quantity, weights_and_similarity
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.filters_coupling import Weights, weights_by_similarity
from receptive.methods.filters_coupling import beside_strongest

_EDGES = np.linspace(-1, 1, 9)
_FEWEST = 20
"""Weights between two similarities from which on a median is drawn."""


def figure(study: Study, rows: list[Row]) -> Figure:
    """Weights by similarity before and after training, and the rows."""
    network = NETWORK if NETWORK in study.networks else study.networks[0]
    weights = {}
    for when, trained in (("trained", True), ("before training", False)):
        relative, near = beside_strongest(*weights_and_similarity(study, network, trained))
        weights[when] = Weights(relative, near, medians(relative, near))
    drawn = [row for row in rows if row.quantity in (Quantity.COUPLING, Quantity.LEARNED)]
    return weights_by_similarity(network, weights, drawn)


def medians(relative: np.ndarray, near: np.ndarray) -> list[tuple[float, float, float]]:
    """(low, high, median weight) between similarities that are a quarter apart; none where there are few weights."""
    places = np.digitize(near.ravel(), _EDGES[1:-1])
    between = [relative.ravel()[places == place] for place in range(len(_EDGES) - 1)]
    return [
        (float(_EDGES[place]), float(_EDGES[place + 1]), float(np.median(weights)))
        for place, weights in enumerate(between)
        if len(weights) >= _FEWEST
    ]
