"""Sparsity of a layer (YU 5, figure 6): 0 where every response is positive, 1 where all are zero."""

import pandas as pd


def layer_sparsity(units: pd.DataFrame) -> pd.DataFrame:
    """The share of each layer's responses that are exactly zero, over all units, images and positions.

    All units of a layer have equally many responses, so it is the mean of the units' shares.

    Args:
        units: one row per unit of each layer, in the layers' order: ``network, layer, alias, depth, kind,
            zero_fraction``.

    Returns:
        One row per layer, in the same order: ``network, layer, alias, depth, kind, zero_fraction``.
    """
    keys = ["network", "layer", "alias", "depth", "kind"]
    return units.groupby(keys, sort=False, dropna=False, as_index=False).agg({"zero_fraction": "mean"})
