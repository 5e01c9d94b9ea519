"""Sparsity by depth (YU figure 6)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from receptive.figures.claims import draw_estimates
from receptive.figures.style import colour, figure

_COMPARED = (("vggcnn", "alexcnn"), ("resnet34", "plainnet34"))  # by YU, by KS


def sparsity_by_depth(table: pd.DataFrame) -> Figure:
    """The share of zero responses of every convolution (filled) and pooling layer (open), network by network.

    Args:
        table: one row per layer, in the layers' order: ``network, alias, depth, kind, zero_fraction``. Only
            convolutions and pooling layers are drawn.
    """
    panels = paired(list(table["network"].unique()))
    fig = figure(11, 3.3 * len(panels))
    for axes, members in zip(fig.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        drawn = {network: _places(table[table["network"] == network]) for network in members}
        for network, rows in drawn.items():
            place = rows["place"]
            axes.plot(place, rows["zero_fraction"], "-", color=colour(network), linewidth=1.4, label=network)
            for kind, face in (("conv", colour(network)), ("pool", "white")):
                at = rows["kind"] == kind
                axes.scatter(
                    place[at], rows["zero_fraction"][at], s=30, zorder=3, facecolor=face, edgecolor=colour(network)
                )
            if len(rows) <= 20:
                others = [layers for name, layers in drawn.items() if name != network]
                sides = labels_above(rows, others)
                for x, y, alias, above in zip(place, rows["zero_fraction"], rows["alias"], sides, strict=True):
                    axes.annotate(
                        alias,
                        (x, y),
                        xytext=(0, 7 if above else -14),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7,
                        color=colour(network),
                        path_effects=[withStroke(linewidth=2.5, foreground="white")],  # over the lines, not among them
                    )
        axes.set(xlabel="depth (weight layers)", ylabel="share of zero responses", ylim=(0, 1.08))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right", fontsize=9)
    return fig


def _places(rows: pd.DataFrame) -> pd.DataFrame:
    """Convolutions and pools of one network with their ``place`` along the axis, a pool half a step behind."""
    rows = rows[rows["kind"].isin(["conv", "pool"])].reset_index()
    return rows.assign(place=rows["depth"] + 0.5 * (rows["kind"] == "pool"))


def labels_above(rows: pd.DataFrame, others: list[pd.DataFrame]) -> list[bool]:
    """Whether the label of each mark stands above it, else below: on the side where nothing else is drawn.

    A label stands above where its network is the highest of the panel. Where the network is alone, it stands above
    unless its line comes down to the mark.

    Args:
        rows: of one network, ``place, zero_fraction`` in the order of ``place``.
        others: the same, of the other networks of the panel.

    Returns:
        One truth value per row.
    """
    place, value = rows["place"].to_numpy(), rows["zero_fraction"].to_numpy()
    # a line's end has one neighbour, which counts twice
    before, after = np.append(value[1:2], value[:-1]), np.append(value[1:], value[-2:-1])
    lines = [np.interp(place, other["place"], other["zero_fraction"], left=np.nan, right=np.nan) for other in others]
    sides = []
    for at in range(len(rows)):
        beside = [line[at] for line in lines if np.isfinite(line[at])]
        sides.append(bool(value[at] >= (max(beside) if beside else (before[at] + after[at]) / 2)))
    return sides


def claim(table: pd.DataFrame, rows: Sequence) -> Figure:
    """Share of zeros of convolutions and pools by depth, before (dashed) and after training, and the claim's rows.

    Args:
        table: ``network, state, depth, kind, zero_fraction``, one row per network, state and layer, in the layers'
            order; convolutions and pools only.
        rows: of the claim.
    """
    panels = paired(list(table["network"].unique()))
    fig = figure(11, 4.6 + 0.36 * len(rows))
    upper, lower = fig.subfigures(2, 1, height_ratios=[3.4, 1.2 + 0.36 * len(rows)])
    grid = upper.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, members in zip(grid, panels, strict=True):
        for network in members:
            for state, line in (("untrained", "--"), ("trained", "-")):
                layers = table[(table["network"] == network) & (table["state"] == state)]
                _by_depth(axes, layers, network, line)
        axes.set_xlabel("depth (weight layers)", fontsize=9)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.plot([], [], "--", color="#333333", linewidth=0.9, label="before training")
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    grid[0].set_ylabel("share of zero responses", fontsize=9)
    draw_estimates(lower.subplots(), rows, "correlation with depth, or difference of shares")
    return fig


def paired(networks: list[str]) -> list[tuple[str, ...]]:
    """The networks of each panel: those that a paper compares share one, and all others share one."""
    pairs = [tuple(name for name in pair if name in networks) for pair in _COMPARED]
    rest = tuple(name for name in networks if not any(name in pair for pair in _COMPARED))
    return [members for members in (*pairs, rest) if members]


def _by_depth(axes: Axes, rows: pd.DataFrame, network: str, line: str) -> None:
    """One network in one state: convolutions filled, pools open and half a step behind."""
    trained = line == "-"
    place = rows["depth"] + 0.5 * (rows["kind"] == "pool")
    axes.plot(
        place, rows["zero_fraction"], line, color=colour(network), linewidth=1.4 if trained else 0.9,
        label=network if trained else None, alpha=1 if trained else 0.7,
    )  # fmt: skip
    if trained:
        face = [colour(network) if kind == "conv" else "white" for kind in rows["kind"]]
        axes.scatter(place, rows["zero_fraction"], s=18, zorder=3, facecolor=face, edgecolor=colour(network))
