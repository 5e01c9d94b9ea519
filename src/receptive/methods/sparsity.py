"""Sparsity of a layer (YU 5, figure 6): 0 where every response is positive, 1 where all are zero."""

import pandas as pd


def layer_sparsity(units: pd.DataFrame) -> pd.DataFrame:
    """The proportion of responses of each layer that are exactly zero, over all units, images and positions.

    All units of a layer have as many responses, so this is the mean of the units' proportions.

    Args:
        units: one row a (layer, unit): ``network, layer, alias, depth, kind, zero_fraction``, in the layers' order.

    Returns:
        One row a layer, in the same order: ``network, layer, alias, depth, kind, zero_fraction``.
    """
    keys = ["network", "layer", "alias", "depth", "kind"]
    return units.groupby(keys, sort=False, dropna=False, as_index=False)["zero_fraction"].mean()
