"""What units are tuned to: gratings, uniform colour, and the first kernels themselves, beside two controls."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from receptive.artifacts.selectivity import JUDGED, Selectivity, Tuning
from receptive.loading import read_split
from receptive.measurements.subject import Subject
from receptive.methods.selectivity import (
    Condition,
    centre_responses,
    conditions,
    gratings,
    in_pixels,
    kernel_strength,
    measures,
    modulation,
    opponent,
    over_phases,
    rate,
    shuffled_pixels,
    strength,
)
from receptive.networks.layers import Layer
from receptive.params.sections import Selectivity as Settings
from receptive.seeds import generator
from receptive.training.loop import before_training

STATES = ("trained", "untrained", "shuffled")

_STATISTICS_BATCH = 16
"""Images per batch when the shuffled network's batch norms are measured."""
_DRAW = "probe"
"""The draws keep the first name of this strand, so that they stay what they were."""

Advance = Callable[[int], object]
"""Called with the number of stimuli that have been shown since the last call."""


class Answers(NamedTuple):
    """What units answer, each condition x unit, float64 (``methods.selectivity``)."""

    strength: np.ndarray
    rate: np.ndarray
    modulation: np.ndarray


def stimuli(subject: Subject, settings: Settings) -> list[Condition]:
    """All stimuli that the images' channels allow, apart from their phases."""
    return conditions(settings.orientations, settings.frequencies, settings.colour_orientations, subject.channels)


def measure(
    subject: Subject,
    shown: list[Condition],
    settings: Settings,
    seed: int,
    device: torch.device,
    advance: Advance,
) -> Selectivity:
    """The tuning of all units of the convolutions in every state of ``STATES``.

    Args:
        subject: with its batch norms as they are, on the CPU: kernels are read and shuffled.
        device: where the stimuli are passed.
    """
    layers = [layer for layer in subject.layers if layer.kind == "conv" and layer.readable]
    units, filters, tuning = [], [], {}
    for state in STATES:
        seen = in_state(subject, state, seed)
        answers = answers_to(seen.for_inference(device), layers, shown, settings, advance)
        for layer in layers:
            columns = measures(shown, *answers[layer.name], settings.weakest)
            units.append(rows_of(subject.name, state, layer, columns, settings))
        if state == "trained":
            tuning = {name: _stored(of_layer) for name, of_layer in answers.items()}
        columns = measures(shown, first_strengths(seen, shown, settings.amplitude), weakest=settings.weakest)
        filters.append(rows_of(subject.name, state, layers[0], columns, settings))
    table = pd.concat(units, ignore_index=True)
    return Selectivity(
        units=table,
        filters=pd.concat(filters, ignore_index=True),
        stimuli=pd.DataFrame(shown),
        tuning=tuning,
        metrics=metrics_of(table),
    )


def _stored(answers: Answers) -> Tuning:
    return Tuning(answers.strength.astype(np.float32), answers.rate.astype(np.float32))


def metrics_of(units: pd.DataFrame) -> dict[str, float]:
    """The shares of units that each verdict holds for, by state and alias; NA counts as no unit."""
    metrics: dict[str, float] = {}
    for (state, alias), of_layer in units.groupby(["state", "alias"], sort=False):
        shares = of_layer[list(JUDGED)].astype("Float64").mean().dropna()
        metrics |= {f"{name}.{state}.{alias}".replace(" ", "_"): float(share) for name, share in shares.items()}
    return metrics


def in_state(subject: Subject, state: str, seed: int) -> Subject:
    """The network trained, untrained, or with shuffled kernels.

    The shuffled one has the trained weights, the places of every kernel permuted, and batch-norm statistics measured
    anew on training images, as the untrained one has.
    """
    if state == "trained":
        return subject
    if state == "untrained":
        return subject.untrained()
    network = copy.deepcopy(subject.network)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            draw = generator(seed, _DRAW, subject.name, "shuffled", name)
            module.weight.data = shuffled_pixels(module.weight.data, draw)
    split = read_split(subject.prepared, "train")
    draw = generator(seed, _DRAW, subject.name, "statistics")
    network.load_state_dict(before_training(network, subject.normalisation, split, _STATISTICS_BATCH, draw))
    return replace(subject, network=network)


def answers_to(
    subject: Subject, layers: list[Layer], shown: list[Condition], settings: Settings, advance: Advance
) -> dict[str, Answers]:
    """By layer what the units at the middle of its map answer."""
    names = [layer.name for layer in layers]

    def responses(images: Tensor) -> dict[str, np.ndarray]:
        normalised = subject.normalisation(images.to(subject.device, memory_format=torch.channels_last))
        centres = centre_responses(subject.network, normalised, names)
        return {name: response.cpu().numpy() for name, response in centres.items()}

    size, channels = subject.image_size, subject.channels
    grey = responses(torch.full((1, channels, size, size), settings.background))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    together = max(1, settings.batch_size // settings.phases)  # conditions
    for start in range(0, len(shown), together):
        batch = shown[start : start + together]
        images = gratings(batch, settings.phases, size, settings.amplitude, settings.background, channels)
        for name, response in responses(images.flatten(0, 1)).items():
            parts[name].append(response.reshape(len(batch), settings.phases, -1))
        advance(len(batch))
    answers = {}
    for name in names:
        cycle, background = over_phases(np.concatenate(parts[name])), grey[name][0]
        answers[name] = Answers(strength(cycle, background), rate(cycle, background), modulation(cycle, background))
    return answers


def first_strengths(subject: Subject, shown: list[Condition], amplitude: float) -> np.ndarray:
    """The strengths of the first convolution's units from their kernels alone, condition x unit."""
    kernels = subject.network.get_parameter(subject.first_filters).detach().numpy()
    return kernel_strength(in_pixels(kernels, subject.normalisation.get_buffer("matrix").numpy()), shown, amplitude)


def rows_of(network: str, state: str, layer: Layer, columns: dict[str, np.ndarray], settings: Settings) -> pd.DataFrame:
    """One row of units.parquet per unit, with the verdicts that the thresholds give.

    A verdict is NA where a unit has nothing to judge.

    Args:
        columns: of ``methods.selectivity.measures``.
    """
    single, double = opponent(columns, settings.colour_index, settings.colour_modulation, settings.uniform)
    units = np.arange(len(columns["osi"]))
    table = pd.DataFrame({"network": network, "state": state, **layer.heading(), "unit": units, **columns})
    judged = {
        "selective": (columns["osi"] >= settings.osi, "osi"),
        "single_opponent": (single, "colour_index"),
        "double_opponent": (double, "colour_index"),
    }
    for name, (verdict, measured) in judged.items():
        table[name] = pd.array(verdict, dtype="boolean")
        table.loc[table[measured].isna(), name] = pd.NA
    table["colour_axis"] = table["colour_axis"].astype("string")
    return table
