"""Preferred stimuli as pictures (KS figures 4 to 7; YU figure 7 without the deconvolutions)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from receptive.figures.style import OUTSIDE, as_colour, figure, say, show, signed, stretched

_TILE_PX = 72  # a patch is enlarged by a whole number to about this side


@dataclass(frozen=True)
class UnitStimuli:
    """The preferred stimuli of one unit.

    Attributes:
        title: "max pool, 11 px".
        patches: uint8, rank x y x x x channel, best first.
        boxes: rank x (top, left, bottom, right), px.
        image_size: side of the images, px.
        mean: the mean preferred stimulus, y x x x channel in [0, 1], NaN where no patch lies; None where the unit was
            never positive.
        baseline: the mean of all patches, y x x x channel.
        mean_of: the positions of the mean: "interior positions, N = 1234".
        dead: whether the unit is never active on a validation image.
    """

    title: str
    patches: np.ndarray
    boxes: np.ndarray
    image_size: int
    mean: np.ndarray | None
    baseline: np.ndarray
    mean_of: str
    dead: bool


def top_patches(unit_title: str, layers: list[UnitStimuli]) -> Figure:
    """The top 16 patches of one channel, one panel of 4 x 4 per layer (KS figures 4 and 6).

    What lies outside the image is chequered.
    """
    fig = figure(3.4 * len(layers), 3.9)
    for axes, unit in zip(np.atleast_1d(fig.subplots(1, len(layers))), layers, strict=True):
        axes.set_title(unit.title, fontsize=11)
        if unit.dead:
            say(axes, "dead channel:\nnever active on a\nvalidation image")
        else:
            show(axes, mosaic(tiles(unit, 16), 4))
    fig.suptitle(unit_title, fontsize=12)
    return fig


def mean_stimuli(unit_title: str, first_filter: np.ndarray, layers: list[UnitStimuli]) -> Figure:
    """The first filter of a channel and its mean preferred stimuli (KS figures 5 and 7).

    Args:
        first_filter: y x x x channel, the first convolution's weights.
    """
    fig = figure(2.8 * (1 + len(layers)), 6.0)
    grid = fig.subplots(2, 1 + len(layers))
    grid[0, 0].set_title(f"first filter, {len(first_filter)} px", fontsize=11)
    show(grid[0, 0], signed(first_filter))
    grid[1, 0].axis("off")
    for (above, below), unit in zip(grid[:, 1:].T, layers, strict=True):
        above.set_title(unit.title, fontsize=11)
        show_mean(above, unit)
        show_difference(below, unit)
        below.set_xlabel(unit.mean_of, fontsize=8)
    grid[0, 1].set_ylabel("mean", fontsize=9)
    grid[1, 1].set_ylabel("minus mean of all patches", fontsize=9)
    fig.suptitle(unit_title, fontsize=12)
    return fig


def overview(title: str, units: list[tuple[str, UnitStimuli]], columns: int = 12) -> Figure:
    """Mean stimulus, its difference from the mean of all patches, and top patches: one row per unit.

    Args:
        units: the name of each unit and its stimuli.
        columns: most patches per unit.
    """
    fig = figure(0.9 * (columns + 3), 0.9 * len(units) + 0.8)
    grid = fig.subplots(len(units), 3, width_ratios=[1, 1, columns], squeeze=False)
    for (mean_axes, difference_axes, axes), (name, unit) in zip(grid, units, strict=True):
        mean_axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        show_mean(mean_axes, unit)
        show_difference(difference_axes, unit)
        if unit.dead:
            say(axes, "dead channel: never active on a validation image")
        else:
            show(axes, mosaic(tiles(unit, columns), columns))
            axes.set_anchor("W")
    for axes, name in zip(grid[0], ("mean", "difference", "preferred patches, best first"), strict=True):
        axes.set_title(name, fontsize=9, loc="left" if axes is grid[0][2] else "center")
    fig.suptitle(title, fontsize=12)
    return fig


def show_mean(axes: Axes, unit: UnitStimuli) -> None:
    """The mean preferred stimulus, stretched to full contrast."""
    if unit.mean is None:
        say(axes, "never\npositive")
    else:
        show(axes, np.nan_to_num(stretched(unit.mean), nan=0.5))


def show_difference(axes: Axes, unit: UnitStimuli) -> None:
    """The mean preferred stimulus minus the mean of all patches; grey: no difference."""
    if unit.mean is None:
        say(axes, "never\npositive")
    else:
        show(axes, signed(np.nan_to_num(unit.mean - unit.baseline)))


def first_filters(filters: dict[str, np.ndarray], most: int = 32) -> Figure:
    """The first ``most`` filters of each network's first convolution, each scaled by itself.

    Args:
        filters: network to weights, unit x y x x x channel.
    """
    columns = 16
    rows = [-(-min(len(w), most) // columns) for w in filters.values()]
    fig = figure(11, 0.72 * sum(rows) + 0.45 * len(rows))
    grid = fig.subplots(len(rows), 1, height_ratios=rows, squeeze=False)[:, 0]
    for axes, (network, weights) in zip(grid, filters.items(), strict=True):
        shown = np.stack([enlarged((255 * as_colour(signed(w))).round().astype(np.uint8)) for w in weights[:most]])
        show(axes, mosaic(shown, columns))
        axes.set_anchor("W")
        axes.set_title(f"{network}: {weights.shape[1]} x {weights.shape[2]} px", fontsize=10, loc="left")
    return fig


def mosaic(tiles: np.ndarray, columns: int, gap: int = 4, rows: int | None = None) -> np.ndarray:
    """Tiles in rows of ``columns`` on white. A thin grey frame around each keeps white patches visible.

    Args:
        tiles: uint8, tile x y x x x 3.
        gap: between tiles, px; at least 2, for the frames.
        rows: rows of the canvas, also where fewer are filled; None is as many as are filled.

    Returns:
        uint8, y x x x 3.
    """
    count, height, width, channels = tiles.shape
    rows = rows or -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap + 2, columns * (width + gap) - gap + 2, channels), 255, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[y : y + height + 2, x : x + width + 2] = 190
        canvas[y + 1 : y + height + 1, x + 1 : x + width + 1] = tile
    return canvas


def tiles(unit: UnitStimuli, most: int) -> np.ndarray:
    """The unit's first ``most`` patches, enlarged, for ``mosaic``."""
    return np.stack(
        [
            mark_outside(enlarged(as_colour(patch)), box, unit.image_size, len(patch))
            for patch, box in zip(unit.patches[:most], unit.boxes[:most], strict=True)
        ]
    )


