"""Deconvolutions as pictures (YU figures 4, 5 and 7), and the share of their energy outside the subject.

A reconstruction is signed and of arbitrary scale. Each is drawn by itself, in the colours that the network sees: grey
is zero. Values from the 99th percentile of the sizes that are not zero are black or white in their channel; without
this limit a few pixels would leave the rest grey. No scale is shared, so contrast says where, not how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from receptive.figures.claims import draw_estimates
from receptive.figures.sparsity import paired
from receptive.figures.stimuli import enlarged, mark_outside, mosaic
from receptive.figures.style import as_colour, colour, figure, plain, say, show, signed

_GAP = 14  # px between deconvolutions and patches on a sheet


@dataclass(frozen=True)
class Representations:
    """What the layers of one network keep of some images.

    Attributes:
        network: its name.
        layers: aliases ("c5_3"), shallow layers first.
        pictures: layer x image x y x x x channel, signed.
        outside: layer x image, share of the energy outside the subject; None where the subject is not known.
        predictions: per image the classes with their probabilities, best first.
    """

    network: str
    layers: list[str]
    pictures: np.ndarray
    outside: np.ndarray | None
    predictions: list[list[tuple[str, float]]]


def representations(
    images: np.ndarray, names: list[str], masks: np.ndarray | None, kept: Representations, columns: int = 8
) -> Figure:
    """Images and what each layer keeps of them, one row per image (YU figure 4).

    Args:
        images: uint8, image x y x x x channel.
        names: the class of each image.
        masks: bool, image x y x x, the subjects, which are outlined; None where they are not known.
        columns: most layers that are drawn, spread evenly over depth; the last is always among them.
    """
    drawn = spread(len(kept.layers), columns)
    board = _Board(1 + len(drawn), len(images), kept.outside is not None)
    board.write(0, 0, "image", "above")
    for row, name in enumerate(names):
        board.image(0, row, images[row], None if masks is None else masks[row])
        board.write(0, row, plain(name), "left")
        for column, layer in enumerate(drawn, 1):
            board.reconstruction(column, row, kept, layer, row)
            if row == 0:
                board.write(column, row, kept.layers[layer], "above")
    return board.figure


def comparison(
    images: np.ndarray, names: list[str], masks: np.ndarray | None, networks: list[Representations], columns: int = 8
) -> Figure:
    """The same images through several networks, one row per network, with their top-5 predictions (YU figure 5).

    Args:
        images, names, masks, columns: of ``representations``.
    """
    drawn = [spread(len(kept.layers), columns) for kept in networks]
    widest = max(len(layers) for layers in drawn)
    board = _Board(1 + widest, len(images) * len(networks), True, gap=0.2, right=1.7)
    for image, name in enumerate(names):
        for member, kept in enumerate(networks):
            row = image * len(networks) + member
            if member == 0:
                board.image(0, row, images[image], None if masks is None else masks[image])
                board.write(0, row, plain(name), "above")
            board.write(1, row, kept.network, "left", colour(kept.network))
            # the last layer of every network in one column
            for column, layer in zip([*range(1, len(drawn[member])), widest], drawn[member], strict=True):
                board.reconstruction(column, row, kept, layer, image)
                board.write(column, row, kept.layers[layer], "above")
            board.predictions(1 + widest, row, kept.predictions[image], name, colour(kept.network))
    return board.figure


@dataclass(frozen=True)
class UnitPatches:
    """The best patches of one unit and their deconvolutions; no patch if the unit is dead.

    Attributes:
        name: "unit 7".
        patches: uint8, rank x y x x x channel, best first.
        boxes: rank x (top, left, bottom, right), px.
        reconstructions: rank x y x x x channel, signed; the greatest size of each is 1 (or 0 where nothing arrives).
    """

    name: str
    patches: np.ndarray
    boxes: np.ndarray
    reconstructions: np.ndarray


def unit_sheet(title: str, units: list[UnitPatches], image_size: int, ranks: int = 9, columns: int = 3) -> Figure:
    """Units of a layer by their best patches: on the left deconvolved, on the right as they are (YU figure 7).

    What lies outside the image is chequered. A patch is crossed out where nothing of the response arrives at the
    pixels.

    Args:
        image_size: side of the images, px.
        ranks: most patches per unit.
        columns: units side by side.
    """
    side = int(np.ceil(np.sqrt(ranks)))
    rows = -(-len(units) // columns)
    fig = figure(3.9 * columns, 2.2 * rows + 0.3)
    fig.get_layout_engine().set(wspace=0.08)
    grid = fig.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(units) :]:
        axes.axis("off")
    for axes, unit in zip(grid, units, strict=False):
        axes.set_title(unit.name, fontsize=9, pad=3)
        if not len(unit.patches):
            say(axes, "dead unit: never active on a validation image")
            continue
        shown = [signed_tile(reconstruction) for reconstruction in unit.reconstructions[:ranks]]
        patches = [enlarged(as_colour(patch)) for patch in unit.patches[:ranks]]
        boxes = unit.boxes[:ranks]
        halves = []
        for tiles in (shown, patches):
            marked = [
                mark_outside(tile, box, image_size, len(unit.patches[0]))
                for tile, box in zip(tiles, boxes, strict=True)
            ]
            halves.append(mosaic(np.stack(marked), side, rows=-(-ranks // side)))
        gap = np.full((len(halves[0]), _GAP, 3), 255, np.uint8)
        show(axes, np.concatenate([halves[0], gap, halves[1]], 1))
        for spine in axes.spines.values():
            spine.set_visible(False)
    fig.suptitle(title, fontsize=12)
    return fig


def energy_outside_by_depth(table: pd.DataFrame) -> Figure:
    """Share of a reconstruction's energy outside the subject, by depth: mean over images with its 95% interval.

    The dotted line is the share of the images themselves: what would remain if nothing were removed. Thin dashed lines
    are the networks before training, dash-dotted ones the share outside the subjects of the other images. Networks of
    one panel have seen the same images.

    Args:
        table: one row per network, state ("trained", "untrained") and depth, in the order of depth: ``network, state,
            depth, kind, value, low, high, others_value, image_value``.
    """
    panels = paired(list(table["network"].unique()))
    fig = figure(4.2 * len(panels), 3.6)
    _energies(fig, panels, table)
    return fig


def claim(table: pd.DataFrame | None, rows: Sequence) -> Figure:
    """``energy_outside_by_depth`` above the rows of its claim; words where no network has a known subject.

    Args:
        table: of ``energy_outside_by_depth``; None where no subject is known.
    """
    fig = figure(11, 4.6 + 0.42 * len(rows))
    upper, lower = fig.subfigures(2, 1, height_ratios=[3.4, 1.2 + 0.42 * len(rows)])
    if table is None:
        say(upper.subplots(), "nobody knows where the subject is in any of the images")
    else:
        _energies(upper, paired(list(table["network"].unique())), table)
    draw_estimates(lower.subplots(), rows, "share of unrelated energy: first minus last convolution, or difference")
    return fig


def _energies(board: Figure | SubFigure, panels: list[tuple[str, ...]], table: pd.DataFrame) -> None:
    """One panel per group of networks that are compared."""
    grid = board.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, members in zip(grid, panels, strict=True):
        for network in members:
            rows = table[table["network"] == network]
            before, trained = (rows[rows["state"] == state] for state in ("untrained", "trained"))
            ink = colour(network)
            axes.plot(before["depth"], before["value"], "--", color=ink, linewidth=0.9, alpha=0.8)
            axes.fill_between(trained["depth"], trained["low"], trained["high"], color=ink, alpha=0.18, linewidth=0)
            axes.plot(trained["depth"], trained["value"], "o-", color=ink, markersize=4, linewidth=1.4, label=network)
            axes.plot(trained["depth"], trained["others_value"], "-.", color=ink, linewidth=0.9, alpha=0.8)
            last = trained[trained["kind"] == "fc"].tail(1)
            axes.plot(last["depth"], last["value"], "s", color="white", markeredgecolor=ink, markersize=7)
        axes.axhline(rows["image_value"].iloc[0], color="#777777", linestyle=":", label="the image itself")
        axes.plot([], [], "-.", color="#333333", linewidth=0.9, label="outside other images' subjects")
        if (table["state"] == "untrained").any():
            axes.plot([], [], "--", color="#333333", linewidth=0.9, label="before training")
        axes.set_xlabel("depth (weight layers)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(0, 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right", fontsize=9)
    grid[0].set_ylabel("energy outside the subject")


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of the numbers 0 ... count - 1, as evenly as possible, with the first and the last."""
    return list(range(count)) if count <= most else np.linspace(0, count - 1, most).round().astype(int).tolist()


