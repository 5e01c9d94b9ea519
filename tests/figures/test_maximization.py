"""Maximized images: each in its place, with its contrast and box; an ascent that failed is marked."""

from dataclasses import replace

import numpy as np
import pytest
from drawn import picture, tile
from matplotlib.colors import to_hex

from receptive.figures.maximization import (
    WEAK,
    MaximizedUnit,
    Photograph,
    contrasted,
    maximized_and_natural,
    overview,
    panels,
)
from receptive.figures.stimuli import UnitStimuli


def drawn(reached, status="ok"):
    """The caption below one maximised image, and its colour."""
    pixels = np.random.default_rng(0).random((6, 6, 3))
    unit = MaximizedUnit(pixels, (0, 0, 6, 6), 6, status, reached)
    label = panels("title", {"row": [unit]}, ["unit"]).axes[0].xaxis.label
    return label.get_text(), to_hex(label.get_color())


@pytest.mark.parametrize(
    ("reached", "words"),
    [(0.08, "weak: 0.1 × natural"), (-0.26, "weak: -0.3 × natural"), (-0.03, "weak: 0.0 × natural")],
)
def test_what_stays_below_half_the_natural_maximum_is_marked(reached, words):
    assert drawn(reached) == (words, "#a03030")


@pytest.mark.parametrize(
    ("reached", "words"), [(WEAK, "0.5 × natural"), (1.31, "1.3 × natural"), (62.0, "62 × natural")]
)
def test_what_reaches_it_is_not(reached, words):
    assert drawn(reached) == (words, "#000000")


def test_without_a_natural_maximum_nothing_is_said():
    assert drawn(None)[0] == drawn(0.1, "diverged")[0] == ""


@pytest.mark.parametrize(
    ("path", "words", "ink"),
    [(0.92, "0.9 × natural\npath: 0.92", "#000000"), (0.31, "0.9 × natural\nother path: 0.31", "#a03030")],
)
def test_the_path_stands_below_and_another_path_is_marked(path, words, ink):
    figure = panels("", {"": [replace(half(0.0, 1.0), path=path)]}, [""])
    label = figure.axes[0].xaxis.label
    assert (label.get_text(), to_hex(label.get_color())) == (words, ink)


def test_contrast_is_stretched_around_the_mean():
    pixels = np.array([[[0.0], [2.0]]])  # mean 1, standard deviation 1
    assert contrasted(pixels, deviations=1).ravel().tolist() == [0, 1]
    assert contrasted(pixels, deviations=2).ravel().tolist() == [0.25, 0.75]
    assert contrasted(np.full((2, 2, 3), 9.0)).ravel().tolist() == [0.5] * 12


def half(top: float, bottom: float, box=(0, 0, 6, 6), status="ok") -> MaximizedUnit:
    """An image of 6 px in a set of 6 px, its upper half of one value and its lower half of another."""
    pixels = np.full((6, 6, 3), bottom)
    pixels[:3] = top
    return MaximizedUnit(pixels[max(-box[0], 0) :], box, 6, status, 0.9)


def test_every_image_stands_in_its_place():
    photograph = Photograph(np.full((6, 6, 3), 33, np.uint8))
    rows = {"real": [photograph, photograph], "robust": [half(0, 1), half(1, 0)]}
    figure = panels("title", rows, ["cat", "dog"])
    grid = np.reshape(figure.axes, (2, 2))
    assert [axes.get_title() for axes in grid[0]] == ["cat", "dog"]
    assert [row[0].get_ylabel() for row in grid] == ["real", "robust"]
    assert (picture(grid[0, 0]) == 33).all()
    dark, light = (picture(axes).astype(int) for axes in grid[1])
    assert dark[0, 0, 0] < 128 < dark[-1, 0, 0]
    assert light[0, 0, 0] > 128 > light[-1, 0, 0]
    assert dark[0, 0, 0] == round(255 * (0.5 - 0.5 / (2 * 2.5 * 0.5)))  # half a standard deviation is 0.5


def test_what_lies_outside_the_image_is_chequered():
    (axes,) = panels("title", {"row": [half(0, 1, box=(-2, 0, 4, 6))]}, ["unit"]).axes
    shown = picture(axes)
    assert shown.shape == (72, 72, 3)
    assert len({tuple(pixel) for pixel in shown[:24].reshape(-1, 3).tolist()}) == 2
    assert (shown[24:36] < 128).all()
    assert (shown[36:] > 128).all()


def test_failures_are_named_and_missing_images_leave_an_empty_place():
    figure = panels(
        "title", {"row": [half(0, 1, status="zero_gradient"), half(0, 1, status="diverged"), None]}, list("abc")
    )
    silent, diverged, empty = figure.axes
    assert [text.get_text() for text in silent.texts] == ["no gradient:\nthe unit stays\nsilent"]
    assert [text.get_text() for text in diverged.texts] == ["diverged"]
    assert [len(axes.images) for axes in figure.axes] == [0, 0, 0]
    assert not empty.axison


@pytest.fixture
def natural() -> UnitStimuli:
    """16 plain patches; the mean preferred stimulus exceeds the mean of all patches at one pixel."""
    patches = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.full((16, 6, 6, 3), 10, np.uint8)
    mean = np.full((6, 6, 3), 0.5)
    mean[2, 2] = 0.7
    boxes = np.tile([0, 0, 6, 6], (16, 1))
    return UnitStimuli("p1", patches, boxes, 6, mean, np.full((6, 6, 3), 0.5), "all positions, N = 3", False)


def test_maximized_images_stand_above_what_natural_images_say(natural):
    figure = maximized_and_natural("title", ["as KS"], [("p1, 6 px", [half(0, 1)], natural)])
    made, difference, patches = figure.axes
    assert made.get_title() == "p1, 6 px"
    assert [axes.get_ylabel() for axes in figure.axes] == ["as KS", "mean − mean of all", "top patches"]
    assert picture(made)[0, 0, 0] < picture(made)[-1, 0, 0]
    assert picture(difference)[2, 2, 0] == 1
    assert picture(difference)[0, 0, 0] == 0.5
    for rank in range(16):
        assert (tile(picture(patches), rank, 4, 72) == 10 * rank).all()


def test_a_sheet_has_one_row_per_unit(natural):
    figure = overview(
        "title", ["KS", "robust"], [("7", [half(0, 1), None], natural), ("9", [half(1, 0), None], natural)], 8
    )
    grid = np.reshape(figure.axes, (2, 4))
    assert [row[0].get_ylabel() for row in grid] == ["7", "9"]
    assert [axes.get_title() for axes in grid[0][:3]] == ["KS", "robust", "difference"]
    assert picture(grid[0, 0])[0, 0, 0] < picture(grid[1, 0])[0, 0, 0]
    assert not grid[0, 1].axison
    assert (tile(picture(grid[1, 3]), 7, 8, 72) == 70).all()
