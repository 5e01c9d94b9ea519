"""``data/networks/<network>`` as networks that run."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from safetensors.torch import load_file, save_file
from torch import nn

from receptive import networks
from receptive.artifacts.files import reading, reading_weights, write_json, write_table, writing
from receptive.artifacts.networks import NETWORKS, read_description
from receptive.errors import ReceptiveError
from receptive.networks.layers import Layer, layers
from receptive.networks.parts.normalisation import Normalisation


class Trained(NamedTuple):
    """A trained network as it was stored.

    Attributes:
        network: in evaluation mode, on the CPU.
        normalisation: from pixels in [0, 1] to what the network sees, on the CPU.
        description: the content of network.json.
    """

    network: nn.Module
    normalisation: Normalisation
    description: dict


def write_network(
    name: str,
    network,
    normalisation: "Normalisation",
    description: dict,
    history: list[dict],
    metrics: dict,
    untrained: dict,
    folder: Path | None = None,
) -> Path:
    """``data/networks/<network>``: weights, how to rebuild it, history and final metrics.

    Args:
        untrained: the state of the same network before training (``training.before_training``).
        description: ``classes`` (names by label), ``image_size`` (px), ``channels``, ``options`` for
            ``networks.build``, and what else the reader should know.
        history: the rows of ``training.train``.
    """
    folder = folder or NETWORKS / name
    with writing(folder) as new:
        save_file(_contiguous(network.state_dict()), new / "weights.safetensors")
        save_file(_contiguous(untrained), new / "untrained.safetensors")
        save_file(_contiguous(normalisation.state_dict()), new / "normalisation.safetensors")
        write_json(new / "network.json", {"network": name, **description})
        write_table(new / "history.parquet", pd.DataFrame(history))
        write_json(new / "metrics.json", metrics)
    return folder


def read_network(name: str, folder: Path | None = None, trained: bool = True) -> Trained:
    """The trained network in evaluation mode on the CPU, its normalisation, and its description.

    Args:
        trained: False gives the same network before training, the control of many claims.

    Raises:
        ReceptiveError: the folder or a file is missing or damaged, or the weights do not fit.
    """
    folder = folder or NETWORKS / name
    made_by = f"train@{name}"
    description = read_description(name, folder)
    state = "weights" if trained else "untrained"
    weights = {}
    for part in (state, "normalisation"):
        path = folder / f"{part}.safetensors"
        with reading_weights(path, made_by):
            weights[part] = load_file(path)
    with reading(folder / "network.json", made_by):
        network = networks.build(
            description["network"],
            classes=len(description["classes"]),
            image_size=description["image_size"],
            channels=description["channels"],
            **description["options"],
        )
        normalisation = Normalisation(weights["normalisation"]["shift"], weights["normalisation"]["matrix"])
    try:
        network.load_state_dict(weights[state])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ReceptiveError(
            f"{folder}/{state}.safetensors does not fit {name} ({reason}): run 'dvc repro train@{name}'"
        ) from None
    return Trained(network.eval(), normalisation, description)


def read_normalisation(name: str) -> "Normalisation":
    """What is done to pixels before the network sees them, without the network."""
    path = NETWORKS / name / "normalisation.safetensors"
    with reading_weights(path, f"train@{name}"):
        state = load_file(path)
        return Normalisation(state["shift"], state["matrix"])


def read_layers(name: str) -> "list[Layer]":
    """The layers of a trained network, without reading its weights."""
    description = read_description(name)
    with reading(NETWORKS / name / "network.json", f"train@{name}"):
        size, channels = description["image_size"], description["channels"]
        classes = len(description["classes"])
        network = networks.outline(description["network"], classes, size, channels, **description["options"])
    return layers(network, size, channels)


def _contiguous(state: dict) -> dict:
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}
