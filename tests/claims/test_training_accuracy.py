"""Claim 12 on networks that are right about images chosen beforehand: intervals and tests as tables give them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from receptive import loading
from receptive.claims import Study, overall
from receptive.claims import training_accuracy as accuracies
from receptive.io import artifacts

IMAGES, CLASSES = 200, 4


class Answers(nn.Module):
    """Says of image number i (that is its only pixel) the class ``said[i]``."""

    def __init__(self, said: np.ndarray):
        super().__init__()
        self.said = torch.from_numpy(said)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.eye(CLASSES)[self.said[images[:, 0, 0, 0].long()]]


@pytest.fixture
def planted(monkeypatch):
    """Puts networks in place of trained ones: by training the numbers of the images that it gets wrong."""
    labels = np.arange(IMAGES) % CLASSES

    def plant(wrong: dict[str, range], trainings: int = 1) -> Study:
        def network(name):
            said = labels.copy()
            said[list(wrong[name])] = (said[list(wrong[name])] + 1) % CLASSES
            return Answers(said), nn.Identity(), {}

        def batches(prepared, split, size, device):
            assert split == "validation"
            return SimpleNamespace(numbers=np.arange(IMAGES), size=size)

        def normalised(found, normalisation):
            for first in range(0, IMAGES, found.size):
                numbers = torch.arange(first, min(first + found.size, IMAGES))
                yield numbers, numbers.float()[:, None, None, None]

        images = SimpleNamespace(labels=pd.DataFrame({"image": np.arange(IMAGES)[::-1], "label": labels[::-1]}))
        monkeypatch.setattr(artifacts, "read_network", network)
        monkeypatch.setattr(artifacts, "read_images", lambda params, name: images)
        monkeypatch.setattr(artifacts, "read_description", lambda name: {"classes": ["a", "b", "c", "d"]})
        monkeypatch.setattr(loading, "Batches", batches)
        monkeypatch.setattr(loading, "normalised", normalised)
        names = [name for name in wrong if "-" not in name]
        settings = SimpleNamespace(batch_size=64, resamples=500)
        copies = [""] + [f"-{k}" for k in range(2, trainings + 1)]
        return Study(
            SimpleNamespace(
                models=names, seed=1, device="cpu", claims=settings, trainings=lambda name: [name + c for c in copies]
            )
        )

    return plant


def by_name(rows):
    return {(row.network, row.what): row for row in rows}


def test_a_deeper_network_that_is_right_more_often(planted):
    study = planted({"alexcnn": range(60), "vggcnn": range(50, 70), "digitcnn": range(4), "fivecnn": range(40)})
    rows = accuracies.measure(study)
    found = by_name(rows)
    for network, right in {"alexcnn": 140, "vggcnn": 180, "digitcnn": 196, "fivecnn": 160}.items():
        row = found[network, "top-1 accuracy"]
        interval = binomtest(right, IMAGES).proportion_ci(method="wilson")
        assert (row.value, row.low, row.high) == pytest.approx((right / IMAGES, interval.low, interval.high))
        assert (row.control, row.threshold, row.images, row.decides) == (1 / CLASSES, 1 / CLASSES, IMAGES, False)
    deeper = found["vggcnn - alexcnn", "difference of top-1 accuracy"]
    assert deeper.published == pytest.approx(0.131, abs=1e-3)  # YU, table 1: 0.705 and 0.574
    assert deeper.value == pytest.approx(0.2)
    # 50 images are right for VGGCNN alone, 10 for AlexCNN alone: McNemar's exact test is a sign test on these
    assert deeper.p_value == pytest.approx(binomtest(10, 60, 0.5).pvalue)
    # per image the difference is +1 for 50, -1 for 10, else 0: the interval is about 2 standard errors wide
    error = np.sqrt((60 / 200 - 0.2**2) / 200)
    assert (deeper.low, deeper.high) == pytest.approx((0.2 - 1.96 * error, 0.2 + 1.96 * error), abs=0.02)
    small = found["digitcnn - fivecnn", "difference of top-1 accuracy"]
    assert small.value == pytest.approx(0.18)
    assert (small.over, small.p_value) == ("images", None)  # as many images, but not the same ones
    assert [row.decides for row in rows[:2]] == [True, True]
    assert overall(rows) == "supported"


def test_equal_networks_decide_nothing_and_worse_ones_contradict(planted):
    equal = planted({"alexcnn": range(20), "vggcnn": range(20, 40), "digitcnn": range(10), "fivecnn": range(10)})
    rows = accuracies.measure(equal)
    assert [row.verdict for row in rows[:2]] == ["undecided", "undecided"]
    worse = planted({"alexcnn": range(5), "vggcnn": range(90), "digitcnn": range(90), "fivecnn": range(5)})
    assert overall(accuracies.measure(worse)) == "contradicted"


def test_what_is_not_there_is_said(planted):
    rows = by_name(accuracies.measure(planted({"vggcnn": range(9), "resnet34": range(9), "plainnet34": range(99)})))
    assert rows["vggcnn - alexcnn", "difference of top-1 accuracy"].reason == "alexcnn is not in this study"
    assert rows["digitcnn - fivecnn", "difference of top-1 accuracy"].verdict == "not measured"
    residual = rows["resnet34 - plainnet34", "difference of top-1 accuracy"]
    assert residual.value == pytest.approx(0.45)
    assert not residual.decides


def test_several_trainings_are_one_row_over_seeds(planted):
    wrong = {"alexcnn": range(60), "alexcnn-2": range(40), "vggcnn": range(20), "vggcnn-2": range(30)}
    found = by_name(accuracies.measure(planted(wrong, trainings=2)))
    row = found["vggcnn - alexcnn", "difference of top-1 accuracy"]
    assert row.value == pytest.approx((0.2 + 0.05) / 2)  # of each pair of trainings, in order
    assert (row.seeds, row.over) == (2, "seeds and images, paired")
    assert found["alexcnn", "top-1 accuracy"].value == pytest.approx(0.75)
