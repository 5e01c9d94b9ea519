"""The shapes of leaves: ellipses, and convex polygons inscribed in them.

All lengths are fractions of the collage's side, all areas of its area.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np

_SMALL_RADIUS = (0.07, 0.30)
_SMALL_ASPECT = (0.6, 1 / 0.6)
_SMALL_CORNERS = (3, 7)
_SUBJECT_AREA = (0.2, 0.45)
_SUBJECT_ASPECT = (0.75, 1 / 0.75)
_SUBJECT_CORNERS = (5, 8)
# How near to the border the centre of a subject leaf may lie, in halves of the leaf's width and height.
_SUBJECT_NEAR = 0.4


@dataclass(frozen=True)
class Leaf:
    """An ellipse or a convex polygon inscribed in one.

    ``x``, ``y``: centre; ``a``, ``b``: semi-axes; ``angle``: of axis a to the horizontal. ``corners``:
    ascending angles of the corners on the unit circle before it is stretched to the ellipse; None for
    the ellipse itself.
    """

    x: float
    y: float
    a: float
    b: float
    angle: float
    corners: np.ndarray | None

    def reach(self) -> tuple[float, float]:
        """Half the width and half the height of the ellipse's upright bounding box."""
        along, across = cos(self.angle), sin(self.angle)
        return (
            sqrt((self.a * along) ** 2 + (self.b * across) ** 2),
            sqrt((self.a * across) ** 2 + (self.b * along) ** 2),
        )

    def box(self, size: int) -> tuple[slice, slice]:
        """Rows and columns of a ``size`` px collage that hold all of the leaf inside the collage."""
        half_width, half_height = self.reach()

        def clipped(centre: float, half: float) -> slice:
            first, last = int((centre - half) * size), int((centre + half) * size) + 1
            return slice(max(first, 0), min(last, size))

        return clipped(self.y, half_height), clipped(self.x, half_width)

    def covers(self, rows: slice, columns: slice, size: int) -> np.ndarray:
        """Which pixels have their centre in the leaf; bool, row x column."""
        y = ((np.arange(rows.start, rows.stop) + 0.5) / size - self.y)[:, None]
        x = ((np.arange(columns.start, columns.stop) + 0.5) / size - self.x)[None, :]
        u = (x * cos(self.angle) + y * sin(self.angle)) / self.a
        v = (y * cos(self.angle) - x * sin(self.angle)) / self.b
        if self.corners is None:
            return u**2 + v**2 <= 1
        inside = np.ones(u.shape, dtype=bool)
        for middle, half_gap in zip(*_edges(self.corners), strict=True):
            inside &= u * cos(middle) + v * sin(middle) <= cos(half_gap)
        return inside


def small_leaf(generator: np.random.Generator) -> Leaf:
    """A leaf with its centre anywhere, and a radius with density proportional to 1 / r^3, cut off at both ends.

    This is the law of Lee et al. whose images look alike at all scales.
    """
    smallest, largest = _SMALL_RADIUS
    radius = (smallest**-2 + generator.random() * (largest**-2 - smallest**-2)) ** -0.5
    stretch = sqrt(log_uniform(generator, _SMALL_ASPECT))
    x, y = generator.random(2)
    angle = generator.uniform(0, pi)
    return Leaf(x, y, radius * stretch, radius / stretch, angle, _corners(generator, _SMALL_CORNERS))


def subject_leaf(generator: np.random.Generator) -> Leaf:
    """A leaf of an area drawn evenly, anywhere: the border may cut off a part of it."""
    area = generator.uniform(*_SUBJECT_AREA)
    corners = _corners(generator, _SUBJECT_CORNERS)
    unit_area = pi if corners is None else np.sin(2 * _edges(corners)[1]).sum() / 2
    stretch = sqrt(log_uniform(generator, _SUBJECT_ASPECT))
    radius = sqrt(area / unit_area)
    angle = generator.uniform(0, pi)
    reach = Leaf(0, 0, radius * stretch, radius / stretch, angle, corners).reach()
    x, y = (generator.uniform(_SUBJECT_NEAR * half, 1 - _SUBJECT_NEAR * half) for half in reach)
    return Leaf(x, y, radius * stretch, radius / stretch, angle, corners)


def log_uniform(generator: np.random.Generator, limits: tuple[float, float]) -> float:
    """A positive number whose logarithm is drawn evenly."""
    return float(np.exp(generator.uniform(*np.log(limits))))


def _edges(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each edge's middle direction and half the angle it spans, of a polygon in the unit circle."""
    half_gap = np.diff(corners, append=corners[0] + 2 * pi) / 2
    return corners + half_gap, half_gap


def _corners(generator: np.random.Generator, fewest_most: tuple[int, int]) -> np.ndarray | None:
    """Roughly even corners of a polygon, or None, an ellipse, half of the time."""
    if generator.random() < 0.5:
        return None
    count = generator.integers(*fewest_most, endpoint=True)
    return (np.arange(count) + generator.uniform(-0.25, 0.25, count)) * (2 * pi / count)
