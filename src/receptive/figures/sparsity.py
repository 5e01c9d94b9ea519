"""Sparsity by depth (YU figure 6)."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from receptive.figures.style import colour, figure


def sparsity_by_depth(table: pd.DataFrame) -> Figure:
    """The share of zero responses of every convolution (filled) and pooling layer (open), network by network.

    Args:
        table: one row a layer, in the layers' order: ``network, alias, depth, kind, zero_fraction``; only
            convolutions and pooling layers are drawn.
    """
    networks = list(table["network"].unique())
    # each network with its counterpart of the papers in one panel
    pairs = [p for p in (("vggcnn", "alexcnn"), ("resnet34", "plainnet34")) if any(n in networks for n in p)]
    rest = tuple(n for n in networks if not any(n in p for p in pairs))
    panels = [tuple(n for n in p if n in networks) for p in pairs] + ([rest] if rest else [])
    fig = figure(11, 3.3 * len(panels))
    for axes, members in zip(fig.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        for below, network in enumerate(members):  # labels above the first network's marks, below the second's
            rows = table[(table["network"] == network) & table["kind"].isin(["conv", "pool"])].reset_index()
            place = rows["depth"] + 0.5 * (rows["kind"] == "pool")  # a pool follows its convolution
            axes.plot(place, rows["zero_fraction"], "-", color=colour(network), linewidth=1.4, label=network)
            for kind, face in (("conv", colour(network)), ("pool", "white")):
                at = rows["kind"] == kind
                axes.scatter(
                    place[at], rows["zero_fraction"][at], s=30, zorder=3, facecolor=face, edgecolor=colour(network)
                )
            if len(rows) <= 20:
                for x, y, alias in zip(place, rows["zero_fraction"], rows["alias"], strict=True):
                    axes.annotate(
                        alias,
                        (x, y),
                        xytext=(0, -14 if below else 7),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7,
                        color=colour(network),
                    )
        axes.set(xlabel="depth (weight layers)", ylabel="share of zero responses", ylim=(0, 1.08))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right", fontsize=9)
    return fig
