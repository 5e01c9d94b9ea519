"""Effective receptive fields beside the exact ones (Luo et al. 2016)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from receptive.figures.sparsity import paired
from receptive.figures.style import colour, figure, frame, say


def by_depth(table: pd.DataFrame) -> Figure:
    """Side of the exact field (dotted) and of the effective one, before (dashed) and after training (solid).

    Args:
        table: one row per network, state and layer, in the layers' order: ``network, state, depth, kind, field_px,
            side_px``.
    """
    panels = paired(list(table["network"].unique()))
    fig = figure(4.6 * len(panels), 4.2)
    for axes, members in zip(fig.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for network in members:
            for state, line, width in (("trained", "-", 1.8), ("untrained", "--", 1.1)):
                rows = table[(table["network"] == network) & (table["state"] == state)]
                place = rows["depth"] + 0.5 * (rows["kind"] == "pool")
                name = network if state == "trained" else None
                axes.plot(place, rows["side_px"], line, color=colour(network), linewidth=width, label=name)
                if state == "trained":
                    axes.plot(place, rows["field_px"], ":", color=colour(network), linewidth=1.4)
        for line, words in (("-", "effective, trained"), ("--", "effective, untrained"), (":", "exact")):
            axes.plot([], [], line, color="#333333", linewidth=1.2, label=words)
        axes.set_xlabel("depth (weight layers)", fontsize=9)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    fig.axes[0].set_ylabel("side, px", fontsize=9)
    return fig


@dataclass(frozen=True)
class LayerEnergy:
    """Where the gradient's energy of one layer lies.

    Attributes:
        title: "c3_1, 24 px".
        box: the exact field of the central position, (top, left, bottom, right) in px; it may leave the image.
        states: by state ("trained", "untrained") the energy, y x x.
    """

    title: str
    box: tuple[int, int, int, int]
    states: dict[str, np.ndarray]


def energies(network: str, layers: list[LayerEnergy]) -> Figure:
    """The root of the gradient's energy in the image, one column per layer and one row per state; the box is dotted.

    Each picture has its own scale, from nothing (black) to its greatest value.
    """
    states = list(layers[0].states)
    fig = figure(1.55 * len(layers) + 0.4, 1.75 * len(states) + 0.5)
    grid = fig.subplots(len(states), len(layers), squeeze=False)
    for column, layer in enumerate(layers):
        grid[0, column].set_title(layer.title, fontsize=9)
        for row, state in enumerate(states):
            _energy(grid[row, column], layer.states[state], layer.box)
    for row, state in enumerate(states):
        grid[row, 0].set_ylabel(state, fontsize=9)
    fig.suptitle(network, fontsize=11)
    return fig


def _energy(axes: Axes, energy: np.ndarray, box: tuple[int, int, int, int]) -> None:
    if energy.max() <= 0:
        say(axes, "no unit\nresponds here", 7)
        return
    axes.imshow(np.sqrt(energy), cmap="magma", interpolation="nearest", vmin=0)
    frame(axes)
    height, width = energy.shape
    top, left, bottom, right = np.clip(box, 0, [height, width, height, width])
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5), right - left, bottom - top,
            fill=False, edgecolor="#7fd8ff", linestyle=":", linewidth=1.3, clip_on=False,
        )
    )  # fmt: skip
