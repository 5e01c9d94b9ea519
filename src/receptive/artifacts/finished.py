"""``data/networks/<training>`` as stage train writes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file
from torch import Tensor, nn

from receptive.artifacts.files import write_json, write_table, writing
from receptive.artifacts.networks import COLUMNS, FOLDER, Description


@dataclass(frozen=True)
class Finished:
    """What a training leaves.

    Attributes:
        network: With its final weights, on any device.
        normalisation: From pixels in [0, 1] to what the network sees.
        untrained: The state of the same network before training (``training.loop.before_training``).
        description: The content of network.json without ``network``, which is the name that it is written under.
        history: Two rows per epoch, with ``networks.COLUMNS``.
        metrics: As ``networks.read_network_metrics`` gives them.
    """

    network: nn.Module
    normalisation: nn.Module
    untrained: dict[str, Tensor]
    description: Description
    history: list[dict[str, Any]]
    metrics: dict[str, Any]


def write_network(name: str, finished: Finished, folder: Path | None = None) -> Path:
    """Writes weights, how to rebuild the network, history and metrics; returns the folder."""
    folder = folder or FOLDER / name
    with writing(folder) as new:
        save_file(_contiguous(finished.network.state_dict()), new / "weights.safetensors")
        save_file(_contiguous(finished.untrained), new / "untrained.safetensors")
        save_file(_contiguous(finished.normalisation.state_dict()), new / "normalisation.safetensors")
        write_json(new / "network.json", {**finished.description, "network": name})
        write_table(new / "history.parquet", pd.DataFrame(finished.history, columns=list(COLUMNS)))
        write_json(new / "metrics.json", finished.metrics)
    return folder


def _contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}
