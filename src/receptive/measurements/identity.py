"""Channel identity: are equal channels of different layers alike, trained and untrained (KS 3.3)?"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.artifacts.identity import COLUMNS, Identity, identity_pair
from receptive.artifacts.stimuli import read_stimuli
from receptive.measurements.subject import Subject
from receptive.methods.capture import capture
from receptive.methods.identity import (
    ResponseCorrelations,
    common_window,
    correlations,
    identity_test,
    own_and_others,
    share_less_similar,
)
from receptive.methods.mean_stimulus import MeanStimulus
from receptive.networks.layers import Layer
from receptive.params.sections import Identity as Settings
from receptive.seeds import named_seed

MODE = "interior"
"""Which mean preferred stimuli are compared: those of positions that see nothing but the image."""

Advance = Callable[[int], object]
"""Called with the number of images that have been passed since the last call."""

Groups = list[list[Layer]]
"""Layers whose channels can be compared (``networks.layers.comparable_layers``)."""

Similarities = dict[tuple[Layer, Layer], np.ndarray]
"""By pair of layers, the shallower one first, channel x channel, float64."""


@dataclass(frozen=True)
class Preferred:
    """Mean preferred stimuli of one layer.

    Attributes:
        mean: unit x y x x x channel.
        baseline: y x x x channel, the mean of all patches.
    """

    mean: np.ndarray
    baseline: np.ndarray


def measure(
    subject: Subject,
    groups: Groups,
    settings: Settings,
    seed: int,
    largest: float,
    batch_size: int,
    advance: Advance,
) -> Identity:
    """Similarity of the channels of every pair of layers in a group, by their responses and by their stimuli.

    The stimuli of the trained network are those that the stage ``stimuli`` has stored.

    Args:
        largest: layers whose positions see more than this, px, have no stimuli.
        batch_size: images per batch of the untrained network's stimuli.
    """
    small = [[layer for layer in group if layer.fits(largest)] for group in groups]
    trained = {"responses": response_similarities(subject, groups, settings, advance)}
    trained["stimuli"] = stimulus_similarities(small, _stored(subject.name, small))
    untrained_subject = subject.untrained()
    untrained = {"responses": response_similarities(untrained_subject, groups, settings, advance)}
    untrained["stimuli"] = stimulus_similarities(small, mean_stimuli(untrained_subject, small, batch_size, advance))

    units, tests, kept = [], [], {}
    for state, measures in (("trained", trained), ("untrained", untrained)):
        for measured, pairs in measures.items():
            heading = {"network": subject.name, "state": state, "measure": measured}
            for (first, second), similarity in pairs.items():
                units.append(_rows(heading, groups, first, second, similarity))
                kept[identity_pair(state, measured, first.name, second.name)] = similarity.astype(np.float32)
            rng = np.random.default_rng(named_seed(seed, "identity", subject.name, state, measured))
            tests += [heading | test for test in _tests(groups, pairs, rng, settings.draws)]
    # assigned, so that the column is text also where there are no rows
    nothing = pd.DataFrame(columns=list(COLUMNS["units.parquet"])).assign(network=subject.name)
    table = pd.DataFrame(tests, columns=list(COLUMNS["tests.parquet"]))
    return Identity(
        units=pd.concat(units, ignore_index=True) if units else nothing,
        tests=table,
        similarities=kept,
        metrics=metrics_of(table),
    )


def metrics_of(tests: pd.DataFrame) -> dict[str, float]:
    """How much more alike equal channels are than others, in all groups together, by measure and state."""
    whole = tests[(tests["group"] == "all") & tests["value"].notna()]
    return {f"{row['measure']}.{row['state']}": float(row["value"]) for row in whole.to_dict("records")}


def response_similarities(subject: Subject, groups: Groups, settings: Settings, advance: Advance) -> Similarities:
    """The correlation of the channels' responses to the first ``settings.images`` validation images."""
    names = [layer.name for group in groups for layer in group]
    if not names:
        return {}
    gathered = [ResponseCorrelations() for _ in groups]
    with torch.no_grad(), capture(subject.network, names, stop=True) as read:
        for numbers, images in subject.views(settings.batch_size, settings.images):
            subject.network(images.contiguous(memory_format=torch.channels_last))
            for group, of_group in zip(groups, gathered, strict=True):
                of_group.add([read[layer.name] for layer in group])
            advance(len(numbers))
    pairs = {}
    for group, of_group in zip(groups, gathered, strict=True):
        whole = of_group.result()
        for (i, first), (j, second) in combinations(enumerate(group), 2):
            count = first.units
            pairs[first, second] = whole[i * count : (i + 1) * count, j * count : (j + 1) * count]
    return pairs


