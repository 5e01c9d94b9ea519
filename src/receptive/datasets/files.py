"""Data sets that are folders of image files: what was found, and its prepared form.

``folder``, ``imagenet`` and whoever comes next list their files; what happens then is the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from receptive.datasets.decoding import decode
from receptive.datasets.prepared import SPLITS, Origin, Prepared, centre_view, prepare
from receptive.errors import ReceptiveError

# Those that torchvision's ImageFolder takes.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

_SHOWN = 5  # damaged files or classes that a message names


@dataclass(frozen=True)
class Listing:
    """The files of a data set, one row an image to be, in the order of the images.

    Attributes:
        name: The data set's name.
        root: The folder that names of files start from.
        files: Path of each image, with forward slashes.
        names: What each image is called in the prepared set; differs from ``files`` where the same set comes in
            several layouts.
        splits: 'train' or 'validation', image by image.
        labels: int64, image by image.
        classes: Readable name of each label. folders: the name of its folder (a WordNet id in ImageNet).
    """

    name: str
    root: Path
    files: list[str]
    names: list[str]
    splits: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    folders: tuple[str, ...]

    @cached_property
    def sizes(self) -> list[int | str]:
        """Bytes of each file; of what is not there, such as a link to nothing, why in words."""
        return [_size(self.root / file) for file in self.files]

    def digest(self) -> str:
        """A digest of the files' names, sizes, splits and labels: other images, another digest.

        Nothing is opened, and no place or time counts, so a copy of the files has the same.
        """
        digest = hashlib.sha256()
        for name, split, label, size in zip(self.names, self.splits, self.labels, self.sizes, strict=True):
            known = None if isinstance(size, str) else size
            digest.update(repr((name, split, int(label), known)).encode())
        return digest.hexdigest()

    def unreadable(self) -> dict[int, str]:
        """The rows whose file cannot even be looked at, and why."""
        return {row: size for row, size in enumerate(self.sizes) if isinstance(size, str)}


def _size(path: Path) -> int | str:
    try:
        return os.stat(path).st_size
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in ``folder``, hidden ones apart, in order."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def image_files(folder: Path) -> list[str]:
    """The image files anywhere below ``folder``, hidden ones apart, in order: relative, with forward slashes."""
    found = []
    for place, _, names in os.walk(folder, followlinks=True):
        below = Path(place).relative_to(folder)
        found += [
            (below / name).as_posix()
            for name in names
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    return sorted(found)


def by_class(folder: Path, classes: Sequence[str]) -> dict[str, list[str]]:
    """Class to the image files below ``folder``/class, relative to ``folder``.

    Raises:
        ReceptiveError: A class has no image.
    """
    found = {name: [f"{name}/{file}" for file in image_files(folder / name)] for name in classes}
    for name, files in found.items():
        if not files:
            raise ReceptiveError(
                f"{folder / name} holds no image ({', '.join(EXTENSIONS)}): add some, or remove the folder"
            )
    return found


def chosen(available: Sequence[str], wanted: Sequence[str] | None, name: str, root: Path) -> list[str]:
    """The folders of classes to prepare: all, or those that the parameter ``classes`` names.

    Raises:
        ReceptiveError: One of ``wanted`` is not there.
    """
    if wanted is None:
        return list(available)
    missing = [folder for folder in wanted if folder not in available]
    if missing:
        raise ReceptiveError(
            f"{root} has no folder of the class {missing[0]}: choose prepare.{name}.classes among its "
            f"{len(available)} folders"
        )
    return sorted(set(wanted))


def listing(
    name: str,
    root: Path,
    files: Mapping[str, Mapping[str, Sequence[str]]],
    folders: Sequence[str],
    classes: Mapping[str, str] | None = None,
    called: Callable[[str, str, str], str] = lambda split, folder, file: file,
) -> Listing:
    """The ``Listing`` of files by split and class; training first, in each split class by class.

    Args:
        files: Split to folder of the class to its files, relative to ``root``.
        folders: The classes, label 0 first.
        classes: Readable name of each folder; None takes the folder's.
        called: The name in the prepared set of a file, from its split, its class's folder and its path.
    """
    paths, names, splits, labels = [], [], [], []
    for split in SPLITS:
        for label, folder in enumerate(folders):
            of_class = files[split].get(folder, ())
            paths += of_class
            names += [called(split, folder, file) for file in of_class]
            splits += [split] * len(of_class)
            labels += [label] * len(of_class)
    readable = tuple(folders) if classes is None else tuple(classes[folder] for folder in folders)
    labels = np.array(labels, dtype=np.int64)
    return Listing(name, root, paths, names, np.array(splits, dtype=object), labels, readable, tuple(folders))


def check_damage(found: Listing, problems: Mapping[int, str], damaged: Literal["skip", "stop"]) -> None:
    """Refuse a listing that damaged files leave nothing useful of, or in which there may be none.

    Args:
        problems: Row of each damaged file to what is wrong with it, in order.
        damaged: ``stop`` refuses any; ``skip`` those that were all there was of a class in a split.

    Raises:
        ReceptiveError: As said; the line names files or classes, and how many.
    """
    if not problems:
        return
    count = f"{len(problems)} of {len(found.files)} files in {found.root}"
    files = _first((f"{found.files[row]} ({reason})" for row, reason in problems.items()), len(problems))
    section = f"prepare.{found.name}"
    if len(problems) == len(found.files):
        raise ReceptiveError(
            f"{count} cannot be decoded: {files}: replace them, or name another folder with {section}.path"
        )
    if damaged == "stop":
        raise ReceptiveError(f"{count} are damaged: {files}: replace or remove them, or set {section}.damaged to skip")
    bad = np.zeros(len(found.files), dtype=bool)
    bad[list(problems)] = True
    table = pd.DataFrame({"label": found.labels, "split": found.splits, "bad": bad})
    groups = table.groupby(["label", "split"])["bad"].agg(["all", "size"])
    lost: dict[int, list[str]] = {}
    for (label, split), many in groups.loc[groups["all"], "size"].items():
        lost.setdefault(label, []).append(f"all {many} of {split}")
    if lost:
        classes = _first((f"{found.folders[label]} ({', '.join(parts)})" for label, parts in lost.items()), len(lost))
        raise ReceptiveError(
            f"{len(lost)} of {len(found.folders)} classes in {found.root} have nothing but damaged files in a split: "
            f"{classes}: replace the files, or remove the class's folder or leave it out of {section}.classes"
        )


def _first(texts: Iterable[str], count: int) -> str:
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return "; ".join(islice(texts, _SHOWN)) + more


def prepare_files(
    found: Listing,
    size: int,
    stored_size: int,
    damaged: Literal["skip", "stop"],
    open_store: Callable,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    workers: int | None = None,
) -> Prepared:
    """Decode the files of a listing into the prepared form; the images stay on the disk.

    What is stored of an image is its centre square, the shorter side resized to ``stored_size``. ``images``
    is the centre view of ``size`` px in it, the single view of evaluation; random crops may reach
    the whole square (``Prepared.surround``).

    Args:
        size: Side of what networks see, px.
        stored_size: Side of what is stored, px; ``size`` or an even number more.
        damaged: What to do about files that cannot be decoded: ``skip`` leaves them out and lists them in
            ``Prepared.origin``; ``stop`` refuses the set, once all files were tried.
        open_store: Called with the number of images and their side, gives the store of decoded images.
        progress: Wraps the iterable over all images, for instance ``tqdm.tqdm``.
        workers: Processes that decode; None takes as many as there are cores.

    Raises:
        ReceptiveError: Files are damaged as ``check_damage`` says; sizes do not fit.
    """
    if stored_size < size or (stored_size - size) % 2:
        raise ReceptiveError(
            f"stored_size {stored_size} leaves no even margin around size {size}: set "
            f"prepare.{found.name}.stored_size to {size}, {size + 2}, ..."
        )
    store = open_store(len(found.files), stored_size)
    decode(found.root, found.files, stored_size, store, progress, workers)
    problems = store.problems()
    check_damage(found, problems, damaged)

    table = pd.DataFrame({"image": np.arange(len(found.files), dtype=np.int64), "split": found.splits})
    table["label"] = found.labels
    table["class_name"] = np.array(found.classes, dtype=object)[found.labels]
    table["file"] = found.names
    good = np.ones(len(table), dtype=bool)
    good[list(problems)] = False
    lost = table[~good]
    origin = Origin(
        files=table.loc[good, ["image", "file"]].reset_index(drop=True),
        damaged=pd.DataFrame(
            {
                "file": lost["file"].to_numpy(dtype=object),
                "split": lost["split"].to_numpy(dtype=object),
                "class_name": lost["class_name"].to_numpy(dtype=object),
                "problem": np.array(list(problems.values()), dtype=object),
            },
            dtype="str",
        ),
        digest=found.digest(),
        decoded=store.file,
    )
    stored = store.images()
    labels = table.loc[good].drop(columns="file")
    prepared = prepare(found.name, centre_view(stored, size), labels, found.classes)
    return replace(prepared, surround=stored if stored_size > size else None, folders=found.folders, origin=origin)
