"""Claim 7: sparsity rises with depth, pooling lowers it, and VGGCNN's high layers are sparser than AlexCNN's."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from receptive.claims.row import Row, beyond_untrained, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import Estimate, apart, bootstrap, rank_correlations

NUMBER = 7
TITLE = "Sparsity by depth"
STATEMENT = (
    "The share of zero responses rises from low to high layers, pooling lowers it, and the high layers of VGGCNN are "
    "sparser than those of AlexCNN."
)
SOURCE = "YU 5, figure 6"
STATISTIC = (
    "Of the zeros that each image leaves: Spearman's correlation of depth and share of zeros over the convolutions; "
    "the share of the convolution before a pool minus the pool's, mean over the pools; and VGGCNN's share minus "
    "AlexCNN's, mean over the last three convolutions of each. Means over images."
)
CONTROL = (
    "The same networks before training, on the first of the same images. The rise with depth is compared with networks "
    "of the same build with fresh weights, untrained.draws of them; its interval holds how much they differ."
)
RULE = (
    "Of VGGCNN and AlexCNN each, the correlation, what it is beyond that before training, and the difference at the "
    "pools, and the difference between the two decide, over images. "
    "That a maximum over several responses is zero less often needs no training; there the control is only shown. The "
    "other networks are shown beside. Where the recipes of the two differ, the remark says how, and the row compares "
    "recipes as well as networks."
)
DEEP, SHALLOW = "vggcnn", "alexcnn"
HIGH_LAYERS = 3
"""The last convolutions of each network: VGGCNN's fifth group; AlexCNN's three without a pool between."""


class Quantity(StrEnum):
    """The three statistics."""

    RISE = "rise with depth"
    POOLS = "convolution - pool behind it"
    HIGH = "high layers"


_LEARNED: dict[str, Any] = {"what": f"{Quantity.RISE}, beyond before training", "beyond": "untrained"}
PerImage = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray | None]
"""A statistic of each image, from its shares of zeros (image x layer) and zeros.parquet."""


def measure(study: Study) -> list[Row]:
    """The three statistics, network by network, and the two networks against each other."""
    rows = []
    statistics: dict[Quantity, PerImage] = {Quantity.RISE: _rise, Quantity.POOLS: _pools}
    for quantity, per_image in statistics.items():
        for network in dict.fromkeys([DEEP, SHALLOW, *study.networks]):
            decides = network in (DEEP, SHALLOW)
            if reason := study.missing(network):
                rows += _not_measured(quantity, reason, networks=(network,), decides=decides)
                continue
            drawn = study.drawn("zeros", network)
            rows += study.across(_of_training, network, given=(quantity, per_image, decides, drawn))
    if reason := study.missing(DEEP, SHALLOW):
        return [*rows, not_measured(Quantity.HIGH, reason, networks=(DEEP, SHALLOW))]
    return rows + study.across(_compared, DEEP, SHALLOW)


def _not_measured(quantity: Quantity, reason: str, **facts: Any) -> list[Row]:
    rows = [not_measured(quantity, reason, **facts)]
    return [*rows, not_measured(quantity, reason, **_LEARNED, **facts)] if quantity == Quantity.RISE else rows


def _of_training(
    study: Study, training: str, quantity: Quantity, per_image: PerImage, decides: bool, drawn: pd.DataFrame | None
) -> list[Row]:
    """The rows of one statistic of a training.

    Args:
        drawn: zeros of the untrained draws; None: the control is the single network before training.
    """
    zeros = study.zeros(training)
    trained, untrained = (per_image(_by_image(zeros, state), zeros) for state in ("trained", "untrained"))
    if trained is None or untrained is None:
        few = "fewer than three convolutions" if quantity == Quantity.RISE else "no pool behind a convolution"
        return _not_measured(quantity, few, decides=decides)
    after = _mean(study, f"{training} {quantity} trained", trained)
    before = _mean(study, f"{training} {quantity} untrained", untrained)
    facts: dict[str, Any] = {"over": "images", "images": len(trained), "decides": decides}
    rows = [measured(quantity, after, control=before, **facts)]
    if quantity == Quantity.RISE and drawn is None:
        rows.append(measured(quantity, apart(after, before), **_LEARNED, **facts))
    elif quantity == Quantity.RISE:
        rises = [_rise(_table(of_draw), of_draw) for _, of_draw in drawn.groupby("draw")]
        draws = [float(rise.mean()) for rise in rises if rise is not None and len(rise)]
        rows.append(beyond_untrained(quantity, after, draws, **_LEARNED, **facts))
    return rows


def _compared(study: Study, deep: str, shallow: str) -> list[Row]:
    estimates, images = {}, {}
    for state in ("trained", "untrained"):
        of_deep, of_shallow = (_high(study.zeros(training), state) for training in (deep, shallow))
        differences = (of_deep - of_shallow).dropna().to_numpy()  # the images that both have seen
        estimates[state] = _mean(study, f"{deep} {shallow} {state}", differences)
        images[state] = len(differences)
    return [
        measured(
            Quantity.HIGH, estimates["trained"], "images", control=estimates["untrained"], images=images["trained"]
        )
    ]


def _by_image(zeros: pd.DataFrame, state: str) -> pd.DataFrame:
    """Share of zeros, image x layer, shallow layers first."""
    return _table(zeros[zeros["state"] == state])


def _table(zeros: pd.DataFrame) -> pd.DataFrame:
    return zeros.pivot(index="image", columns="layer", values="zero_fraction")[list(zeros["layer"].unique())]


def _layers(zeros: pd.DataFrame) -> pd.DataFrame:
    """One row per convolution or pool, shallow layers first: ``layer, depth, kind``."""
    layers = zeros.drop_duplicates("layer")[["layer", "depth", "kind"]]
    return layers[layers["kind"].isin(["conv", "pool"])].reset_index(drop=True)


def _rise(by_image: pd.DataFrame, zeros: pd.DataFrame) -> np.ndarray | None:
    convs = _layers(zeros).query("kind == 'conv'")
    if len(convs) < 3:
        return None
    shares = by_image[convs["layer"]].to_numpy()
    rises = rank_correlations(np.broadcast_to(convs["depth"].to_numpy(), shares.shape), shares)
    return rises[np.isfinite(rises)]  # an image that leaves every layer alike has none


def _pools(by_image: pd.DataFrame, zeros: pd.DataFrame) -> np.ndarray | None:
    layers = _layers(zeros)
    kinds, names = layers["kind"].to_numpy(), layers["layer"].to_numpy()
    pools = [place for place in range(1, len(layers)) if kinds[place] == "pool" and kinds[place - 1] == "conv"]
    if not pools:
        return None
    return np.mean([by_image[names[place - 1]] - by_image[names[place]] for place in pools], axis=0)


def _high(zeros: pd.DataFrame, state: str) -> pd.Series:
    convs = _layers(zeros).query("kind == 'conv'")["layer"].tail(HIGH_LAYERS)
    return _by_image(zeros, state)[convs].mean(axis=1)


def _mean(study: Study, draw: str, values: np.ndarray) -> Estimate:
    return bootstrap(values, rng=study.chance("sparsity", draw), resamples=study.params.claims.resamples)
