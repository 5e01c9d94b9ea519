"""The one prepared form that every data set takes: images, who is what, and their statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.errors import ReceptiveError

SPLITS = ("train", "validation")
COLUMNS = ("image", "split", "label", "class_name")

# Pixels turned into float64 at a time: 32 MB, whatever the size of the set.
_CHUNK_VALUES = 2**22

_NAMED = 20  # classes that a message lists


@dataclass(frozen=True)
class Origin:
    """Which files the images were decoded from.

    Attributes:
        files: One row an image: ``image`` (as in ``Prepared.labels``) and ``file``, its name in the set.
        damaged: One row a file that could not be decoded: ``file``, ``split``, ``class_name``, ``problem``.
        digest: Of the names and sizes of all files, damaged ones too: other files, another digest.
        decoded: The .npy file, outside the prepared folder, whose rows ``images`` reads.
    """

    files: pd.DataFrame
    damaged: pd.DataFrame
    digest: str
    decoded: Path


@dataclass(frozen=True)
class Prepared:
    """A data set as every stage reads it: raw pixels, one row a labelled image, training statistics.

    Attributes:
        name: The data set's name.
        images: uint8 pixels, 0 black and 255 full, image x height x width x channel. May be a memory map and
            may hold more images than ``labels`` names (a view of some classes).
        labels: One row an image: ``image`` (int64, the row in ``images``), ``split`` ('train' or
            'validation'), ``label`` (int64, 0 ... classes - 1) and ``class_name``.
        classes: The class name of each label.
        mean, std: Per-channel mean and standard deviation (population, not sample) of the training pixels
            scaled to [0, 1]; float64, (channel,).
        covariance: Population covariance of the channels over the same pixels; float64, channel x channel.
            Its diagonal is ``std`` squared.
        mean_image: The mean training image in [0, 1]; float32, height x width x channel.
        subject_mask: True where a pixel belongs to what the label names, image x height x width, or None
            where nobody knows.
        surround: The same images with more around: each row's centre is the row of ``images``. Random crops
            may reach all of it. None where there is no more.
        folders: The folder that each class came from (a WordNet id in ImageNet), by which ``select_classes``
            knows it too; empty where there are none.
        origin: Where the images were decoded from; None once written, and for sets without files.
    """

    name: str
    images: np.ndarray
    labels: pd.DataFrame
    classes: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    covariance: np.ndarray
    mean_image: np.ndarray
    subject_mask: np.ndarray | None = None
    surround: np.ndarray | None = None
    folders: tuple[str, ...] = ()
    origin: Origin | None = None


def prepare(
    name: str,
    images: np.ndarray,
    labels: pd.DataFrame,
    classes: Sequence[str],
    subject_mask: np.ndarray | None = None,
) -> Prepared:
    """Give a data set its prepared form by measuring the statistics of its training pixels.

    The statistics are correctly rounded from exact integer sums, so neither the order of the rows
    nor the size of the chunks can change a bit of them. Memory use does not grow with the number
    of images.

    Args:
        name: The data set's name, as messages show it.
        images: uint8, image x height x width x channel.
        labels: One row an image, with the columns of ``Prepared.labels``.
        classes: The class name of each label.
        subject_mask: bool, image x height x width, if known.

    Raises:
        ReceptiveError: If the parts do not fit together; see ``check``.
    """
    labels = labels.reset_index(drop=True)
    _check_parts(name, images, labels, tuple(classes), subject_mask)
    rows = labels.loc[labels["split"] == "train", "image"].to_numpy()
    mean, std, covariance, mean_image = _statistics(images, rows)
    return Prepared(name, images, labels, tuple(classes), mean, std, covariance, mean_image, subject_mask)


def select_classes(prepared: Prepared, classes: Sequence[str]) -> Prepared:
    """The same data set reduced to some classes, labelled 0, 1, ... in the order given.

    A class goes by its name or by its folder (``Prepared.folders``); the view has the names.
    A view: ``images`` and ``subject_mask`` are the very arrays of ``prepared``, and the ``image`` column
    still counts in them. Mean, covariance and mean image are measured anew over the chosen
    training images.

    Raises:
        ReceptiveError: If a class is unknown or named twice, if none is named, or if a split has no image of
            them.
    """
    names = dict(zip(prepared.folders, prepared.classes, strict=False))
    classes = tuple(name if name in prepared.classes else names.get(name, name) for name in classes)
    known = ", ".join(prepared.classes[:_NAMED]) + (", ..." if len(prepared.classes) > _NAMED else "")
    if not classes:
        raise ReceptiveError(f"no class of '{prepared.name}' is chosen: name some of {known}")
    for name in classes:
        if name not in prepared.classes:
            raise ReceptiveError(f"unknown class '{name}' of '{prepared.name}': choose among {known}")
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise ReceptiveError(f"class '{twice}' of '{prepared.name}' is chosen twice: name each class once")
    labels = prepared.labels[prepared.labels["class_name"].isin(classes)].reset_index(drop=True)
    number = {name: label for label, name in enumerate(classes)}
    labels["label"] = labels["class_name"].map(number).astype(np.int64)
    view = prepare(prepared.name, prepared.images, labels, classes, prepared.subject_mask)
    folders = dict(zip(prepared.classes, prepared.folders, strict=False))
    return replace(
        view, surround=prepared.surround, folders=tuple(folders[name] for name in classes) if folders else ()
    )


def centre_view(images: np.ndarray, side: int) -> np.ndarray:
    """The centre square of every image, ``side`` px; the same memory, nothing is read.

    Raises:
        ReceptiveError: The images are no squares of ``side`` or an even number of px more.
    """
    margin = images.shape[1] - side if images.ndim == 4 else -1
    if margin < 0 or margin % 2 or images.shape[1] != images.shape[2]:
        raise ReceptiveError(f"images of shape {images.shape} have no centre view of {side} px: prepare them anew")
    return images[:, margin // 2 : margin // 2 + side, margin // 2 : margin // 2 + side]


def check(prepared: Prepared) -> None:
    """Refuse a prepared set whose parts do not fit together, for instance one read from damaged files.

    Raises:
        ReceptiveError: If ``images`` are not uint8 image x height x width x channel; if a label column
            is missing or has another type, an image is named twice or does not exist, a split is unknown or
            empty, or a label and its class name disagree; if the mask or a statistic has another shape or
            type, or a statistic is not finite.
    """
    _check_parts(prepared.name, prepared.images, prepared.labels, prepared.classes, prepared.subject_mask)
    _, *image_shape, channels = prepared.images.shape
    if prepared.surround is not None and prepared.surround.dtype != np.uint8:
        raise _misfit(prepared.name, f"the surround is {prepared.surround.dtype}, not uint8")
    if prepared.folders and len(prepared.folders) != len(prepared.classes):
        raise _misfit(prepared.name, f"there are {len(prepared.folders)} folders of {len(prepared.classes)} classes")
    expected = {
        "mean": ((channels,), np.float64),
        "std": ((channels,), np.float64),
        "covariance": ((channels, channels), np.float64),
        "mean_image": ((*image_shape, channels), np.float32),
    }
    for field, (shape, dtype) in expected.items():
        value = getattr(prepared, field)
        if value.shape != shape or value.dtype != dtype:
            found = f"{value.dtype} {value.shape}"
            raise _misfit(prepared.name, f"{field} is {found}, not {np.dtype(dtype)} {shape}")
        if not np.isfinite(value).all():
            raise _misfit(prepared.name, f"{field} is not finite")


def _misfit(name: str, cause: str) -> ReceptiveError:
    return ReceptiveError(f"data set '{name}' does not fit together: {cause}; prepare it anew")


def _check_parts(
    name: str,
    images: np.ndarray,
    labels: pd.DataFrame,
    classes: tuple[str, ...],
    subject_mask: np.ndarray | None,
) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
        found = f"{images.dtype} {images.shape}"
        raise _misfit(name, f"images are {found}, not uint8 (image, height, width, channel)")
    if not classes or len(set(classes)) < len(classes):
        raise _misfit(name, f"classes {classes} are empty or not distinct")
    for column in COLUMNS:
        if column not in labels.columns:
            raise _misfit(name, f"labels lack the column '{column}'")
        if column in ("image", "label") and labels[column].dtype != np.int64:
            raise _misfit(name, f"column '{column}' of the labels is {labels[column].dtype}, not int64")
    for split in SPLITS:
        if not (labels["split"] == split).any():
            raise _misfit(name, f"no image belongs to the split '{split}'")
    if not labels["split"].isin(SPLITS).all():
        raise _misfit(name, f"a split is neither of {', '.join(SPLITS)}")
    if not labels["image"].between(0, len(images) - 1).all():
        raise _misfit(name, f"labels name an image outside 0 ... {len(images) - 1}")
    if labels["image"].duplicated().any():
        raise _misfit(name, "labels name an image twice")
    if not labels["label"].between(0, len(classes) - 1).all():
        raise _misfit(name, f"a label is outside 0 ... {len(classes) - 1}")
    if (labels["class_name"].to_numpy() != np.array(classes, dtype=object)[labels["label"]]).any():
        raise _misfit(name, "a class name is not the one of its label")
    if subject_mask is not None and (subject_mask.dtype != np.bool_ or subject_mask.shape != images.shape[:3]):
        found = f"{subject_mask.dtype} {subject_mask.shape}"
        raise _misfit(name, f"the subject mask is {found}, not bool {images.shape[:3]}")


def _statistics(images: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean, std, covariance and mean image of ``images[rows]`` scaled to [0, 1]; see ``Prepared``."""
    channels = images.shape[-1]
    image_sum = np.zeros(images.shape[1:], dtype=np.int64)
    product_sum = np.zeros((channels, channels), dtype=np.int64)
    for chunk in _chunks(images, rows):
        image_sum += chunk.sum(axis=0, dtype=np.int64)
        # Products of bytes summed over 2^22 values stay far below 2^53: exact in float64, where
        # the matrix product is fast, and so independent of the order of summation.
        pixels = chunk.reshape(-1, channels).astype(np.float64)
        product_sum += (pixels.T @ pixels).astype(np.int64)

    # Python's integers do not overflow, and their quotient is correctly rounded.
    pixel_count = len(rows) * images.shape[1] * images.shape[2]
    sums = [int(total) for total in image_sum.sum(axis=(0, 1))]
    mean = np.array([total / (255 * pixel_count) for total in sums])
    covariance = np.array(
        [
            [
                (pixel_count * int(product_sum[p, q]) - sums[p] * sums[q]) / (255 * pixel_count) ** 2
                for q in range(channels)
            ]
            for p in range(channels)
        ]
    )
    mean_image = (image_sum / (255 * len(rows))).astype(np.float32)
    return mean, np.sqrt(np.diagonal(covariance)), covariance, mean_image


def _chunks(images: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    images_a_chunk = max(1, _CHUNK_VALUES // int(np.prod(images.shape[1:])))
    for first in range(0, len(rows), images_a_chunk):
        yield images[rows[first : first + images_a_chunk]]


def first_validation_image(prepared: Prepared, class_name: str | None = None) -> int:
    """Number of the first validation image of a class; without a name, of the class with label 0.

    Raises:
        ReceptiveError: the set has no such class, or no validation image of it.
    """
    wanted = class_name or prepared.classes[0]
    if wanted not in prepared.classes:
        raise ReceptiveError(f"{prepared.name} has no class '{wanted}': choose one of {', '.join(prepared.classes)}")
    rows = prepared.labels[(prepared.labels["split"] == "validation") & (prepared.labels["class_name"] == wanted)]
    if rows.empty:
        raise ReceptiveError(f"{prepared.name} has no validation image of class '{wanted}': choose another class")
    return int(rows["image"].iloc[0])
