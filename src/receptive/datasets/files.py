"""Data sets that are folders of image files: what was found, and its prepared form.

``folder``, ``imagenet`` and whoever comes next list their files; what happens then is the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from receptive.datasets.decoding import decode
from receptive.datasets.prepared import SPLITS, Origin, Prepared, centre_view, prepare
from receptive.errors import ReceptiveError

# Those that torchvision's ImageFolder takes.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


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

    def digest(self) -> str:
        """A digest of the files' names, sizes, splits and labels: other images, another digest.

        Nothing is opened, and no place or time counts, so a copy of the files has the same.
        """
        digest = hashlib.sha256()
        for file, name, split, label in zip(self.files, self.names, self.splits, self.labels, strict=True):
            digest.update(repr((name, split, int(label), os.stat(self.root / file).st_size)).encode())
        return digest.hexdigest()


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
        ReceptiveError: A file is damaged and ``damaged`` is ``stop``; no image of a split is left; sizes do not
            fit.
    """
    if stored_size < size or (stored_size - size) % 2:
        raise ReceptiveError(
            f"stored_size {stored_size} leaves no even margin around size {size}: set "
            f"prepare.{found.name}.stored_size to {size}, {size + 2}, ..."
        )
    store = open_store(len(found.files), stored_size)
    decode(found.root, found.files, stored_size, store, progress, workers)
    problems = store.problems()
    if problems and damaged == "stop":
        shown = "; ".join(f"{found.files[row]} ({reason})" for row, reason in list(problems.items())[:5])
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ReceptiveError(
            f"{len(problems)} of {len(found.files)} files in {found.root} are damaged: {shown}{more}: "
            f"replace or remove them, or set prepare.{found.name}.damaged to skip"
        )

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
