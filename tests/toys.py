"""Small prepared sets that several tests start from."""

import numpy as np
import pandas as pd

from receptive.datasets.prepared import Prepared, prepare


def noisy() -> Prepared:
    """Ten noisy images of two classes, with masks."""
    generator = np.random.default_rng(0)
    labels = pd.DataFrame(
        {
            "image": np.arange(10),
            "split": ["train"] * 6 + ["validation"] * 4,
            "label": np.arange(10) % 2,
            "class_name": np.array(["ant", "bee"])[np.arange(10) % 2],
        }
    )
    images = generator.integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    return prepare("toy", images, labels, ("ant", "bee"), generator.random((10, 8, 8)) < 0.4)


def shuffled() -> Prepared:
    """Images in an order of their own; the labels are a view, and two images belong to nobody."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (10, 5, 4, 3)).astype(np.uint8)
    order = np.array([7, 2, 9, 4, 0, 1, 8, 3])
    labels = pd.DataFrame(
        {
            "image": order,
            "split": ["train", "validation"] * 4,
            "label": order % 2,
            "class_name": np.array(["even", "odd"])[order % 2],
        }
    )
    return prepare("toy", images, labels, ("even", "odd"))
