"""Keeps the small results of a study on this machine under docs/results/<hardware>/: tables, a few figures, versions.

They are copied from reports/ as they are; the folder has the name of the GPU.
"""

import json
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from gpu import hardware, slug

from receptive.artifacts.report import FOLDER as REPORTS
from receptive.errors import ReceptiveError
from receptive.params.reading import load_params

FIGURES = ("training_curves*", "yu6_sparsity*", "ks4_*", "ks6_*", "ks8_*", "yu4_*", "yu_energy_outside*", "data_*")
LARGEST_BYTES = 2_000_000  # a picture in git
PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "dvc")


def keep(results: Path) -> Path:
    """Copies the results below ``results`` and returns their folder. Of an older folder only bench.json is kept.

    Raises:
        ReceptiveError: reports/ holds no report of the networks of params.yaml.
    """
    params = load_params()
    metrics = REPORTS / "metrics.json"
    if not metrics.exists() or sorted(json.loads(metrics.read_text())) != sorted(params.models):
        raise ReceptiveError("reports/ holds no report of the networks of params.yaml: run 'make gpu-study' first")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    facts = hardware(device)
    folder = results / slug(facts["name"])
    for part in ("tables", "figures"):
        shutil.rmtree(folder / part, ignore_errors=True)
    shutil.copytree(REPORTS / "tables", folder / "tables")
    (folder / "figures").mkdir()
    figures = {path for pattern in FIGURES for path in (REPORTS / "figures").glob(pattern)}
    for path in sorted(figures):
        if path.stat().st_size <= LARGEST_BYTES:
            shutil.copy(path, folder / "figures" / path.name)
    shutil.copy(metrics, folder / "metrics.json")
    shutil.copy("params.yaml", folder / "params.yaml")
    versions = {
        "hardware": facts,
        "profile": params.profile,
        "dataset": params.dataset,
        "models": list(params.models),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in PACKAGES},
    }
    (folder / "versions.json").write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n")
    return folder


def main() -> None:
    try:
        print(f"kept: {keep(Path('docs/results'))}")
    except ReceptiveError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