def mean_stimuli(subject: Subject, groups: Groups, batch_size: int, advance: Advance) -> dict[Layer, Preferred]:
    """The mean preferred stimuli of layers that have another one to be compared with, as stage ``stimuli`` makes them.

    A layer without a position that sees only the image is left out.
    """
    layers = [layer for group in groups if len(group) > 1 for layer in group]
    if not layers:
        return {}
    means = {layer: MeanStimulus(layer.field, layer.map_size, MODE) for layer in layers}
    with torch.no_grad(), capture(subject.network, [layer.name for layer in layers], stop=True) as read:
        for numbers, pixels in subject.batches(batch_size):
            subject.network(subject.normalisation(pixels).contiguous(memory_format=torch.channels_last))
            for layer, mean in means.items():
                mean.add(pixels, cast(Tensor, read[layer.name]))
            advance(len(numbers))
    preferred = {}
    for layer, gathered in means.items():
        stimulus, _, baseline = gathered.result()
        if stimulus.dim() == 4:
            preferred[layer] = Preferred(stimulus.movedim(1, -1).cpu().numpy(), baseline.movedim(0, -1).cpu().numpy())
    return preferred


def _stored(network: str, groups: Groups) -> dict[Layer, Preferred]:
    """The mean preferred stimuli that stage ``stimuli`` has stored; layers as in ``mean_stimuli``."""
    preferred = {}
    for layer in (layer for group in groups for layer in group):
        arrays = read_stimuli(network, layer.name)
        mean = arrays[f"mean_{MODE}"]
        if mean.ndim == 4:
            preferred[layer] = Preferred(mean, arrays[f"baseline_{MODE}"])
    return preferred


def stimulus_similarities(groups: Groups, preferred: dict[Layer, Preferred]) -> Similarities:
    """The correlation of the channels' mean preferred stimuli, in the part of the image that both layers see.

    The mean of all patches is taken off first. Layers that are not among ``preferred`` are left out.
    """
    pairs = {}
    for group in groups:
        for first, second in combinations([layer for layer in group if layer in preferred], 2):
            less, more = (preferred[layer].mean - preferred[layer].baseline for layer in (first, second))
            window = common_window(more, _start(second), less.shape[1:3], _start(first))
            pairs[first, second] = correlations(*(part.reshape(len(part), -1) for part in (less, window)))
    return pairs


def _start(layer: Layer) -> tuple[int, int]:
    """The first pixel, y and x, that position 0 of the layer sees."""
    assert layer.field.y is not None
    assert layer.field.x is not None
    return layer.field.y.start, layer.field.x.start


def _rows(heading: dict[str, str], groups: Groups, first: Layer, second: Layer, similarity: np.ndarray) -> pd.DataFrame:
    """One row of units.parquet per channel of a pair of layers."""
    own, others = own_and_others(similarity)
    return pd.DataFrame(
        {
            **heading,
            "group": next(_name(group) for group in groups if first in group),
            "layer": first.name,
            "alias": first.alias,
            "depth": first.depth,
            "other_layer": second.name,
            "other_alias": second.alias,
            "other_depth": second.depth,
            "unit": np.arange(len(own)),
            "own": own,
            "others": others,
            "share_less_similar": share_less_similar(similarity),
        }
    )


def _name(group: list[Layer]) -> str:
    return group[0].alias


def _tests(groups: Groups, pairs: Similarities, rng: np.random.Generator, draws: int) -> list[dict]:
    """The permutation test of every group, and of all together: the last columns of tests.parquet."""
    numbers = {layer: number for number, layer in enumerate(layer for group in groups for layer in group)}
    by_group = {
        _name(group): {pair: similarity for pair, similarity in pairs.items() if pair[0] in group} for group in groups
    }
    tests = []
    for name, of_group in [*by_group.items(), ("all", pairs)]:
        if of_group:
            numbered = {(numbers[i], numbers[j]): similarity for (i, j), similarity in of_group.items()}
            value, p_value = identity_test(numbered, rng, draws)
            tests.append({"group": name, "pairs": len(of_group), "value": value, "p_value": p_value, "draws": draws})
    return tests
