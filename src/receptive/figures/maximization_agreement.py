"""Mean preferred stimuli beside maximized images: do they agree, and which has detail?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from receptive.figures.claims import Rows, draw_estimates
from receptive.figures.stimuli import enlarged
from receptive.figures.style import colour, figure, say, show

UNITS = 8
"""Units shown per layer."""


class Pictures(Protocol):
    """The two pictures of a unit, signed, y x x x channel."""

    @property
    def unit(self) -> int:
        """Its number."""

    @property
    def mean(self) -> np.ndarray:
        """Its mean preferred stimulus less the mean of all patches."""

    @property
    def maximized(self) -> np.ndarray | None:
        """Its maximized image less the start; None where there is none."""


class Detail(NamedTuple):
    """Shares of energy in fine detail of the pictures of one layer, (unit,), and their mean."""

    depth: int
    shares: np.ndarray
    mean: float


def agreement(
    network: str,
    pictures: Mapping[str, Sequence[Pictures]],
    detail: dict[str, dict[str, list[Detail]]],
    parts: Mapping[str, Rows],
) -> Figure:
    """Pictures of some units in the lowest and the highest shown layer, fine detail by depth, and the rows.

    Args:
        network: whose pictures are shown.
        pictures: layer to its units.
        detail: network to kind ("mean", "maximized", "natural") to the layers, low layers first.
        parts: rows of the claim by what their axis shows, because not all are of one scale.
    """
    heights = [1.0 + 0.3 * max(1, len(rows)) for rows in parts.values()]
    fig = figure(11, 6.6 + sum(heights))
    upper, middle, lower = fig.subfigures(3, 1, height_ratios=[1.75 * max(1, len(pictures)), 2.5, sum(heights)])
    _pictures(upper, network, pictures)
    drawn = {name: kinds for name, kinds in detail.items() if kinds["mean"]}
    panels = middle.subplots(1, max(1, len(drawn)), squeeze=False, sharey=True)[0]
    if not drawn:
        say(panels[0], "no network has both mean stimuli and maximized neurons")
    for axes, (name, kinds) in zip(panels, drawn.items(), strict=False):
        _detail(axes, name, kinds)
    if drawn:
        panels[0].set_ylabel("energy in fine detail", fontsize=8)
        panels[0].legend(frameon=False, fontsize=7)
    places = lower.subplots(len(parts), 1, gridspec_kw={"height_ratios": heights})
    for axes, (words, rows) in zip(places, parts.items(), strict=True):
        draw_estimates(axes, rows, words, label=lambda row: f"{row.network}: {row.layer or row.what}")
    return fig


def _pictures(board: SubFigure, network: str, pictures: Mapping[str, Sequence[Pictures]]) -> None:
    """Two rows per layer: mean stimuli, and below them the maximized images of the same units."""
    if not pictures:
        say(board.subplots(), f"{network} has no layer with both mean stimuli and maximized neurons")
        return
    columns = max(min(UNITS, len(units)) for units in pictures.values())
    grid = board.subplots(2 * len(pictures), columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for place, (alias, units) in enumerate(pictures.items()):
        for column, unit in enumerate(units[:UNITS]):
            for axes, picture, words in (
                (grid[2 * place, column], unit.mean, "dead"),
                (grid[2 * place + 1, column], unit.maximized, "no gradient"),
            ):
                axes.axis("on")
                if picture is None or not np.isfinite(picture).all():
                    say(axes, words, 7)
                    continue
                largest = np.abs(picture).max() or 1
                show(axes, enlarged((255 * (0.5 + 0.5 * picture / largest)).round().astype(np.uint8)))
            grid[2 * place, column].set_title(f"unit {unit.unit}", fontsize=8, pad=2)
        for row, words in ((2 * place, f"{alias}\nmean"), (2 * place + 1, f"{alias}\nmaximized")):
            grid[row, 0].set_ylabel(words, fontsize=8)
    board.suptitle(
        f"{network}: mean preferred stimuli (less the mean of all patches), and maximized images (grey: unmoved)",
        fontsize=9,
    )


def _detail(axes: Axes, network: str, kinds: dict[str, list[Detail]]) -> None:
    looks = {
        "natural": ("#777777", ":", "d", "natural patches"),
        "mean": (colour(network), "-", "o", "mean stimuli"),
        "maximized": (colour(network), "--", "s", "maximized images"),
    }
    for name, (ink, line, mark, words) in looks.items():
        # max pool and conv1 share a depth, so layers stand one beside the other
        axes.plot(range(len(kinds[name])), [layer.mean for layer in kinds[name]], line, color=ink, linewidth=1.4)
        face = "white" if mark == "s" else ink
        for place, layer in enumerate(kinds[name]):
            places = [place] * len(layer.shares)
            axes.scatter(places, layer.shares, s=12, marker=mark, facecolor=face, edgecolor=ink, alpha=0.6)
        axes.plot([], [], line, marker=mark, color=ink, markersize=4, label=words, markerfacecolor=face)
    axes.set_title(network, fontsize=9, color=colour(network))
    axes.set_xticks(range(len(kinds["mean"])), [f"depth {layer.depth}" for layer in kinds["mean"]], fontsize=7)
    axes.set_xlim(-0.4, max(0.4, len(kinds["mean"]) - 0.6))
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
