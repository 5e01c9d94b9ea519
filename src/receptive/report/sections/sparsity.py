"""Sparsity by depth, and units that are never active."""

import pandas as pd

from receptive.figures import sparsity as figures
from receptive.report import tables
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(layers: pd.DataFrame, units: pd.DataFrame, write: Writer) -> Section:
    """The figure and its tables.

    Args:
        layers: layers.parquet of every network, one after the other.
        units: units.parquet of every network, likewise.
    """
    return Section(
        "sparsity",
        "Sparsity",
        "The share of responses that are exactly zero, over all units, positions and validation images, of every "
        "convolution after its rectification and every pooling layer.",
        [
            write.picture(
                "yu6_sparsity",
                figures.sparsity_by_depth(layers),
                "Share of zero responses by depth",
                "As YU figure 6, network beside network: filled marks are convolutions, open ones pooling layers, "
                "half a step to the right of the convolution that they follow.",
            ),
            write.table(
                "sparsity",
                tables.sparsity(layers),
                "Share of zero responses by layer",
                {"zero_fraction": ".4f"},
                folded=True,
            ),
            write.table(
                "activity",
                tables.activity(units),
                "Units that never answer, and units that answer nearly every image",
                folded=True,
            ),
        ],
    )
