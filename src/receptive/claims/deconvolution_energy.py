"""Claim 9: deconvolution keeps less unrelated information the higher the layer; VGGCNN removes more than AlexCNN."""

from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from receptive.claims.row import Row, beyond_untrained, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import Estimate, bootstrap

NUMBER = 9
TITLE = "Unrelated information is removed"
STATEMENT = (
    "What is carried back from a layer holds less unrelated information the higher the layer, and VGGCNN removes more "
    "of it than AlexCNN."
)
SOURCE = "YU 4.2 and 5, figures 4 and 5"
STATISTIC = (
    "The share of a reconstruction's energy that lies outside the known subject, minus its share outside the subjects "
    "of the other images: 0 where the network kept nothing of its own subject, wherever subjects mostly lie, and the "
    "lower, the less is unrelated. That of the first convolution minus that of the last, and AlexCNN's minus VGGCNN's "
    "in the last convolution. Means over images."
)
CONTROL = (
    "The same networks before training, on the same images. The fall is compared with networks of the same build with "
    "fresh weights, untrained.draws of them; its interval holds how much they differ."
)
RULE = (
    "Of VGGCNN and AlexCNN each, the fall from the first to the last convolution and what it is beyond that before "
    "training, and the difference between the two decide, over images. "
    "The other networks are shown beside. Where the recipes of the two differ, the remark says how, and the row "
    "compares recipes as well as networks."
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
        rows += study.across(_fall, network, given=(decides, study.drawn("energy", network)))
    if reason := study.missing(DEEP, SHALLOW):
        return [*rows, not_measured(Quantity.LAST, reason, networks=(SHALLOW, DEEP))]
    return rows + study.across(_compared, SHALLOW, DEEP)


def _no_fall(reason: str, **facts: Any) -> list[Row]:
    return [not_measured(Quantity.FALL, reason, **facts), not_measured(Quantity.FALL, reason, **_LEARNED, **facts)]


def _fall(study: Study, training: str, decides: bool, drawn: pd.DataFrame | None) -> list[Row]:
    """The fall of one training, and what it is beyond untrained networks.

    Args:
        drawn: energies of the untrained draws; None: the control is the single network before training, image by image.
    """
    energy = study.energy(training)
    if energy is None:
        return _no_fall(UNKNOWN, decides=decides)
    convs = _convolutions(energy)
    if len(convs) < 2:
        return _no_fall("fewer than two convolutions are carried back", decides=decides)
    falls = {}
    for state in ("trained", "untrained"):
        first, last = (unrelated(energy, state, layer) for layer in (convs[0], convs[-1]))
        falls[state] = first - last
    beyond = (falls["trained"] - falls["untrained"]).dropna().to_numpy()
    after, before = (_mean(study, f"{training} {state}", fall.dropna().to_numpy()) for state, fall in falls.items())
    learned = _mean(study, f"{training} beyond", beyond)
    facts: dict[str, Any] = {"over": "images", "decides": decides}
    fall = measured(Quantity.FALL, after, control=before, images=len(falls["trained"].dropna()), **facts)
    if drawn is None:
        return [fall, measured(Quantity.FALL, learned, images=len(beyond), **_LEARNED, **facts)]
    draws = [_mean_fall(of_draw.assign(state="untrained"), convs) for _, of_draw in drawn.groupby("draw")]
    return [fall, beyond_untrained(Quantity.FALL, after, draws, images=fall.images, **_LEARNED, **facts)]


def _mean_fall(energy: pd.DataFrame, convs: list[str]) -> float:
    first, last = (unrelated(energy, "untrained", layer) for layer in (convs[0], convs[-1]))
    return float((first - last).mean())


def unrelated(energy: pd.DataFrame, state: str, layer: str) -> pd.Series:
    """What each image adds to the share outside the own subject minus that outside the others', in the layer.

    An image enters the others' share twice: by where its energy lies, and by where its subject lies. Both are taken
    from its own share, and the common mean is added: then the mean is the difference of the two shares, and images
    differ by no more than what each changes in it, so intervals over images hold (the first projection of a
    two-sample U-statistic).

    Args:
        energy: energy.parquet.

    Returns:
        By image; NaN for a reconstruction that is 0 everywhere.
    """
    rows = energy[(energy["state"] == state) & (energy["layer"] == layer)].set_index("image")
    control = rows["outside_others_fraction"] + rows["others_outside_fraction"]
    return rows["energy_outside_fraction"] - control + control.mean() / 2


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
    return unrelated(energy, state, _convolutions(energy)[-1])


def _convolutions(energy: pd.DataFrame) -> list[str]:
    """Names of the convolutions that were carried back, shallow ones first."""
    layers = energy[energy["kind"] == "conv"].drop_duplicates("layer")
    return layers.sort_values("depth", kind="stable")["layer"].tolist()


def _mean(study: Study, draw: str, values: np.ndarray) -> Estimate:
    # random draws keep the claim's first name
    return bootstrap(values, rng=study.chance("discrimination", draw), resamples=study.params.claims.resamples)
