"""Representation spaces as planes of patches (YU figure 3), and label purity by depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from receptive.figures.deconvolution import signed_tile
from receptive.figures.stimuli import mark_outside, mosaic
from receptive.figures.style import as_colour, colour, figure, plain, say, show

REGION_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
TILE_PX = 48


@dataclass(frozen=True)
class RegionUnit:
    """A unit that answers in a region, with its deconvolved top patches.

    Attributes:
        name: "unit 7".
        reconstructions: rank x y x x x channel, signed; no rank where none is known.
        boxes: rank x (top, left, bottom, right), px.
    """

    name: str
    reconstructions: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class RegionView:
    """One region of the plane.

    Attributes:
        words: "galaxies: 95% of 38 points".
        square: (left, low, side) as parts of the plane, from its lower left corner.
        grid: row x column, the top row first; numbers of ``Space.tiles``.
        selected: (patch,), numbers of ``Space.tiles``.
        units: the strongest first.
    """

    words: str
    square: tuple[float, float, float]
    grid: np.ndarray
    selected: np.ndarray
    units: list[RegionUnit]


@dataclass(frozen=True)
class Space:
    """The map of one layer.

    Attributes:
        title: the layer, and how good its map is.
        tiles: uint8, patch x px x px x 3 (``tile``).
        grids: row x column each, numbers of ``tiles``; the coarse grid first.
        regions: parts of the plane that are shown enlarged.
        image_size: side of the images, px.
    """

    title: str
    tiles: np.ndarray
    grids: list[np.ndarray]
    regions: list[RegionView]
    image_size: int


def tile(patch: np.ndarray, box: np.ndarray, image_size: int, px: int = TILE_PX) -> np.ndarray:
    """A patch as a square of ``px`` pixels, chequered outside the image.

    Args:
        patch: uint8, y x x x channel, of any size.
        box: (top, left, bottom, right) of the patch, px.
        image_size: side of the image, px.
    """
    factor = -(-px // len(patch))
    large = as_colour(patch).repeat(factor, 0).repeat(factor, 1)
    marked = mark_outside(large, box, image_size, len(patch))
    return np.asarray(Image.fromarray(marked).resize((px, px), Image.Resampling.BOX))


def representation_space(space: Space) -> Figure:
    """The plane filled with patches at two resolutions, and its regions with their patches and units (YU figure 3).

    Above: every cell shows the patch nearest to it in the plane; the frames are the regions. Below, one row per
    region: (b) the region, (c) patches from its middle, (d) the units that answer most there, each by the
    deconvolutions of its top patches.
    """
    rows, most = len(space.regions), max([len(region.units) for region in space.regions], default=0)
    fig = figure(15, 7.9 + 2.15 * rows)
    above, below = fig.subfigures(2, 1, height_ratios=[7.6, max(0.01, 2.15 * rows)])
    for axes, grid in zip(above.subplots(1, len(space.grids), squeeze=False)[0], space.grids, strict=True):
        _show_grid(axes, space.tiles, grid)
        axes.set_title(f"(a) {len(grid)} x {len(grid)} cells, each with its nearest patch", fontsize=10)
        for number, region in enumerate(space.regions):
            _frame(axes, region, number, len(grid) * TILE_PX)
    if rows:
        ratios = [1.15, 1, *[1] * max(most, 1)]
        places = below.subplots(rows, 2 + max(most, 1), squeeze=False, width_ratios=ratios)
        for number, (line, region) in enumerate(zip(places, space.regions, strict=True)):
            _show_region(line, space, region, number)
    fig.suptitle(space.title, fontsize=12)
    return fig


def no_map(title: str, reason: str) -> Figure:
    """An empty panel with the reason why a layer has no map."""
    fig = figure(11, 1.6)
    say(fig.subplots(), reason)
    fig.suptitle(title, fontsize=12)
    return fig


def purity_by_depth(table: pd.DataFrame) -> Figure:
    """Label purity of every convolution (filled) and pool (open): trained, untrained, and of the patches' pixels.

    Bands reach from ``low`` to ``high``. The thin dashed line is chance.

    Args:
        table: one row per network, state and layer: ``network, state, depth, kind, value, low, high, chance``.
    """
    networks = list(table["network"].unique())
    columns = min(2, len(networks))
    fig = figure(5.6 * columns, 3.1 * -(-len(networks) // columns))
    places = fig.subplots(-(-len(networks) // columns), columns, squeeze=False).ravel()
    for axes in places[len(networks) :]:
        axes.axis("off")
    for axes, network in zip(places, networks, strict=False):
        styles = {
            "trained": (colour(network), "-", "trained"),
            "untrained": ("#6b6b6b", "--", "before training"),
            "pixels": ("#b08d57", ":", "pixels of the patch"),
        }
        purity = table[table["network"] == network]
        for state, (ink, line, words) in styles.items():
            rows = purity[purity["state"] == state]
            place = (rows["depth"] + 0.5 * (rows["kind"] == "pool")).to_numpy()  # a pool follows its convolution
            axes.fill_between(place, rows["low"], rows["high"], color=ink, alpha=0.2, linewidth=0)
            axes.plot(place, rows["value"], line, color=ink, linewidth=1.5, label=words)
            if state == "trained":
                for kind, face in (("conv", ink), ("pool", "white")):
                    at = (rows["kind"] == kind).to_numpy()
                    axes.scatter(place[at], rows["value"][at], s=22, zorder=3, facecolor=face, edgecolor=ink)
        axes.axhline(purity["chance"].iloc[0], color="#999999", linewidth=0.8, linestyle=(0, (6, 4)))
        axes.set(xlabel="depth (weight layers)", ylabel="label purity", ylim=(0, 1))
        axes.set_title(network, fontsize=11)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", fontsize=8)
    return fig


def _show_grid(axes: Axes, tiles: np.ndarray, grid: np.ndarray) -> None:
    rows, columns = grid.shape
    px = tiles.shape[1]
    canvas = tiles[grid].transpose(0, 2, 1, 3, 4).reshape(rows * px, columns * px, 3)
    axes.imshow(canvas, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="#999999", linewidth=0.6)


def _frame(axes: Axes, region: RegionView, number: int, px: int) -> None:
    left, low, side = (part * px for part in region.square)
    ink = REGION_COLOURS[number % len(REGION_COLOURS)]
    for width, shade in ((5, "white"), (2.5, ink)):
        axes.add_patch(Rectangle((left, px - low - side), side, side, fill=False, edgecolor=shade, linewidth=width))


def _show_region(line: Sequence[Axes], space: Space, region: RegionView, number: int) -> None:
    first = number == 0
    _show_grid(line[0], space.tiles, region.grid)
    for spine in line[0].spines.values():
        spine.set(color=REGION_COLOURS[number % len(REGION_COLOURS)], linewidth=2.5)
    line[0].set_xlabel(plain(region.words), fontsize=9)
    if first:
        for axes, words in zip(line, ("(b) region", "(c) patches", "(d) strongest units"), strict=False):
            axes.set_title(words, fontsize=10)
    if len(region.selected):
        _show_mosaic(line[1], space.tiles[region.selected])
    else:
        say(line[1], "no point\nlies here")
    for axes, unit in zip(line[2:], region.units, strict=False):
        axes.set_xlabel(unit.name, fontsize=9)
        if len(unit.reconstructions):
            _show_mosaic(axes, _reconstructions(unit, space.image_size))
        else:
            say(axes, "no top patch\nis known")
    for axes in line[2 + len(region.units) :]:
        axes.axis("off")
    if not region.units:
        line[2].axis("on")
        say(line[2], "no unit\nanswers here")


def _reconstructions(unit: RegionUnit, image_size: int) -> np.ndarray:
    shown = []
    for reconstruction, box in zip(unit.reconstructions, unit.boxes, strict=True):
        large = signed_tile(reconstruction)
        marked = mark_outside(large, box, image_size, len(reconstruction))
        shown.append(np.asarray(Image.fromarray(marked).resize((TILE_PX, TILE_PX), Image.Resampling.BOX)))
    return np.stack(shown)


def _show_mosaic(axes: Axes, tiles: np.ndarray) -> None:
    show(axes, mosaic(tiles, int(np.ceil(np.sqrt(len(tiles))))))
    for spine in axes.spines.values():
        spine.set_visible(False)
