"""Feature maps of the first convolutions for one image (TG 2.2)."""

import pandas as pd

from receptive.artifacts.feature_maps import read_feature_maps
from receptive.figures import feature_maps as figures
from receptive.params.schema import Params
from receptive.report.page import Section
from receptive.report.writer import Writer

FIRST = "digitcnn"
"""The network of TG figure 2.2."""


def section(params: Params, units: pd.DataFrame, write: Writer) -> Section:
    """One figure per network, TG's own network first.

    Args:
        units: units.parquet of every network, one after the other.
    """
    parts = []
    for network in sorted(params.models, key=lambda name: name != FIRST):
        image, facts, maps = read_feature_maps(network)
        by_layer = units[units["network"] == network].set_index("layer")
        layers = [
            (by_layer.loc[name, "alias"].iloc[0], values, by_layer.loc[name].sort_values("unit")["max"].to_numpy())
            for name, values in maps.items()
        ]
        article = "As TG figure 2.2: a" if network == FIRST else "A"
        parts.append(
            write.picture(
                f"tg2_feature_maps_{network}",
                figures.feature_maps(f"{network}\n{facts['class']}", image, layers),
                f"Feature maps of the first convolutions of {network} for one image of class {facts['class']}",
                f"{article} validation image of class {facts['class']} in {network}, and every unit's response after "
                "the rectification.",
            )
        )
    return Section(
        "feature_maps",
        "Feature maps",
        "The responses of every unit of the first convolutions to one image, the first of its class among the "
        "validation images. Black is 0, white each map's own maximum, so brightness does not compare units. “Zero” "
        "units do not answer this image; “dead” units answer no validation image.",
        parts,
    )
