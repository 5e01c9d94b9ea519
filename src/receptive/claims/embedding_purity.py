"""Claim 8: low layers group patches by texture and simple shape, high layers by category."""

from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.embedding_purity import purity_difference

NUMBER = 8
TITLE = "High layers group by category"
STATEMENT = (
    "Low layers put patches of similar texture and simple shape next to each other, high layers those of a category."
)
SOURCE = "YU 4.1, figure 3"
STATISTIC = (
    "Label purity: the share of a patch's nearest neighbours in the layer's space, from other images, whose image has "
    "the same label; one random position per image. The value is its rise from the lower to the higher of the two "
    "mapped layers (c4_1 and c5_3 in VGGCNN), minus the rise of a control. Texture has no label here: that low layers "
    "go by it shows only in what purity they lack, and in the planes."
)
CONTROL = (
    "The same rise in the same network before training, and in the pixels of the layers' patches: what comes from "
    "seeing more of the image alone."
)
RULE = (
    "Two rows of VGGCNN decide: the rise minus that before training, and minus that of the pixels. Intervals "
    "over images allow for images that are neighbours of several others and of each "
    "other. Shown beside: the same of the other networks, and from the first to the "
    "last convolution."
)
NETWORK = "vggcnn"
CONTROLS = {"untrained": "before training", "pixels": "pixels"}
"""What the rise must exceed, by state in the tables of stage embed, in words."""


class Quantity(StrEnum):
    """Between which layers purity rises."""

    MAPPED = "rise above"
    WHOLE = "first to last convolution, above"


def measure(study: Study) -> list[Row]:
    """The rise of purity above both controls, for every network."""
    rows = []
    if reason := study.missing(NETWORK):
        rows += [
            not_measured(
                Quantity.MAPPED, reason, what=_words(Quantity.MAPPED, state), beyond=state, networks=(NETWORK,)
            )
            for state in CONTROLS
        ]  # fmt: skip
    for network in study.networks:
        rows += study.across(_of_training, network, given=(network == NETWORK,))
    return rows


def _words(quantity: Quantity, state: str) -> str:
    return f"{quantity} {CONTROLS[state]}"


def _of_training(study: Study, training: str, decides: bool) -> list[Row]:
    purity, mapped = study.embedding(training, "purity"), study.embedding(training, "layers")["layer"]
    convs = purity.loc[(purity["kind"] == "conv") & (purity["state"] == "trained"), ["layer", "alias", "depth"]]
    of_map = convs[convs["layer"].isin(mapped)]
    ends = {Quantity.MAPPED: _ends(of_map if len(of_map) > 1 else convs), Quantity.WHOLE: _ends(convs)}
    images = study.embedding(training, "purity_images")
    rows = []
    for quantity, (low, high) in ends.items():
        for state in CONTROLS:
            facts: dict[str, Any] = {"what": _words(quantity, state), "beyond": state}
            facts["decides"] = decides and quantity == Quantity.MAPPED
            if low["layer"] == high["layer"]:
                rows.append(not_measured(quantity, "it has one convolution", **facts))
                continue
            facts["reason"] = f"{low['alias']} to {high['alias']}"
            of_layer = images[(images["state"] == "trained") & (images["layer"] == low["layer"])]
            rises = [
                [(sign, study.near(training, of, end["layer"])) for sign, end in ((1.0, high), (-1.0, low))]
                for of in ("trained", state)
            ]
            rows.append(_row(quantity, of_layer["label"].to_numpy(), *rises, facts))
    return rows


def _ends(convs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    by_depth = convs.sort_values("depth", kind="stable")
    return by_depth.iloc[0], by_depth.iloc[-1]


Rise = list[tuple[float, np.ndarray]]
"""The neighbours in the higher layer with sign 1, and in the lower one with sign -1."""


def _row(quantity: Quantity, labels: np.ndarray, rise: Rise, control: Rise, facts: dict[str, Any]) -> Row:
    """The rise minus the control's rise over the same images, beside the control's own."""
    estimate = purity_difference(labels, [*rise, *((-sign, near) for sign, near in control)])
    if not np.isfinite(estimate.low):
        return not_measured(quantity, **facts | {"reason": "no image has neighbours"})
    return measured(
        quantity, estimate, "images", control=purity_difference(labels, control), images=len(labels), **facts
    )
