"""Files written whole or not at all, and read with errors that name the cause and the cure.

Tables are parquet, arrays npy or npz, weights safetensors, small numbers JSON; nothing is pickled.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from receptive.errors import ReceptiveError


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


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes names and values, sorted by name."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, made_by: str, names: Iterable[str] = ()) -> dict[str, Any]:
    """Names and values, at least ``names``.

    Args:
        path: The file.
        made_by: The stage that writes the file, for the error message.
        names: What must be there.

    Raises:
        ReceptiveError: The file is missing or damaged, or lacks a name.
    """
    with reading(path, made_by):
        value = json.loads(path.read_text())
        if not isinstance(value, dict):
            raise ValueError("it holds no table of names and values")
        check_has(value, names)
        return value


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a table as parquet, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def read_table(path: Path, made_by: str, columns: Iterable[str] = ()) -> pd.DataFrame:
    """A parquet table that has at least ``columns``; ``made_by`` and errors as for ``read_json``."""
    with reading(path, made_by):
        table = pd.read_parquet(path)
        check_has(table, columns)
        return table


def read_arrays(path: Path, made_by: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; ``made_by`` and errors as for ``read_json``."""
    with reading(path, made_by), np.load(path) as arrays:
        return dict(arrays)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as .npz, in their order."""
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub knows no names but its own


def check_has(content: Container[str], names: Iterable[str]) -> None:
    """For use within ``reading``: ValueError where the table or the JSON lacks one of ``names``."""
    lacking = [name for name in names if name not in content]
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
    """As ``reading``, for weights: their library raises an error of its own."""
    with reading(path, made_by):
        try:
            yield
        except SafetensorError as error:
            raise ValueError(error) from None


def digest_files(*paths: Path) -> str:
    """SHA-256 of the contents of the files, one after the other, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()
