"""Claim 8: low layers group patches by texture and simple shape, high layers by category."""

import pandas as pd

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.inference import bootstrap

NUMBER = 8
TITLE = "High layers group by category"
STATEMENT = (
    "Low layers put patches of similar texture and simple shape next to each other, high layers those of a category."
)
SOURCE = "YU 4.1, figure 3"
STATISTIC = (
    "Label purity: the share of a patch's nearest neighbours in the layer's space, from other images, whose image has "
    "the same label; one random position an image. The value is its rise from the lower to the higher of the two "
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
_CONTROLS = {"untrained": "before training", "pixels": "pixels"}


def measure(study: Study) -> list[Row]:
    """The rise of purity above both controls, for every network."""
    missing = study.missing(NETWORK)
    rows = [not_measured(NETWORK, f"rise above {words}", missing) for words in _CONTROLS.values()] if missing else []
    for network in study.networks:
        rows += study.across(_rows, network, given=(network == NETWORK,))
    return rows


def figure(study: Study, rows: list[Row]):
    """The rows, each beside the rise of its control."""
    from receptive.figures import claims as figures

    mapped = [row for row in rows if row.what.startswith("rise above")]
    others = [row for row in rows if row not in mapped]
    quantity = "rise of label purity from {} convolution, minus the control's"
    return figures.panels(
        [
            (mapped, quantity.format("the lower to the higher mapped")),
            (others, quantity.format("the first to the last")),
        ]
    )


def _rows(study: Study, network: str, decides: bool) -> list[Row]:
    table = artifacts.read_embedding(network, "purity")
    convs = table.loc[(table["kind"] == "conv") & (table["state"] == "trained"), ["layer", "alias", "depth"]]
    mapped = convs[convs["layer"].isin(artifacts.read_embedding(network, "layers")["layer"])]
    ends = {"rise above": _ends(mapped if len(mapped) > 1 else convs), "first to last convolution, above": _ends(convs)}
    values = artifacts.read_embedding(network, "purity_images").pivot_table(
        index="image", columns=["state", "layer"], values="value", dropna=False
    )
    rows = []
    for name, (low, high) in ends.items():
        for state, words in _CONTROLS.items():
            what, enters = f"{name} {words}", decides and name == "rise above"
            if low["layer"] == high["layer"]:
                rows.append(not_measured(network, what, "it has one convolution", decides=enters))
                continue
            rise = {which: values[which, high["layer"]] - values[which, low["layer"]] for which in ("trained", state)}
            rows.append(
                _row(study, network, what, rise["trained"], rise[state], enters, f"{low['alias']} to {high['alias']}")
            )
    return rows


def _ends(convs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    by_depth = convs.sort_values("depth", kind="stable")
    return by_depth.iloc[0], by_depth.iloc[-1]


def _row(study: Study, network: str, what: str, of: pd.Series, control: pd.Series, decides: bool, reason: str) -> Row:
    """The mean difference of two paired series over images, beside the control's own mean."""
    both = pd.concat([of, control], axis=1).dropna().to_numpy()
    if len(both) < 2:
        return not_measured(network, what, "no image has neighbours", decides=decides)
    chance = study.chance("grouping", network, what)
    resamples = study.params.claims.resamples
    own = bootstrap(both[:, 1], rng=chance, resamples=resamples)
    estimate = bootstrap(both[:, 0] - both[:, 1], rng=chance, resamples=resamples)
    return measured(network, what, estimate, "images", control=own, images=len(both), decides=decides, reason=reason)
