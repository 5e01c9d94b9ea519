"""Sparsity by depth (YU figure 6)."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
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
