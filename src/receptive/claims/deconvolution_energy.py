"""Claim 9: deconvolution keeps less unrelated information the higher the layer; VGGCNN removes more than AlexCNN."""

import numpy as np
import pandas as pd

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.inference import Estimate, apart, bootstrap, rank_correlations

NUMBER = 9
TITLE = "Unrelated information is removed"
STATEMENT = (
    "What is carried back from a layer holds less unrelated information the higher the layer, and VGGCNN removes more "
    "of it than AlexCNN."
)
SOURCE = "YU 4.2 and 5, figures 4 and 5"
STATISTIC = (
    "The share of a reconstruction's energy that lies outside the known subject: minus its Spearman correlation with "
    "depth over the layers shown (every second convolution and the last fully connected layer), and AlexCNN's share "
    "minus VGGCNN's in the last convolution. Means over images."
)
CONTROL = "The same networks before training, on the same images."
RULE = (
    "Of VGGCNN and AlexCNN each, the fall with depth and what it is beyond that before training, and the difference "
    "between the two decide: supported where all five intervals over images lie above 0. The other networks are shown "
    "beside."
)
DEEP, SHALLOW = "vggcnn", "alexcnn"
FALL, LAST = "fall with depth", "outside the subject, last convolution"
LEARNED = f"{FALL}, beyond before training"
UNKNOWN = "nobody knows where the subject is in its images"


def measure(study: Study) -> list[Row]:
    """The fall of the share with depth in every network, and the difference between the two."""
    rows = []
    for network in dict.fromkeys([DEEP, SHALLOW, *study.networks]):
        decides = network in (DEEP, SHALLOW)
        if reason := study.missing(network):
            rows += [not_measured(network, what, reason, decides=decides) for what in (FALL, LEARNED)]
            continue
        rows += study.across(_fall, network, given=(decides,))
    pair = f"{SHALLOW} - {DEEP}"
    if reason := study.missing(DEEP, SHALLOW):
        return [*rows, not_measured(pair, LAST, reason)]
    return rows + study.across(_compared, DEEP, SHALLOW)


def figure(study: Study, rows: list[Row]):
    """The share by depth before and after training, and the rows."""
    from receptive.figures import deconvolution as figures

    tables = [artifacts.read_energy(network) for network in study.networks]
    tables = [table for table in tables if table is not None]
    return figures.claim(pd.concat(tables, ignore_index=True) if tables else None, rows)


def _fall(study: Study, network: str, decides: bool) -> list[Row]:
    energy = artifacts.read_energy(network)
    if energy is None:
        return [not_measured(network, what, UNKNOWN, decides=decides) for what in (FALL, LEARNED)]
    values = {state: _falls(energy, state) for state in ("trained", "untrained")}
    if values["trained"] is None:
        few = "fewer than three layers are carried back"
        return [not_measured(network, what, few, decides=decides) for what in (FALL, LEARNED)]
    found = {state: _mean(study, f"{network} {state}", its) for state, its in values.items()}
    facts = {"over": "images", "images": len(values["trained"]), "decides": decides}
    return [
        measured(network, FALL, found["trained"], control=found["untrained"], **facts),
        measured(network, LEARNED, apart(found["trained"], found["untrained"]), **facts),
    ]


def _falls(energy: pd.DataFrame, state: str) -> np.ndarray | None:
    """Minus the rank correlation of depth and share outside, image by image, without those that leave a layer blank."""
    shares = energy[energy["state"] == state].pivot(index="image", columns="depth", values="energy_outside_fraction")
    if shares.shape[1] < 3:
        return None
    shares = shares.dropna().to_numpy()
    found = -rank_correlations(np.broadcast_to(np.arange(shares.shape[1]), shares.shape), shares)
    return found[np.isfinite(found)]


def _compared(study: Study, deep: str, shallow: str) -> list[Row]:
    found, images = {}, 0
    for state in ("trained", "untrained"):
        both = [_last_convolution(network, state) for network in (shallow, deep)]
        if any(its is None for its in both):
            return [not_measured(f"{SHALLOW} - {DEEP}", LAST, UNKNOWN)]
        difference = (both[0] - both[1]).dropna().to_numpy()
        found[state] = _mean(study, f"{shallow} {deep} {state}", difference)
        images = images or len(difference)
    pair = f"{SHALLOW} - {DEEP}"
    return [measured(pair, LAST, found["trained"], "images", control=found["untrained"], images=images)]


def _last_convolution(network: str, state: str) -> pd.Series | None:
    energy = artifacts.read_energy(network)
    if energy is None:
        return None
    convs = energy[(energy["state"] == state) & (energy["kind"] == "conv")]
    return convs[convs["depth"] == convs["depth"].max()].set_index("image")["energy_outside_fraction"]


def _mean(study: Study, name: str, values: np.ndarray) -> Estimate:
    return bootstrap(values, rng=study.chance("discrimination", name), resamples=study.params.claims.resamples)
