"""Figure of claim 10: the most alike pairs of first filters, and the shares of filters with a partner."""

from matplotlib.figure import Figure

from receptive.claims.filters_redundancy import Quantity
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.filters_redundancy import PAIRS, repeats
from receptive.methods.filters_redundancy import likenesses, most_alike


def figure(study: Study, rows: list[Row]) -> Figure:
    """The most alike pairs of every network, turned and recoloured, and the shares by what filters may undergo."""
    settings = study.params.claims
    filters = {network: study.first_filters(network, True) for network in study.networks}
    pairs = {
        network: most_alike(likenesses(weights, Quantity.BOTH, settings.angle_step), PAIRS)
        for network, weights in filters.items()
    }
    shares = {
        network: [row for row in rows if row.networks == (network,) and not row.beyond] for network in study.networks
    }
    return repeats(filters, pairs, shares, settings.same_cosine)
