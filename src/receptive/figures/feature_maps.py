"""Feature maps of one image, unit by unit (TG 2.2)."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from receptive.figures.stimuli import mosaic
from receptive.figures.style import figure, frame, plain, show

_COLUMNS, _ROWS, _TILE_PX, _GAP_PX = 8, 8, 56, 6
_SILENT = {"zero": ("#e9e7f1", "#5b6475"), "dead": ("#f6dede", "#a03030")}
"""Colours of a panel and of the word on it: the unit is zero on this image, or on every validation image."""


def feature_maps(title: str, image: np.ndarray, layers: list[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """An image and the maps of its units, one panel per layer, in rows of 8: black is 0, white each map's own maximum.

    A map that is zero everywhere is not drawn black but named: "zero" where the unit is silent on this image, "dead"
    where it answers no validation image. A layer shows at most 64 units, from unit 0 on.

    Args:
        title: the lines above the image.
        image: uint8, y x x x channel.
        layers: per layer its name, its maps (unit x y x x, not negative), and each unit's greatest response to any
            validation image (unit,).
    """
    rows = max(-(-min(len(maps), _COLUMNS * _ROWS) // _COLUMNS) for _, maps, _ in layers)
    fig = figure(1.9 + 4.7 * len(layers), 0.59 * rows + 0.45)
    grid = np.atleast_1d(fig.subplots(1, 1 + len(layers), width_ratios=[1.6, *[4.7] * len(layers)]))
    show(grid[0], image)
    grid[0].set_title(plain(title), fontsize=10)
    for axes in grid:
        axes.set_anchor("N")
    for axes, (name, maps, maximum) in zip(grid[1:], layers, strict=True):
        _maps(axes, maps[: _COLUMNS * _ROWS], maximum)
        here = int((maps.max((1, 2)) <= 0).sum())
        never = int((maximum <= 0).sum())
        first = "" if len(maps) <= _COLUMNS * _ROWS else f", the first {_COLUMNS * _ROWS} of {len(maps)} units"
        axes.set_title(f"{name}{first}: {here - never} zero on this image, {never} dead", fontsize=10)
    return fig


def _maps(axes: Axes, maps: np.ndarray, maximum: np.ndarray) -> None:
    factor = max(1, round(_TILE_PX / maps.shape[1]))
    side = np.array(maps.shape[1:]) * factor
    tiles, words = [], []
    for unit, values in enumerate(maps):
        word = "" if values.max() > 0 else "zero" if maximum[unit] > 0 else "dead"
        if word:
            back = 255 * np.array(matplotlib.colors.to_rgb(_SILENT[word][0]))
            tile = np.broadcast_to(back.round().astype(np.uint8), (*side, 3))
        else:
            level = (255 * values / values.max()).round().astype(np.uint8)
            tile = np.repeat(level.repeat(factor, 0).repeat(factor, 1)[..., None], 3, 2)
        tiles.append(tile)
        words.append(word)
    show(axes, mosaic(np.stack(tiles), _COLUMNS, _GAP_PX))
    for unit, word in enumerate(words):
        if word:
            y, x = divmod(unit, _COLUMNS)
            at = x * (side[1] + _GAP_PX) + side[1] / 2, y * (side[0] + _GAP_PX) + side[0] / 2
            axes.text(*at, word, fontsize=7, ha="center", va="center", color=_SILENT[word][1])
    frame(axes)
    for spine in axes.spines.values():
        spine.set_visible(False)
