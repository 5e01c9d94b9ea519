"""``data/stimuli/<network>``: preferred patches and mean preferred stimuli, one file per layer."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays
from receptive.networks.layers import Layer

STIMULI = Path("data/stimuli")


def write_stimuli(folder: Path, layer: "Layer", preferred: "pd.DataFrame", patches: np.ndarray, means: dict) -> None:
    """``data/stimuli/<network>/<layer>.npz``: top patches and mean preferred stimuli of one layer.

    Args:
        preferred: the layer's rows of preferred.parquet; patches: their patches, uint8, row x y x x x channel.
        means: mode to (mean, count, baseline) of ``MeanStimulus.result``.
    """
    arrays = {
        "patches": patches,
        "unit": preferred["unit"].to_numpy(),
        "rank": preferred["rank"].to_numpy(),
        "box": preferred[["top_px", "left_px", "bottom_px", "right_px"]].to_numpy(),
        "activation": preferred["activation"].to_numpy(),
    }
    for mode, (mean, count, baseline) in means.items():
        # the channel last, as pictures are stored; empty where the mode has no position
        arrays[f"mean_{mode}"] = mean.movedim(1, -1).cpu().numpy() if mean.dim() == 4 else mean.numpy()
        arrays[f"count_{mode}"] = count.cpu().numpy()
        arrays[f"baseline_{mode}"] = baseline.movedim(0, -1).cpu().numpy() if baseline.dim() == 3 else baseline.numpy()
    np.savez(folder / f"{layer.name}.npz", **arrays)


def is_mined(network: str, layer: str) -> bool:
    """Whether the layer's stimuli are there: of layers that see more than ``mine.largest_field`` they are not."""
    return (STIMULI / network / f"{layer}.npz").exists()


def read_stimuli(network: str, layer: str) -> dict[str, np.ndarray]:
    """The arrays of ``write_stimuli``."""
    return read_arrays(STIMULI / network / f"{layer}.npz", f"mine@{network}")
