"""``data/ablation/<network>``: inactive units of the first pooling layer, and the loss under noise on them."""

from pathlib import Path

from receptive.artifacts.files import read_json, write_json, writing

FOLDER = Path("data/ablation")
STAGE = "ablate"


def write_ablation(network: str, ablation: dict, metrics: dict) -> Path:
    """Writes inactive.json and metrics.json of a network; returns their folder.

    Args:
        ablation, metrics: of ``measurements.ablation.measure`` and ``metrics_of``.
    """
    folder = FOLDER / network
    with writing(folder) as new:
        write_json(new / "inactive.json", ablation)
        write_json(new / "metrics.json", metrics)
    return folder


def read_ablation(network: str) -> dict:
    """inactive.json: the layer, its inactive units, the changes of loss, the control and the sweep."""
    return read_json(FOLDER / network / "inactive.json", f"{STAGE}@{network}")
