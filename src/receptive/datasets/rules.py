"""What the parts of a prepared data set must be, so that they fit together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from receptive.datasets.statistics import Statistics
from receptive.errors import ReceptiveError

SPLITS = ("train", "validation")
COLUMNS = ("image", "split", "label", "class_name")


def misfit(name: str, cause: str) -> ReceptiveError:
    """The error that says why data set ``name`` does not fit together."""
    return ReceptiveError(f"data set '{name}' does not fit together: {cause}; prepare it anew")


def check_parts(
    name: str,
    images: np.ndarray,
    labels: pd.DataFrame,
    classes: tuple[str, ...],
    subject_mask: np.ndarray | None,
) -> None:
    """Refuse images, labels, classes and masks that do not fit together; see ``Prepared`` for what they are.

    Raises:
        ReceptiveError: ``images`` are not uint8, image x height x width x channel. A label column is missing or
            has another type. An image is named twice or does not exist. A split is unknown or empty. A label and
            its class name disagree. The mask has another shape or type.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
        raise misfit(name, f"images are {images.dtype} {images.shape}, not uint8 (image, height, width, channel)")
    if not classes or len(set(classes)) < len(classes):
        raise misfit(name, f"classes {classes} are empty or not distinct")
    for column in COLUMNS:
        if column not in labels.columns:
            raise misfit(name, f"labels lack the column '{column}'")
        if column in ("image", "label") and labels[column].dtype != np.int64:
            raise misfit(name, f"column '{column}' of the labels is {labels[column].dtype}, not int64")
    for split in SPLITS:
        if not (labels["split"] == split).any():
            raise misfit(name, f"no image belongs to the split '{split}'")
    if not labels["split"].isin(SPLITS).all():
        raise misfit(name, f"a split is neither of {', '.join(SPLITS)}")
    if not labels["image"].between(0, len(images) - 1).all():
        raise misfit(name, f"labels name an image outside 0 ... {len(images) - 1}")
    if labels["image"].duplicated().any():
        raise misfit(name, "labels name an image twice")
    if not labels["label"].between(0, len(classes) - 1).all():
        raise misfit(name, f"a label is outside 0 ... {len(classes) - 1}")
    if (labels["class_name"].to_numpy() != np.array(classes, dtype=object)[labels["label"]]).any():
        raise misfit(name, "a class name is not the one of its label")
    if subject_mask is not None and (subject_mask.dtype != np.bool_ or subject_mask.shape != images.shape[:3]):
        raise misfit(
            name, f"the subject mask is {subject_mask.dtype} {subject_mask.shape}, not bool {images.shape[:3]}"
        )


def check_statistics(name: str, image_shape: tuple[int, ...], statistics: Statistics) -> None:
    """Refuse statistics that are not those of images of ``image_shape``, (height, width, channel).

    Raises:
        ReceptiveError: One has another shape or type, or is not finite.
    """
    channels = image_shape[-1]
    expected = {
        "mean": ((channels,), np.float64),
        "std": ((channels,), np.float64),
        "covariance": ((channels, channels), np.float64),
        "mean_image": (image_shape, np.float32),
    }
    for field, (shape, dtype) in expected.items():
        value = getattr(statistics, field)
        if value.shape != shape or value.dtype != dtype:
            raise misfit(name, f"{field} is {value.dtype} {value.shape}, not {np.dtype(dtype)} {shape}")
        if not np.isfinite(value).all():
            raise misfit(name, f"{field} is not finite")
