"""``data/ablation/<network>``: inactive units of the first pool, and what noise on them does to the loss."""

from pathlib import Path

from receptive.artifacts.files import read_json, write_json, writing

ABLATION = Path("data/ablation")


def write_ablation(network: str, found: dict) -> Path:
    """``data/ablation/<network>``: inactive.json (``methods.ablation.ablate``) and, for MLflow, metrics.json."""
    folder = ABLATION / network
    headline = {name: found[name] for name in ("delta_loss", "delta_loss_random") if found[name] is not None}
    with writing(folder) as new:
        write_json(new / "inactive.json", found)
        write_json(new / "metrics.json", {"inactive_units": len(found["inactive_units"]), **headline})
    return folder


def read_ablation(network: str) -> dict:
    """inactive.json: the inactive units of the first pool, the changes of loss, the control and the sweep."""
    return read_json(ABLATION / network / "inactive.json", f"ablate@{network}")
