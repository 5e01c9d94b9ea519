"""Figure of claim 1: shares of orientation-selective units by depth, and their differences to both controls."""

import pandas as pd
from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.selectivity_orientation import Quantity
from receptive.claims.study import Study
from receptive.figures.selectivity_shares import shares_and_differences
from receptive.report.tables import shares_by_depth


def figure(study: Study, rows: list[Row]) -> Figure:
    """Shares by depth, and their differences with what they decide."""
    return share_figure(study, rows, "selective")


def share_figure(study: Study, rows: list[Row], verdict: str) -> Figure:
    """The figure of claims 1 and 2, which differ in ``verdict`` alone, a column of units.parquet.

    Single layers are in the panels by depth, so only their groups are drawn as rows.
    """
    tables = [study.selectivity(network).assign(network=network) for network in study.networks]
    shares = shares_by_depth(pd.concat(tables, ignore_index=True), [verdict])
    drawn = [row for row in rows if row.quantity != Quantity.LAYER]
    return shares_and_differences(study.networks, shares, verdict, drawn)
