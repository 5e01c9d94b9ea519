"""Claim 4: the same channel prefers similar things in different layers of ResNet, not of PlainNet."""

import numpy as np

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
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
    "Four rows decide, two a measure: ResNet34's value, and ResNet34 minus PlainNet34. Supported where all intervals "
    "lie above 0. That PlainNet has no identity cannot be shown by an interval; its own rows are shown beside. The "
    "intervals are over channels, which one network's training made together."
)
RESNET, PLAINNET = "resnet34", "plainnet34"
MEASURES = {"responses": "responses", "stimuli": "mean preferred stimuli"}

Groups = dict[str, np.ndarray]
"""A group's name to one value a channel."""


def measure(study: Study) -> list[Row]:
    """Every network's own-minus-other similarity, and ResNet's minus PlainNet's."""
    rows = []
    for measure, words in MEASURES.items():
        for network in dict.fromkeys([RESNET, PLAINNET, *study.networks]):
            decides = network == RESNET
            if reason := study.missing(network):
                rows.append(not_measured(network, words, reason, decides=decides))
                continue
            rows += study.across(_of_network, network, given=(measure, decides))
        pair, reason = f"{RESNET} - {PLAINNET}", study.missing(RESNET, PLAINNET)
        if reason:
            rows.append(not_measured(pair, words, reason))
            continue
        rows += study.across(_difference, RESNET, PLAINNET, given=(measure,))
    return rows


def figure(study: Study, rows: list[Row]):
    """Stimuli of equal channels, similarity of all channels, how it falls with distance, and the rows."""
    from receptive.figures import identity as figures

    networks = [name for name in (RESNET, PLAINNET) if name in study.networks]
    strips, matrices, tables = {}, {}, {}
    for network in networks:
        tables[network] = artifacts.read_identity(network)
        similarities = artifacts.read_similarities(network)
        known = [layer for layer in artifacts.read_layers(network) if layer.alias in figures.SHOWN]
        units = min(layer.units for layer in known)
        shown = study.params.channel_of(network, units)
        channels = list(dict.fromkeys([shown, *range(min(units, figures.CHANNELS))]))[: figures.CHANNELS]
        strips[network] = channels, {layer.alias: _stimuli(network, layer.name, channels) for layer in known}
        pair = artifacts.identity_pair("trained", "responses", known[-2].name, known[-1].name)
        matrices[network] = known[-2].alias, known[-1].alias, similarities[pair]
    return figures.channel_identity(strips, matrices, tables, rows)


def _of_network(study: Study, network: str, measure: str, decides: bool) -> list[Row]:
    trained, untrained = (_own_minus_others(network, state, measure) for state in ("trained", "untrained"))
    words = MEASURES[measure]
    if not trained:
        reason = "no two layers of as many channels on one map" + (
            " whose stimuli are known" if measure == "stimuli" else ""
        )
        return [not_measured(network, words, reason, decides=decides)]
    tests = artifacts.read_identity(network, "tests")
    of_all = tests[(tests["group"] == "all") & (tests["measure"] == measure) & (tests["state"] == "trained")]
    row = measured(
        network,
        words,
        _estimate(study, network, trained),
        "units",
        control=_estimate(study, f"{network} untrained", untrained) if untrained else None,
        units=sum(len(values) for values in trained.values()),
        images=None if measure == "stimuli" else study.params.identity.images,
        p_value=float(of_all["p_value"].iloc[0]),
        decides=decides,
    )
    return [row]


def _difference(study: Study, resnet: str, plainnet: str, measure: str) -> list[Row]:
    values = {
        state: [_own_minus_others(name, state, measure) for name in (resnet, plainnet)]
        for state in ("trained", "untrained")
    }
    if not all(values["trained"]):
        return [not_measured(f"{RESNET} - {PLAINNET}", MEASURES[measure], "one of them has no comparable layers")]
    found = {state: _estimate(study, f"{resnet} {state}", *both) for state, both in values.items() if all(both)}
    row = measured(
        f"{RESNET} - {PLAINNET}",
        MEASURES[measure],
        found["trained"],
        "units",
        control=found.get("untrained"),
        units=sum(len(one) for one in values["trained"][0].values()),
        images=None if measure == "stimuli" else study.params.identity.images,
    )
    return [row]


def _own_minus_others(network: str, state: str, measure: str) -> Groups:
    """By group one value a channel, the mean over its pairs of layers; channels without a similarity are left out."""
    table = artifacts.read_identity(network)
    table = table[(table["state"] == state) & (table["measure"] == measure)]
    apart = table.assign(apart=(table["own"] - table["others"]).astype(float))
    by_unit = apart.groupby(["group", "unit"], sort=False)["apart"].mean().dropna()
    return {group: values.to_numpy() for group, values in by_unit.groupby("group", sort=False)}


def _estimate(study: Study, name: str, first: Groups, second: Groups | None = None) -> Estimate:
    """Mean over groups of the mean over channels, of one network or of one minus another, with its interval."""
    first, second = list(first.values()), list((second or {}).values())

    def statistic(*groups: np.ndarray, axis: int = -1) -> np.ndarray:
        means = [group.mean(axis) for group in groups]
        value = sum(means[: len(first)]) / len(first)
        return value - sum(means[len(first) :]) / len(second) if second else value

    chance = study.chance("identity", name, *("minus",) * bool(second))
    return bootstrap(*first, *second, rng=chance, statistic=statistic, resamples=study.params.claims.resamples)


def _stimuli(network: str, layer: str, channels: list[int]) -> np.ndarray | None:
    """Mean preferred stimuli less the mean of all patches; None where there are none."""
    if not artifacts.is_mined(network, layer):
        return None
    arrays = artifacts.read_stimuli(network, layer)
    if arrays["mean_interior"].ndim < 4:
        return None
    return arrays["mean_interior"][channels] - arrays["baseline_interior"]
