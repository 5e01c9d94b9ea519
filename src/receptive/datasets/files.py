"""Data sets that are folders of image files: the list of files, and its prepared form.

Each such data set (``folder``, ``imagenet``) lists its own files. What follows is the same for all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from receptive.datasets.decoding import Store, decode
from receptive.datasets.prepared import Origin, Prepared, centre_view, prepare
from receptive.datasets.rules import SPLITS
from receptive.errors import ReceptiveError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Endings of image files, those that torchvision's ImageFolder takes."""

_SHOWN = 5  # damaged files or classes that a message names


class ImageStore(Store, Protocol):
    """A store whose images can be read back (``receptive.artifacts.image_store.ImageStore``)."""

    file: Path
    """The .npy file of all images."""

    def images(self) -> np.ndarray:
        """All images, uint8, image x side x side x 3; black where a file is damaged."""

    def problems(self) -> dict[int, str]:
        """Row of each damaged file to what is wrong with it, in order."""


@dataclass(frozen=True)
class Listing:
    """The files of a data set, one row per image to be, in the order of the images.

    Attributes:
        name: The data set's name.
        root: The folder that ``files`` start from.
        files: Path of each image, with forward slashes.
        names: Name of each image in the prepared set. Differs from ``files`` where the same set comes in
            several layouts.
        splits: 'train' or 'validation' of each image.
        labels: Of each image, int64.
        classes: Readable name of each label.
        folders: Name of each label's folder (a WordNet id in ImageNet).
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
        """Bytes of each file; the reason in words for what cannot be looked at, such as a link to nothing."""
        return [_size(self.root / file) for file in self.files]

    def digest(self) -> str:
        """A digest of the files' names, sizes, splits and labels: other images have another digest.

        No file is opened. Places and times do not count, so a copy of the files has the same digest.
        """
        digest = hashlib.sha256()
        for name, split, label, size in zip(self.names, self.splits, self.labels, self.sizes, strict=True):
            size_bytes = None if isinstance(size, str) else size
            digest.update(repr((name, split, int(label), size_bytes)).encode())
        return digest.hexdigest()

    def unreadable(self) -> dict[int, str]:
        """Row of each file that cannot be looked at, and the reason."""
        return {row: size for row, size in enumerate(self.sizes) if isinstance(size, str)}


def _size(path: Path) -> int | str:
    try:
        return os.stat(path).st_size
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in ``folder``, without hidden ones, in order."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def image_files(folder: Path) -> list[str]:
    """Paths of all image files below ``folder``, without hidden ones, in order: relative, with forward slashes."""
    paths = []
    for place, _, names in os.walk(folder, followlinks=True):
        below = Path(place).relative_to(folder)
        paths += [
            (below / name).as_posix()
            for name in names
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    return sorted(paths)


def by_class(folder: Path, classes: Sequence[str]) -> dict[str, list[str]]:
    """The image files of each class below ``folder``/class, relative to ``folder``.

    Raises:
        ReceptiveError: A class has no image.
    """
    files_of = {name: [f"{name}/{file}" for file in image_files(folder / name)] for name in classes}
    for name, files in files_of.items():
        if not files:
            raise ReceptiveError(
                f"{folder / name} holds no image ({', '.join(EXTENSIONS)}): add some, or remove the folder"
            )
    return files_of


def chosen(available: Sequence[str], wanted: Sequence[str] | None, name: str, root: Path) -> list[str]:
    """The folders of classes to prepare: all, or those that the parameter ``classes`` names.

    Raises:
        ReceptiveError: One of ``wanted`` is missing.
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
    """The ``Listing`` of files by split and class: training first, each split class by class.

    Args:
        files: By split, then by folder of the class: its files, relative to ``root``.
        folders: The classes, label 0 first.
        classes: Readable name of each folder; None takes the folder's.
        called: Gives the name of a file in the prepared set, from its split, the folder of its class and its path.
    """
    paths: list[str] = []
    names: list[str] = []
    splits: list[str] = []
    labels: list[int] = []
    for split in SPLITS:
        for label, folder in enumerate(folders):
            of_class = files[split].get(folder, ())
            paths += of_class
            names += [called(split, folder, file) for file in of_class]
            splits += [split] * len(of_class)
            labels += [label] * len(of_class)
    readable = tuple(folders) if classes is None else tuple(classes[folder] for folder in folders)
    return Listing(
        name,
        root,
        paths,
        names,
        np.array(splits, dtype=object),
        np.array(labels, dtype=np.int64),
        readable,
        tuple(folders),
    )


