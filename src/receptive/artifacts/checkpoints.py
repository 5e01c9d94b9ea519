"""What a stage keeps between two attempts, in ``scratch/``: outside DVC's outputs, and safe to delete."""

import hashlib
import importlib.util
import os
import socket
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from receptive.artifacts.root import project_root


def scratch(stage: str, *parts: str, code: Iterable[str]) -> Path:
    """A folder for checkpoints of exactly this work, outside DVC's outputs (it need not exist yet).

    The folder's name is a digest. The same work finds its checkpoint again, also from a temporary experiment folder;
    other work does not. An edit of code that has no say in the work costs no checkpoint.

    Args:
        stage: What is done, and for what: "train-resnet34".
        parts: Parameters, digests of data, seed: all that the result depends on.
        code: Modules that the result depends on, "receptive.training.loop"; a package stands for all its modules.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    for path in source_files(code):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return project_root() / "scratch" / f"{stage}-{digest.hexdigest()[:16]}"


def source_files(code: Iterable[str]) -> list[Path]:
    """The source files of modules and packages, by name; no module is run.

    Raises:
        ModuleNotFoundError: There is no such module.
    """
    files = []
    for name in code:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"there is no module {name}")
        path = Path(spec.origin)
        files += sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return files


def keep(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes arrays into a ``scratch`` folder, whole or not at all, also where other processes write the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}-{socket.gethostname()}-{os.getpid()}")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def read_kept(path: Path) -> dict[str, np.ndarray] | None:
    """What ``keep`` wrote; None where the file is missing or cannot be read."""
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
