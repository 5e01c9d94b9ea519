"""Virtual filters, and the weights and first filters that they consist of (KS figure 3)."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from receptive.figures.stimuli import mosaic
from receptive.figures.style import as_colour, colour, figure, frame, say, show, signed

_SHOWN = 16  # first filters from each end of the order
_TILE_PX, _GAP_PX = 44, 18


@dataclass(frozen=True)
class VirtualFilter:
    """One unit of the second layer.

    Attributes:
        unit: its number.
        virtual: its virtual filter, y x x x channel.
        composed: the kernel of both layers together, y x x x channel; None where something lies between them.
        weights: (first unit,), its greatest weight to every unit of the first layer.
    """

    unit: int
    virtual: np.ndarray
    composed: np.ndarray | None
    weights: np.ndarray


def virtual_filter_sheet(
    network: str, units: list[VirtualFilter], first: np.ndarray, dead: frozenset[int] = frozenset()
) -> Figure:
    """Virtual filters, one row per unit: the filter, its weights in falling order, the first filters in that order.

    Args:
        network: its name, which decides the colour of the weights.
        first: the first layer's filters, first unit x y x x x channel, each scaled by itself.
        dead: first units that never answer, marked red.
    """
    composed = any(unit.composed is not None for unit in units)
    widths = [1.1, *([1.1] if composed else []), 1.9, 7.6]
    fig = figure(0.98 * sum(widths), 1.45 * len(units) + 0.45)
    grid = fig.subplots(len(units), len(widths), width_ratios=widths, squeeze=False)
    for row, (axes, unit) in enumerate(zip(grid, units, strict=True)):
        show(axes[0], signed(unit.virtual))
        axes[0].set_ylabel(f"unit {unit.unit}", fontsize=9)
        if composed:
            if unit.composed is None:
                say(axes[1], "none")
            else:
                show(axes[1], signed(unit.composed))
        order = np.argsort(-unit.weights, kind="stable")
        _curve(axes[-2], unit.weights[order], colour(network), last=row == len(units) - 1)
        _filters(axes[-1], first, order, dead)
    titles = ["virtual filter", *(["composed"] if composed else []), "sorted weights", "first filters in that order"]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    return fig


def _curve(axes: Axes, weights: np.ndarray, ink: str, last: bool) -> None:
    axes.axhline(0, color="#999999", linewidth=0.7)
    axes.plot(np.arange(len(weights)), weights, ".-", color=ink, linewidth=1, markersize=3)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("place in the order", fontsize=8)


def _filters(axes: Axes, first: np.ndarray, order: np.ndarray, dead: frozenset[int]) -> None:
    """The first 16 and the last 16 filters of the order, each under its place; all where there are no more than 32."""
    places = list(range(len(order)))
    if len(order) > 2 * _SHOWN:
        places = [*places[:_SHOWN], *places[-_SHOWN:]]
    factor = max(1, round(_TILE_PX / first.shape[1]))
    tiles = [
        (255 * as_colour(signed(first[order[place]]))).round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)
        for place in places
    ]
    side = len(tiles[0])
    show(axes, mosaic(np.stack(tiles), _SHOWN, _GAP_PX))
    for i, place in enumerate(places):
        y, x = (i // _SHOWN) * (side + _GAP_PX), (i % _SHOWN) * (side + _GAP_PX)
        gone = int(order[place]) in dead
        words = f"{place} dead" if gone else str(place)
        axes.text(x + side / 2, y - 2, words, fontsize=6, ha="center", va="bottom", color="#a03030" if gone else "#333")
    axes.set_ylim(axes.get_ylim()[0], -_GAP_PX)
    frame(axes)
    for spine in axes.spines.values():
        spine.set_visible(False)