def check_damage(listed: Listing, problems: Mapping[int, str], damaged: Literal["skip", "stop"]) -> None:
    """Refuse a listing with too many damaged files: any, or all files of a class in a split.

    Args:
        problems: Row of each damaged file to what is wrong with it, in order.
        damaged: ``stop`` refuses any damaged file; ``skip`` only where all files of a class in a split are damaged.

    Raises:
        ReceptiveError: The listing is refused; the message names files or classes, and how many.
    """
    if not problems:
        return
    count = f"{len(problems)} of {len(listed.files)} files in {listed.root}"
    files = _first((f"{listed.files[row]} ({reason})" for row, reason in problems.items()), len(problems))
    section = f"prepare.{listed.name}"
    if len(problems) == len(listed.files):
        raise ReceptiveError(
            f"{count} cannot be decoded: {files}: replace them, or name another folder with {section}.path"
        )
    if damaged == "stop":
        raise ReceptiveError(f"{count} are damaged: {files}: replace or remove them, or set {section}.damaged to skip")
    bad = np.zeros(len(listed.files), dtype=bool)
    bad[list(problems)] = True
    table = pd.DataFrame({"label": listed.labels, "split": listed.splits, "bad": bad})
    groups = table.groupby(["label", "split"])["bad"].agg(["all", "size"])
    lost: dict[int, list[str]] = {}
    for (label, split), many in groups.loc[groups["all"], "size"].items():
        lost.setdefault(label, []).append(f"all {many} of {split}")
    if lost:
        classes = _first((f"{listed.folders[label]} ({', '.join(parts)})" for label, parts in lost.items()), len(lost))
        raise ReceptiveError(
            f"{len(lost)} of {len(listed.folders)} classes in {listed.root} have nothing but damaged files in a split: "
            f"{classes}: replace the files, or remove the class's folder or leave it out of {section}.classes"
        )


def _first(texts: Iterable[str], count: int) -> str:
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return "; ".join(islice(texts, _SHOWN)) + more


def prepare_files(
    listed: Listing,
    size: int,
    stored_size: int,
    damaged: Literal["skip", "stop"],
    open_store: Callable[[int, int], ImageStore],
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    workers: int | None = None,
) -> Prepared:
    """Decode the files of a listing into the prepared form; the images stay on the disk.

    Stored of an image is its centre square, with the shorter side resized to ``stored_size``. ``images`` is the
    centre view of ``size`` px in it, the single view of evaluation. Random crops may reach the whole square
    (``Prepared.surround``).

    Args:
        size: Side of the images that networks see, px.
        stored_size: Side of the stored images, px; ``size`` or an even number more.
        damaged: What to do about files that cannot be decoded. ``skip`` leaves them out and lists them in
            ``Prepared.origin``; ``stop`` refuses the set, once all files were tried.
        open_store: Called with the number of images and their side; gives the store of decoded images.
        progress: Wraps the iterable over all images, for instance ``tqdm.tqdm``.
        workers: Processes that decode; None takes one per core.

    Raises:
        ReceptiveError: Files are damaged as ``check_damage`` says; sizes do not fit.
    """
    if stored_size < size or (stored_size - size) % 2:
        raise ReceptiveError(
            f"stored_size {stored_size} leaves no even margin around size {size}: set "
            f"prepare.{listed.name}.stored_size to {size}, {size + 2}, ..."
        )
    store = open_store(len(listed.files), stored_size)
    decode(listed.root, listed.files, stored_size, store, progress, workers)
    problems = store.problems()
    check_damage(listed, problems, damaged)

    table = pd.DataFrame({"image": np.arange(len(listed.files), dtype=np.int64), "split": listed.splits})
    table["label"] = listed.labels
    table["class_name"] = np.array(listed.classes, dtype=object)[listed.labels]
    table["file"] = listed.names
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
        digest=listed.digest(),
        decoded=store.file,
    )
    stored = store.images()
    labels = table.loc[good].drop(columns="file")
    prepared = prepare(listed.name, centre_view(stored, size), labels, listed.classes)
    return replace(prepared, surround=stored if stored_size > size else None, folders=listed.folders, origin=origin)
