"""Selectivity: medians, shares and roses where the tables say, and the tuning of single units."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points, tile, words

from receptive.figures.selectivity import (
    NAMES,
    TunedUnit,
    osi_by_depth,
    preferred_orientations,
    shares_by_depth,
    tuned_units,
)
from receptive.figures.style import colour

STATES = ("trained", "untrained", "shuffled")
"""In the figures the trained network is drawn last, over its controls."""


def test_the_median_is_a_line_and_the_quartiles_of_the_trained_a_band():
    rows = [
        (network, state, depth, value + depth / 100, value + 0.1 + depth / 100, value + 0.3 + depth / 100)
        for network in ("vggcnn", "resnet34")
        for state, value in zip(STATES, (0.4, 0.2, 0.0), strict=True)
        for depth in (1, 4)
    ]
    figure = osi_by_depth(pd.DataFrame(rows, columns=["network", "state", "depth", "lower", "median", "upper"]), 0.6)
    assert [axes.get_title() for axes in figure.axes] == ["vggcnn", "resnet34"]
    for axes in figure.axes:
        shuffled, untrained, trained, threshold = axes.lines
        assert points(shuffled) == [pytest.approx([1, 0.11]), pytest.approx([4, 0.14])]
        assert points(untrained) == [pytest.approx([1, 0.31]), pytest.approx([4, 0.34])]
        assert points(trained) == [pytest.approx([1, 0.51]), pytest.approx([4, 0.54])]
        assert set(threshold.get_ydata()) == {0.6}
        (filled,) = axes.collections
        assert band(filled) == {1.0: pytest.approx((0.41, 0.71)), 4.0: pytest.approx((0.44, 0.74))}
        assert (axes.get_ylabel(), axes.get_ylim()) == ("OSI", (0, 1))
    assert figure.axes[0].lines[2].get_color() == colour("vggcnn")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["trained (its network's colour)", NAMES["untrained"], NAMES["shuffled"]]


def shares(network: str, verdict: str) -> list[tuple]:
    return [
        (network, state, verdict, depth, value, value - 0.05, value + 0.08)
        for state, start in zip(STATES, (0.5, 0.3, 0.1), strict=True)
        for depth in (1, 2)
        for value in (start + depth / 100,)
    ]


def test_shares_are_drawn_with_the_intervals_that_are_handed_over():
    rows = shares("vggcnn", "selective") + shares("vggcnn", "double_opponent") + shares("digitcnn", "selective")
    table = pd.DataFrame(rows, columns=["network", "state", "verdict", "depth", "value", "low", "high"])
    figure = shares_by_depth(table, ["vggcnn", "digitcnn"], ["selective", "double_opponent"])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["vggcnn: orientation-selective", "vggcnn: double opponent", "digitcnn: orientation-selective", ""]
    for axes in figure.axes[:3]:
        for line, filled, start in zip(axes.lines, axes.collections, (0.1, 0.3, 0.5), strict=True):
            assert points(line) == [pytest.approx([1, start + 0.01]), pytest.approx([2, start + 0.02])]
            assert band(filled) == {
                1.0: pytest.approx((start - 0.04, start + 0.09)), 2.0: pytest.approx((start - 0.03, start + 0.10))
            }  # fmt: skip
        assert axes.get_ylim()[0] == 0
    assert [text.get_text() for text in figure.axes[3].texts] == ["digitcnn: its images have no colour"]


def test_areas_of_a_rose_are_the_shares_on_both_halves():
    rows = [
        ("vggcnn", state, orientation, share, selective, 20)
        for state, values, selective in (("trained", (0.64, 0.36, 0, 0), 11), ("untrained", (0, 0, 0, 0), 0))
        for orientation, share in zip((0, 45, 90, 135), values, strict=True)
    ]
    columns = ["network", "state", "orientation", "share", "selective", "units"]
    trained, untrained = preferred_orientations(pd.DataFrame(rows, columns=columns)).axes
    assert trained.get_title() == "vggcnn\n11 of 20 units"
    assert untrained.get_title() == "before training\n0 of 20 units"
    assert [bar.get_height() for bar in trained.patches] == pytest.approx([0.8, 0.6, 0, 0] * 2)
    middles = [bar.get_x() + bar.get_width() / 2 for bar in trained.patches]
    assert middles == pytest.approx(np.deg2rad([0, 45, 90, 135, 180, 225, 270, 315]))
    assert [bar.get_width() for bar in trained.patches] == pytest.approx([np.pi / 4] * 8)
    assert trained.get_ylim() == pytest.approx((0, 0.8))
    assert len(untrained.patches) == 0
    assert "none" in [text.get_text() for text in untrained.texts]


def tuned(name="c1, unit 3", patches=4, orientations=(0.0, 90.0)) -> TunedUnit:
    return TunedUnit(
        name=name,
        note="OSI 0.80",
        patches=np.stack([np.full((6, 6, 3), 10 * (i + 1), np.uint8) for i in range(4)])[:patches],
        boxes=np.tile([0, 0, 6, 6], (patches, 1)),
        orientations=np.array(orientations),
        tuning=np.array([2.0, 1.0])[: len(orientations)],
        frequencies=np.array([0, 1 / 16, 1 / 4]),
        by_axis={"luminance": np.array([0.5, 3.0, 1.0]), "S": np.array([2.0, 0.2, 0.1])},
    )


def test_a_unit_is_shown_by_patches_orientations_and_frequencies():
    figure = tuned_units("vggcnn", {"selective": [tuned(), tuned("c2, unit 5", patches=0, orientations=())]}, 20, 6)
    part = figure.subfigs[0]
    grid = np.reshape(part.axes, (3, 3))
    pictures, orientations, frequencies = grid
    assert [axes.get_title() for axes in pictures[:2]] == ["c1, unit 3\nOSI 0.80", "c2, unit 5\nOSI 0.80"]
    for rank in range(4):
        assert (tile(picture(pictures[0]), rank, 2, 72) == 10 * (rank + 1)).all()
    # the axis is a circle: the first orientation once more at 180 degrees
    assert points(orientations[0].lines[0]) == [[0, 2], [90, 1], [180, 2]]
    assert [text.get_text() for text in pictures[1].texts] == ["never active\non an image"]
    assert [text.get_text() for text in orientations[1].texts] == ["luminance hardly\nmoves it"]
    luminance, to_uniform, blue, blue_to_uniform = (points(line) for line in frequencies[0].lines)
    assert luminance == [[1, 3], [2, 1]]
    assert to_uniform == [[0, 0.5], [1, 3]]
    assert blue == [[1, 0.2], [2, 0.1]]
    assert blue_to_uniform == [[0, 2], [1, 0.2]]
    assert [label.get_text() for label in frequencies[0].get_xticklabels()] == ["0", "1/16", "1/4"]
    assert [text.get_text() for text in part.legends[0].get_texts()] == ["luminance", "S"]
    assert not any(axes.axison for axes in grid[:, 2])


def test_a_kind_without_units_is_named():
    figure = tuned_units("vggcnn", {"selective": [tuned()], "double opponent": []}, 20)
    assert "no such unit" in words(figure.subfigs[1])
    assert figure.subfigs[1].get_suptitle() == "double opponent"
