"""Claim 8 on tables with a planted rise, and without one."""

import numpy as np
import planted
import pytest
from planted import pick, purities

from receptive.claims import embedding_purity
from receptive.claims.embedding_purity import Quantity
from receptive.claims.row import overall
from receptive.methods.embedding_purity import nearest_neighbours, purity_difference


def measure(made, trainings=None):
    study = planted.study(
        trainings or list(made),
        embedding=lambda training, table: made[training][table],
        neighbours=lambda training: made[training]["neighbours"],
    )
    return embedding_purity.measure(study)


def test_a_planted_rise_is_found_and_its_controls_subtracted():
    rows = measure({"vggcnn": purities({"trained": 0.6, "untrained": 0.1, "pixels": 0.2})})
    for quantity, beyond, expected, control in (
        (Quantity.MAPPED, "untrained", 0.25, 0.05),  # from the second layer to the third: half of the whole rise
        (Quantity.MAPPED, "pixels", 0.2, 0.1),
        (Quantity.WHOLE, "untrained", 0.5, 0.1),
        (Quantity.WHOLE, "pixels", 0.4, 0.2),
    ):
        row = pick(rows, "vggcnn", quantity, beyond=beyond)
        assert row.value == pytest.approx(expected, abs=0.02)
        assert row.control == pytest.approx(control, abs=0.02)
        assert row.low < expected < row.high
        assert row.high - row.low < 0.1
        assert (row.images, row.over, row.verdict) == (200, "images", "supported")
        assert row.decides == (quantity == Quantity.MAPPED)
    assert overall(rows) == "supported"


def test_what_seeing_more_explains_is_no_support():
    rows = measure({"vggcnn": purities({"trained": 0.3, "untrained": 0.0, "pixels": 0.6})})
    assert pick(rows, "vggcnn", Quantity.MAPPED, beyond="untrained").verdict == "supported"
    assert pick(rows, "vggcnn", Quantity.MAPPED, beyond="pixels").verdict == "contradicted"
    assert overall(rows) == "mixed"


def test_without_the_papers_network_the_others_are_shown_and_decide_nothing():
    rows = measure({"alexcnn": purities({"trained": 0.6, "untrained": 0.1, "pixels": 0.2})})
    assert overall(rows) == "not measured"
    assert {row.reason for row in rows if row.decides} == {"vggcnn is not in this study"}
    assert [row.network for row in rows if row.value is not None] == ["alexcnn"] * 4


def test_one_mapped_layer_leaves_the_first_and_last_convolution():
    rows = measure({"vggcnn": purities({"trained": 0.6, "untrained": 0.1, "pixels": 0.2}, mapped=("c5",))})
    assert pick(rows, "vggcnn", Quantity.MAPPED, beyond="pixels").reason == "c1 to c5"


@pytest.mark.slow
def test_several_trainings_speak_over_trainings():
    made = {
        name: purities({"trained": rise, "untrained": 0.1, "pixels": 0.2}, seed)
        for seed, (name, rise) in enumerate({"vggcnn": 0.6, "vggcnn-2": 0.7, "vggcnn-3": 0.65}.items())
    }
    rows = measure(made, planted.repeated("vggcnn", times=3))
    row = pick(rows, "vggcnn", Quantity.MAPPED, beyond="pixels")
    assert (row.over, row.repeats) == ("trainings and images", 3)
    assert row.value == pytest.approx((0.2 + 0.25 + 0.225) / 3, abs=0.02)


# ---------------------------------------------------------------- the interval, simulated

KEPT = 10
CENTRES = np.random.default_rng(5).normal(size=(4, 10, 20))
"""Of each space the centres of ten classes."""


def spaces(rng, images: int, separations):
    """Labels, and the neighbours in four spaces that all see the same content of an image, and classes so far apart."""
    labels, content = rng.integers(0, 10, images), rng.normal(size=(images, 20))
    near = []
    for separation, centres in zip(separations, CENTRES, strict=True):
        vectors = separation * centres[labels] + content + 0.5 * rng.normal(size=(images, 20))
        near.append(nearest_neighbours(vectors, KEPT)[0])
    return labels, near


def rises(separations, times: int, images: int = 200):
    """The rise of one pair of spaces minus that of the other, over and over, each from new images."""
    rng = np.random.default_rng(8)
    found = []
    for _ in range(times):
        labels, near = spaces(rng, images, separations)
        found.append(purity_difference(labels, list(zip((1.0, -1.0, -1.0, 1.0), near, strict=True))))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("separations", [(0.3, 0.3, 0.3, 0.3), (0.8, 0.3, 0.3, 0.3), (0.0, 0.0, 0.0, 0.0)])
def test_the_interval_covers_the_rise_although_images_share_neighbours(separations):
    """The truth is the mean over all sets of so many images; the images' own purities alone cover far less."""
    times = 400
    found = rises(separations, times)
    truth = found[:, 0].mean()
    assert np.mean((found[:, 1] <= truth) & (truth <= found[:, 2])) >= 0.93
    if separations[0] == 0.3:  # no rise: two equal pairs of spaces
        called = (found[:, 1] > 0) | (found[:, 2] < 0)
        assert called.mean() <= 0.07


@pytest.mark.slow
def test_shuffled_labels_are_called_no_more_often_than_promised_and_a_planted_rise_is_found():
    rng, called = np.random.default_rng(9), 0
    labels, near = spaces(rng, 200, (0.8, 0.3, 0.3, 0.3))
    signed = list(zip((1.0, -1.0, -1.0, 1.0), near, strict=True))
    assert purity_difference(labels, signed).low > 0.1
    for _ in range(400):
        found = purity_difference(rng.permutation(labels), signed)
        called += found.low > 0 or found.high < 0
    assert called / 400 <= 0.07
