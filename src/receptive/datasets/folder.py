"""Any tree of images with one folder per class, as torchvision's ImageFolder reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from receptive.datasets.files import ImageStore, Listing, by_class, chosen, listing, prepare_files, subfolders
from receptive.datasets.prepared import Prepared
from receptive.errors import ReceptiveError
from receptive.seeds import named_seed

VALIDATION_FOLDERS = ("validation", "val")


def find(root: Path, classes: Sequence[str] | None = None, validation_share: float = 0.2, seed: int = 0) -> Listing:
    """List the images of a tree with one folder per class; no image is opened.

    Subfolders ``train`` and ``validation`` (or ``val``) are the splits. Any other tree is split by the names of
    its files: in each class the images with the smallest named seeds are held back. So adding or removing
    files moves few others from one split to the other.

    Args:
        root: The tree.
        classes: Folders to take; None takes all.
        validation_share: Share of each class that is held back: at least one image, and not all.
        seed: Decides which images are held back.

    Raises:
        ReceptiveError: There is no such folder, or it lacks two classes with images in both splits; the message
            says what is missing.
    """
    cure = (
        "put images into <class>/<image>, or train/<class>/<image> and validation/<class>/<image>, or name another "
        "folder with prepare.folder.path or RECEPTIVE_FOLDER"
    )
    if not root.is_dir():
        raise ReceptiveError(f"the folder of images {root} is missing: {cure}")
    available = subfolders(root)
    validation = next((name for name in VALIDATION_FOLDERS if name in available), None)
    divided = "train" in available or validation is not None
    if divided:
        if "train" not in available or validation is None:
            missing = "validation (or val)" if "train" in available else "train"
            raise ReceptiveError(f"{root} has no subfolder {missing} beside {validation or 'train'}: {cure}")
        places = {"train": "train", "validation": validation}
        classes_of = {split: subfolders(root / place) for split, place in places.items()}
        for split, other in (("train", "validation"), ("validation", "train")):
            for name in classes_of[other]:
                if name not in classes_of[split] and (classes is None or name in classes):
                    raise ReceptiveError(
                        f"{root / places[split]} has no folder of the class {name}, {root / places[other]} has: "
                        "add it, or remove the other, or name the classes to take in prepare.folder.classes"
                    )
        available = classes_of["train"]
    folders = chosen(available, classes, "folder", root)
    if len(folders) < 2:
        raise ReceptiveError(f"{root} has {len(folders)} folders of classes, two are needed: {cure}")
    if divided:
        files = {
            split: {
                name: [f"{place}/{file}" for file in of_class]
                for name, of_class in by_class(root / place, folders).items()
            }
            for split, place in places.items()
        }
    else:
        files = _split(by_class(root, folders), validation_share, seed)
    return listing("folder", root, files, folders)


def _split(files: dict[str, list[str]], share: float, seed: int) -> dict[str, dict[str, list[str]]]:
    """The files of each class by split."""
    held_back = {}
    for name, of_class in files.items():
        if len(of_class) < 2:
            raise ReceptiveError(f"class {name} has a single image and cannot be split: add some, or remove its folder")
        count = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        held_back[name] = set(sorted(of_class, key=lambda file: named_seed(seed, "split", file))[:count])
    return {
        "train": {name: [file for file in files[name] if file not in held_back[name]] for name in files},
        "validation": {name: sorted(held_back[name]) for name in files},
    }


def load(
    root: Path,
    size: int,
    stored_size: int,
    damaged: Literal["skip", "stop"],
    open_store: Callable[[int, int], ImageStore],
    classes: Sequence[str] | None = None,
    validation_share: float = 0.2,
    seed: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
) -> Prepared:
    """The tree in its prepared form; arguments are those of ``find`` and ``files.prepare_files``."""
    found = find(root, classes, validation_share, seed)
    return prepare_files(found, size, stored_size, damaged, open_store, progress)
