"""Controls as distributions: the same network with other fresh weights, drawn several times and measured alike.

A single untrained network is one draw, and two differ. So what a trained network is compared with is drawn several
times: the network is built as for its training, its weights come from a seed of their own, and batch-norm statistics
are measured on training images, as for the network before its training. Nothing is trained.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from receptive import networks
from receptive.artifacts.networks import read_description
from receptive.artifacts.untrained import COLUMNS, Untrained
from receptive.loading import read_split
from receptive.measurements import selectivity
from receptive.measurements.deconvolution import energies, in_turn
from receptive.measurements.subject import Subject
from receptive.methods.zero_fractions import zero_fractions
from receptive.networks.first_layers import second_filters
from receptive.networks.parts.blocks import initialise
from receptive.parallel.device import pick_device
from receptive.params.schema import Params
from receptive.seeds import generator
from receptive.training.loop import before_training

Advance = Callable[[], object]
"""Called after every network that was drawn and measured."""


def measured_networks(params: Params) -> list[str]:
    """The networks of the study of which anything is measured untrained, in its order."""
    settings = params.untrained
    asked = {*settings.zeros, *settings.energy, *settings.selectivity, *settings.filters}
    return [name for name in params.models if name in asked]


def measure(params: Params, advance: Advance) -> Untrained:
    """All draws of the networks that ``params.untrained`` names, with what it asks of each."""
    settings, device = params.untrained, pick_device(params.device)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in MEASURES}
    filters: dict[str, np.ndarray] = {}
    for network in measured_networks(params):
        training = params.trainings_of(network)[0]  # all trainings of a network have one build, and the same images
        subject = Subject.load(params, training, folded=False)
        kernels: list[tuple[np.ndarray, np.ndarray]] = []
        for draw in range(settings.draws):
            fresh = fresh_weights(params, training, draw)
            if network in settings.filters:
                kernels.append(first_two(fresh, subject.first_filters))
            wanted = [name for name in MEASURES if network in getattr(settings, name)]
            if wanted:
                drawn = with_statistics(params, subject, fresh, draw).for_inference(device)
            for name in wanted:
                tables[name].append(MEASURES[name](params, drawn).assign(network=network, draw=draw))
            advance()
        if kernels:
            first, second = zip(*kernels, strict=True)
            filters |= {f"{network}/first": np.stack(first), f"{network}/second": np.stack(second)}
    return Untrained(**{name: _together(parts, name) for name, parts in tables.items()}, filters=filters)


def _together(tables: list[pd.DataFrame], name: str) -> pd.DataFrame:
    columns = list(COLUMNS[f"{name}.parquet"])
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def fresh_weights(params: Params, training: str, draw: int) -> nn.Module:
    """The network of a training with weights of its own seed ("weights", "<network>, untrained <draw>"), on the CPU."""
    description, base = read_description(training), params.training(training).network
    network = networks.build(
        description["network"],
        classes=len(description["classes"]),
        image_size=description["image_size"],
        channels=description["channels"],
        **description["options"],
    )
    initialise(network, generator(params.seed, "weights", _name(base, draw)), params.recipe(training).first_scale)
    return network.eval()


def _name(network: str, draw: int) -> str:
    return f"{network}, untrained {draw}"


def with_statistics(params: Params, subject: Subject, fresh: nn.Module, draw: int) -> Subject:
    """The subject with fresh weights and the batch-norm statistics that they have on training images.

    Args:
        subject: a training of the network, not folded.
        fresh: of ``fresh_weights``; it gets the statistics.
    """
    chance = generator(params.seed, "before training", _name(subject.base, draw))
    split, batch = read_split(subject.prepared, "train"), params.recipe(subject.name).batch_size
    fresh.load_state_dict(before_training(fresh, subject.normalisation, split, batch, chance))
    return replace(subject, network=fresh)


def first_two(network: nn.Module, first: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the first convolution and of the layer that stage filters has for the second.

    Args:
        first: name of the first weights.
    """
    weights = {name: weight.detach().numpy() for name, weight in network.named_parameters()}
    second = second_filters(first, {name: weight.shape for name, weight in weights.items()})
    return weights[first], weights[second]


def zeros(params: Params, drawn: Subject) -> pd.DataFrame:
    """The share of zeros of each layer and image, of as many images as stage extract gives the untrained network."""
    views = drawn.views(params.extract.batch_size, params.extract.control_images)
    counts = zero_fractions(drawn.network, views, [layer.name for layer in drawn.layers])
    tables = []
    for layer in drawn.layers:
        images, fractions = counts[layer.name].result()
        tables.append(pd.DataFrame({**layer.heading(), "image": images, "zero_fraction": fractions}))
    return pd.concat(tables, ignore_index=True)


def energy(params: Params, drawn: Subject) -> pd.DataFrame:
    """The energies of stage deconvolve, of the first and the last convolution that it carries back.

    No rows where nobody knows the subject of the images.
    """
    settings = params.deconvolve
    if drawn.prepared.subject_mask is None:
        return pd.DataFrame(columns=list(COLUMNS["energy.parquet"]))
    carried = [layer for layer in drawn.layers if layer.kind == "conv"][::2]
    images = in_turn(drawn.prepared.labels).head(settings.energy_images)
    layers = [carried[0], carried[-1]] if len(carried) > 1 else carried
    return energies(drawn, "untrained", images, layers, settings.batch_size, lambda count: None)


def judged(params: Params, drawn: Subject) -> pd.DataFrame:
    """The verdicts of stage selectivity on the units of the convolutions whose receptive field fits in the image."""
    settings = params.selectivity
    layers = [
        layer
        for layer in drawn.layers
        if layer.kind == "conv" and layer.readable and layer.fits(min(layer.field.image_size))
    ]
    shown = selectivity.stimuli(drawn, settings)
    with torch.no_grad():
        answers = selectivity.answers_to(drawn, layers, shown, settings, lambda count: None)
    tables = []
    for layer in layers:
        columns = selectivity.measures(shown, *answers[layer.name], settings.weakest)
        tables.append(selectivity.rows_of(drawn.name, "untrained", layer, columns, settings))
    return pd.concat(tables, ignore_index=True)


MEASURES: dict[str, Callable[[Params, Subject], pd.DataFrame]] = {
    "zeros": zeros,
    "energy": energy,
    "selectivity": judged,
}
"""What is measured in each draw, by the table and the parameter that asks for it."""
