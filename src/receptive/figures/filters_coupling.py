"""Whether similar first filters are coupled by similar weights (KS 3.2)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from receptive.figures.claims import CONTROL, draw_estimates
from receptive.figures.style import colour, figure

_BINS = np.linspace(-1, 1, 9)


def weights_by_similarity(network: str, seen: dict[str, tuple[np.ndarray, np.ndarray]], rows: Sequence) -> Figure:
    """Relative weights by similarity to the strongest filter, before and after training, above the measured rows.

    Args:
        network: whose weights are drawn.
        seen: "trained" and "before training" to (relative, near) of ``methods.coupling.beside_strongest``.
        rows: of ``receptive.claims.Row``.
    """
    height = 1.2 + 0.36 * max(1, len(rows))
    fig = figure(9.5, 3.6 + height)
    above, below = fig.subfigures(2, 1, height_ratios=[3.6, height])
    panels = above.subplots(1, len(seen), sharex=True, sharey=True)
    for axes, (when, (relative, near)) in zip(panels, seen.items(), strict=True):
        ink = colour(network) if when == "trained" else CONTROL
        axes.scatter(near, relative, s=5, color=ink, alpha=0.25, linewidth=0)
        which = np.digitize(near.ravel(), _BINS[1:-1])
        for at in range(len(_BINS) - 1):
            inside = relative.ravel()[which == at]
            if len(inside) >= 20:
                axes.plot(_BINS[at : at + 2], [np.median(inside)] * 2, color="#222222", linewidth=2.5)
        axes.axhline(0, color="#333333", linewidth=0.7)
        axes.set_title(f"{network}, {when}", fontsize=10)
        axes.set_xlabel("cosine with the unit's strongest first filter", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("weight / strongest weight", fontsize=9)
    draw_estimates(below.subplots(), rows, "Spearman's correlation, beyond that of filters dealt at random")
    return fig
