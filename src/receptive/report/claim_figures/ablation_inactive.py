"""Figure of claim 3: shares of inactive units, and changes of loss by noise."""

from matplotlib.figure import Figure

from receptive.claims.ablation_inactive import Quantity
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.claims import panels


def figure(study: Study, rows: list[Row]) -> Figure:
    """Shares of inactive units above, changes of loss below."""
    shares = [row for row in rows if row.quantity == Quantity.SHARE]
    changes = [row for row in rows if row.quantity != Quantity.SHARE]
    return panels([(shares, "share of first-pool units"), (changes, "change of loss (nats)")])