def enlarged(picture: np.ndarray) -> np.ndarray:
    """The picture, its pixels repeated by the whole number that brings its height nearest to 72 px."""
    factor = max(1, round(_TILE_PX / len(picture)))
    return picture.repeat(factor, 0).repeat(factor, 1)


def mark_outside(tile: np.ndarray, box: np.ndarray, image_size: int, side: int) -> np.ndarray:
    """The tile, chequered where it lies outside the image.

    Args:
        tile: uint8, an enlarged patch, y x x x 3.
        box: (top, left, bottom, right) of the patch, px.
        image_size: side of the image, px.
        side: height of the patch before it was enlarged, px.
    """
    factor = len(tile) // side
    top, left = (factor * max(0, -int(edge)) for edge in box[:2])
    bottom, right = (factor * max(0, image_size - int(edge)) for edge in box[:2])
    marked = _chequered(*tile.shape[:2]).copy()
    marked[top:bottom, left:right] = tile[top:bottom, left:right]
    return marked


@cache
def _chequered(height: int, width: int) -> np.ndarray:
    """The area outside an image, y x x x 3: the same for all tiles of a sheet."""
    y, x = np.ogrid[:height, :width]
    area = np.where(((y // 6 + x // 6) % 2)[..., None], *OUTSIDE)
    area.setflags(write=False)
    return area
