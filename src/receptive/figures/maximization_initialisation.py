"""Class images maximized from noise and from the class's mean: what they look like, and their colour and texture."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from receptive.figures.claims import Rows, draw_estimates
from receptive.figures.style import colour, figure, say, show

CLASSES = 6
"""Classes shown per network."""


def initialisations(
    shown: dict[str, tuple[list[str], dict[str, np.ndarray], dict[str, np.ndarray]]],
    measures: dict[tuple[str, str], dict[str, tuple[np.ndarray, np.ndarray]]],
    natural: dict[str, float],
    parts: Mapping[str, Rows],
) -> Figure:
    """Starts and results of some classes (TG figures 3.3.1 to 3.3.3), each quantity from start to result, and the rows.

    Args:
        shown: network to the classes' names, and by initialisation ("noise", "mean") the starts and the results,
            class x y x x x channel.
        measures: network and words for a quantity to initialisation to the classes' values before and after.
        natural: words for a quantity to its mean over natural images.
        parts: rows of the claim by what their axis shows, because not all are of one scale.
    """
    quantities = list(natural)
    below = [1.1 + 0.36 * max(1, len(rows)) for rows in parts.values()]
    heights = [7.0 if shown else 1, 2.8, sum(below)]
    fig = figure(11, sum(heights))
    upper, middle, lower = fig.subfigures(3, 1, height_ratios=heights)
    if shown:
        _pictures(upper, shown)
        for axes, quantity in zip(middle.subplots(1, len(quantities), squeeze=False)[0], quantities, strict=True):
            _moves(axes, quantity, measures, natural[quantity])
    else:
        say(upper.subplots(), "no network of this study has class images from both starts")
    places = lower.subplots(len(parts), 1, gridspec_kw={"height_ratios": below})
    for axes, (words, rows) in zip(places, parts.items(), strict=True):
        draw_estimates(axes, rows, words, label=lambda row: f"{row.network}: {row.what}")
    return fig


def _pictures(
    board: SubFigure, shown: dict[str, tuple[list[str], dict[str, np.ndarray], dict[str, np.ndarray]]]
) -> None:
    """A block per network with a row per class: start and result from noise, and from the mean."""
    blocks = np.atleast_1d(board.subfigures(1, len(shown), wspace=0.03))
    for block, (network, (names, starts, results)) in zip(blocks, shown.items(), strict=True):
        names = names[:CLASSES]
        block.suptitle(network, fontsize=10, color=colour(network))
        kinds = {
            "start: noise": starts["noise"],
            "from noise": results["noise"],
            "start: mean": starts["mean"],
            "from the mean": results["mean"],
        }
        grid = block.subplots(len(names), len(kinds), squeeze=False)
        for row, name in zip(grid, names, strict=True):
            row[0].set_ylabel(name, fontsize=8)
        for column, (words, pictures) in enumerate(kinds.items()):
            grid[0, column].set_title(words, fontsize=8, pad=2)
            for place in range(len(names)):
                show(grid[place, column], pictures[place].clip(0, 1))


def _moves(
    axes: Axes,
    quantity: str,
    measures: dict[tuple[str, str], dict[str, tuple[np.ndarray, np.ndarray]]],
    natural: float,
) -> None:
    """A line per class from the value of its start to that of its result; from noise filled, from the mean open."""
    networks = [network for network, what in measures if what == quantity]
    for place, network in enumerate(networks):
        for offset, (name, (before, after)) in zip((0, 1), measures[network, quantity].items(), strict=True):
            at = 3 * place + 1.3 * offset
            face = colour(network) if name == "noise" else "white"
            axes.plot([at, at + 0.8], [before, after], "-", color=colour(network), alpha=0.4, linewidth=0.8)
            axes.scatter(
                np.full(len(after), at + 0.8), after, s=16, facecolor=face, edgecolor=colour(network), zorder=3
            )
            axes.scatter(np.full(len(before), at), before, s=16, marker="s", color="#8a8f99", zorder=3)
    axes.axhline(natural, color="#777777", linestyle=":", linewidth=1)
    places = [
        (3 * place + 1.3 * offset + 0.4, f"{network}\nfrom {name}")
        for place, network in enumerate(networks)
        for offset, name in ((0, "noise"), (1, "mean"))
    ]
    axes.set_xticks([at for at, _ in places], [words for _, words in places], fontsize=7)
    axes.set_title(quantity, fontsize=9)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
