"""How a network begins, is trained or measured, and is described: what stage train decides."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from receptive import networks
from receptive.artifacts.finished import Finished
from receptive.artifacts.networks import Description
from receptive.datasets.prepared import Prepared
from receptive.loading import read_split
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import ALONE, Workers
from receptive.params.recipe import Recipe
from receptive.seeds import generator, named_seed
from receptive.training.loop import Row, before_training, measured, train


class Given(NamedTuple):
    """Weights that a network takes instead of a training.

    Attributes:
        state: A state dict that fits the network, on the CPU.
        origin: Where the weights are from, as ``weights`` in network.json.
    """

    state: dict[str, Tensor]
    origin: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """A network with fresh weights, on the CPU.

    Attributes:
        network: The network.
        normalisation: From pixels in [0, 1] to what the network sees.
        given: The weights that it takes instead of a training; None: it is trained.
    """

    network: nn.Module
    normalisation: Normalisation
    given: Given | None = None


def begin(name: str, network: str, recipe: Recipe, prepared: Prepared, seed: int) -> Start:
    """The network with fresh weights, and the normalisation that the recipe names.

    Args:
        name: The training; another name gives other fresh weights.
        network: The network that is trained.
        recipe: Of the network.
        prepared: The images that it learns.
        seed: Of params.yaml.

    Raises:
        ReceptiveError: The network cannot be built for these images and options, or its layers cannot be read.
    """
    size, channels = prepared.images.shape[1], prepared.images.shape[3]
    module = networks.build(network, len(prepared.classes), size, channels, **recipe.options())
    if networks.in_library(network):  # refused before any work; of our networks the tests show that layers are found
        importlib.import_module("receptive.networks.layers").layers(module, size, channels)
    initialise(module, generator(seed, "weights", name), recipe.first_scale)
    statistics = (prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    return Start(module, Normalisation.fit(recipe.normalisation, *statistics))


def finish(
    start: Start,
    name: str,
    recipe: Recipe,
    prepared: Prepared,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    on_epoch: Callable[[list[Row]], None] = lambda rows: None,
    progress: Callable[..., Iterable] = lambda steps, **_: steps,
    workers: Workers = ALONE,
    compiled: bool = False,
    resident: Literal["auto"] | bool = "auto",
) -> Finished:
    """Trains the network in place, or gives it the weights of ``start.given`` and measures them.

    Arguments are those of ``begin`` and of ``loop.train``. Only in process 0 has the result the state before training.
    """
    network, normalisation = start.network, start.normalisation
    split = read_split(prepared, "train", surround=recipe.crop_area is not None and start.given is None)
    validation = read_split(prepared, "validation")
    untrained: dict[str, Tensor] = {}
    if workers.rank == 0:
        chance = generator(seed, "before training", name)
        untrained = before_training(network, normalisation, split, recipe.batch_size, chance)
    if start.given is None:
        how = (checkpoint, on_epoch, progress, workers, compiled, resident)
        draws = named_seed(seed, "train", name)
        history = train(network, normalisation, split, validation, recipe, draws, device, *how)
    else:
        network.load_state_dict(start.given.state)
        chance = generator(seed, "measured", name)
        history = measured(network, normalisation, split, validation, chance, device, workers)
    description = describe(start, recipe, prepared, seed)
    return Finished(network, normalisation, untrained, description, history, final_metrics(network, history))


def describe(start: Start, recipe: Recipe, prepared: Prepared, seed: int) -> Description:
    """How the network is rebuilt, and how it came about; the arguments are those of ``begin``."""
    return Description(
        classes=list(prepared.classes),
        image_size=prepared.images.shape[1],
        channels=prepared.images.shape[3],
        options=recipe.options(),
        dataset=prepared.name,
        normalisation="imagenet" if recipe.weights == "pretrained" else recipe.normalisation,
        weights={"from": "ours"} if start.given is None else start.given.origin,
        epochs=recipe.epochs if start.given is None else 0,
        seed=seed,
        first_filters=next(name for name, weight in start.network.named_parameters() if weight.dim() == 4),
    )


def final_metrics(network: nn.Module, history: list[Row]) -> dict[str, Any]:
    """``train`` and ``validation`` (each ``loss, top1, top5``) of the last epoch, and the number of ``parameters``."""
    last = {row["split"]: row for row in history[-2:]}
    metrics = {split: {name: row[name] for name in ("loss", "top1", "top5")} for split, row in last.items()}
    return metrics | {"parameters": sum(weight.numel() for weight in network.parameters())}
