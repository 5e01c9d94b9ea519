"""Claim 11: an image maximized from the class's mean keeps more colour and less texture than one from noise."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.image_statistics import broad_chroma, chroma, high_frequency_share, luminance
from receptive.methods.inference import paired_difference

NUMBER = 11
TITLE = "Mean and random initialisation"
STATEMENT = (
    "An image that maximizes a class's score keeps more colour and less texture when it starts from the class's mean "
    "image than when it starts from noise."
)
SOURCE = "TG 3.3, figures 3.3.1 to 3.3.3"
STATISTIC = (
    "Colour: mean chroma (CIE L*a*b*), after a blur of a sixteenth of the image's side, of the image from the mean "
    "minus that from noise. Texture: share of luminance energy above 0.25 cycles a pixel of the image from noise minus "
    "that from the mean. Pixels are clipped to what can be shown. Of noise, the mean over several draws of each class; "
    "paired over classes."
)
CONTROL = "The same differences between the starting images themselves."
RULE = (
    "AlexCNN's and VGGCNN's colour and texture decide, over classes. "
    "Noise is itself full of colour, pixel by pixel, which no eye sees as colour: the blur takes it out. Beside stands "
    "the chroma of single pixels."
)
NETWORKS = ("alexcnn", "vggcnn")
PRESET = "tg_class"
BLUR = 1 / 16
"""Sigma of the Gaussian that colour is measured behind, as a part of the image's side: 4 px of 64."""


class Quantity(StrEnum):
    """What of an image is measured."""

    COLOUR = "colour"
    TEXTURE = "texture"
    PIXELS = "colour of single pixels"


def _texture(pictures: np.ndarray) -> np.ndarray:
    return high_frequency_share(luminance(np.clip(pictures, 0, 1)))


def _colour(pictures: np.ndarray) -> np.ndarray:
    return broad_chroma(pictures, sigma=BLUR * pictures.shape[-2])


MEASURES = {Quantity.COLOUR: (_colour, 1), Quantity.TEXTURE: (_texture, -1), Quantity.PIXELS: (chroma, 1)}
"""A quantity to the function of pictures, and to the sign with which the claim has mean minus noise."""


@dataclass(frozen=True)
class ClassImages:
    """The class images of one network; pixels, start x class x y x x x channel.

    Attributes:
        classes: labels of the classes that both initialisations brought to an image.
        images, starts: by initialisation, "noise" (as many starts as were drawn) and "mean" (one); NaN where a start
            brought no image.
    """

    classes: np.ndarray
    images: dict[str, np.ndarray]
    starts: dict[str, np.ndarray]

    def shown(self, pictures: str, name: str) -> np.ndarray:
        """Of each class the first that there is: class x y x x x channel.

        Args:
            pictures: "images" or "starts".
            name: the initialisation.
        """
        made, of = self.images[name], getattr(self, pictures)[name]
        first = np.isfinite(made).all((2, 3, 4)).argmax(0)
        return of[first, np.arange(len(self.classes))]

    def means(self, of_pictures: Callable[[np.ndarray], np.ndarray], pictures: str, name: str) -> np.ndarray:
        """A measure of pictures, mean over the starts of each class: (class,)."""
        return np.nanmean(of_pictures(getattr(self, pictures)[name]), axis=0)


def measure(study: Study) -> list[Row]:
    """Colour and texture of the two networks' class images."""
    rows = []
    for network in NETWORKS:
        if reason := study.missing(network):
            rows += _not_measured(reason, networks=(network,))
            continue
        rows += study.across(_of_training, network)
    return rows


def class_images(study: Study, training: str) -> ClassImages | str:
    """The images and the very starts that stage maximize began with, or in words why there are none."""
    made = {}
    for name in ("noise", "mean"):
        by_layer = study.maximized(training, "class", PRESET, name)
        if not by_layer:
            return f"maximize.groups has no {PRESET} images of this network from both starts"
        made[name] = next(iter(by_layer.values()))
    if made["noise"].images.shape[-1] != 3:
        return "its images have no colour"
    good = [set(of.results.loc[of.results["status"] == "ok", "unit"]) for of in made.values()]
    classes = np.array(sorted(good[0] & good[1]))
    if len(classes) < 2:
        return f"{len(classes)} classes have an image from both starts"
    return ClassImages(
        classes,
        images={name: _by_start(of.results, of.images, classes) for name, of in made.items()},
        starts={name: _by_start(of.results, of.starts, classes) for name, of in made.items()},
    )


def _by_start(results: pd.DataFrame, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Pictures in the order of ``results`` as start x class x y x x x channel; NaN where there is no image."""
    ordered = np.full((int(results["start"].max()) + 1, len(classes), *pictures.shape[1:]), np.nan)
    place = {label: at for at, label in enumerate(classes.tolist())}
    for row, picture in zip(results.to_dict("records"), pictures, strict=True):
        if row["unit"] in place and row["status"] == "ok":
            ordered[row["start"], place[row["unit"]]] = picture
    return ordered


def _decides(quantity: Quantity) -> bool:
    return quantity != Quantity.PIXELS


def _not_measured(reason: str, **facts: Any) -> list[Row]:
    return [not_measured(quantity, reason, decides=_decides(quantity), **facts) for quantity in MEASURES]


def _of_training(study: Study, training: str) -> list[Row]:
    made = class_images(study, training)
    if isinstance(made, str):
        return _not_measured(made)
    rows = []
    for quantity, (of_pictures, sign) in MEASURES.items():
        estimates = {}
        for name in ("images", "starts"):
            # random draws keep the claim's first name
            rng = study.chance("initialisation", training, quantity, name)
            mean, noise = (sign * made.means(of_pictures, name, start) for start in ("mean", "noise"))
            resamples = study.params.claims.resamples
            estimates[name] = paired_difference(mean, noise, rng, method="studentized", resamples=resamples)
        rows.append(
            measured(
                quantity, estimates["images"], "classes", control=estimates["starts"], units=len(made.classes),
                decides=_decides(quantity), reason=f"{len(made.images['noise'])} starts of noise a class",
            )
        )  # fmt: skip
    return rows