class _Board:
    """Square panels in rows and columns on one pair of axes: laying out one pair per panel would take seconds."""

    _WIDTH, _INCHES = 1.08, 1.25

    def __init__(self, columns: int, rows: int, noted: bool, gap: float = 0.0, right: float = 0.0):
        self.height = 1.3 if right else 1.17 if noted else self._WIDTH
        self.gap = gap  # between the images and the rest
        width, height = columns * self._WIDTH + gap + right, rows * self.height
        self.figure = figure(self._INCHES * (width + 0.25), self._INCHES * (height + 0.25))
        self.axes = self.figure.subplots()
        self.axes.set(xlim=(-0.2, width), ylim=(height - 0.06, -0.2), aspect="equal")
        self.axes.axis("off")

    def image(self, column: int, row: int, image: np.ndarray, mask: np.ndarray | None) -> None:
        """A photograph, its subject outlined where it is known."""
        x, y = self._show(column, row, image)
        if mask is not None:
            at = (np.arange(len(mask)) + 0.5) / len(mask)
            for shade, line in (("white", 1.6), ("black", 0.6)):
                self.axes.contour(x + at, y + at, mask, levels=[0.5], colors=shade, linewidths=line)

    def reconstruction(self, column: int, row: int, kept: Representations, layer: int, image: int) -> None:
        """The reconstruction of an image from a layer, and below it the share of its energy outside the subject."""
        picture = kept.pictures[layer][image]
        if picture.any():
            self._show(column, row, signed(_clipped(picture)))
        else:
            place = (*self._corner(column, row), 1, 1)
            say(self.axes.inset_axes(place, transform=self.axes.transData), "nothing\narrives")
        if kept.outside is not None and np.isfinite(kept.outside[layer][image]):
            x, y = self._corner(column, row)
            note = f"{kept.outside[layer][image]:.0%} outside"
            self.axes.text(x + 0.5, y + 1.02, note, fontsize=7, ha="center", va="top", color="#5b6475")

    def write(self, column: int, row: int, words: str, where: str, shade: str = "black") -> None:
        """Words above a panel, or on its left and turned upwards.

        Args:
            where: "above" or "left".
        """
        x, y = self._corner(column, row)
        if where == "above":
            self.axes.text(x + 0.5, y - 0.03, words, fontsize=9, ha="center", va="bottom", color=shade)
        else:
            self.axes.text(x - 0.04, y + 0.5, words, fontsize=9, ha="right", va="center", rotation=90, color=shade)

    def predictions(self, column: int, row: int, predicted: list[tuple[str, float]], truth: str, bar: str) -> None:
        """Classes with their probabilities as bars, best first, the true one bold."""
        x, y = self._corner(column, row)
        for rank, (name, probability) in enumerate(predicted):
            place, weight = y + 0.1 + 0.2 * rank, "bold" if name == truth else "normal"
            self.axes.barh(place, 1.5 * probability, height=0.18, left=x, color=bar, alpha=0.45)
            words = f"{plain(name)}  {probability:.1%}"
            self.axes.text(x + 0.04, place, words, va="center", fontsize=8, fontweight=weight)

    def _corner(self, column: int, row: int) -> tuple[float, float]:
        return column * self._WIDTH + self.gap * (column > 0), row * self.height

    def _show(self, column: int, row: int, picture: np.ndarray) -> tuple[float, float]:
        x, y = self._corner(column, row)
        view = self.axes.axis()
        self.axes.imshow(
            as_colour(picture), extent=(x, x + 1, y + 1, y), interpolation="nearest", vmin=0, vmax=1, aspect="equal"
        )
        self.axes.axis(view)
        self.axes.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="#999999", linewidth=0.6))
        return x, y


def _clipped(reconstruction: np.ndarray) -> np.ndarray:
    """The reconstruction, limited to the 99th percentile of its sizes; it must not be 0 everywhere."""
    largest = np.percentile(np.abs(reconstruction[reconstruction != 0]), 99)
    return reconstruction.clip(-largest, largest)


def signed_tile(reconstruction: np.ndarray) -> np.ndarray:
    """A reconstruction as a tile, clipped and drawn by itself; crossed out where it is 0 everywhere."""
    if reconstruction.any():
        return enlarged((255 * as_colour(signed(_clipped(reconstruction.astype(np.float32))))).round().astype(np.uint8))
    tile = np.full((*enlarged(reconstruction).shape[:2], 3), 255, np.uint8)
    y, x = np.indices(tile.shape[:2])
    cross = (np.abs(y - x) < 2) | (np.abs(y + x - len(tile) + 1) < 2)
    tile[cross] = (160, 48, 48)
    return tile
