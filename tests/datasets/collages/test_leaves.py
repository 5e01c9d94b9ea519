"""Leaves, held against their closed forms and matplotlib's paths."""

import numpy as np
import pytest
from matplotlib.path import Path

from receptive.datasets.collages.leaves import Leaf, small_leaf, subject_leaf

WHOLE = slice(-64, 128)  # the collage of 64 px and as much again around it
SHOWN = slice(0, 64)


def subjects(count, rows=SHOWN, columns=SHOWN, size=64):
    generator = np.random.default_rng(0)
    return np.stack([subject_leaf(generator).covers(rows, columns, size) for _ in range(count)])


def test_subject_leaves_have_the_area_that_was_drawn():
    """Drawn evenly between 20% and 45%: holds the area formulas of ellipse and polygon."""
    area = subjects(600, WHOLE, WHOLE).sum((1, 2)) / 64**2
    assert 0.19 < area.min() < 0.21
    assert 0.44 < area.max() < 0.46
    assert abs(area.mean() - 0.325) < 0.01
    assert area.std() == pytest.approx(0.25 / 12**0.5, rel=0.1)


def test_subject_leaves_are_convex():
    mask = subjects(300)
    for axis in (1, 2):
        edges = np.diff(np.pad(mask, ((0, 0), (1, 1), (1, 1))).astype(np.int8), axis=axis)
        assert ((edges == 1).sum(axis) <= 1).all()


def test_subjects_lie_anywhere_and_the_border_cuts_some():
    mask = subjects(3000)
    share = mask.mean(0)
    assert 0.5 < share[28:36, 28:36].mean() < 0.65
    border = np.concatenate([share[0], share[-1], share[:, 0], share[:, -1]])
    assert border.min() > 0.02
    # no side is preferred
    assert share[:32].mean() == pytest.approx(share[32:].mean(), rel=0.05)
    assert share[:, :32].mean() == pytest.approx(share[:, 32:].mean(), rel=0.05)
    # enough is left of each
    assert mask.mean((1, 2)).min() > 0.09


def test_half_of_the_leaves_are_ellipses():
    generator = np.random.default_rng(1)
    for leaf, corners in ((small_leaf, range(3, 8)), (subject_leaf, range(5, 9))):
        made = [leaf(generator).corners for _ in range(400)]
        assert 0.4 < np.mean([corner is None for corner in made]) < 0.6
        assert {len(corner) for corner in made if corner is not None} == set(corners)


def test_small_leaves_have_radii_of_the_law_of_lee_et_al():
    """P(R > r) is proportional to r^-2 less a constant; a b = r^2."""
    generator = np.random.default_rng(2)
    leaves = [small_leaf(generator) for _ in range(3000)]
    radius = np.sqrt([leaf.a * leaf.b for leaf in leaves])
    for r in (0.08, 0.1, 0.15, 0.2):
        expected = (r**-2 - 0.3**-2) / (0.07**-2 - 0.3**-2)
        assert np.mean(radius > r) == pytest.approx(expected, abs=0.03)


def test_reach_is_the_bounding_box_of_the_ellipse():
    leaf = Leaf(0.5, 0.5, 0.3, 0.1, 0.7, None)
    turn = np.linspace(0, 2 * np.pi, 100_000)
    x = 0.3 * np.cos(turn) * np.cos(0.7) - 0.1 * np.sin(turn) * np.sin(0.7)
    y = 0.3 * np.cos(turn) * np.sin(0.7) + 0.1 * np.sin(turn) * np.cos(0.7)
    assert leaf.reach() == pytest.approx((x.max(), y.max()), rel=1e-6)


def test_leaf_covers_the_pixels_inside_its_outline():
    size = 50
    everywhere = slice(0, size)
    centres = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1).reshape(-1, 2) / size
    generator = np.random.default_rng(0)
    for number in range(60):
        leaf = (small_leaf, subject_leaf)[number % 2](generator)
        angles = np.linspace(0, 2 * np.pi, 2000) if leaf.corners is None else leaf.corners
        turn = np.array([[np.cos(leaf.angle), -np.sin(leaf.angle)], [np.sin(leaf.angle), np.cos(leaf.angle)]])
        outline = np.stack([leaf.a * np.cos(angles), leaf.b * np.sin(angles)], -1) @ turn.T + (leaf.x, leaf.y)
        inside = Path(outline).contains_points(centres).reshape(size, size)
        rows, columns = leaf.box(size)
        boxed = np.zeros((size, size), dtype=bool)
        boxed[rows, columns] = leaf.covers(rows, columns, size)
        assert (boxed == leaf.covers(everywhere, everywhere, size)).all()
        # The fine polygon stands for the ellipse up to a pixel or so.
        assert (boxed != inside).sum() <= (leaf.corners is None)
