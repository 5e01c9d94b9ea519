"""``data/networks/<network>``: what can be read without torch (description, history, metrics, single weights)."""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from receptive.artifacts.files import check_has, digest_files, read_json, read_table, reading, reading_weights

NETWORKS = Path("data/networks")
_DESCRIPTION = ("network", "classes", "image_size", "channels", "options", "first_filters")


def read_description(name: str, folder: Path | None = None) -> dict:
    """network.json: how to rebuild the network, without building it."""
    path, made_by = (folder or NETWORKS / name) / "network.json", f"train@{name}"
    with reading(path, made_by):
        description = read_json(path, made_by)
        check_has(description, _DESCRIPTION)
        return description


def read_history(name: str) -> "pd.DataFrame":
    """The training history: ``epoch, split, loss, top1, top5, lr, images_per_s``, two rows an epoch."""
    return read_table(NETWORKS / name / "history.parquet", f"train@{name}")


def read_network_metrics(name: str) -> dict:
    """``train`` and ``validation`` (each ``loss, top1, top5``) after the last epoch, and ``parameters``."""
    return read_json(NETWORKS / name / "metrics.json", f"train@{name}")


def network_digest(name: str) -> str:
    """A digest of the trained network: its weights, its normalisation, and how it is built."""
    folder, files = NETWORKS / name, ("weights.safetensors", "normalisation.safetensors", "network.json")
    with reading(folder, f"train@{name}"):
        return digest_files(*(folder / file for file in files))


def weight_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a trained network, by name; nothing is read but the file's head."""
    path = NETWORKS / network / "weights.safetensors"
    with reading_weights(path, f"train@{network}"), safe_open(path, "np") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


def read_weights(network: str, names: list[str], trained: bool = True) -> list[np.ndarray]:
    """Some weights of a network, without torch; ``trained=False`` gives those before training."""
    path = NETWORKS / network / ("weights.safetensors" if trained else "untrained.safetensors")
    with reading_weights(path, f"train@{network}"), safe_open(path, "np") as weights:
        return [weights.get_tensor(name) for name in names]


def read_first_filters(network: str, trained: bool = True) -> np.ndarray:
    """Weights of the first convolution, unit x y x x x channel; ``trained=False`` gives those before training."""
    (weights,) = read_weights(network, [read_description(network)["first_filters"]], trained)
    return weights.transpose(0, 2, 3, 1)
