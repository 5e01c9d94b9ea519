"""``data/activations/<network>``: what every unit does over the validation images, and where it answers most."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_table, writing
from receptive.errors import ReceptiveError
from receptive.methods.extraction import Extraction
from receptive.methods.unit_statistics import histogram_edges
from receptive.methods.zero_fractions import ZeroFractions
from receptive.networks.layers import Layer

ACTIVATIONS = Path("data/activations")
_UNITS = (
    *("network", "layer", "alias", "depth", "kind", "unit"),
    *("images", "positions", "mean", "max", "zero_fraction", "positive_images"),
)
_ZEROS = ("network", "state", "layer", "alias", "depth", "kind", "image", "zero_fraction")
_PREFERRED = (
    *("network", "layer", "unit", "rank", "image", "y", "x", "activation"),
    *("top_px", "left_px", "bottom_px", "right_px"),
)


def write_activations(
    network: str, layers: "list[Layer]", extraction: "Extraction", untrained: "dict[str, ZeroFractions]"
) -> Path:
    """``data/activations/<network>``: units.parquet, preferred.parquet, zeros.parquet and histograms.npz.

    zeros.parquet has one row a state ("trained", "untrained"), layer and image: ``network, state, layer, alias, depth,
    kind, image, zero_fraction``; the untrained network has seen the first of the images only.

    histograms.npz holds the bins' ``edges`` (``methods.unit_statistics.histogram_edges``) and, under each
    layer's name, counts of all responses, unit x bin.

    Args:
        untrained: the zeros of each layer before training.
    """
    units, preferred, zeros, histograms = [], [], [], {"edges": histogram_edges()}
    for layer in layers:
        statistics, top = extraction.statistics[layer.name], extraction.top[layer.name]
        heading = {
            "network": network,
            "layer": layer.name,
            "alias": layer.alias,
            "depth": layer.depth,
            "kind": layer.kind,
        }
        units.append(pd.DataFrame({**heading, **statistics.columns()}))
        for state, counted in (("trained", extraction.zeros[layer.name]), ("untrained", untrained[layer.name])):
            numbers, fractions = counted.result()
            zeros.append(pd.DataFrame({**heading, "state": state, "image": numbers, "zero_fraction": fractions}))
        histograms[layer.name] = statistics.histogram.cpu().numpy()
        value, image, position = (t.cpu().numpy() for t in (top.value, top.image, top.position))
        unit, rank = np.nonzero(np.isfinite(value))  # fewer images than ranks leave the last ones empty
        y, x = np.divmod(position[unit, rank], layer.map_size[1])
        box = layer.field.box(y, x)
        preferred.append(
            pd.DataFrame(
                {
                    "network": network,
                    "layer": layer.name,
                    "unit": unit,
                    "rank": rank,
                    "image": image[unit, rank],
                    "y": y,
                    "x": x,
                    "activation": value[unit, rank],
                    **dict(zip(("top_px", "left_px", "bottom_px", "right_px"), box, strict=True)),
                }
            )
        )
    folder = ACTIVATIONS / network
    with writing(folder) as new:
        write_table(new / "units.parquet", pd.concat(units, ignore_index=True))
        write_table(new / "preferred.parquet", pd.concat(preferred, ignore_index=True))
        write_table(new / "zeros.parquet", pd.concat(zeros, ignore_index=True)[list(_ZEROS)])
        np.savez(new / "histograms.npz", **histograms)
    return folder


def read_units(network: str) -> "pd.DataFrame":
    """One row a (layer, unit): what it does over the validation images."""
    return read_table(ACTIVATIONS / network / "units.parquet", f"extract@{network}", _UNITS)


def read_zeros(network: str) -> "pd.DataFrame":
    """One row a state, layer and image: its share of zero responses, trained and untrained."""
    return read_table(ACTIVATIONS / network / "zeros.parquet", f"extract@{network}", _ZEROS)


def read_preferred(network: str) -> "pd.DataFrame":
    """One row a (layer, unit, rank), best first: image, position, activation and the patch's box."""
    return read_table(ACTIVATIONS / network / "preferred.parquet", f"extract@{network}", _PREFERRED)


def read_histograms(network: str) -> dict[str, np.ndarray]:
    """Bin ``edges`` and, by layer, counts of all natural responses (unit x bin)."""
    return read_arrays(ACTIVATIONS / network / "histograms.npz", f"extract@{network}")


def read_first_pool(network: str) -> "pd.DataFrame":
    """The rows of units.parquet of the network's first pooling layer, unit by unit.

    Raises:
        ReceptiveError: the network has none.
    """
    units = read_units(network)
    layers = units.loc[units["kind"] == "pool", "layer"]
    if layers.empty:
        raise ReceptiveError(f"{network} has no pooling layer: leave it out of models")
    return units[units["layer"] == layers.iloc[0]].sort_values("unit", ignore_index=True)
