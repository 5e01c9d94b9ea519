"""Claim 8: low layers group patches by texture and simple shape, high layers by category."""

from enum import StrEnum
from typing import Any

import pandas as pd

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import bootstrap

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
    "Two rows of VGGCNN decide: the rise minus that before training, and minus that of the pixels. Supported where "
    "both intervals over images lie above 0. Shown beside: the same of the other networks, and from the first to the "
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
    values = study.embedding(training, "purity_images").pivot_table(
        index="image", columns=["state", "layer"], values="value", dropna=False
    )
    rows = []
    for quantity, (low, high) in ends.items():
        for state in CONTROLS:
            facts: dict[str, Any] = {"what": _words(quantity, state), "beyond": state}
            facts["decides"] = decides and quantity == Quantity.MAPPED
            if low["layer"] == high["layer"]:
                rows.append(not_measured(quantity, "it has one convolution", **facts))
                continue
            rise, control = (values[of, high["layer"]] - values[of, low["layer"]] for of in ("trained", state))
            facts["reason"] = f"{low['alias']} to {high['alias']}"
            rows.append(_row(study, training, quantity, rise, control, facts))
    return rows


def _ends(convs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    by_depth = convs.sort_values("depth", kind="stable")
    return by_depth.iloc[0], by_depth.iloc[-1]


def _row(
    study: Study, training: str, quantity: Quantity, rise: pd.Series, control: pd.Series, facts: dict[str, Any]
) -> Row:
    """The mean difference of two paired series over images, beside the control's own mean."""
    both = pd.concat([rise, control], axis=1).dropna().to_numpy()
    if len(both) < 2:
        return not_measured(quantity, **facts | {"reason": "no image has neighbours"})
    # random draws keep the claim's first name
    rng, resamples = study.chance("grouping", training, facts["what"]), study.params.claims.resamples
    own = bootstrap(both[:, 1], rng=rng, resamples=resamples)
    estimate = bootstrap(both[:, 0] - both[:, 1], rng=rng, resamples=resamples)
    return measured(quantity, estimate, "images", control=own, images=len(both), **facts)
