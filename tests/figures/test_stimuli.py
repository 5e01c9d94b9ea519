"""Preferred stimuli: each patch in its place, the outside marked, means beside their differences."""

from dataclasses import replace

import numpy as np
import pytest
from drawn import picture, tile, words

from receptive.figures.stimuli import (
    UnitStimuli,
    enlarged,
    first_filters,
    mark_outside,
    mean_stimuli,
    mosaic,
    overview,
    top_patches,
)
from receptive.figures.style import OUTSIDE


@pytest.fixture
def unit() -> UnitStimuli:
    """16 plain patches of 6 px; the last is half outside the image, above it."""
    patches = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.full((16, 6, 6, 3), 10, np.uint8)
    boxes = np.tile([0, 0, 6, 6], (16, 1))
    boxes[15] = [-3, 0, 3, 6]
    mean = np.full((6, 6, 3), 0.4)
    mean[0, 0], mean[5, 5] = 0.2, 0.6
    return UnitStimuli(
        "p1, 6 px", patches, boxes, 20, mean, np.full((6, 6, 3), 0.4), "interior positions, N = 7", False
    )


def test_tiles_lie_in_rows_in_thin_frames():
    tiles = np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * np.full((5, 3, 3, 3), 10, np.uint8)
    canvas = mosaic(tiles, columns=2, gap=4, rows=4)
    assert canvas.shape == (4 * 7 - 4 + 2, 2 * 7 - 4 + 2, 3)
    for number in range(5):
        y, x = divmod(number, 2)
        block = canvas[7 * y : 7 * y + 5, 7 * x : 7 * x + 5]
        assert (block[1:4, 1:4] == 10 * (number + 1)).all()
        frame = np.ones((5, 5), bool)
        frame[1:4, 1:4] = False
        assert (block[frame] == 190).all()
    assert (canvas[5:7] == 255).all()
    assert (canvas[21:] == 255).all()  # room for a row without tiles


def test_what_lies_outside_the_image_is_marked():
    patch = np.zeros((4, 4, 3), np.uint8)
    marked = mark_outside(enlarged(patch), np.array([-1, 18, 3, 22]), 20, 4)
    side = len(marked) // 4
    inside = marked[side:, : 2 * side]
    assert (inside == 0).all()
    for outside in (marked[:side], marked[:, 2 * side :]):
        colours = {tuple(pixel) for pixel in outside.reshape(-1, 3).tolist()}
        assert colours == {tuple(int(value) for value in shade) for shade in OUTSIDE}
    below = mark_outside(enlarged(patch), np.array([17, -2, 21, 2]), 20, 4)
    assert (below[: 3 * side, 2 * side :] == 0).all()
    assert (below[3 * side :] != 0).all()
    assert (below[:, : 2 * side] != 0).all()


def test_marking_is_the_same_pixel_by_pixel():
    random = np.random.default_rng(0)
    for top, left in [(-9, -9), (-2, 17), (18, -1), (3, 4), (25, 0), (0, -30)]:
        tile = random.integers(0, 256, (24, 18, 3)).astype(np.uint8)  # 8 x 6 px, three times as large
        marked = mark_outside(tile, np.array([top, left, top + 8, left + 6]), 20, 8)
        for y, x in np.ndindex(24, 18):
            inside = 0 <= top + y // 3 < 20 and 0 <= left + x // 3 < 20
            expected = tile[y, x] if inside else OUTSIDE[0 if (y // 6 + x // 6) % 2 else 1]
            assert (marked[y, x] == expected).all()


def test_top_patches_stand_in_the_order_of_their_ranks(unit):
    figure = top_patches("resnet34, channel 3", [unit, replace(unit, title="layer 3", dead=True)])
    alive, dead = figure.axes
    shown = picture(alive)
    for rank in range(15):
        assert (tile(shown, rank, 4, 72) == 10 * rank).all()
    half = tile(shown, 15, 4, 72)
    assert (half[36:] == 150).all()
    assert not (half[:36] == 150).any()
    assert [axes.get_title() for axes in figure.axes] == ["p1, 6 px", "layer 3"]
    assert len(dead.images) == 0
    assert "dead channel:\nnever active on a\nvalidation image" in words(figure)
    assert figure.get_suptitle() == "resnet34, channel 3"


def test_means_are_stretched_and_differences_are_signed(unit):
    weights = np.zeros((3, 3, 3))
    weights[1, 1] = -4
    figure = mean_stimuli("title", weights, [unit])
    first, above, _, below = figure.axes
    assert first.get_title() == "first filter, 3 px"
    assert (picture(first)[1, 1] == 0).all()
    assert picture(above)[0, 0, 0] == 0
    assert picture(above)[5, 5, 0] == 1
    assert picture(above)[2, 2, 0] == pytest.approx(0.5)
    # minus the mean of all patches: -0.2, 0 and 0.2
    assert picture(below)[0, 0, 0] == pytest.approx(0)
    assert picture(below)[2, 2, 0] == pytest.approx(0.5)
    assert picture(below)[5, 5, 0] == pytest.approx(1)
    assert below.get_xlabel() == "interior positions, N = 7"


@pytest.mark.slow
def test_a_sheet_has_one_row_per_unit(unit):
    silent = replace(unit, mean=None, dead=True)
    figure = overview("sheet", [("0", unit), ("1", silent)])
    grid = np.reshape(figure.axes, (2, 3))
    assert [axes.get_title(loc) for axes, loc in zip(grid[0], ("center", "center", "left"), strict=True)] == [
        "mean", "difference", "preferred patches, best first"
    ]  # fmt: skip
    assert [row[0].get_ylabel() for row in grid] == ["0", "1"]
    assert (tile(picture(grid[0, 2]), 11, 12, 72) == 110).all()
    assert [axes.texts[0].get_text() for axes in grid[1]] == [
        "never\npositive", "never\npositive", "dead channel: never active on a validation image"
    ]  # fmt: skip


def test_first_filters_of_every_network_up_to_32():
    weights = np.zeros((40, 3, 3, 1))
    weights[:, 0, 0, 0] = np.where(np.arange(40) % 2, 1, -1)
    figure = first_filters({"digitcnn": weights, "vggcnn": weights[:2]})
    many, few = figure.axes
    assert (many.get_title("left"), few.get_title("left")) == ("digitcnn: 3 x 3 px", "vggcnn: 3 x 3 px")
    shown = picture(many)
    assert shown.shape[0] == 2 * 76 - 4 + 2  # two rows of sixteen
    for number in range(32):
        drawn = tile(shown, number, 16, 72)
        assert (drawn[:24, :24] == (255 if number % 2 else 0)).all()
        assert (drawn[24:, 24:] == 128).all()
