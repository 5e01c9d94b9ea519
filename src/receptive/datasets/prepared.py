"""The prepared form that every data set takes: images, their labels, and statistics of the training pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.datasets.rules import COLUMNS, SPLITS, check_parts, check_statistics, misfit
from receptive.datasets.statistics import Statistics, pixel_statistics
from receptive.errors import ReceptiveError

__all__ = [
    "COLUMNS",
    "SPLITS",
    "Origin",
    "Prepared",
    "centre_view",
    "check",
    "first_validation_image",
    "prepare",
    "select_classes",
]

_CLASSES_NAMED = 20  # classes that a message lists


@dataclass(frozen=True)
class Origin:
    """Which files the images were decoded from.

    Attributes:
        files: One row per image: ``image`` (as in ``Prepared.labels``) and ``file``, its name in the set.
        damaged: One row per file that could not be decoded: ``file``, ``split``, ``class_name``, ``problem``.
        digest: Of the names and sizes of all files, damaged ones too. Other files have another digest.
        decoded: The .npy file, outside the prepared folder, whose rows ``images`` reads.
    """

    files: pd.DataFrame
    damaged: pd.DataFrame
    digest: str
    decoded: Path


@dataclass(frozen=True)
class Prepared:
    """A data set as every stage reads it: raw pixels, one row per labelled image, training statistics.

    Attributes:
        name: The data set's name.
        images: uint8 pixels, 0 black and 255 full, image x height x width x channel. May be a memory map. May
            hold more images than ``labels`` names (a view of some classes).
        labels: One row per image: ``image`` (int64, the row in ``images``), ``split`` ('train' or
            'validation'), ``label`` (int64, 0 ... classes - 1) and ``class_name``.
        classes: The class name of each label.
        mean, std: Per-channel mean and standard deviation (population, not sample) of the training pixels
            scaled to [0, 1]; float64, (channel,).
        covariance: Population covariance of the channels over the same pixels; float64, channel x channel.
            Its diagonal is ``std`` squared.
        mean_image: The mean training image in [0, 1]; float32, height x width x channel.
        subject_mask: bool, image x height x width: True where a pixel belongs to what the label names. None
            where this is not known.
        surround: The same images with a margin around them; the centre of row i is row i of ``images``. Random
            crops may reach all of it. None where there is no margin.
        folders: The folder of each class (a WordNet id in ImageNet), by which ``select_classes`` finds it too.
            Empty where classes have no folders.
        origin: Which files the images were decoded from. None once written, and for sets without files.
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
    """Give a data set its prepared form: measure the statistics of its training pixels.

    Args:
        name: The data set's name, as messages show it.
        images: uint8, image x height x width x channel.
        labels: One row per image, with the columns of ``Prepared.labels``.
        classes: The class name of each label.
        subject_mask: bool, image x height x width, if known.

    Raises:
        ReceptiveError: The parts do not fit together; see ``rules.check_parts``.
    """
    labels = labels.reset_index(drop=True)
    check_parts(name, images, labels, tuple(classes), subject_mask)
    rows = labels.loc[labels["split"] == "train", "image"].to_numpy()
    return Prepared(name, images, labels, tuple(classes), *pixel_statistics(images, rows), subject_mask)


def select_classes(prepared: Prepared, classes: Sequence[str]) -> Prepared:
    """The same data set reduced to some classes, labelled 0, 1, ... in the order given.

    This is a view: ``images`` and ``subject_mask`` are the arrays of ``prepared``, and the column ``image``
    still counts their rows. Mean, covariance and mean image are measured anew over the chosen training images.

    Args:
        prepared: The whole set.
        classes: Names or folders (``Prepared.folders``) of classes; the view has their names.

    Raises:
        ReceptiveError: A class is unknown or named twice, none is named, or a split has no image of them.
    """
    name_of_folder = dict(zip(prepared.folders, prepared.classes, strict=False))
    classes = tuple(name if name in prepared.classes else name_of_folder.get(name, name) for name in classes)
    choice = ", ".join(prepared.classes[:_CLASSES_NAMED])
    if len(prepared.classes) > _CLASSES_NAMED:
        choice += ", ..."
    if not classes:
        raise ReceptiveError(f"no class of '{prepared.name}' is chosen: name some of {choice}")
    for name in classes:
        if name not in prepared.classes:
            raise ReceptiveError(f"unknown class '{name}' of '{prepared.name}': choose among {choice}")
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise ReceptiveError(f"class '{twice}' of '{prepared.name}' is chosen twice: name each class once")
    labels = prepared.labels[prepared.labels["class_name"].isin(classes)].reset_index(drop=True)
    label_of_name = {name: label for label, name in enumerate(classes)}
    labels["label"] = labels["class_name"].map(label_of_name).astype(np.int64)
    view = prepare(prepared.name, prepared.images, labels, classes, prepared.subject_mask)
    folder_of_name = dict(zip(prepared.classes, prepared.folders, strict=False))
    folders = tuple(folder_of_name[name] for name in classes) if folder_of_name else ()
    return replace(view, surround=prepared.surround, folders=folders)


def centre_view(images: np.ndarray, side: int) -> np.ndarray:
    """The centre square of every image, ``side`` px: a view of the same memory, nothing is read.

    Raises:
        ReceptiveError: The images are not squares of ``side`` px or an even number of px more.
    """
    margin = images.shape[1] - side if images.ndim == 4 else -1
    if margin < 0 or margin % 2 or images.shape[1] != images.shape[2]:
        raise ReceptiveError(f"images of shape {images.shape} have no centre view of {side} px: prepare them anew")
    return images[:, margin // 2 : margin // 2 + side, margin // 2 : margin // 2 + side]


def check(prepared: Prepared) -> None:
    """Refuse a prepared set whose parts do not fit together, for instance one read from damaged files.

    Raises:
        ReceptiveError: As ``rules.check_parts`` and ``rules.check_statistics`` say; or the surround is not
            uint8, or not every class has a folder.
    """
    check_parts(prepared.name, prepared.images, prepared.labels, prepared.classes, prepared.subject_mask)
    if prepared.surround is not None and prepared.surround.dtype != np.uint8:
        raise misfit(prepared.name, f"the surround is {prepared.surround.dtype}, not uint8")
    if prepared.folders and len(prepared.folders) != len(prepared.classes):
        raise misfit(prepared.name, f"there are {len(prepared.folders)} folders of {len(prepared.classes)} classes")
    statistics = Statistics(prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    check_statistics(prepared.name, prepared.images.shape[1:], statistics)


def first_validation_image(prepared: Prepared, class_name: str | None = None) -> int:
    """Number of the first validation image of a class; without a name, of the class with label 0.

    Raises:
        ReceptiveError: The set has no such class, or no validation image of it.
    """
    wanted = class_name or prepared.classes[0]
    if wanted not in prepared.classes:
        raise ReceptiveError(f"{prepared.name} has no class '{wanted}': choose one of {', '.join(prepared.classes)}")
    rows = prepared.labels[(prepared.labels["split"] == "validation") & (prepared.labels["class_name"] == wanted)]
    if rows.empty:
        raise ReceptiveError(f"{prepared.name} has no validation image of class '{wanted}': choose another class")
    return int(rows["image"].iloc[0])
