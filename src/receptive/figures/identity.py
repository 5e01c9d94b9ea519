"""Channel identity across layers: stimuli of equal channels, similarity of all channels, and the measured rows."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from receptive.figures.claims import Rows, draw_estimates
from receptive.figures.stimuli import enlarged
from receptive.figures.style import colour, figure, frame, say, show

SHOWN = ("max pool", "layer 3", "layer 7")
"""The layers of KS figures 5 and 7."""
CHANNELS = 6
"""Channels shown per network."""


def channel_identity(
    strips: dict[str, tuple[list[int], dict[str, np.ndarray | None]]],
    matrices: dict[str, tuple[str, str, np.ndarray]],
    distances: pd.DataFrame,
    rows: Rows,
) -> Figure:
    """What equal channels prefer, how alike all channels of two layers are, how that falls with distance, and the rows.

    Args:
        strips: network to channels and, by layer, their stimuli (channel x y x x x colour, signed; None where unknown).
        matrices: network to two layers' aliases and their channels' similarity.
        distances: ``network, state, steps, value``: the mean own-minus-other similarity of two layers with so many
            weight layers between them.
        rows: of the claim.
    """
    named = [row for row in rows if row.value is not None or row.decides]
    fig = figure(11, 7.2 + 0.36 * len(named))
    upper, middle, lower = fig.subfigures(3, 1, height_ratios=[3.0, 3.2, 1.0 + 0.36 * len(named)])
    _strips(upper, strips)
    axes = middle.subplots(
        1, max(2, len(matrices) + 1), width_ratios=[1] * max(1, len(matrices)) + [1.35], squeeze=False
    )[0]
    for panel, (network, (low, high, similarity)) in zip(axes, matrices.items(), strict=False):
        drawn = panel.imshow(similarity, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        panel.set_title(f"{network}: correlation of responses", fontsize=9, color=colour(network))
        panel.set_xlabel(f"channel in {high}", fontsize=8)
        panel.set_ylabel(f"channel in {low}", fontsize=8)
        panel.tick_params(labelsize=7)
    if matrices:
        middle.colorbar(drawn, ax=list(axes[: len(matrices)]), shrink=0.7, pad=0.01).ax.tick_params(labelsize=7)
    else:
        say(axes[0], "neither network of the claim is in this study")
    _by_distance(axes[-1], distances)
    draw_estimates(lower.subplots(), named, "similarity of equal channels minus that of others")
    return fig


def _strips(board: SubFigure, strips: dict[str, tuple[list[int], dict[str, np.ndarray | None]]]) -> None:
    """One block per network: a row per layer, a column per channel."""
    if not strips:
        say(board.subplots(), "neither network of the claim is in this study")
        return
    for block, (network, (channels, layers)) in zip(
        np.atleast_1d(board.subfigures(1, len(strips), wspace=0.04)), strips.items(), strict=True
    ):
        block.suptitle(
            f"{network}: mean preferred stimuli minus the mean of all patches", fontsize=9, color=colour(network)
        )
        grid = block.subplots(len(layers), len(channels), squeeze=False)
        for row, (alias, stimuli) in zip(grid, layers.items(), strict=True):
            row[0].set_ylabel(alias, fontsize=8)
            for axes, place in zip(row, range(len(channels)), strict=True):
                if stimuli is None or not np.isfinite(stimuli[place]).all():
                    say(axes, "none", 7)
                else:
                    show(axes, enlarged(_picture(stimuli[place])))
                    frame(axes)
        for axes, channel in zip(grid[0], channels, strict=True):
            axes.set_title(f"channel {channel}", fontsize=8, pad=2)


def _picture(stimulus: np.ndarray) -> np.ndarray:
    """Bytes: grey is the mean of all patches, the greatest difference black or white in its channel."""
    largest = np.abs(stimulus).max()
    return (255 * (0.5 + 0.5 * stimulus / (largest or 1))).round().astype(np.uint8)


def _by_distance(axes: Axes, distances: pd.DataFrame) -> None:
    """Own-minus-other similarity of responses by the number of weight layers between the two."""
    for (network, state), rows in distances.groupby(["network", "state"], sort=False):
        trained = state == "trained"
        axes.plot(
            rows["steps"], rows["value"], "o-" if trained else "s--", color=colour(network), markersize=4,
            linewidth=1.4 if trained else 0.9, markerfacecolor=colour(network) if trained else "white",
            label=network if trained else f"{network} before training",
        )  # fmt: skip
    axes.axhline(0, color="#777777", linestyle=":")
    axes.set_ylim(-0.1, 1)
    axes.set_xlabel("weight layers between the two layers", fontsize=8)
    axes.set_ylabel("equal channels minus others", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if len(distances):
        axes.legend(frameon=False, fontsize=7)
