"""Labels of ImageNet's validation images where these lie flat, in one folder."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from receptive.errors import ReceptiveError

DEVKIT = "ILSVRC2012_devkit_t12"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"

CURE = (
    f"put {DEVKIT}.tar.gz (or {DEVKIT}/) from https://image-net.org or Kaggle's {SOLUTION} beside it, or sort the "
    "images into folders by class"
)


def validation_labels(root: Path, folder: Path) -> dict[str, str]:
    """Name of each validation image, without its ending, to WordNet id.

    Args:
        root: The folder of the whole set. The labels lie there, or beside ``folder``: Kaggle's
            ``LOC_val_solution.csv``, or the development kit, unpacked or as .tar.gz.
        folder: The folder of the validation images.

    Raises:
        ReceptiveError: There are no labels, or they cannot be read.
    """
    for place in (root, folder.parent):
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
                meta, truth = (members.extractfile(f"{DEVKIT}/data/{name}") for name in ("meta.mat", GROUND_TRUTH))
                if meta is None or truth is None:
                    raise ValueError("the lists of labels are no files")
                return _devkit_labels(meta, truth.read().decode())
    raise ReceptiveError(f"the validation images in {folder} have no labels: {CURE}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever unreadable lists raise into an error of one line."""
    try:
        yield
    except (OSError, ValueError, LookupError, AttributeError, TypeError, EOFError, tarfile.TarError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ReceptiveError(f"{path} cannot be read ({reason}): get it again from where it came") from None


def _devkit_labels(meta: IO[bytes], truth: str) -> dict[str, str]:
    """Labels from the development kit: line i of the ground truth is the kit's own number of image i's class."""
    with meta:
        try:
            synsets = loadmat(meta, squeeze_me=True)["synsets"]
        except MatReadError as error:
            raise ValueError(error) from None
    wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    return {f"ILSVRC2012_val_{line:08d}": wnids[int(number)] for line, number in enumerate(truth.split(), 1)}
