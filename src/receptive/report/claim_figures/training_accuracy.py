"""Figure of claim 12: accuracies and their differences."""

from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.claims.training_accuracy import Quantity
from receptive.figures.claims import panels


def figure(study: Study, rows: list[Row]) -> Figure:
    """Accuracies beside the published ones, and the differences."""
    return panels([([row for row in rows if row.quantity == quantity], quantity) for quantity in Quantity])
