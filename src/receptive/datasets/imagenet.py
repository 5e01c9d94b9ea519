"""ImageNet's classification set (ILSVRC 2012) in the layouts that are in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from receptive.datasets.files import (
    ImageStore,
    Listing,
    by_class,
    chosen,
    image_files,
    listing,
    prepare_files,
    subfolders,
)
from receptive.datasets.imagenet_classes import class_names
from receptive.datasets.imagenet_labels import CURE as LABELS_CURE
from receptive.datasets.imagenet_labels import validation_labels
from receptive.datasets.prepared import Prepared
from receptive.errors import ReceptiveError

VALIDATION_FOLDERS = ("val", "validation")

_CURE = (
    "get ILSVRC 2012 from https://image-net.org (free of charge for research, after registration), unpack it to "
    "train/<wnid>/*.JPEG and val/, or name the place with prepare.imagenet.path or RECEPTIVE_IMAGENET"
)


def find(root: Path, classes: Sequence[str] | None = None) -> Listing:
    """List the images of the ILSVRC folder layout; only lists of labels are opened.

    Read are ``train/<wnid>/`` and ``val/`` (or ``validation/``), as torchvision has them, or the same below
    ``ILSVRC/Data/CLS-LOC``, as Kaggle's archive has them. The validation images lie in folders by class, or flat.
    Flat ones get their labels from the development kit or from Kaggle's ``LOC_val_solution.csv``. Every layout
    gives the same set.

    Args:
        root: The folder.
        classes: WordNet ids to take; None takes the 1000.

    Raises:
        ReceptiveError: Something is missing; the message says what, and how to get it.
    """
    if not root.is_dir():
        raise ReceptiveError(f"the folder of ImageNet {root} is missing: {_CURE}")
    base = root / "ILSVRC/Data/CLS-LOC" if (root / "ILSVRC/Data/CLS-LOC").is_dir() else root
    place = next((name for name in VALIDATION_FOLDERS if (base / name).is_dir()), "val")
    for name in ("train", place):
        if not (base / name).is_dir():
            raise ReceptiveError(f"{base} has no folder {name}: {_CURE}")
    folders = _wanted(base / "train", classes)
    train = by_class(base / "train", folders)
    if any(name in class_names() for name in subfolders(base / place)):
        validation = by_class(base / place, _wanted(base / place, folders))
    else:
        validation = _flat(root, base / place, folders)
    files = {
        split: {name: [f"{folder}/{file}" for file in of_class] for name, of_class in by_folder.items()}
        for split, folder, by_folder in (("train", "train", train), ("validation", place, validation))
    }

    def called(split: str, folder: str, file: str) -> str:
        return f"{split}/{folder}/{PurePosixPath(file).name}"

    return listing("imagenet", base, files, folders, class_names(), called)


def load(
    root: Path,
    size: int,
    stored_size: int,
    damaged: Literal["skip", "stop"],
    open_store: Callable[[int, int], ImageStore],
    classes: Sequence[str] | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
) -> Prepared:
    """ImageNet in its prepared form; arguments are those of ``find`` and ``files.prepare_files``."""
    return prepare_files(find(root, classes), size, stored_size, damaged, open_store, progress)


def _wanted(folder: Path, classes: Sequence[str] | None) -> list[str]:
    names = class_names()
    unknown = [wnid for wnid in classes or () if wnid not in names]
    if unknown:
        raise ReceptiveError(
            f"{unknown[0]} is no WordNet id of ImageNet's classes: prepare.imagenet.classes takes ids such as n01443537"
        )
    available = subfolders(folder)
    if classes is not None:
        return chosen(available, classes, "imagenet", folder)
    missing = [wnid for wnid in names if wnid not in available]
    if missing:
        shown = ", ".join(f"{wnid} ({names[wnid]})" for wnid in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise ReceptiveError(
            f"{folder} lacks {len(missing)} of {len(names)} class folders: {shown}: unpack their archives, or name "
            "the classes to take in prepare.imagenet.classes"
        )
    return sorted(names)


def _flat(root: Path, folder: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """WordNet id to its files, for validation images that lie in one folder."""
    labels = validation_labels(root, folder)
    file_of = {PurePosixPath(file).stem: file for file in image_files(folder)}
    for name, file in file_of.items():
        if name not in labels:
            raise ReceptiveError(f"{folder / file} is not in the list of validation labels: {LABELS_CURE}")
    wanted = {name: label for name, label in labels.items() if label in folders}
    missing = sorted(name for name in wanted if name not in file_of)
    if missing or not wanted:
        shown = f", for instance {missing[0]}" if missing else ""
        raise ReceptiveError(f"{folder} lacks {len(missing)} of {len(wanted)} validation images{shown}: {_CURE}")
    of_class: dict[str, list[str]] = {wnid: [] for wnid in folders}
    for name in sorted(wanted):
        of_class[wanted[name]].append(file_of[name])
    return of_class
