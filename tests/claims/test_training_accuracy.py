"""Claim 12 on networks that are right about images chosen beforehand: intervals and tests as tables give them."""

import numpy as np
import pandas as pd
import planted
import pytest
import torch
from planted import pick
from scipy.stats import binomtest
from torch import nn

from receptive.claims import training_accuracy
from receptive.claims.row import overall
from receptive.claims.training_accuracy import Quantity

IMAGES, CLASSES = 200, 4
LABELS = np.arange(IMAGES) % CLASSES


class Answers(nn.Module):
    """Gives image number i (which is its only pixel, normalised by ``planted.subject``) the class ``answers[i]``."""

    def __init__(self, answers: np.ndarray):
        super().__init__()
        self.answers = torch.from_numpy(answers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        numbers = ((images[:, 0, 0, 0] / 4 + planted.MEAN[0]) * 255).round().long()
        return torch.eye(CLASSES)[self.answers[numbers]]


def study(wrong: dict[str, range], trainings=None):
    """Networks that are wrong about these images; the table of labels is in another order than the images."""
    order = np.arange(IMAGES)[::-1]
    labels = pd.DataFrame({"image": order, "split": "validation", "label": LABELS[order]})
    shown = planted.prepared(np.arange(IMAGES, dtype=np.uint8)[:, None, None, None], labels)

    def load(params, training, trained):
        assert trained
        answers = LABELS.copy()
        answers[list(wrong[training])] = (answers[list(wrong[training])] + 1) % CLASSES
        return planted.subject(training, shown, Answers(answers))

    return planted.study(trainings or list(wrong), seed=1, prepared=lambda dataset, classes: shown, load=load)


def measure(wrong, trainings=None):
    return training_accuracy.measure(study(wrong, trainings))


def test_a_deeper_network_that_is_right_more_often():
    rows = measure({"alexcnn": range(60), "vggcnn": range(50, 70), "digitcnn": range(4), "fivecnn": range(40)})
    for network, right in {"alexcnn": 140, "vggcnn": 180, "digitcnn": 196, "fivecnn": 160}.items():
        row = pick(rows, network, Quantity.ACCURACY)
        interval = binomtest(right, IMAGES).proportion_ci(method="wilson")
        assert (row.value, row.low, row.high) == pytest.approx((right / IMAGES, interval.low, interval.high))
        assert (row.control, row.threshold, row.images, row.decides) == (1 / CLASSES, 1 / CLASSES, IMAGES, False)
    deeper = pick(rows, "vggcnn - alexcnn", Quantity.DIFFERENCE)
    assert deeper.published == pytest.approx(0.131, abs=1e-3)  # YU, table 1: 0.705 and 0.574
    assert deeper.value == pytest.approx(0.2)
    # 50 images are right for VGGCNN alone, 10 for AlexCNN alone: McNemar's exact test is a sign test on these
    assert deeper.p_value == pytest.approx(binomtest(10, 60, 0.5).pvalue)
    # per image the difference is +1 for 50, -1 for 10, else 0: the interval is about 2 standard errors wide
    error = np.sqrt((60 / 200 - 0.2**2) / 200)
    assert (deeper.low, deeper.high) == pytest.approx((0.2 - 1.96 * error, 0.2 + 1.96 * error), abs=0.02)
    small = pick(rows, "digitcnn - fivecnn", Quantity.DIFFERENCE)
    assert small.value == pytest.approx(0.18)
    assert (small.over, small.p_value) == ("images", None)  # as many images, but not the same ones
    assert [row.network for row in rows if row.decides] == ["vggcnn - alexcnn", "digitcnn - fivecnn"]
    assert overall(rows) == "supported"


def test_equal_networks_decide_nothing_and_worse_ones_contradict():
    equal = {"alexcnn": range(20), "vggcnn": range(20, 40), "digitcnn": range(10), "fivecnn": range(10)}
    assert [row.verdict for row in measure(equal) if row.decides] == ["undecided", "undecided"]
    worse = {"alexcnn": range(5), "vggcnn": range(90), "digitcnn": range(90), "fivecnn": range(5)}
    assert overall(measure(worse)) == "contradicted"


def test_missing_networks_are_named():
    rows = measure({"vggcnn": range(9), "resnet34": range(9), "plainnet34": range(99)})
    assert pick(rows, "vggcnn - alexcnn", Quantity.DIFFERENCE).reason == "alexcnn is not in this study"
    assert pick(rows, "digitcnn - fivecnn", Quantity.DIFFERENCE).verdict == "not measured"
    residual = pick(rows, "resnet34 - plainnet34", Quantity.DIFFERENCE)
    assert residual.value == pytest.approx(0.45)
    assert not residual.decides


def test_several_trainings_are_one_row_over_trainings():
    wrong = {"alexcnn": range(60), "alexcnn-2": range(40), "vggcnn": range(20), "vggcnn-2": range(30)}
    rows = measure(wrong, planted.repeated("alexcnn", "vggcnn", times=2))
    row = pick(rows, "vggcnn - alexcnn", Quantity.DIFFERENCE)
    assert row.value == pytest.approx((0.2 + 0.05) / 2)  # of each pair of trainings, in order
    assert (row.repeats, row.over) == (2, "trainings and images, paired")
    assert pick(rows, "alexcnn", Quantity.ACCURACY).value == pytest.approx(0.75)
