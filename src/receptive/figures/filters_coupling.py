"""Whether similar first filters are coupled by similar weights (KS 3.2)."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from receptive.figures.claims import CONTROL, Rows, draw_estimates
from receptive.figures.style import colour, figure


class Weights(NamedTuple):
    """Weights of a layer's units, one per unit and first filter.

    Attributes:
        relative, near: of ``methods.filters_coupling.beside_strongest``: the weights, and the similarities to the
            unit's strongest filter.
        medians: (low, high, median): the median weight between two similarities.
    """

    relative: np.ndarray
    near: np.ndarray
    medians: list[tuple[float, float, float]]


def weights_by_similarity(network: str, weights: dict[str, Weights], rows: Rows) -> Figure:
    """Relative weights by similarity to the strongest filter, before and after training, above the measured rows.

    Args:
        network: whose weights are drawn.
        weights: "trained" and "before training" to the weights.
        rows: of the claim.
    """
    height = 1.2 + 0.36 * max(1, len(rows))
    fig = figure(9.5, 3.6 + height)
    above, below = fig.subfigures(2, 1, height_ratios=[3.6, height])
    panels = above.subplots(1, len(weights), sharex=True, sharey=True)
    for axes, (when, (relative, near, medians)) in zip(panels, weights.items(), strict=True):
        ink = colour(network) if when == "trained" else CONTROL
        axes.scatter(near, relative, s=5, color=ink, alpha=0.25, linewidth=0)
        for low, high, median in medians:
            axes.plot([low, high], [median, median], color="#222222", linewidth=2.5)
        axes.axhline(0, color="#333333", linewidth=0.7)
        axes.set_title(f"{network}, {when}", fontsize=10)
        axes.set_xlabel("cosine with the unit's strongest first filter", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("weight / strongest weight", fontsize=9)
    draw_estimates(below.subplots(), rows, "Spearman's correlation, beyond that of filters dealt at random")
    return fig
