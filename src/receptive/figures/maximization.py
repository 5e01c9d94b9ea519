"""Maximized images as pictures (KS figures 8 and 9; TG figures 3.2, 3.3 and 4.2)."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from receptive.figures.stimuli import UnitStimuli, enlarged, mark_outside, mosaic, show_difference, tiles
from receptive.figures.style import as_colour, figure, plain, say, show
from receptive.methods.maximization_trust import FLAGGED

WEAK = 0.5
"""An image is marked as weak if it reaches less than this part of the greatest natural response."""

_RED = "#a03030"  # the colour of failures in ``style.say``
_WORDS = {
    "zero_gradient": "no gradient:\nthe unit stays\nsilent",
    "diverged": "diverged",
}


@dataclass(frozen=True)
class MaximizedUnit:
    """One maximized image.

    Attributes:
        pixels: the part of the box inside the image, y x x x channel; may leave [0, 1].
        box: (top, left, bottom, right), px.
        image_size: side of the images, px.
        status: "ok", "zero_gradient" or "diverged".
        reached: the response over the greatest natural one; None where no natural image excites the unit.
        path: how alike its path through the network is to that of the unit's top natural images
            (``methods.maximization_trust``); None where it is not known.
    """

    pixels: np.ndarray
    box: tuple[int, int, int, int]
    image_size: int
    status: str
    reached: float | None
    path: float | None = None


@dataclass(frozen=True)
class Photograph:
    """A real image, uint8, y x x x channel."""

    pixels: np.ndarray


Panel = MaximizedUnit | Photograph | None
"""None: an empty place."""


def contrasted(pixels: np.ndarray, deviations: float = 2.5) -> np.ndarray:
    """Pixels in [0, 1]: their mean is grey; ``deviations`` standard deviations below or above it are black or white.

    All channels have one scale, so that colours keep their relations. Without this scale the images would be black and
    white, because their contrast grows with every step.
    """
    spread = pixels.std()
    return np.clip(0.5 + (pixels - pixels.mean()) / (2 * deviations * spread), 0, 1) if spread > 0 else 0 * pixels + 0.5


def maximized_and_natural(title: str, kinds: list[str], layers: list[tuple[str, list[Panel], UnitStimuli]]) -> Figure:
    """One channel in several layers: its maximized images above its natural stimuli (KS figures 8 and 5).

    Args:
        kinds: names of the rows of maximized images.
        layers: per column its title, its images in the order of ``kinds``, and the layer's preferred stimuli.
    """
    fig = figure(2.5 * len(layers) + 0.3, 2.5 * (len(kinds) + 2) + 0.6)
    grid = fig.subplots(len(kinds) + 2, len(layers), squeeze=False)
    for (*above, middle, bottom), (name, drawn, natural) in zip(grid.T, layers, strict=True):
        above[0].set_title(name, fontsize=11)
        for axes, unit in zip(above, drawn, strict=True):
            _draw(axes, unit, 9)
        show_difference(middle, natural)
        if natural.dead:
            say(bottom, "dead channel:\nnever active on a\nvalidation image")
        else:
            show(bottom, mosaic(tiles(natural, 16), 4))
    for axes, name in zip(grid[:, 0], (*kinds, "mean − mean of all", "top patches"), strict=True):
        axes.set_ylabel(name, fontsize=9)
    fig.suptitle(title, fontsize=12)
    return fig


def overview(
    title: str, kinds: list[str], units: list[tuple[str, list[Panel], UnitStimuli]], columns: int = 8
) -> Figure:
    """Units of one layer, one row per unit: their maximized images, then the natural patches that they prefer.

    Args:
        kinds: titles of the columns of maximized images.
        units: per row the unit's name, its images in the order of ``kinds``, and its preferred stimuli.
        columns: most patches per unit.
    """
    fig = figure(0.95 * (len(kinds) + 1 + columns), 1.12 * len(units) + 0.8)
    ratios = [1] * (len(kinds) + 1) + [columns]
    grid = fig.subplots(len(units), len(ratios), width_ratios=ratios, squeeze=False)
    for row, (name, panels, natural) in zip(grid, units, strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axes, panel in zip(row, panels, strict=False):
            _draw(axes, panel, 6)  # "weak: 0.4 × natural" is as wide as its picture
        show_difference(row[-2], natural)
        if natural.dead:
            say(row[-1], "dead channel: never active on a validation image")
        else:
            show(row[-1], mosaic(tiles(natural, columns), columns))
            row[-1].set_anchor("W")
    for axes, name in zip(grid[0], [*kinds, "difference", "preferred patches, best first"], strict=True):
        axes.set_title(name, fontsize=8, loc="left" if axes is grid[0][-1] else "center")
    fig.suptitle(title, fontsize=12)
    return fig


def panels(title: str, rows: dict[str, list[Panel]], columns: list[str]) -> Figure:
    """A grid of images: layers by channels (TG figure 3.2), or kinds of image by classes (TG figures 3.3 and 4.2).

    Args:
        rows: name of each row to its images.
        columns: names of the columns.
    """
    fig = figure(1.28 * len(columns) + 0.5, 1.5 * len(rows) + 0.7)
    grid = fig.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, drawn) in zip(grid, rows.items(), strict=True):
        line[0].set_ylabel(name, fontsize=9)
        for axes, panel in zip(line, drawn, strict=True):
            _draw(axes, panel, 7)
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(plain(name), fontsize=9, pad=3)
    fig.suptitle(title, fontsize=12)
    return fig


def _draw(axes: Axes, panel: Panel, size: float) -> None:
    if panel is None:
        axes.axis("off")
    elif isinstance(panel, Photograph):
        show(axes, panel.pixels)
    elif panel.status != "ok":
        say(axes, _WORDS[panel.status], size)
        axes.set_box_aspect(1)
    else:
        show(axes, _on_canvas(panel))
        if panel.reached is not None:
            digits = 0 if abs(panel.reached) >= 10 else 1
            words, weak = f"{panel.reached:z.{digits}f} × natural", panel.reached < WEAK
            words = f"weak: {words}" if weak else words
            other = panel.path is not None and panel.path < FLAGGED
            if panel.path is not None:
                words += f"\n{'other path' if other else 'path'}: {panel.path:z.2f}"
            axes.set_xlabel(words, fontsize=size, labelpad=2, color=_RED if weak or other else "black")


def _on_canvas(panel: MaximizedUnit) -> np.ndarray:
    """The picture in its whole box, uint8, chequered where the box lies outside the image."""
    top, left, bottom, right = panel.box
    picture = as_colour((255 * contrasted(panel.pixels)).round().astype(np.uint8))
    canvas = np.zeros((bottom - top, right - left, 3), np.uint8)
    y, x = max(-top, 0), max(-left, 0)
    canvas[y : y + len(picture), x : x + picture.shape[1]] = picture
    return mark_outside(enlarged(canvas), panel.box, panel.image_size, len(canvas))
