"""Selectivity of units: by depth beside two controls, preferred orientations, and the tuning of single units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from receptive.figures.stimuli import enlarged, mark_outside, mosaic
from receptive.figures.style import as_colour, colour, figure, say, show

CONTROLS = {"untrained": ("#444444", "--"), "shuffled": ("#9a9a9a", "-")}
"""Ink and line of each control; the trained network has its own colour."""
NAMES = {"trained": "trained", "untrained": "before training", "shuffled": "shuffled kernels"}
VERDICTS = {
    "selective": "orientation-selective",
    "single_opponent": "single opponent",
    "double_opponent": "double opponent",
}
_AXES = {"luminance": "#333333", "L-M": "#c2387a", "S": "#6a4fb3"}


def osi_by_depth(table: pd.DataFrame, threshold: float, columns: int = 2) -> Figure:
    """Median OSI of every layer's units by depth, one panel per network; the band is the middle half of the trained.

    Args:
        table: ``network, state, depth, lower, median, upper``, one row per network, state and depth, in the order of
            depth.
        threshold: from this OSI on a unit counts as selective; a dotted line.
    """
    networks = list(table["network"].unique())
    fig, grid = _panels(len(networks), columns, 5.4, 2.7)
    for axes, network in zip(grid, networks, strict=False):
        for state in ("shuffled", "untrained", "trained"):
            rows = table[(table["network"] == network) & (table["state"] == state)]
            ink, line = _ink(network, state)
            if state == "trained":
                axes.fill_between(rows["depth"], rows["lower"], rows["upper"], color=ink, alpha=0.28, lw=0)
            axes.plot(rows["depth"], rows["median"], line, color=ink, marker="o", markersize=3.5, linewidth=1.6)
        axes.axhline(threshold, color="#a03030", linewidth=0.8, linestyle=":")
        _by_depth(axes, network, "OSI")
        axes.set_ylim(0, 1)
    _legend(fig)
    return fig


def shares_by_depth(table: pd.DataFrame, networks: list[str], verdicts: list[str]) -> Figure:
    """Share of each layer's units that are selective, or opponent, with its interval; one row of panels per network.

    Args:
        table: of ``draw_shares``, for any number of networks and verdicts.
        networks: rows of panels; a network without rows in ``table`` has no colour in its images.
        verdicts: columns of panels, keys of ``VERDICTS``.
    """
    fig, grid = _panels(len(networks) * len(verdicts), len(verdicts), 4.4, 2.4)
    places = [(network, verdict) for network in networks for verdict in verdicts]
    for axes, (network, verdict) in zip(grid, places, strict=True):
        draw_shares(axes, table, network, verdict)
    _legend(fig)
    return fig


def draw_shares(axes: Axes, table: pd.DataFrame, network: str, verdict: str) -> None:
    """One network's share of units by depth, trained and both controls, with bands from ``low`` to ``high``.

    Args:
        table: ``network, state, verdict, depth, value, low, high``, in the order of depth. Silent units are not among
            those that the share is of.
        verdict: a key of ``VERDICTS``.
    """
    drawn = table[(table["network"] == network) & (table["verdict"] == verdict)]
    if drawn.empty:
        say(axes, f"{network}: its images have no colour")
        return
    for state in ("shuffled", "untrained", "trained"):
        rows = drawn[drawn["state"] == state]
        ink, line = _ink(network, state)
        alpha = 0.25 if state == "trained" else 0.1
        axes.fill_between(rows["depth"], rows["low"], rows["high"], color=ink, alpha=alpha, lw=0)
        axes.plot(rows["depth"], rows["value"], line, color=ink, marker="o", markersize=3.5, linewidth=1.6)
    _by_depth(axes, f"{network}: {VERDICTS[verdict]}", "share of units")
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def preferred_orientations(table: pd.DataFrame) -> Figure:
    """Orientations that selective units prefer, as roses, one column per network; 0 degrees is horizontal bars.

    Above are the trained units, below those before training. The area of a bar is its share of the selective units.
    Both halves of a rose show the same, since an orientation has no direction.

    Args:
        table: ``network, state, orientation, share, selective, units``: one row per network, state and orientation,
            evenly spaced from 0 degrees on; ``selective`` and ``units`` are counts of the whole rose.
    """
    networks = list(table["network"].unique())
    states = ("trained", "untrained")
    fig = figure(2.2 * len(networks), 5.2)
    grid = fig.subplots(len(states), len(networks), squeeze=False, subplot_kw={"projection": "polar"})
    for line, state in zip(grid, states, strict=True):
        for axes, network in zip(line, networks, strict=True):
            rows = table[(table["network"] == network) & (table["state"] == state)]
            selective, units = rows["selective"].iloc[0], rows["units"].iloc[0]
            title = f"{network if state == 'trained' else NAMES[state]}\n{selective} of {units} units"
            axes.set_title(title, fontsize=8.5, pad=10)
            axes.set_yticks([])
            axes.set_xticks(np.deg2rad([0, 45, 90, 135]), ["0°", "45°", "90°", "135°"], fontsize=7)
            axes.tick_params(pad=-2)
            axes.grid(alpha=0.4)
            if not selective:
                axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="#a03030", fontsize=9)
                continue
            ink = colour(network) if state == "trained" else CONTROLS[state][0]
            centres = np.deg2rad([*rows["orientation"], *(rows["orientation"] + 180)])
            radii = np.sqrt(np.tile(rows["share"], 2))  # the root, so that areas and not radii are shares
            axes.bar(centres, radii, width=np.pi / len(rows), color=ink, alpha=0.75, edgecolor="white")
            axes.set_ylim(0, max(0.7, radii.max()))
    return fig


@dataclass(frozen=True)
class TunedUnit:
    """One unit: the patches that it answers best, and its tuning.

    Attributes:
        name: "layer 3, unit 7".
        note: a few words below the name.
        patches: its best natural patches, uint8, rank x y x x x channel; no rank if it never answers an image.
        boxes: rank x (top, left, bottom, right), px.
        orientations: of the luminance gratings of its preferred frequency, degrees; empty where it has none.
        tuning: its rate for each of them.
        frequencies: cycles per px, 0 (uniform) first.
        by_axis: colour axis to the greatest strength at each frequency.
    """

    name: str
    note: str
    patches: np.ndarray
    boxes: np.ndarray
    orientations: np.ndarray
    tuning: np.ndarray
    frequencies: np.ndarray
    by_axis: dict[str, np.ndarray]


def tuned_units(title: str, groups: dict[str, list[TunedUnit]], image_size: int, columns: int = 6) -> Figure:
    """Units side by side: best patches, orientation tuning, and tuning for frequency along each colour axis.

    What lies outside the image is chequered.

    Args:
        groups: heading to the units below it; a heading without units says that there is none.
        image_size: side of the images, px.
        columns: most units per heading.
    """
    columns = max(3, min(columns, max(len(units) for units in groups.values())))
    fig = figure(1.95 * columns, 4.9 * len(groups) + 0.4)
    parts = np.atleast_1d(fig.subfigures(len(groups), 1))
    for part, (words, units) in zip(parts, groups.items(), strict=True):
        part.suptitle(words, fontsize=10.5, x=0.01, ha="left")
        if not units:
            say(part.subplots(), "no such unit")
            continue
        grid = part.subplots(3, columns, squeeze=False, gridspec_kw={"height_ratios": [1.5, 1, 1]})
        for axes in grid[:, len(units) :].ravel():
            axes.axis("off")
        for place, (column, unit) in enumerate(zip(grid.T, units, strict=False)):
            _unit(column, unit, image_size, first=place == 0)
        handles = [Line2D([], [], color=_AXES[axis], marker=".", label=axis) for axis in units[0].by_axis]
        part.legend(handles=handles, frameon=False, fontsize=8, ncols=3, loc="upper right")
    fig.suptitle(title, fontsize=12)
    return fig


def _unit(column: Sequence[Axes], unit: TunedUnit, image_size: int, first: bool) -> None:
    picture, turned, banded = column
    if len(unit.patches):
        side = int(np.sqrt(len(unit.patches)))
        tiles = [
            mark_outside(enlarged(as_colour(patch)), box, image_size, len(patch))
            for patch, box in zip(unit.patches[: side**2], unit.boxes, strict=False)
        ]
        show(picture, mosaic(np.stack(tiles), side))
    else:
        say(picture, "never active\non an image")
    picture.set_title(f"{unit.name}\n{unit.note}", fontsize=7.5)
    if len(unit.tuning):
        # the first orientation once more at 180 degrees: the axis is a circle
        angles, rates = [*unit.orientations, 180], [*unit.tuning, unit.tuning[0]]
        turned.plot(angles, rates, ".-", color=_AXES["luminance"], linewidth=1.2)
        turned.set(xlim=(0, 180), ylim=(0, None), xticks=[0, 90, 180])
        turned.set_xlabel("orientation (°)", fontsize=7, labelpad=1)
    else:
        say(turned, "luminance hardly\nmoves it", 7)
    steps = np.arange(len(unit.frequencies))
    for axis, strengths in unit.by_axis.items():
        banded.plot(steps[1:], strengths[1:], ".-", color=_AXES[axis], linewidth=1.2)
        banded.plot(steps[:2], strengths[:2], ".:", color=_AXES[axis], linewidth=1)
    names = ["0" if f == 0 else f"1/{round(1 / f)}" for f in unit.frequencies]
    banded.set_xticks(steps, names, fontsize=6)
    banded.set_ylim(0, None)
    banded.set_xlabel("cycles/px (0: uniform)", fontsize=7, labelpad=1)
    for axes in (turned, banded) if len(unit.tuning) else (banded,):
        axes.tick_params(labelsize=6, length=2, pad=1)
        axes.set_yticks([0])
        axes.spines[["top", "right"]].set_visible(False)
    if first:
        turned.set_ylabel("response", fontsize=7)
        banded.set_ylabel("response", fontsize=7)


def _panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    rows = -(-count // columns)
    fig = figure(width * min(columns, count), height * rows + 0.4)
    grid = fig.subplots(rows, min(columns, count), squeeze=False).ravel()
    for axes in grid[count:]:
        axes.axis("off")
    return fig, grid


def _ink(network: str, state: str) -> tuple[str, str]:
    return (colour(network), "-") if state == "trained" else CONTROLS[state]


def _by_depth(axes: Axes, title: str, quantity: str) -> None:
    axes.set_title(title, fontsize=9.5)
    axes.set_xlabel("depth (weight layers)", fontsize=8)
    axes.set_ylabel(quantity, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def state_handles() -> list[Line2D]:
    """Entries of a legend for the lines of ``draw_shares``."""
    trained = Line2D([], [], color=colour("resnet34"), marker="o", markersize=4, label="trained (its network's colour)")
    controls = [Line2D([], [], color=ink, linestyle=line, label=NAMES[name]) for name, (ink, line) in CONTROLS.items()]
    return [trained, *controls]


def _legend(fig: Figure) -> None:
    fig.legend(handles=state_handles(), frameon=False, fontsize=8.5, ncols=3, loc="outside upper center")
