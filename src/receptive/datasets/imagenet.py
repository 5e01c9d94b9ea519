"""ImageNet's classification set (ILSVRC 2012) in the layouts that are in use."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from receptive.datasets.files import Listing, by_class, chosen, image_files, listing, prepare_files, subfolders
from receptive.datasets.prepared import Prepared
from receptive.errors import ReceptiveError

VALIDATION_FOLDERS = ("val", "validation")
DEVKIT = "ILSVRC2012_devkit_t12"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"

_CURE = (
    "get ILSVRC 2012 from https://image-net.org (free of charge for research, after registration), unpack it to "
    "train/<wnid>/*.JPEG and val/, or name the place with prepare.imagenet.path or RECEPTIVE_IMAGENET"
)
_LABELS_CURE = (
    f"put {DEVKIT}.tar.gz (or {DEVKIT}/) from https://image-net.org or Kaggle's {SOLUTION} beside it, or sort the "
    "images into folders by class"
)


@cache
def class_names() -> dict[str, str]:
    """WordNet id to a readable name, all 1000 and all different, as torchvision names them and in its order."""
    text = package_files("receptive.datasets").joinpath("imagenet_classes.csv").read_text()
    return {row["wnid"]: row["name"] for row in csv.DictReader(text.splitlines())}


def find(root: Path, classes: Sequence[str] | None = None) -> Listing:
    """The images of the ILSVRC folder layout; nothing is opened but lists of labels.

    ``train/<wnid>/`` and ``val/`` (or ``validation/``), as torchvision has them, or below ``ILSVRC/Data/CLS-LOC``
    as Kaggle's archive has. The validation images lie in folders by class or flat; then their
    labels come from the development kit or from Kaggle's ``LOC_val_solution.csv``. Either gives the same set.

    Args:
        root: The folder.
        classes: WordNet ids to take; None takes the 1000.

    Raises:
        ReceptiveError: Something is missing; the line says what, and how to get it.
    """
    if not root.is_dir():
        raise ReceptiveError(f"the folder of ImageNet {root} is missing: {_CURE}")
    base = root / "ILSVRC/Data/CLS-LOC" if (root / "ILSVRC/Data/CLS-LOC").is_dir() else root
    place = next((name for name in VALIDATION_FOLDERS if (base / name).is_dir()), None)
    for name in ("train", place):
        if name is None or not (base / name).is_dir():
            raise ReceptiveError(f"{base} has no folder {name or 'val'}: {_CURE}")
    folders = _wanted(base / "train", classes)
    train = by_class(base / "train", folders)
    if any(name in class_names() for name in subfolders(base / place)):
        validation = by_class(base / place, _wanted(base / place, folders))
    else:
        validation = _flat(root, base / place, folders)
    files = {
        split: {name: [f"{folder}/{file}" for file in of_class] for name, of_class in found.items()}
        for split, folder, found in (("train", "train", train), ("validation", place, validation))
    }

    def called(split: str, folder: str, file: str) -> str:
        return f"{split}/{folder}/{PurePosixPath(file).name}"

    return listing("imagenet", base, files, folders, class_names(), called)


def load(
    root: Path,
    size: int,
    stored_size: int,
    damaged: Literal["skip", "stop"],
    open_store: Callable,
    classes: Sequence[str] | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
) -> Prepared:
    """ImageNet in its prepared form; arguments are those of ``find`` and ``files.prepare_files``."""
    return prepare_files(find(root, classes), size, stored_size, damaged, open_store, progress)


def _wanted(folder: Path, classes: Sequence[str] | None) -> list[str]:
    known = class_names()
    unknown = [name for name in classes or () if name not in known]
    if unknown:
        raise ReceptiveError(
            f"{unknown[0]} is no WordNet id of ImageNet's classes: prepare.imagenet.classes takes ids such as n01443537"
        )
    available = subfolders(folder)
    if classes is not None:
        return chosen(available, classes, "imagenet", folder)
    missing = [name for name in known if name not in available]
    if missing:
        shown = ", ".join(f"{name} ({known[name]})" for name in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise ReceptiveError(
            f"{folder} lacks {len(missing)} of {len(known)} class folders: {shown}: unpack their archives, or name "
            "the classes to take in prepare.imagenet.classes"
        )
    return sorted(known)


def _flat(root: Path, folder: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """Class to its files, for validation images that lie in one folder."""
    labels = _labels(root, folder)
    found = {PurePosixPath(file).stem: file for file in image_files(folder)}
    for name, file in found.items():
        if name not in labels:
            raise ReceptiveError(f"{folder / file} is not in the list of validation labels: {_LABELS_CURE}")
    wanted = {name: label for name, label in labels.items() if label in folders}
    missing = sorted(name for name in wanted if name not in found)
    if missing or not wanted:
        shown = f", for instance {missing[0]}" if missing else ""
        raise ReceptiveError(f"{folder} lacks {len(missing)} of {len(wanted)} validation images{shown}: {_CURE}")
    of_class: dict[str, list[str]] = {folder: [] for folder in folders}
    for name in sorted(wanted):
        of_class[wanted[name]].append(found[name])
    return of_class


def _labels(root: Path, folder: Path) -> dict[str, str]:
    """Name of the validation image, without its ending, to WordNet id."""
    places = (root, folder.parent)
    for place in places:
        if (place / SOLUTION).is_file():
            with _reading(place / SOLUTION), (place / SOLUTION).open(newline="") as lines:
                return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(lines)}
        if (place / DEVKIT).is_dir():
            data = place / DEVKIT / "data"
            with _reading(data):
                return _devkit_labels((data / "meta.mat").open("rb"), (data / GROUND_TRUTH).read_text())
        archive = place / f"{DEVKIT}.tar.gz"
        if archive.is_file():
            with _reading(archive), tarfile.open(archive) as members:
                meta = members.extractfile(f"{DEVKIT}/data/meta.mat")
                truth = members.extractfile(f"{DEVKIT}/data/{GROUND_TRUTH}").read().decode()
                return _devkit_labels(meta, truth)
    raise ReceptiveError(f"the validation images in {folder} have no labels: {_LABELS_CURE}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what unreadable lists raise into one line."""
    try:
        yield
    except (OSError, ValueError, LookupError, AttributeError, TypeError, EOFError, tarfile.TarError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ReceptiveError(f"{path} cannot be read ({reason}): get it again from where it came") from None


def _devkit_labels(meta: IO[bytes], truth: str) -> dict[str, str]:
    """Labels from the development kit: line i of the ground truth has the kit's own number of image i's class."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with meta:
        try:
            synsets = loadmat(meta, squeeze_me=True)["synsets"]
        except MatReadError as error:
            raise ValueError(error) from None
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    return {f"ILSVRC2012_val_{line:08d}": wnids[int(number)] for line, number in enumerate(truth.split(), 1)}
