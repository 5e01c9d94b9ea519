"""``data/networks/<training>`` as networks that run: what every measurement starts from."""

from pathlib import Path
from typing import NamedTuple

from safetensors.torch import load_file
from torch import nn

from receptive import networks
from receptive.artifacts.files import reading, reading_weights
from receptive.artifacts.networks import FOLDER, STAGE, Description, read_description
from receptive.errors import ReceptiveError
from receptive.networks.parts.normalisation import Normalisation


class Trained(NamedTuple):
    """A trained network as it was stored.

    Attributes:
        network: In evaluation mode, on the CPU.
        normalisation: From pixels in [0, 1] to what the network sees, on the CPU.
        description: The content of network.json.
    """

    network: nn.Module
    normalisation: Normalisation
    description: Description


def read_network(name: str, folder: Path | None = None, trained: bool = True) -> Trained:
    """The trained network in evaluation mode on the CPU, its normalisation, and its description.

    Args:
        name: The training.
        folder: Where it lies; None: in ``data/networks``.
        trained: False gives the same network before training, the control of many claims.

    Raises:
        ReceptiveError: The folder or a file is missing or damaged, or the weights do not fit.
    """
    folder = folder or FOLDER / name
    made_by = f"{STAGE}@{name}"
    description = read_description(name, folder)
    state = "weights" if trained else "untrained"
    path = folder / f"{state}.safetensors"
    with reading_weights(path, made_by):
        weights = load_file(path)
    normalisation = read_normalisation(name, folder)
    with reading(folder / "network.json", made_by):
        network = networks.build(
            description["network"],
            classes=len(description["classes"]),
            image_size=description["image_size"],
            channels=description["channels"],
            **description["options"],
        )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ReceptiveError(f"{path} does not fit {name} ({reason}): run 'dvc repro {made_by}'") from None
    return Trained(network.eval(), normalisation, description)


def read_normalisation(name: str, folder: Path | None = None) -> Normalisation:
    """From pixels in [0, 1] to what the network sees, without the network."""
    path = (folder or FOLDER / name) / "normalisation.safetensors"
    with reading_weights(path, f"{STAGE}@{name}"):
        state = load_file(path)
        return Normalisation(state["shift"], state["matrix"])
