"""Claim 11: an image maximized from the class's mean keeps more colour and less texture than one from noise."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

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
    "Colour: mean chroma (CIE L*a*b*) of the image from the mean minus that from noise. Texture: share of luminance "
    "energy above 0.25 cycles a pixel of the image from noise minus that from the mean. Pixels are clipped to what can "
    "be shown; paired over classes."
)
CONTROL = "The same differences between the starting images themselves."
RULE = (
    "AlexCNN's and VGGCNN's colour and texture decide: supported where all four intervals over classes lie above 0. "
    "Noise is itself full of colour, pixel by pixel; beside stands the chroma after a blur of 4 px, which is colour "
    "that an eye sees as colour."
)
NETWORKS = ("alexcnn", "vggcnn")
PRESET = "tg_class"


class Quantity(StrEnum):
    """What of an image is measured."""

    COLOUR = "colour"
    TEXTURE = "texture"
    BROAD_COLOUR = "colour of broad areas"


def _texture(pictures: np.ndarray) -> np.ndarray:
    return high_frequency_share(luminance(np.clip(pictures, 0, 1)))


MEASURES = {Quantity.COLOUR: (chroma, 1), Quantity.TEXTURE: (_texture, -1), Quantity.BROAD_COLOUR: (broad_chroma, 1)}
"""A quantity to the function of pictures, and to the sign with which the claim has mean minus noise."""


@dataclass(frozen=True)
class ClassImages:
    """The class images of one network; pixels, class x y x x x channel.

    Attributes:
        classes: labels of the classes that both starts brought to an image.
        images, starts: by initialisation, "noise" and "mean".
    """

    classes: np.ndarray
    images: dict[str, np.ndarray]
    starts: dict[str, np.ndarray]


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
    labels = {name: of.results["unit"].to_numpy() for name, of in made.items()}
    good = [set(labels[name][of.results["status"].to_numpy() == "ok"]) for name, of in made.items()]
    classes = np.array(sorted(good[0] & good[1]))
    if len(classes) < 2:
        return f"{len(classes)} classes have an image from both starts"
    places = {name: [int(np.flatnonzero(of == label)[0]) for label in classes] for name, of in labels.items()}
    return ClassImages(
        classes,
        images={name: of.images[places[name]] for name, of in made.items()},
        starts={name: of.starts[places[name]] for name, of in made.items()},
    )


def _decides(quantity: Quantity) -> bool:
    return quantity != Quantity.BROAD_COLOUR


def _not_measured(reason: str, **facts: Any) -> list[Row]:
    return [not_measured(quantity, reason, decides=_decides(quantity), **facts) for quantity in MEASURES]


def _of_training(study: Study, training: str) -> list[Row]:
    made = class_images(study, training)
    if isinstance(made, str):
        return _not_measured(made)
    rows = []
    for quantity, (of_pictures, sign) in MEASURES.items():
        estimates = {}
        for name, pictures in (("images", made.images), ("starts", made.starts)):
            # random draws keep the claim's first name
            rng = study.chance("initialisation", training, quantity, name)
            mean, noise = (sign * of_pictures(pictures[start]) for start in ("mean", "noise"))
            estimates[name] = paired_difference(mean, noise, rng, resamples=study.params.claims.resamples)
        rows.append(
            measured(
                quantity, estimates["images"], "classes", control=estimates["starts"], units=len(made.classes),
                decides=_decides(quantity),
            )
        )  # fmt: skip
    return rows
