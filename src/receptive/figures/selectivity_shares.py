"""Shares of selective units of every network by depth, and the differences to the controls that a claim rests on."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from receptive.figures.claims import Rows, draw_estimates
from receptive.figures.selectivity import VERDICTS, draw_shares, state_handles
from receptive.figures.style import figure

_COLUMNS = 3


def shares_and_differences(networks: Sequence[str], table: pd.DataFrame, verdict: str, rows: Rows) -> Figure:
    """Above, shares by depth of every network beside both controls; below, the differences to the controls.

    Args:
        networks: panels above.
        table: of ``figures.selectivity.draw_shares``.
        verdict: a key of ``figures.selectivity.VERDICTS``.
        rows: of the claim, those that are drawn.
    """
    lines = max(1, -(-len(networks) // _COLUMNS))
    heights = [2.5 * lines, 1.2 + 0.3 * len(rows)]
    fig = figure(11.5, sum(heights))
    upper, lower = fig.subfigures(2, 1, height_ratios=heights)
    grid = upper.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for axes in grid[len(networks) :]:
        axes.axis("off")
    for axes, network in zip(grid, networks, strict=False):
        draw_shares(axes, table, network, verdict)
    upper.legend(handles=state_handles(), frameon=False, fontsize=8.5, ncols=3, loc="outside upper center")
    draw_estimates(lower.subplots(), rows, f"share of {VERDICTS[verdict]} units, less the control's")
    return fig
