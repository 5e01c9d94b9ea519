"""First filters that repeat each other up to rotation and colour (TG 5.1)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from receptive.figures.claims import CONTROL, Rows
from receptive.figures.style import as_colour, colour, figure, frame, signed

PAIRS = 6
"""Pairs shown per network."""


def repeats(
    filters: dict[str, np.ndarray],
    pairs: dict[str, list[tuple[int, int, float]]],
    rows: Mapping[str, Rows],
    same: float,
) -> Figure:
    """Every network's most alike pairs of first filters as pictures, and the share of filters with a partner.

    Args:
        filters: network to its first filters, n x y x x x channel.
        pairs: network to its most alike pairs (``methods.filters_redundancy.most_alike``).
        rows: network to its rows of the claim that are drawn.
        same: the likeness from which on filters count as the same.
    """
    fig = figure(11, 1.55 * len(filters) + 0.5)
    grid = fig.add_gridspec(len(filters), 2 * PAIRS + 1, width_ratios=[1] * (2 * PAIRS) + [8])
    for line, (network, of_network) in enumerate(filters.items()):
        for column, (*pair, likeness) in enumerate(pairs[network][:PAIRS]):
            for at, number in enumerate(pair):
                axes = fig.add_subplot(grid[line, 2 * column + at])
                axes.imshow(as_colour(signed(of_network[number])), interpolation="nearest", vmin=0, vmax=1)
                frame(axes)
                axes.set_title(str(number), fontsize=7, pad=2)
                if at == 0:
                    axes.set_xlabel(f"{likeness:.2f}", fontsize=7, loc="right", labelpad=1)
                if not (column or at):
                    axes.set_ylabel(network, fontsize=9)
        axes = fig.add_subplot(grid[line, -1])
        shown = rows.get(network, [])
        for place, row in enumerate(shown):
            axes.plot([row.low, row.high], [place, place], color=colour(network), linewidth=2)
            axes.plot(row.value, place, "o", color=colour(network), markersize=5.5)
            axes.plot([row.control_low, row.control_high], [place + 0.28] * 2, color=CONTROL, linewidth=2)
            axes.plot(row.control, place + 0.28, "s", color=CONTROL, markersize=4)
        axes.set_yticks(range(len(shown)), [row.what for row in shown], fontsize=7)
        axes.yaxis.tick_right()
        axes.set_ylim(len(shown) - 0.4, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.tick_params(axis="x", labelsize=7, labelbottom=line == len(filters) - 1)
        axes.spines[["top", "left"]].set_visible(False)
        if line == len(filters) - 1:
            axes.set_xlabel(f"share of filters with a partner of likeness {same:g} or more", fontsize=8)
        if line == 0:
            handles = [
                Line2D([], [], color="#333333", marker="o", linewidth=2, markersize=5.5, label="measured"),
                Line2D([], [], color=CONTROL, marker="s", linewidth=2, markersize=4, label="shuffled pixels"),
            ]
            axes.legend(handles=handles, frameon=False, fontsize=7, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return fig
