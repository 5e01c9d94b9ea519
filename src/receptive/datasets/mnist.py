"""MNIST as LeCun, Cortes and Burges give it: 60,000 training and 10,000 test digits in four IDX files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.datasets.prepared import Prepared, prepare
from receptive.errors import ReceptiveError

CLASSES = tuple("0123456789")
_PARTS = {"train": "train", "validation": "t10k"}
_UINT8 = 8  # the third byte of an IDX file


def folder_of(root: Path) -> Path:
    """The folder of the files: ``root``, its ``raw``, or its ``MNIST/raw`` as torchvision has it."""
    for place in (root, root / "raw", root / "MNIST" / "raw"):
        if any(place.glob("train-images*")):
            return place
    return root / "MNIST" / "raw"


def missing(root: Path) -> list[str]:
    """Names of the IDX files that are missing, both packed and unpacked."""
    folder = folder_of(root)
    names = [name for split in _PARTS for name in _names(split)]
    return [name for name in names if not any((folder / f"{name}{ending}").is_file() for ending in ("", ".gz"))]


def what_is_missing(root: Path, lacking: list[str]) -> str:
    """The message that names the files in ``lacking``, and how to get them."""
    return (
        f"MNIST lacks {', '.join(lacking)} (or .gz) in {folder_of(root)}: set prepare.mnist.download to true, or "
        "name another folder with prepare.mnist.path or RECEPTIVE_MNIST"
    )


def load(root: Path) -> Prepared:
    """All 70,000 digits, 28 x 28 x 1, white ink on black; the 10,000 test images are the validation split.

    Args:
        root: Where the four files are, packed (.gz) or not; see ``folder_of``.

    Raises:
        ReceptiveError: A file is missing or damaged.
    """
    lacking = missing(root)
    if lacking:
        raise ReceptiveError(what_is_missing(root, lacking))
    images, labels, splits = [], [], []
    for split in _PARTS:
        of_images, of_labels = (folder_of(root) / name for name in _names(split))
        pixels, digits = read_idx(of_images), read_idx(of_labels)
        if pixels.ndim != 3 or digits.shape != pixels.shape[:1] or (digits.size and digits.max() > 9):
            raise ReceptiveError(
                f"{of_images} and {of_labels.name} do not fit together ({pixels.shape}, {digits.shape}): "
                "remove both and get them again"
            )
        images.append(pixels)
        labels.append(digits)
        splits += [split] * len(digits)
    table = pd.DataFrame({"image": np.arange(len(splits), dtype=np.int64), "split": splits})
    table["label"] = np.concatenate(labels).astype(np.int64)
    table["class_name"] = [CLASSES[digit] for digit in table["label"]]
    return prepare("mnist", np.concatenate(images)[..., None], table, CLASSES)


def read_idx(path: Path) -> np.ndarray:
    """The values of an IDX file of bytes, uint8, in the file's own shape.

    The file holds two zeros, the type, the number of axes, the length of each (big endian), the values.

    Args:
        path: Without ``.gz``. The packed file is read where the unpacked one is missing.

    Raises:
        ReceptiveError: The file is missing or damaged, or holds anything but bytes.
    """
    try:
        data = path.read_bytes() if path.is_file() else gzip.decompress(Path(f"{path}.gz").read_bytes())
        if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UINT8:
            raise ValueError("no IDX file of bytes")
        shape = np.frombuffer(data, ">u4", data[3], offset=4).astype(int)
        if len(data) != 4 + 4 * data[3] + shape.prod():
            raise ValueError(f"{len(data)} bytes are not those of {tuple(shape.tolist())} values")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReceptiveError(f"{path} cannot be read ({reason}): remove it and get it again") from None


def _names(split: str) -> tuple[str, str]:
    """The files of a split: images, labels."""
    return f"{_PARTS[split]}-images-idx3-ubyte", f"{_PARTS[split]}-labels-idx1-ubyte"
