"""Mean preferred stimuli beside maximised images: do they agree, and which has detail?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from receptive.figures.claims import draw_estimates
from receptive.figures.stimuli import enlarged
from receptive.figures.style import colour, figure, say, show

UNITS = 8


def agreement(
    network: str, pictures: dict[str, list], detail: dict[str, dict[str, list[tuple[int, np.ndarray]]]], rows: Sequence
) -> Figure:
    """Pictures of some units in the lowest and the highest shown layer, fine detail by depth, and the rows.

    Args:
        pictures: layer to units with ``unit``, ``mean`` and ``maximised`` (y x x x channel, signed, or None).
        detail: network to kind ("mean", "maximised", "natural") to depth and shares of energy, layer by layer.
        rows: of the claim.
    """
    named = [row for row in rows if "KS's setting" not in row.what and (row.value is not None or row.decides)]
    # correlations and shares of natural detail are not of one scale
    parts = {
        "correlation with its own maximised image minus that with others'": [r for r in named if "agreement" in r.what],
        "fine detail: maximised image's share minus the mean stimulus's": [r for r in named if "minus mean" in r.what],
        "part of natural detail that is kept: lowest layer minus highest": [r for r in named if "lost" in r.what],
    }
    heights = [1.0 + 0.3 * max(1, len(its)) for its in parts.values()]
    fig = figure(11, 6.6 + sum(heights))
    upper, middle, lower = fig.subfigures(3, 1, height_ratios=[1.75 * max(1, len(pictures)), 2.5, sum(heights)])
    _pictures(upper, network, pictures)
    there = {name: kinds for name, kinds in detail.items() if kinds["mean"]}
    panels = middle.subplots(1, max(1, len(there)), squeeze=False, sharey=True)[0]
    if not there:
        say(panels[0], "no network has both mean stimuli and maximised neurons")
    for axes, (name, kinds) in zip(panels, there.items(), strict=False):
        _detail(axes, name, kinds)
    if there:
        panels[0].set_ylabel("energy in fine detail", fontsize=8)
        panels[0].legend(frameon=False, fontsize=7)
    places = lower.subplots(len(parts), 1, gridspec_kw={"height_ratios": heights})
    for axes, (words, its) in zip(places, parts.items(), strict=True):
        draw_estimates(axes, its, words, label=lambda row: f"{row.network}: {row.what.split(',')[-1].strip()}")
    return fig


def _pictures(board, network: str, pictures: dict[str, list]) -> None:
    """Two rows a layer: mean stimuli, and below them the maximised images of the same units."""
    if not pictures:
        say(board.subplots(), f"{network} has no layer with both mean stimuli and maximised neurons")
        return
    columns = max(min(UNITS, len(units)) for units in pictures.values())
    grid = board.subplots(2 * len(pictures), columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for place, (alias, units) in enumerate(pictures.items()):
        for column, unit in enumerate(units[:UNITS]):
            for axes, picture, words in (
                (grid[2 * place, column], unit.mean, "dead"),
                (grid[2 * place + 1, column], unit.maximised, "no gradient"),
            ):
                axes.axis("on")
                if picture is None or not np.isfinite(picture).all():
                    say(axes, words, 7)
                    continue
                largest = np.abs(picture).max() or 1
                show(axes, enlarged((255 * (0.5 + 0.5 * picture / largest)).round().astype(np.uint8)))
            grid[2 * place, column].set_title(f"unit {unit.unit}", fontsize=8, pad=2)
        for row, words in ((2 * place, f"{alias}\nmean"), (2 * place + 1, f"{alias}\nmaximised")):
            grid[row, 0].set_ylabel(words, fontsize=8)
    board.suptitle(
        f"{network}: mean preferred stimuli (less the mean of all patches), and maximised images (grey: unmoved)",
        fontsize=9,
    )


def _detail(axes, network: str, kinds: dict[str, list[tuple[int, np.ndarray]]]) -> None:
    looks = {
        "natural": ("#777777", ":", "d", "natural patches"),
        "mean": (colour(network), "-", "o", "mean stimuli"),
        "maximised": (colour(network), "--", "s", "maximised images"),
    }
    for name, (ink, line, mark, words) in looks.items():
        # max pool and conv1 share a depth, so layers stand one beside the other
        means = [float(np.mean(shares)) if len(shares) else np.nan for _, shares in kinds[name]]
        axes.plot(range(len(means)), means, line, color=ink, linewidth=1.4)
        for place, (_, shares) in enumerate(kinds[name]):
            face = "white" if mark == "s" else ink
            axes.scatter([place] * len(shares), shares, s=12, marker=mark, facecolor=face, edgecolor=ink, alpha=0.6)
        face = "white" if mark == "s" else ink
        axes.plot([], [], line, marker=mark, color=ink, markersize=4, label=words, markerfacecolor=face)
    axes.set_title(network, fontsize=9, color=colour(network))
    axes.set_xticks(range(len(kinds["mean"])), [f"depth {depth}" for depth, _ in kinds["mean"]], fontsize=7)
    axes.set_xlim(-0.4, max(0.4, len(kinds["mean"]) - 0.6))
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
