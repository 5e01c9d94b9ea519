"""Virtual filters of the second layer (KS 3.2, figure 3), and first filters as Gabor functions."""

import numpy as np
import pandas as pd

from receptive.artifacts.filters import read_filters, read_gabor
from receptive.figures import filters as figures
from receptive.methods.filters import composed_kernels
from receptive.methods.gabor_fit import SMALLEST_KERNEL
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report.page import Picture, Section, Table
from receptive.report.writer import Writer


def section(params: Params, layers: dict[str, list[Layer]], units: pd.DataFrame, write: Writer) -> Section:
    """One sheet per network.

    Args:
        layers: of every network.
        units: units.parquet of every network, one after the other.
    """
    return Section(
        "filters",
        "Virtual filters",
        "A unit of the second layer as a filter in pixels: the first layer's filters, each weighted with the unit's "
        "greatest weight to it, summed (KS equation 3). The equation lays all filters on one place and leaves out "
        "what lies between the layers. So it is a picture of what the unit weighs, not of what it computes; only for a "
        "1x1 second layer is it the exact product of the two. Shown are "
        f"{params.report.filters} units of each network, those with the greatest virtual filters unless params.yaml "
        "names others. Each filter is scaled by itself; grey is zero.",
        [_sheet(params, network, layers[network], units[units["network"] == network], write) for network in layers]
        + [_gabor(list(layers), write)],
    )


def _sheet(params: Params, network: str, layers: list[Layer], units: pd.DataFrame, write: Writer) -> Picture:
    arrays, names = read_filters(network)
    virtual = arrays["virtual"]
    named = params.report.filter_units.get(network, [])
    chosen = [unit for unit in named if unit < len(virtual)] or strongest(virtual, params.report.filters)
    beyond = ", ".join(str(unit) for unit in named if unit >= len(virtual))
    # a convolution directly on a convolution, so that their product is a kernel (rectification apart)
    direct = layers[1].kind == "conv" and arrays["second"].shape[2:] != (1, 1)
    composed = dict.fromkeys(chosen)
    if direct and not layers[0].field.whole_image and "downsample" not in names["second"]:
        stride = layers[0].field.y.stride, layers[0].field.x.stride
        composed = dict(zip(chosen, composed_kernels(arrays["first"], arrays["second"][chosen], stride), strict=True))
    shown = [
        figures.VirtualFilter(
            unit,
            virtual[unit].transpose(1, 2, 0),
            None if composed[unit] is None else composed[unit].transpose(1, 2, 0),
            arrays["weights"][unit],
        )
        for unit in chosen
    ]
    dead = frozenset(units.loc[(units["layer"] == layers[0].name) & (units["max"] <= 0), "unit"].tolist())
    second = names["second"].removesuffix(".weight")
    kernel = "x".join(map(str, arrays["second"].shape[2:]))
    more = " Beside it the kernel of both layers together, with every weight in its own place." if direct else ""
    folded = f" The scale of {names['folded']} is folded into the first filters." if names["folded"] else ""
    absent = f" It has {len(virtual)} units there, so of report.filter_units no {beyond}." if beyond else ""
    return write.picture(
        f"ks3_virtual_filters_{network}",
        figures.virtual_filter_sheet(network, shown, arrays["first"].transpose(0, 2, 3, 1), dead),
        f"Virtual filters of {second} of {network}, sorted weights, and first filters in that order",
        f"As KS figure 3: {network}, {second} ({kernel}). The virtual filter, the unit's greatest weight to every "
        f"first filter in falling order, and the first filters in that order (the first and last 16 where there are "
        f"more).{more}{folded}{absent}",
    )


def _gabor(networks: list[str], write: Writer) -> Table:
    """How much of their first filters Gabor functions explain, network by network."""
    return write.table(
        "gabor_fits",
        gabor_summary(pd.concat([read_gabor(network) for network in networks], ignore_index=True)),
        "First filters as Gabor functions (a sinusoid under a Gaussian window, in one colour): the share of a filter's "
        "energy that the best one explains, as the median over the filters, and the share of filters of which it "
        f"explains more than half. Kernels below {SMALLEST_KERNEL} px are not fitted: a function has seven numbers.",
    )


def gabor_summary(gabor: pd.DataFrame) -> pd.DataFrame:
    """One row per network: number of first filters, median ``r2`` and share above 0.5, trained and before training."""
    rows = []
    for network, of_network in gabor.groupby("network", sort=False):
        row: dict[str, object] = {"network": network, "first filters": of_network["unit"].nunique()}
        for state, words in (("trained", ""), ("untrained", " before training")):
            r2 = of_network.loc[of_network["state"] == state, "r2"].dropna()
            row[f"median share explained{words}"] = r2.median()
            row[f"more than half{words}"] = (r2 > 0.5).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def strongest(virtual: np.ndarray, count: int) -> list[int]:
    """The units with the greatest virtual filters by Euclidean norm, greatest first."""
    norm = np.sqrt((virtual**2).sum((1, 2, 3)))
    return np.argsort(-norm, kind="stable")[:count].tolist()
