"""Figure of claim 8: how much more label purity rises than in the controls."""

from matplotlib.figure import Figure

from receptive.claims.embedding_purity import Quantity
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.claims import panels

_LAYERS = {Quantity.MAPPED: "the lower to the higher mapped", Quantity.WHOLE: "the first to the last"}


def figure(study: Study, rows: list[Row]) -> Figure:
    """The rows, each beside the rise of its control."""
    return panels(
        [
            (
                [row for row in rows if row.quantity == quantity],
                f"rise of label purity from {words} convolution, minus the control's",
            )
            for quantity, words in _LAYERS.items()
        ]
    )
