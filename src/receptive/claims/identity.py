"""Claim 4: the same channel prefers similar things in different layers of ResNet, not of PlainNet."""

from enum import StrEnum

import numpy as np

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import Estimate, bootstrap

NUMBER = 4
TITLE = "Channel identity across layers"
STATEMENT = (
    "The same channel prefers similar things in different layers of ResNet, because of the skips, and not of PlainNet."
)
SOURCE = "KS 3.3, figures 5 and 7"
STATISTIC = (
    "Similarity of equal channels minus that of other channels, over pairs of block outputs of equal width (the first "
    "group with the max pool before it): mean over channels and pairs, then over groups. Similarity is the correlation "
    "of responses to the same images at the same positions, or of mean preferred stimuli less the mean of all patches, "
    "in the part of the image that both layers see."
)
CONTROL = (
    "The same network before training; p is of permuting each layer's channels. An untrained ResNet has the skips as "
    "well: what it shows is the architecture's doing, not learned."
)
RULE = (
    "Four rows decide, two a measure: ResNet34's value, and ResNet34 minus PlainNet34. "
    "That PlainNet has no identity cannot be shown by an interval; its own rows are shown beside. The "
    "intervals are over channels, which one network's training made together."
)
RESNET, PLAINNET = "resnet34", "plainnet34"


class Quantity(StrEnum):
    """Own-minus-other similarity, by what of a channel is compared."""

    RESPONSES = "responses"
    STIMULI = "mean preferred stimuli"


MEASURES = {Quantity.RESPONSES: "responses", Quantity.STIMULI: "stimuli"}
"""The column ``measure`` of the tables of stage identity."""

Groups = dict[str, np.ndarray]
"""A group of layers to one value per channel."""


def measure(study: Study) -> list[Row]:
    """Every network's own-minus-other similarity, and ResNet's minus PlainNet's."""
    rows = []
    for quantity in MEASURES:
        for network in dict.fromkeys([RESNET, PLAINNET, *study.networks]):
            decides = network == RESNET
            if reason := study.missing(network):
                rows.append(not_measured(quantity, reason, networks=(network,), decides=decides))
                continue
            rows += study.across(_of_network, network, given=(quantity, decides))
        if reason := study.missing(RESNET, PLAINNET):
            rows.append(not_measured(quantity, reason, networks=(RESNET, PLAINNET)))
            continue
        rows += study.across(_difference, RESNET, PLAINNET, given=(quantity,))
    return rows


def _of_network(study: Study, training: str, quantity: Quantity, decides: bool) -> list[Row]:
    trained, untrained = (_own_minus_others(study, training, state, quantity) for state in ("trained", "untrained"))
    if not trained:
        reason = "no two layers of as many channels on one map"
        reason += " whose stimuli are known" if quantity == Quantity.STIMULI else ""
        return [not_measured(quantity, reason, decides=decides)]
    tests = study.identity(training, "tests")
    of_all = (tests["group"] == "all") & (tests["measure"] == MEASURES[quantity]) & (tests["state"] == "trained")
    row = measured(
        quantity,
        _estimate(study, training, trained),
        "units",
        control=_estimate(study, f"{training} untrained", untrained) if untrained else None,
        units=sum(len(values) for values in trained.values()),
        images=_images(study, quantity),
        p_value=float(tests.loc[of_all, "p_value"].iloc[0]),
        decides=decides,
    )
    return [row]


def _difference(study: Study, resnet: str, plainnet: str, quantity: Quantity) -> list[Row]:
    values = {
        state: [_own_minus_others(study, training, state, quantity) for training in (resnet, plainnet)]
        for state in ("trained", "untrained")
    }
    if not all(values["trained"]):
        return [not_measured(quantity, "one of them has no comparable layers")]
    estimates = {state: _estimate(study, f"{resnet} {state}", *both) for state, both in values.items() if all(both)}
    row = measured(
        quantity,
        estimates["trained"],
        "units",
        control=estimates.get("untrained"),
        units=sum(len(of_group) for of_group in values["trained"][0].values()),
        images=_images(study, quantity),
    )
    return [row]


def _images(study: Study, quantity: Quantity) -> int | None:
    return study.params.identity.images if quantity == Quantity.RESPONSES else None


def _own_minus_others(study: Study, training: str, state: str, quantity: Quantity) -> Groups:
    """By group one value per channel: the mean over its pairs of layers. Channels without a similarity are left out."""
    table = study.identity(training, "units")
    table = table[(table["state"] == state) & (table["measure"] == MEASURES[quantity])]
    apart = table.assign(apart=(table["own"] - table["others"]).astype(float))
    by_unit = apart.groupby(["group", "unit"], sort=False)["apart"].mean().dropna()
    return {str(group): values.to_numpy() for group, values in by_unit.groupby("group", sort=False)}


def _estimate(study: Study, draw: str, first: Groups, second: Groups | None = None) -> Estimate:
    """Mean over groups of the mean over channels, of one network or of one minus another, with its interval.

    Args:
        draw: name of the random draws.
    """
    of_first, of_second = list(first.values()), list((second or {}).values())

    def statistic(*groups: np.ndarray, axis: int = -1) -> np.ndarray:
        means = [group.mean(axis) for group in groups]
        value = sum(means[: len(of_first)]) / len(of_first)
        return value - sum(means[len(of_first) :]) / len(of_second) if of_second else value

    rng = study.chance("identity", draw, *("minus",) * bool(of_second))
    return bootstrap(*of_first, *of_second, rng=rng, statistic=statistic, resamples=study.params.claims.resamples)
