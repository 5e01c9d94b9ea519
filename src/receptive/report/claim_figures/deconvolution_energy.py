"""Figure of claim 9: energy outside the subject by depth, and the rows."""

import pandas as pd
from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.deconvolution import claim
from receptive.report.tables import energy_by_depth


def figure(study: Study, rows: list[Row]) -> Figure:
    """The share by depth before and after training, and the rows."""
    energies = [study.energy(network) for network in study.networks]
    tables = [energy for energy in energies if energy is not None]
    return claim(energy_by_depth(pd.concat(tables, ignore_index=True)) if tables else None, rows)
