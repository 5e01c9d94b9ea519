"""Sparsity by depth (YU figure 6)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from receptive.figures.claims import draw_estimates
from receptive.figures.style import colour, figure


def sparsity_by_depth(table: pd.DataFrame) -> Figure:
    """The share of zero responses of every convolution (filled) and pooling layer (open), network by network.

    Args:
        table: one row a layer, in the layers' order: ``network, alias, depth, kind, zero_fraction``; only
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
                others = [its for name, its in drawn.items() if name != network]
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
    """Whether each mark's label stands above it, where nothing else is drawn; else it stands below.

    Above where the network is the highest; where it is alone, above unless its line comes down to the mark.

    Args:
        rows: of one network, ``place, zero_fraction`` in the order of ``place``; others: the same of the others that
            share the panel.
    """
    place, value = rows["place"].to_numpy(), rows["zero_fraction"].to_numpy()
    # a line's end has one neighbour, which counts twice
    before, after = np.append(value[1:2], value[:-1]), np.append(value[1:], value[-2:-1])
    lines = [np.interp(place, its["place"], its["zero_fraction"], left=np.nan, right=np.nan) for its in others]
    sides = []
    for at in range(len(rows)):
        beside = [line[at] for line in lines if np.isfinite(line[at])]
        sides.append(bool(value[at] >= (max(beside) if beside else (before[at] + after[at]) / 2)))
    return sides


def claim(zeros: pd.DataFrame, rows: Sequence) -> Figure:
    """Share of zeros of convolutions and pools by depth, before (dashed) and after training, and the claim's rows.

    Args:
        zeros: zeros.parquet of one or more networks, one after the other.
        rows: of the claim.
    """
    shown = zeros[zeros["kind"].isin(["conv", "pool"])]
    keys = ["network", "state", "layer", "depth", "kind"]
    table = shown.groupby(keys, sort=False)["zero_fraction"].mean().reset_index()
    panels = paired(list(table["network"].unique()))
    fig = figure(11, 4.6 + 0.36 * len(rows))
    upper, lower = fig.subfigures(2, 1, height_ratios=[3.4, 1.2 + 0.36 * len(rows)])
    grid = upper.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, members in zip(grid, panels, strict=True):
        for network in members:
            its = table[table["network"] == network]
            for state, line in (("untrained", "--"), ("trained", "-")):
                _by_depth(axes, its[its["state"] == state], network, line)
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
    """The networks of each panel: with their counterparts of the papers, and the rest together."""
    pairs = [p for p in (("vggcnn", "alexcnn"), ("resnet34", "plainnet34")) if any(n in networks for n in p)]
    rest = tuple(n for n in networks if not any(n in p for p in pairs))
    return [tuple(n for n in p if n in networks) for p in pairs] + ([rest] if rest else [])


def _by_depth(axes, rows: pd.DataFrame, network: str, line: str) -> None:
    """One network in one state; convolutions filled, pools open, half a step behind."""
    trained = line == "-"
    place = rows["depth"] + 0.5 * (rows["kind"] == "pool")
    axes.plot(
        place, rows["zero_fraction"], line, color=colour(network), linewidth=1.4 if trained else 0.9,
        label=network if trained else None, alpha=1 if trained else 0.7,
    )  # fmt: skip
    if trained:
        face = [colour(network) if kind == "conv" else "white" for kind in rows["kind"]]
        axes.scatter(place, rows["zero_fraction"], s=18, zorder=3, facecolor=face, edgecolor=colour(network))
