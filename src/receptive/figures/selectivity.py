"""What units are tuned to: selectivity by layer beside two controls, preferred orientations, and single units."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from receptive.figures.stimuli import enlarged, mark_outside, mosaic
from receptive.figures.style import as_colour, colour, figure, say, show
from receptive.methods.inference import share

CONTROLS = {"untrained": ("#444444", "--"), "shuffled": ("#9a9a9a", "-")}
"""Ink and line of each control; the trained network has its own colour."""
NAMES = {"trained": "trained", "untrained": "before training", "shuffled": "shuffled kernels"}
VERDICTS = {
    "selective": "orientation-selective",
    "single_opponent": "single opponent",
    "double_opponent": "double opponent",
}
_AXES = {"luminance": "#333333", "L-M": "#c2387a", "S": "#6a4fb3"}


def osi_by_layer(units: pd.DataFrame, threshold: float, columns: int = 2) -> Figure:
    """Median OSI of each layer's units by depth, with the middle half of the trained as a band, a panel a network.

    Args:
        units: units.parquet of one or more networks, one after the other; threshold: where selectivity begins.
    """
    networks = list(units["network"].unique())
    fig, grid = _panels(len(networks), columns, 5.4, 2.7)
    for axes, network in zip(grid, networks, strict=False):
        its = units[units["network"] == network]
        for state in ("shuffled", "untrained", "trained"):
            by_layer = its[its["state"] == state].groupby("depth")["osi"]
            low, middle, high = (by_layer.quantile(q) for q in (0.25, 0.5, 0.75))
            ink, line = _ink(network, state)
            if state == "trained":
                axes.fill_between(middle.index, low, high, color=ink, alpha=0.28, lw=0)
            axes.plot(middle.index, middle, line, color=ink, marker="o", markersize=3.5, linewidth=1.6)
        axes.axhline(threshold, color="#a03030", linewidth=0.8, linestyle=":")
        _by_depth(axes, network, "OSI")
        axes.set_ylim(0, 1)
    _legend(fig)
    return fig


def shares_by_layer(units: pd.DataFrame, verdicts: list[str], columns: int = 3) -> Figure:
    """Share of each layer's units that are selective, or opponent, with Wilson's 95% interval, a row a network.

    Args:
        units: units.parquet of one or more networks; verdicts: columns of it, keys of ``VERDICTS``. Silent units
            are not among those that the share is of.
    """
    networks = list(units["network"].unique())
    count = len(networks) * len(verdicts) if len(verdicts) > 1 else len(networks)
    fig, grid = _panels(count, len(verdicts) if len(verdicts) > 1 else columns, 4.4, 2.4)
    places = [(network, verdict) for network in networks for verdict in verdicts]
    for axes, (network, verdict) in zip(grid, places, strict=False):
        draw_shares(axes, units[units["network"] == network], network, verdict)
    _legend(fig)
    return fig


def draw_shares(axes: Axes, units: pd.DataFrame, network: str, verdict: str) -> None:
    """One panel of ``shares_by_layer``."""
    if not units[verdict].notna().any():
        say(axes, f"{network}: its images have no colour")
        return
    for state in ("shuffled", "untrained", "trained"):
        its = units[units["state"] == state].dropna(subset=[verdict]).groupby("depth")[verdict]
        found = [share(int(known.sum()), len(known)) for _, known in its]
        depth = [depth for depth, _ in its]
        ink, line = _ink(network, state)
        lows, highs = [one.low for one in found], [one.high for one in found]
        axes.fill_between(depth, lows, highs, color=ink, alpha=0.25 if state == "trained" else 0.1, lw=0)
        values = [one.value for one in found]
        axes.plot(depth, values, line, color=ink, marker="o", markersize=3.5, linewidth=1.6)
    _by_depth(axes, f"{network}: {VERDICTS[verdict]}", "share of units")
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def preferred_orientations(units: pd.DataFrame, shown: int) -> Figure:
    """Orientations that selective units prefer, as roses: 0 degrees is horizontal bars, a column a network.

    Above the trained units, below those before training. A bar's area is its share of the selective units; both
    halves of a rose show the same, since an orientation has no direction.

    Args:
        units: rows of units.parquet, of the layers to show; shown: orientations of the gratings, the number of bars.
    """
    networks = list(units["network"].unique())
    states = ("trained", "untrained")
    fig = figure(2.2 * len(networks), 5.2)
    grid = fig.subplots(len(states), len(networks), squeeze=False, subplot_kw={"projection": "polar"})
    width = np.pi / shown
    centres = np.arange(2 * shown) * width
    for row, state in enumerate(states):
        for axes, network in zip(grid[row], networks, strict=True):
            its = units[(units["network"] == network) & (units["state"] == state)]
            chosen = its[its["selective"].fillna(False).astype(bool)]
            title = f"{network if state == 'trained' else NAMES[state]}\n{len(chosen)} of {len(its)} units"
            axes.set_title(title, fontsize=8.5, pad=10)
            axes.set_yticks([])
            axes.set_xticks(np.deg2rad([0, 45, 90, 135]), ["0°", "45°", "90°", "135°"], fontsize=7)
            axes.tick_params(pad=-2)
            axes.grid(alpha=0.4)
            if chosen.empty:
                axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="#a03030", fontsize=9)
                continue
            bins = np.round(chosen["orientation"] / (180 / shown)).astype(int) % shown
            shares = np.bincount(bins, minlength=shown) / len(bins)
            ink = colour(network) if state == "trained" else CONTROLS[state][0]
            # the root, so that areas and not radii are shares
            axes.bar(centres, np.sqrt(np.tile(shares, 2)), width=width, color=ink, alpha=0.75, edgecolor="white")
            axes.set_ylim(0, max(0.7, np.sqrt(shares.max())))
    return fig


@dataclass(frozen=True)
class TunedUnit:
    """One unit with what it answers best and how it is tuned.

    Attributes:
        name: "layer 3, unit 7"; note: a few words below it.
        patches: its best natural patches, uint8, rank x y x x x channel; none if it never answers images; boxes:
            rank x (top, left, bottom, right), px.
        orientations, tuning: degrees, and the rate for luminance gratings of its frequency; empty where it has none.
        frequencies: cycles a px, 0 first (uniform); by_axis: axis to the greatest strength at each.
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
    """Units one beside the other: best patches, orientation tuning, and tuning for frequency along each colour axis.

    What lies outside the image is chequered.

    Args:
        groups: words for a kind of unit to such units; a kind without units is named.
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


def _unit(column, unit: TunedUnit, image_size: int, first: bool) -> None:
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


def _panels(count: int, columns: int, width: float, height: float):
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
    """What the lines of ``draw_shares`` mean, for a legend."""
    trained = Line2D([], [], color=colour("resnet34"), marker="o", markersize=4, label="trained (its network's colour)")
    controls = [Line2D([], [], color=ink, linestyle=line, label=NAMES[name]) for name, (ink, line) in CONTROLS.items()]
    return [trained, *controls]


def _legend(fig: Figure) -> None:
    fig.legend(handles=state_handles(), frameon=False, fontsize=8.5, ncols=3, loc="outside upper center")
