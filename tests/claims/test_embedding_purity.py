"""Claim 8 on tables with a planted rise, and without one."""

import planted
import pytest
from planted import pick, purities

from receptive.claims import embedding_purity
from receptive.claims.embedding_purity import Quantity
from receptive.claims.row import overall


def measure(made, trainings=None):
    study = planted.study(trainings or list(made), embedding=lambda training, table: made[training][table])
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
        assert row.value == pytest.approx(expected, abs=0.01)
        assert row.control == pytest.approx(control, abs=0.01)
        assert row.low < expected < row.high
        assert row.high - row.low < 0.03  # paired: the images' own 0.3 is gone
        assert (row.images, row.over, row.verdict) == (200, "images", "supported")
        assert row.decides == (quantity == Quantity.MAPPED)
    assert overall(rows) == "supported"


def test_what_seeing_more_explains_is_no_support():
    rows = measure({"vggcnn": purities({"trained": 0.3, "untrained": 0.0, "pixels": 0.5})})
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
    assert row.value == pytest.approx((0.2 + 0.25 + 0.225) / 3, abs=0.01)
