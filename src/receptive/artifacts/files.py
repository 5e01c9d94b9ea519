"""Files written whole or not at all, and read with errors that name the cause and the cure.

Tables are parquet, arrays npy or npz, weights safetensors, small numbers JSON; nothing is pickled.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from receptive.errors import ReceptiveError


def project_root() -> Path:
    """The project's own folder, also inside the temporary copies that DVC makes for experiments."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, moved to ``folder`` when the block ends well and removed when it does not."""
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays with their names as .npz, in their order."""
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub knows no names but its own


def write_json(path: Path, value: dict) -> None:
    """Small numbers, sorted by key."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, made_by: str) -> dict:
    """Small numbers; ``made_by`` is the stage that writes them, for the error message."""
    with reading(path, made_by):
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError("it holds no table of names and values")
        return value


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """A table as parquet, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def read_table(path: Path, made_by: str, columns: Iterable[str] = ()) -> "pd.DataFrame":
    """A parquet table that has at least ``columns``; ``made_by`` is the stage that writes it, for the error message."""
    with reading(path, made_by):
        table = pd.read_parquet(path)
        check_has(table, columns)
        return table


def read_arrays(path: Path, made_by: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; ``made_by`` as for ``read_table``."""
    with reading(path, made_by), np.load(path) as arrays:
        return dict(arrays)


def check_has(found: "dict | pd.DataFrame", names: Iterable[str]) -> None:
    """For use within ``reading``: ValueError where the table or the JSON lacks one of ``names``."""
    lacking = [name for name in names if name not in found]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")


@contextmanager
def reading(path: Path, made_by: str) -> Iterator[None]:
    """Turns the errors of missing and damaged files into one line that says how to get them back."""
    try:
        yield
    except FileNotFoundError:
        raise ReceptiveError(f"{path} is missing: run 'dvc repro {made_by}'") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReceptiveError(
            f"{path} is damaged ({reason}): remove it and run 'dvc checkout', or 'dvc repro {made_by}'"
        ) from None


@contextmanager
def reading_weights(path: Path, made_by: str) -> Iterator[None]:
    """The same for weights, whose library raises an error of its own."""
    with reading(path, made_by):
        try:
            yield
        except SafetensorError as error:
            raise ValueError(error) from None


def digest_files(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
