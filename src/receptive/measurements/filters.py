"""Virtual filters: the second layer's units as pictures in pixels (KS equation 3, figure 3), and the first filters
held against Gabor functions. Needs no torch.
"""

import numpy as np
import pandas as pd

from receptive.artifacts.filters import Filters
from receptive.artifacts.networks import read_description, read_weights, weight_shapes
from receptive.methods import gabor_fit
from receptive.methods.filters import batch_norm_scale, participation, strongest_taps, virtual_filters
from receptive.networks.first_layers import first_batch_norm, second_filters


def measure(network: str, fold_batch_norm: bool) -> Filters:
    """The virtual filters of a trained network, read from data/networks.

    Args:
        network: name of the training.
        fold_batch_norm: multiply the first filters with the scale of their batch norm, where there is one.

    Raises:
        ReceptiveError: a file is missing or damaged, or the second layer does not see the first layer's units.
    """
    shapes = weight_shapes(network)
    first_name = read_description(network)["first_filters"]
    second_name = second_filters(first_name, shapes)
    norm = first_batch_norm(first_name, shapes) if fold_batch_norm else None
    first, second = read_weights(network, [first_name, second_name])
    scale = None
    if norm is not None:
        weight, variance = read_weights(network, [f"{norm}.weight", f"{norm}.running_var"])
        scale = batch_norm_scale(weight, variance)
    names = {"first": first_name, "second": second_name, "folded": norm}
    return Filters(arrays_of(first, second, scale), names)


def arrays_of(first: np.ndarray, second: np.ndarray, scale: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The content of filters.npz (``artifacts.filters.Filters``).

    Args:
        first: k x q x y x x; second: p x k x y x x.
        scale: (k,), factor of each first filter; None leaves them as they are.
    """
    if scale is not None:
        first = first * scale[:, None, None, None]
    weights, places = strongest_taps(second)
    return {
        "first": first,
        "second": second,
        "virtual": virtual_filters(first, second),
        "weights": weights,
        "places": places,
    }


def gabor_table(network: str) -> pd.DataFrame:
    """One row per first filter, trained and untrained: its best Gabor function (``artifacts.filters.read_gabor``)."""
    name = read_description(network)["first_filters"]
    parts = []
    for state in ("trained", "untrained"):
        (first,) = read_weights(network, [name], trained=state == "trained")
        fitted = pd.DataFrame(gabor_fit.fit(first)._asdict())
        parts.append(pd.DataFrame({"network": network, "state": state, "unit": range(len(first))}).join(fitted))
    return pd.concat(parts, ignore_index=True)


def metrics_of(filters: Filters, gabor: pd.DataFrame) -> dict[str, float]:
    """Number of first filters, and how many of them a unit of the second layer mixes (``participation``).

    Where the kernels are large enough for Gabor fits also ``gabor_r2``, the median over the trained first filters, and
    ``gabor_share``, the share of them that a Gabor function explains by more than half.
    """
    metrics = {
        "first_filters": len(filters.arrays["first"]),
        "participating_first_filters": participation(filters.arrays["weights"]),
    }
    r2 = gabor.loc[gabor["state"] == "trained", "r2"].dropna()
    return metrics if r2.empty else metrics | {"gabor_r2": float(r2.median()), "gabor_share": float((r2 > 0.5).mean())}
