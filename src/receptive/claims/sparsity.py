"""Claim 7: sparsity rises with depth, pooling lowers it, and VGGCNN's high layers are sparser than AlexCNN's."""

import numpy as np
import pandas as pd

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
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
CONTROL = "The same networks before training, on the first of the same images."
RULE = (
    "Of VGGCNN and AlexCNN each, the correlation, what it is beyond that before training, and the difference at the "
    "pools, and the difference between the two decide: supported where all seven intervals over images lie above 0. "
    "That a maximum over several responses is zero less often needs no training; there the control is only shown. The "
    "other networks are shown beside."
)
DEEP, SHALLOW = "vggcnn", "alexcnn"
HIGH_LAYERS = 3
"""The last convolutions of each network: VGGCNN's fifth group; AlexCNN's three without a pool between."""

RISE, POOLS, HIGH = "rise with depth", "convolution - pool behind it", "high layers"
LEARNED = f"{RISE}, beyond before training"


def measure(study: Study) -> list[Row]:
    """The three statistics, network by network, and the two networks against each other."""
    rows = []
    for what, per_image in ((RISE, _rise), (POOLS, _pools)):
        for network in dict.fromkeys([DEEP, SHALLOW, *study.networks]):
            decides = network in (DEEP, SHALLOW)
            if reason := study.missing(network):
                rows += [not_measured(network, name, reason, decides=decides) for name in _names(what)]
                continue
            rows += study.across(_rows, network, given=(what, per_image, decides))
    pair = f"{DEEP} - {SHALLOW}"
    if reason := study.missing(DEEP, SHALLOW):
        return [*rows, not_measured(pair, HIGH, reason)]
    return rows + study.across(_compared, DEEP, SHALLOW)


def figure(study: Study, rows: list[Row]):
    """Share of zeros by depth, before and after training, and the rows."""
    from receptive.figures import sparsity as figures

    zeros = pd.concat([artifacts.read_zeros(network) for network in study.networks], ignore_index=True)
    return figures.claim(zeros, rows)


def _names(what: str) -> tuple[str, ...]:
    return (RISE, LEARNED) if what == RISE else (what,)


def _rows(study: Study, network: str, what: str, per_image, decides: bool) -> list[Row]:
    zeros = artifacts.read_zeros(network)
    values = {state: per_image(_by_image(zeros, state), zeros) for state in ("trained", "untrained")}
    if values["trained"] is None:
        few = "fewer than three convolutions" if what == RISE else "no pool behind a convolution"
        return [not_measured(network, name, few, decides=decides) for name in _names(what)]
    found = {state: _mean(study, f"{network} {what} {state}", its) for state, its in values.items()}
    facts = {"over": "images", "images": len(values["trained"]), "decides": decides}
    rows = [measured(network, what, found["trained"], control=found["untrained"], **facts)]
    if what == RISE:
        rows.append(measured(network, LEARNED, apart(found["trained"], found["untrained"]), **facts))
    return rows


def _compared(study: Study, deep: str, shallow: str) -> list[Row]:
    found, images = {}, 0
    for state in ("trained", "untrained"):
        both = [_high(network, state) for network in (deep, shallow)]
        difference = (both[0] - both[1]).dropna().to_numpy()  # the images that both have seen
        found[state] = _mean(study, f"{deep} {shallow} {state}", difference)
        images = images or len(difference)
    pair = f"{DEEP} - {SHALLOW}"
    return [measured(pair, HIGH, found["trained"], "images", control=found["untrained"], images=images)]


def _by_image(zeros: pd.DataFrame, state: str) -> pd.DataFrame:
    """Share of zeros, image x layer, shallow layers first."""
    table = zeros[zeros["state"] == state].pivot(index="image", columns="layer", values="zero_fraction")
    return table[list(zeros["layer"].unique())]


def _layers(zeros: pd.DataFrame) -> pd.DataFrame:
    """One row a convolution or pool, shallow layers first: ``layer, depth, kind``."""
    layers = zeros.drop_duplicates("layer")[["layer", "depth", "kind"]]
    return layers[layers["kind"].isin(["conv", "pool"])].reset_index(drop=True)


def _rise(by_image: pd.DataFrame, zeros: pd.DataFrame) -> np.ndarray | None:
    convs = _layers(zeros).query("kind == 'conv'")
    if len(convs) < 3:
        return None
    shares = by_image[convs["layer"]].to_numpy()
    found = rank_correlations(np.broadcast_to(convs["depth"].to_numpy(), shares.shape), shares)
    return found[np.isfinite(found)]  # an image that leaves every layer alike has none


def _pools(by_image: pd.DataFrame, zeros: pd.DataFrame) -> np.ndarray | None:
    layers = _layers(zeros)
    behind = [i for i in layers.index[1:] if layers.loc[i, "kind"] == "pool" and layers.loc[i - 1, "kind"] == "conv"]
    if not behind:
        return None
    names = layers["layer"].to_numpy()
    return np.mean([by_image[names[i - 1]] - by_image[names[i]] for i in behind], axis=0)


def _high(network: str, state: str) -> pd.Series:
    zeros = artifacts.read_zeros(network)
    convs = _layers(zeros).query("kind == 'conv'")["layer"].tail(HIGH_LAYERS)
    return _by_image(zeros, state)[convs].mean(axis=1)


def _mean(study: Study, name: str, values: np.ndarray) -> Estimate:
    return bootstrap(values, rng=study.chance("sparsity", name), resamples=study.params.claims.resamples)
