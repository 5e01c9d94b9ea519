"""Representation spaces: every tile in its cell, every region in its place, every purity at its depth."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points
from drawn import tile as tile_of

from receptive.figures.embedding import (
    RegionUnit,
    RegionView,
    Space,
    no_map,
    purity_by_depth,
    representation_space,
    tile,
)
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
        RegionUnit("unit 4", np.random.default_rng(0).normal(size=(3, 6, 6, 3)), np.tile([0, 0, 6, 6], (3, 1))),
        RegionUnit("unit 7", np.zeros((0, 6, 6, 3)), np.zeros((0, 4), int)),
    ]
    full = RegionView("a: 80% of 5 points", (0.25, 0.5, 0.25), np.array([[4]]), np.array([4, 5]), units)
    empty = RegionView("empty", (0.0, 0.0, 0.25), np.array([[0]]), np.array([], int), [])
    return Space("title", tiles, [np.array([[0, 1], [2, 3]]), np.arange(9).reshape(3, 3)], [full, empty], 20)


def test_every_cell_shows_its_patch_and_frames_lie_where_the_regions_are(space):
    fig = representation_space(space)
    coarse, fine = fig.subfigs[0].axes
    for axes, grid in zip((coarse, fine), space.grids, strict=True):
        canvas = axes.images[0].get_array()
        for row, column in np.ndindex(grid.shape):
            assert (canvas[48 * row : 48 * row + 48, 48 * column : 48 * column + 48] == 20 * grid[row, column]).all()
        frame = axes.patches[0]
        px = 48 * len(grid)
        # the plane's up is the picture's down
        assert (frame.get_x(), frame.get_y(), frame.get_width()) == (0.25 * px, (1 - 0.75) * px, 0.25 * px)


@pytest.mark.slow
def test_a_region_shows_its_points_its_patches_and_its_units(space):
    below = np.reshape(representation_space(space).subfigs[1].axes, (2, 4))
    region, patches, strongest, silent = below[0]
    assert (picture(region) == 20 * 4).all()
    assert region.get_xlabel() == "a: 80% of 5 points"
    for place, number in enumerate((4, 5)):
        assert (tile_of(picture(patches), place, 2, 48) == 20 * number).all()
    assert (strongest.get_xlabel(), silent.get_xlabel()) == ("unit 4", "unit 7")
    unit = space.regions[0].units[0]
    for rank in range(3):
        drawn = tile_of(picture(strongest), rank, 2, 48).astype(int)
        # where the reconstruction is positive the picture is lighter than grey: 6 px became 48
        centres = drawn[4::8, 4::8]
        assert ((centres > 128) == (unit.reconstructions[rank] > 0)).mean() > 0.95
    assert [text.get_text() for text in silent.texts] == ["no top patch\nis known"]
    empty, nothing, no_unit, _ = below[1]
    assert empty.get_xlabel() == "empty"
    assert [text.get_text() for text in nothing.texts] == ["no point\nlies here"]
    assert [text.get_text() for text in no_unit.texts] == ["no unit\nanswers here"]


def test_a_layer_without_a_map_says_why():
    figure = no_map("vggcnn, c5_3", "no map: 4 points are too few")
    assert figure.axes[0].texts[0].get_text() == "no map: 4 points are too few"


def test_purity_is_drawn_where_it_is():
    rows = [
        {"network": network, "state": state, "depth": depth, "kind": kind, "value": value + depth / 100,
         "low": value - 0.1, "high": value + 0.2, "chance": 0.125}
        for network in ("vggcnn", "resnet34", "other")
        for state, value in (("trained", 0.7), ("untrained", 0.2), ("pixels", 0.3))
        for depth, kind in ((1, "conv"), (1, "pool"), (2, "conv"))
    ]  # fmt: skip
    figure = purity_by_depth(pd.DataFrame(rows))
    assert [axes.get_title() for axes in figure.axes[:3]] == ["vggcnn", "resnet34", "other"]
    axes = figure.axes[0]
    *states, chance = axes.lines
    for line, value in zip(states, (0.7, 0.2, 0.3), strict=True):
        # a pool stands half a step behind its convolution
        assert points(line) == [
            pytest.approx(point) for point in ([1, value + 0.01], [1.5, value + 0.01], [2, value + 0.02])
        ]
    assert [line.get_label() for line in states] == ["trained", "before training", "pixels of the patch"]
    assert [line.get_linestyle() for line in states] == ["-", "--", ":"]
    assert set(chance.get_ydata()) == {0.125}
    trained, convs, pools, untrained, pixels = axes.collections
    for filled, value in ((trained, 0.7), (untrained, 0.2), (pixels, 0.3)):
        assert band(filled) == {x: pytest.approx((value - 0.1, value + 0.2)) for x in (1.0, 1.5, 2.0)}
    assert convs.get_offsets()[:, 0].tolist() == [1, 2]
    assert pools.get_offsets()[:, 0].tolist() == [1.5]
    assert pools.get_facecolor().tolist() == [[1, 1, 1, 1]]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_ylim()) == ("depth (weight layers)", "label purity", (0, 1))
