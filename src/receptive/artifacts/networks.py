"""``data/networks/<training>``: what can be read without torch (description, history, metrics, single weights)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import pandas as pd
from safetensors import safe_open

from receptive.artifacts.files import digest_files, read_json, read_table, reading, reading_weights

FOLDER = Path("data/networks")
STAGE = "train"
COLUMNS = ("epoch", "split", "loss", "top1", "top5", "lr", "images_per_s")
"""Of history.parquet: two rows per epoch, of the split "train" and of "validation"."""
DESCRIBED = ("network", "classes", "image_size", "channels", "options", "first_filters")
"""What network.json holds at least."""


class Description(TypedDict, total=False):
    """The content of network.json: how to rebuild the network, and how it came about.

    Attributes:
        network: The name of the training.
        classes: Names by label.
        image_size: Side of the square images, px.
        channels: Of the images, 1 or 3.
        options: Keyword arguments of ``networks.build``.
        first_filters: The name of the first convolution's weights.
        dataset: The prepared set that it learned.
        normalisation: What was done to pixels before.
        weights: Where the weights are from: ``from`` ("ours", "file", or the maker's name for them), and of a file its
            ``sha256``, of a maker's weights the ``scores`` that were taken.
        epochs: Of training here; 0 for given weights.
        seed: Of params.yaml.
    """

    network: str
    classes: list[str]
    image_size: int
    channels: int
    options: dict[str, Any]
    first_filters: str
    dataset: str
    normalisation: str
    weights: dict[str, Any]
    epochs: int
    seed: int


def read_description(name: str, folder: Path | None = None) -> Description:
    """network.json: how to rebuild the network, without building it."""
    return cast(Description, read_json((folder or FOLDER / name) / "network.json", _made_by(name), DESCRIBED))


def read_history(name: str) -> pd.DataFrame:
    """The training history, with ``COLUMNS``."""
    return read_table(FOLDER / name / "history.parquet", _made_by(name), COLUMNS)


def read_network_metrics(name: str) -> dict[str, Any]:
    """``train`` and ``validation`` (each ``loss, top1, top5``) after the last epoch, and ``parameters``."""
    return read_json(FOLDER / name / "metrics.json", _made_by(name))


def network_digest(name: str, untrained: bool = False) -> str:
    """A digest of the trained network: its weights, its normalisation, and how it is built.

    Args:
        name: The training.
        untrained: Takes in the weights before training, too.
    """
    folder, files = FOLDER / name, ["weights.safetensors", "normalisation.safetensors", "network.json"]
    if untrained:
        files.append("untrained.safetensors")
    with reading(folder, _made_by(name)):
        return digest_files(*(folder / file for file in files))


def weight_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a trained network, by the weight's name; only the file's head is read."""
    path = FOLDER / name / "weights.safetensors"
    with reading_weights(path, _made_by(name)), safe_open(path, "np") as weights:
        return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118


def read_weights(name: str, keys: Sequence[str], trained: bool = True) -> list[np.ndarray]:
    """The weights called ``keys``, without torch; ``trained=False`` gives those before training."""
    path = FOLDER / name / ("weights.safetensors" if trained else "untrained.safetensors")
    with reading_weights(path, _made_by(name)), safe_open(path, "np") as weights:
        return [weights.get_tensor(key) for key in keys]


def read_first_filters(name: str, trained: bool = True) -> np.ndarray:
    """Weights of the first convolution, unit x y x x x channel; ``trained=False`` gives those before training."""
    (weights,) = read_weights(name, [read_description(name)["first_filters"]], trained)
    return weights.transpose(0, 2, 3, 1)


def _made_by(name: str) -> str:
    return f"{STAGE}@{name}"
