"""Claim 9: deconvolution keeps less unrelated information the higher the layer; VGGCNN removes more than AlexCNN."""

from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
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
UNKNOWN = "nobody knows where the subject is in its images"


class Quantity(StrEnum):
    """The two statistics."""

    FALL = "fall with depth"
    LAST = "outside the subject, last convolution"


_LEARNED: dict[str, Any] = {"what": f"{Quantity.FALL}, beyond before training", "beyond": "untrained"}


def measure(study: Study) -> list[Row]:
    """The fall of the share with depth in every network, and the difference between the two."""
    rows = []
    for network in dict.fromkeys([DEEP, SHALLOW, *study.networks]):
        decides = network in (DEEP, SHALLOW)
        if reason := study.missing(network):
            rows += _no_fall(reason, networks=(network,), decides=decides)
            continue
        rows += study.across(_fall, network, given=(decides,))
    if reason := study.missing(DEEP, SHALLOW):
        return [*rows, not_measured(Quantity.LAST, reason, networks=(SHALLOW, DEEP))]
    return rows + study.across(_compared, SHALLOW, DEEP)


def _no_fall(reason: str, **facts: Any) -> list[Row]:
    return [not_measured(Quantity.FALL, reason, **facts), not_measured(Quantity.FALL, reason, **_LEARNED, **facts)]


def _fall(study: Study, training: str, decides: bool) -> list[Row]:
    energy = study.energy(training)
    if energy is None:
        return _no_fall(UNKNOWN, decides=decides)
    trained, untrained = (_falls(energy, state) for state in ("trained", "untrained"))
    if trained is None or untrained is None:
        return _no_fall("fewer than three layers are carried back", decides=decides)
    after = _mean(study, f"{training} trained", trained)
    before = _mean(study, f"{training} untrained", untrained)
    facts: dict[str, Any] = {"over": "images", "images": len(trained), "decides": decides}
    return [
        measured(Quantity.FALL, after, control=before, **facts),
        measured(Quantity.FALL, apart(after, before), **_LEARNED, **facts),
    ]


def _falls(energy: pd.DataFrame, state: str) -> np.ndarray | None:
    """Minus the rank correlation of depth and share outside of each image; an image that leaves a layer blank has none.

    None where there are fewer than three layers.
    """
    shares = energy[energy["state"] == state].pivot(index="image", columns="depth", values="energy_outside_fraction")
    if shares.shape[1] < 3:
        return None
    by_image = shares.dropna().to_numpy()
    falls = -rank_correlations(np.broadcast_to(np.arange(by_image.shape[1]), by_image.shape), by_image)
    return falls[np.isfinite(falls)]


def _compared(study: Study, shallow: str, deep: str) -> list[Row]:
    energies = [energy for training in (shallow, deep) if (energy := study.energy(training)) is not None]
    if len(energies) < 2:
        return [not_measured(Quantity.LAST, UNKNOWN)]
    estimates, images = {}, {}
    for state in ("trained", "untrained"):
        of_shallow, of_deep = (_last_convolution(energy, state) for energy in energies)
        differences = (of_shallow - of_deep).dropna().to_numpy()
        estimates[state] = _mean(study, f"{shallow} {deep} {state}", differences)
        images[state] = len(differences)
    return [
        measured(
            Quantity.LAST, estimates["trained"], "images", control=estimates["untrained"], images=images["trained"]
        )
    ]


def _last_convolution(energy: pd.DataFrame, state: str) -> pd.Series:
    convs = energy[(energy["state"] == state) & (energy["kind"] == "conv")]
    return convs[convs["depth"] == convs["depth"].max()].set_index("image")["energy_outside_fraction"]


def _mean(study: Study, draw: str, values: np.ndarray) -> Estimate:
    # random draws keep the claim's first name
    return bootstrap(values, rng=study.chance("discrimination", draw), resamples=study.params.claims.resamples)
