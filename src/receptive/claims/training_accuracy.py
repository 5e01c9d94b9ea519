"""Claim 12: deeper is better, and the small task is the easier one."""

from enum import StrEnum
from typing import Any

import numpy as np
import torch

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import difference_of_shares, mcnemar, paired_difference, share
from receptive.published import ACCURACY

NUMBER = 12
TITLE = "Depth and size of the task"
STATEMENT = "The deeper VGGCNN beats AlexCNN; ten digits are an easier task than five classes of natural images."
SOURCE = "YU 3.1; TG 1.3, 2.1, 4.1"
STATISTIC = "Top-1 accuracy on the validation images, and differences of it."
CONTROL = "Chance: one over the number of classes."
RULE = (
    "Two rows decide: VGGCNN minus AlexCNN, paired over the same images (bootstrap; p of McNemar's exact test), and "
    "DigitCNN minus FiveCNN (Newcombe). Single accuracies have Wilson "
    "intervals and stand beside the papers', which are of other data and other sizes of network; so does ResNet34 "
    "minus PlainNet34, of which KS print no accuracy. Where recipes differ, the remark says how, and the row compares "
    "recipes as well as networks."
)
DEEPER, SHALLOWER = "vggcnn", "alexcnn"
DIGITS, FIVE = "digitcnn", "fivecnn"
RESIDUAL, PLAIN = "resnet34", "plainnet34"


class Quantity(StrEnum):
    """What was measured of one network, or of two."""

    ACCURACY = "top-1 accuracy"
    DIFFERENCE = "difference of top-1 accuracy"


Right = dict[str, np.ndarray]
"""Training to whether it is right about each validation image."""


def measure(study: Study) -> list[Row]:
    """Accuracies of every network, and the differences."""
    right: Right = {
        training: _right(study, training) for network in study.networks for training in study.trainings(network)
    }
    rows = []
    for first, second, same_images, decides in (
        (DEEPER, SHALLOWER, True, True),
        (DIGITS, FIVE, False, True),
        (RESIDUAL, PLAIN, True, False),
    ):
        of_first, of_second = _published(first), _published(second)
        published = None if of_first is None or of_second is None else of_first - of_second
        facts: dict[str, Any] = {"published": published, "decides": decides}
        if not (reason := study.missing(first, second)):
            rows += study.across(_difference, first, second, given=(right, same_images, facts))
        elif decides:
            rows.append(not_measured(Quantity.DIFFERENCE, reason, networks=(first, second), **facts))
    for network in study.networks:
        rows += study.across(_accuracy, network, given=(right, _published(network)))
    return rows


def _right(study: Study, training: str) -> np.ndarray:
    """Whether the network is right about each validation image."""
    subject = study.subject(training)
    labels = subject.prepared.labels.set_index("image")["label"]
    right = []
    with torch.no_grad():
        for numbers, images in subject.views(study.params.claims.batch_size):
            answers = subject.network(images).argmax(1).cpu().numpy()
            right.append(answers == labels.loc[numbers.numpy()].to_numpy())
    return np.concatenate(right)


def _accuracy(study: Study, training: str, right: Right, published: float | None) -> list[Row]:
    images, chance = len(right[training]), 1 / len(study.images(training).classes)
    estimate = share(int(right[training].sum()), images)
    facts: dict[str, Any] = {"images": images, "published": published, "decides": False}
    return [measured(Quantity.ACCURACY, estimate, "images", control=chance, threshold=chance, **facts)]


def _difference(
    study: Study, first: str, second: str, right: Right, same_images: bool, facts: dict[str, Any]
) -> list[Row]:
    of_first, of_second = right[first], right[second]
    facts = {"images": len(of_first)} | facts
    if not same_images:
        counts = int(of_first.sum()), len(of_first), int(of_second.sum()), len(of_second)
        return [measured(Quantity.DIFFERENCE, difference_of_shares(*counts), "images", **facts)]
    rng = study.chance("accuracies", len(of_first))  # random draws keep the claim's first name
    estimate = paired_difference(of_first, of_second, rng, resamples=study.params.claims.resamples)
    p_value = mcnemar(of_first, of_second)
    return [measured(Quantity.DIFFERENCE, estimate, "images, paired", p_value=p_value, **facts)]


def _published(network: str) -> float | None:
    return ACCURACY[network]["validation"] if network in ACCURACY else None
