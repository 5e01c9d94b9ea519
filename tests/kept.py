"""Two toy studies to be compared: claims' rows, numbers of trainings, and the files that hold them."""

import json
from pathlib import Path

import pandas as pd
import yaml

from receptive.artifacts.claims import write_claims
from receptive.artifacts.results import Results
from receptive.artifacts.sparsity import write_sparsity
from receptive.claims.registry import metrics, table
from receptive.claims.row import Row, measured

NUMBERS = ("training", "network", "stage", "quantity", "value")


def row(
    network: str, value: float, half: float, trainings: int = 1, quantity: str = "rise", over: str = "images"
) -> Row:
    """A claim's row whose interval is value +- half."""
    names = (network, *(f"{network}-{number}" for number in range(2, trainings + 1)))
    estimate = (value, value - half, value + half)
    return measured(quantity, estimate, over, networks=(network,), trainings=names)


def results(
    rows: dict[int, list[Row]],
    numbers: dict[tuple[str, str, str], list[float]],
    verdicts: dict[int, str] | None = None,
    **more,
) -> Results:
    """Results in memory.

    Args:
        rows: by number of the claim.
        numbers: (stage, network, quantity) to one value per training.
        verdicts: of the claims.
        more: other fields of ``Results``.
    """
    listed = [
        (network if number == 0 else f"{network}-{number + 1}", network, stage, quantity, value)
        for (stage, network, quantity), values in numbers.items()
        for number, value in enumerate(values)
    ]
    told = [(claim, f"Title {claim}", verdict) for claim, verdict in (verdicts or {}).items()]
    return Results(
        table(rows),
        pd.DataFrame(told, columns=["claim", "title", "verdict"]),
        pd.DataFrame(listed, columns=list(NUMBERS)),
        **({"params": {}, "versions": {}} | more),
    )


def write_study(top1: float = 0.75, value: float = 0.5, seed: int = 0, trainings: int = 1) -> None:
    """A finished study of vggcnn in the current folder: what its stages and its report leave for ``receptive keep``."""
    names = ["vggcnn", *(f"vggcnn-{number}" for number in range(2, trainings + 1))]
    params = {"seed": seed, "trainings": {name: {"network": "vggcnn"} for name in names}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    Path("dvc.lock").write_text("schema: '2.0'\n")
    for number, name in enumerate(names):
        folder = Path("data/networks") / name
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"parameters": 10, "validation": {"top1": top1 + number / 100, "loss": 0.5}}
        (folder / "metrics.json").write_text(json.dumps(facts))
        layers = {"network": name, "layer": "c1.relu", "alias": "c1", "depth": 1, "kind": "conv", "zero_fraction": 0.25}
        write_sparsity(name, pd.DataFrame([layers]))
    rows = {7: [row("vggcnn", value, 0.1, trainings)]}
    write_claims(table(rows), metrics(rows))
    for folder in ("tables", "figures"):
        (Path("reports") / folder).mkdir(parents=True, exist_ok=True)
    verdict = rows[7][0].verdict
    Path("reports/tables/claims_summary.csv").write_text(f"claim,title,verdict\n7,Zeros rise with depth,{verdict}\n")
    Path("reports/tables/claims.csv").write_text("long\n")
    Path("reports/metrics.json").write_text("{}\n")
    Path("reports/figures/training_curves.png").write_bytes(b"png")
    Path("reports/figures/sheet_vggcnn.png").write_bytes(b"not one of the few")
