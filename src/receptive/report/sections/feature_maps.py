"""Feature maps of the first convolutions for one image (TG 2.2)."""

import pandas as pd

from receptive.figures import feature_maps as figures
from receptive.io import artifacts
from receptive.params.schema import Params
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, units: pd.DataFrame, write: Writer) -> Section:
    """One figure a network, DigitCNN's first, as TG show it.

    Args:
        units: units.parquet of every network, one after the other.
    """
    parts = []
    for network in sorted(params.models, key=lambda name: name != "digitcnn"):
        image, facts, maps = artifacts.read_feature_maps(network)
        its = units[units["network"] == network].set_index("layer")
        layers = [
            (its.loc[name, "alias"].iloc[0], values, its.loc[name].sort_values("unit")["max"].to_numpy())
            for name, values in maps.items()
        ]
        of = "As TG figure 2.2: a" if network == "digitcnn" else "A"
        parts.append(
            write.picture(
                f"tg2_feature_maps_{network}",
                figures.feature_maps(f"{network}\n{facts['class']}", image, layers),
                f"Feature maps of the first convolutions of {network} for one image of class {facts['class']}",
                f"{of} validation image of class {facts['class']} in {network}, and every unit's response after the "
                "rectification.",
            )
        )
    return Section(
        "feature_maps",
        "Feature maps",
        "What every unit of the first convolutions makes of one image, the first of its class among the validation "
        "images. Black is 0, white each map's own maximum, so brightness does not compare units. “Zero” units do not "
        "answer this image; “dead” ones answer no validation image at all.",
        parts,
    )
