"""What a stage keeps between two attempts, in ``scratch/``: outside DVC's outputs, and safe to delete."""

import hashlib
import os
import sys
import zipfile
from pathlib import Path

import numpy as np

from receptive.artifacts.files import project_root


def scratch(stage: str, *parts: str) -> Path:
    """A folder for checkpoints of exactly this work, outside DVC's outputs (it need not exist yet).

    The name is a digest of ``parts`` (parameters, data, seed) and of the project's code that is loaded
    now, so a checkpoint is found again by the same work only, also from a temporary experiment folder.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name in sorted(m for m in sys.modules if m.partition(".")[0] == "receptive"):
        source = getattr(sys.modules[name], "__file__", None)
        if source:
            digest.update(name.encode() + b"\0" + Path(source).read_bytes())
    return project_root() / "scratch" / f"{stage}-{digest.hexdigest()[:16]}"


def keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays in a ``scratch`` folder, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def read_kept(path: Path) -> dict[str, np.ndarray] | None:
    """What ``keep`` wrote; None where there is nothing that can be read."""
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
