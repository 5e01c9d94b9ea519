"""Figure of claim 7: zeros by depth before and after training, and the rows."""

import pandas as pd
from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.sparsity import claim
from receptive.report.tables import zeros_by_layer


def figure(study: Study, rows: list[Row]) -> Figure:
    """Share of zeros by depth, before and after training, and the rows."""
    zeros = pd.concat([study.zeros(network) for network in study.networks], ignore_index=True)
    return claim(zeros_by_layer(zeros), rows)
