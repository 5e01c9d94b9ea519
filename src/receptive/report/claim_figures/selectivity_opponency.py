"""Figure of claim 2: shares of double-opponent units by depth, and their differences to both controls."""

from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.report.claim_figures.selectivity_orientation import share_figure


def figure(study: Study, rows: list[Row]) -> Figure:
    """Shares by depth, and their differences with what they decide."""
    return share_figure(study, rows, "double_opponent")
