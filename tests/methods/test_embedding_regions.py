"""The plane filled with patches and its densest regions, against loops and planted structure."""

import numpy as np
import pytest
from scipy import stats

from receptive.methods.embedding_regions import (
    Region,
    Square,
    dense_pure_regions,
    fill_grid,
    region_around,
    selected_members,
    whole_plane,
)


def test_every_cell_has_its_nearest_point():
    plane = np.random.default_rng(0).normal(size=(50, 2)) * [5, 2]
    square = whole_plane(plane)
    assert square.side == pytest.approx(1.02 * np.ptp(plane[:, 0]))
    grid = fill_grid(plane, square, 9)
    for row in range(9):
        for column in range(9):
            across = square.left + (column + 0.5) / 9 * square.side
            up = square.low + square.side - (row + 0.5) / 9 * square.side
            distances = [(x - across) ** 2 + (y - up) ** 2 for x, y in plane]
            assert grid[row, column] == int(np.argmin(distances))


def test_the_top_of_the_plane_is_the_first_row():
    plane = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    assert fill_grid(plane, whole_plane(plane), 2).tolist() == [[2, 3], [0, 1]]


def test_regions_are_the_planted_groups():
    rng = np.random.default_rng(0)
    plane, labels = rng.uniform(0, 100, (50, 2)), rng.integers(0, 5, 50)
    for label, count, centre in ((1, 60, (20, 20)), (2, 40, (80, 30)), (1, 50, (20, 80)), (3, 15, (70, 80))):
        plane = np.concatenate([plane, rng.uniform(-3, 3, (count, 2)) + centre])
        labels = np.concatenate([labels, np.full(count, label)])
    found = dense_pure_regions(plane, labels, 3, 12)
    assert [region.label for region in found] == [1, 2, 3]  # the second group of label 1 waits for its turn
    for region, centre in zip(found, ((20, 20), (80, 30), (70, 80)), strict=True):
        assert np.abs(np.array(region.square[:2]) + 6 - centre).max() < 6
        inside = [
            i for i, (x, y) in enumerate(plane)
            if region.square.left <= x < region.square.left + 12 and region.square.low <= y < region.square.low + 12
        ]  # fmt: skip
        assert region.members.tolist() == inside
        assert region.label_fraction == (labels[inside] == region.label).mean()
    fourth = dense_pure_regions(plane, labels, 4, 12)[3]
    assert fourth.label == 1
    assert np.abs(np.array(fourth.square[:2]) + 6 - (20, 80)).max() < 6


def test_many_mostly_pure_points_come_before_a_few_pure_ones():
    rng = np.random.default_rng(0)
    plane = np.concatenate([rng.uniform(0, 2, (60, 2)), rng.uniform(0, 2, (6, 2)) + 30])
    labels = np.array([1] * 56 + [2] * 4 + [3] * 6)
    found = dense_pure_regions(plane, labels, 2, 4)
    assert [(region.label, len(region.members)) for region in found] == [(1, 60), (3, 6)]
    # the score is the lower end of Wilson's interval: of 56 of 60 it lies above that of 6 of 6
    low, six = (stats.binomtest(*counts).proportion_ci(0.95, method="wilson").low for counts in ((56, 60), (6, 6)))
    assert low > six


def test_regions_do_not_overlap_stay_in_the_plane_and_run_out():
    plane = np.random.default_rng(0).uniform(0, 10, (200, 2))
    whole = whole_plane(plane)
    found = dense_pure_regions(plane, np.zeros(200, int), 50, 3)
    assert 3 < len(found) < 12
    for i, one in enumerate(found):
        assert one.square.left >= whole.left
        assert one.square.low + 3 <= whole.low + whole.side + 1e-9
        for other in found[:i]:
            assert not set(one.members) & set(other.members)
    assert dense_pure_regions(plane[:4], np.zeros(4, int), 3, 20) == []


def test_an_empty_region_says_so_and_members_come_from_the_middle():
    plane = np.array([[0, 0], [1, 1], [2, 2], [0.9, 1]])
    empty = region_around(plane, np.zeros(4, int), Square(5, 5, 1))
    assert (len(empty.members), empty.label) == (0, -1)
    assert selected_members(plane, empty, 3).tolist() == []
    region = Region(Square(0, 0, 2.5), np.array([0, 1, 2, 3]), 0, 1.0)
    assert selected_members(plane, region, 2).tolist() == [1, 3]
