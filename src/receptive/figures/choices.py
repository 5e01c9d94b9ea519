"""Right choices of the model observer, layer by layer."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from receptive.figures.style import colour, figure

UNTRAINED = "#8a8a8a"


def right_by_layer(table: pd.DataFrame, columns: int = 2) -> Figure:
    """The units of each layer by their share of right choices: quartiles as a box, the middle 90% as whiskers.

    Args:
        table: ``network, state, alias, right``, one row per unit, layers in the order in which they are drawn. NaN is
            left out.
    """
    networks = list(table["network"].unique())
    rows = -(-len(networks) // columns)
    columns = min(columns, len(networks))
    fig = figure(5.4 * columns, 2.7 * rows + 0.4)
    grid = fig.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(networks) :]:
        axes.axis("off")
    for axes, network in zip(grid, networks, strict=False):
        of_network = table[table["network"] == network]
        aliases = list(of_network["alias"].unique())
        for state, shift, ink in (("untrained", 0.18, UNTRAINED), ("trained", -0.18, colour(network))):
            of_state = of_network[of_network["state"] == state]
            values = [of_state.loc[of_state["alias"] == alias, "right"].dropna().to_numpy() for alias in aliases]
            axes.boxplot(
                values, positions=np.arange(len(aliases)) + shift, widths=0.3, whis=(5, 95), showfliers=False,
                patch_artist=True, manage_ticks=False, medianprops={"color": "black", "linewidth": 1.2},
                boxprops={"facecolor": ink, "alpha": 0.6, "edgecolor": ink},
                whiskerprops={"color": ink}, capprops={"color": ink},
            )  # fmt: skip
        axes.axhline(0.5, color="#a03030", linewidth=0.8, linestyle=":")
        axes.set_title(network, fontsize=9.5)
        axes.set_ylabel("right choices", fontsize=8)
        axes.set_ylim(0.3, 1.02)
        axes.set_xticks(range(len(aliases)), aliases, fontsize=7, rotation=35 if len(aliases) > 5 else 0)
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Patch(color=colour("resnet34"), alpha=0.6, label="trained (its network's colour)"),
        Patch(color=UNTRAINED, alpha=0.6, label="before training"),
    ]
    fig.legend(handles=handles, frameon=False, fontsize=8.5, ncols=2, loc="outside upper center")
    return fig
