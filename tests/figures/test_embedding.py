"""Figures of the representation spaces: every tile in its cell, every region in its place."""

import numpy as np
import pandas as pd
import pytest

from receptive.figures.embedding import RegionView, Space, Unit, no_map, purity_by_depth, representation_space, tile
from receptive.figures.style import OUTSIDE


def test_a_tile_is_the_patch_with_the_outside_marked():
    patch = np.zeros((6, 6, 3), np.uint8)
    patch[:, 3:] = 200
    shown = tile(patch, np.array([0, -2, 6, 4]), 20, px=12)
    assert shown.shape == (12, 12, 3)
    assert (shown[:, 4:6] == 0).all()
    assert (shown[:, 6:] == 200).all()
    marked = {tuple(colour) for colour in shown[:, :4].reshape(-1, 3).tolist()}
    assert marked == {tuple(int(v) for v in colour) for colour in OUTSIDE}
    grey = tile(np.full((3, 3, 1), 77, np.uint8), np.array([0, 0, 3, 3]), 20, px=12)
    assert (grey == 77).all()


@pytest.fixture
def space():
    tiles = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.full((9, 48, 48, 3), 20, np.uint8)
    units = [
        Unit("unit 4", np.random.default_rng(0).normal(size=(3, 6, 6, 3)), np.tile([0, 0, 6, 6], (3, 1))),
        Unit("unit 7", np.zeros((0, 6, 6, 3)), np.zeros((0, 4), int)),
    ]
    full = RegionView("a: 80% of 5 points", (0.25, 0.5, 0.25), np.array([[4]]), np.array([4, 5]), units)
    empty = RegionView("empty", (0.0, 0.0, 0.25), np.array([[0]]), np.array([], int), [])
    return Space("title", tiles, [np.array([[0, 1], [2, 3]]), np.arange(9).reshape(3, 3)], [full, empty], 20)


def test_every_cell_shows_its_patch_and_frames_lie_where_the_regions_are(space):
    fig = representation_space(space)
    coarse, fine, *below = fig.subfigs[0].axes + fig.subfigs[1].axes
    for axes, grid in zip((coarse, fine), space.grids, strict=True):
        canvas = axes.images[0].get_array()
        for row, column in np.ndindex(grid.shape):
            assert (canvas[48 * row : 48 * row + 48, 48 * column : 48 * column + 48] == 20 * grid[row, column]).all()
        frame = axes.patches[0]
        px = 48 * len(grid)
        # the plane's up is the picture's down
        assert (frame.get_x(), frame.get_y(), frame.get_width()) == (0.25 * px, (1 - 0.75) * px, 0.25 * px)
    words = [text.get_text() for axes in below for text in axes.texts] + [axes.get_xlabel() for axes in below]
    for said in (
        "no top patch\nis known",
        "no unit\nanswers here",
        "no point\nlies here",
        "a: 80% of 5 points",
        "unit 4",
    ):
        assert said in words


def test_a_layer_without_a_map_says_why():
    figure = no_map("vggcnn, c5_3", "no map: 4 points are too few")
    assert figure.axes[0].texts[0].get_text() == "no map: 4 points are too few"


def test_purity_is_drawn_where_it_is():
    rows = [
        {"network": network, "state": state, "depth": depth, "kind": kind, "value": value, "low": value - 0.1,
         "high": value + 0.1, "chance": 0.125}
        for network in ("vggcnn", "resnet34", "other")
        for state, value in (("trained", 0.7), ("untrained", 0.2), ("pixels", 0.3))
        for depth, kind in ((1, "conv"), (1, "pool"), (2, "conv"))
    ]  # fmt: skip
    figure = purity_by_depth(pd.DataFrame(rows))
    assert [axes.get_title() for axes in figure.axes[:3]] == ["vggcnn", "resnet34", "other"]
    trained, untrained, pixels, chance = figure.axes[0].lines
    assert trained.get_xdata().tolist() == [1, 1.5, 2]
    assert [set(line.get_ydata()) for line in (trained, untrained, pixels, chance)] == [{0.7}, {0.2}, {0.3}, {0.125}]
