"""A plane of points filled with image patches, and its densest regions of one label (YU 4.1, figure 3).

The plane is that of ``methods.embedding``: each point is one position of one image. Needs no torch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from receptive.methods.inference import wilson


class Square(NamedTuple):
    """A square of the plane, in the plane's own units.

    Attributes:
        left, low: its left and its lower edge.
        side: its length.
    """

    left: float
    low: float
    side: float


def whole_plane(plane: Float[np.ndarray, "point 2"]) -> Square:
    """The smallest square around all points, with a margin of 1% on each side."""
    least, greatest = plane.min(0), plane.max(0)
    side = 1.02 * max(float((greatest - least).max()), float(np.finfo(np.float32).tiny))
    left, low = (least + greatest) / 2 - side / 2
    return Square(float(left), float(low), side)


def fill_grid(plane: Float[np.ndarray, "point 2"], square: Square, cells: int) -> Int[np.ndarray, "cell_y cell_x"]:
    """The number of the point nearest to the centre of each cell of a grid over ``square`` (YU 4.1).

    So no cell is empty, and no two image patches overlap.

    Args:
        plane: of each point, its place across and up.
        cells: along each side.

    Returns:
        Numbers of points; the first row is the top.
    """
    steps = (np.arange(cells) + 0.5) / cells * square.side
    across, up = np.meshgrid(square.left + steps, square.low + steps[::-1])
    centres = np.stack([across.ravel(), up.ravel()], 1)
    rows = max(1, (1 << 26) // (8 * len(plane)))
    nearest = [squared_distances(centres[at : at + rows], plane).argmin(1) for at in range(0, len(centres), rows)]
    return np.concatenate(nearest).reshape(cells, cells)


@dataclass(frozen=True)
class Region:
    """A part of the plane to look at more closely.

    Attributes:
        square: where it is.
        members: the numbers of the points in it, rising.
        label: the commonest label among them, the lowest of equally common ones; -1 where there is no point.
        label_fraction: the share of the members that have it, in (0, 1]; NaN where there is no point.
    """

    square: Square
    members: Int[np.ndarray, "selected"]
    label: int
    label_fraction: float


def square_at(centre: Float[np.ndarray, "2"], side: float, within: Square) -> Square:
    """The square of length ``side`` around ``centre``, moved as far as needed to lie ``within`` a larger one."""
    left, low = (
        min(max(middle - side / 2, edge), edge + within.side - side)
        for middle, edge in zip(centre, (within.left, within.low), strict=True)
    )
    return Square(float(left), float(low), float(side))


def dense_pure_regions(
    plane: Float[np.ndarray, "point 2"], labels: Int[np.ndarray, "point"], count: int, side: float, fewest: int = 5
) -> list[Region]:
    """The squares that hold most points of one label, best first: the plane's clearest groups.

    A square around every point, moved into the plane, is a candidate. Its score is the lower end of the 95% Wilson
    interval of its commonest label's share, so it must be both pure and full. The best candidates are chosen one after
    the other. No two squares overlap. A label comes again only where no other label is left. Of equal candidates the
    one around the point of lower number comes first.

    Args:
        count: of regions.
        side: of the squares, in the plane's units.
        fewest: points that a square must hold.

    Returns:
        ``count`` regions, or fewer where no more fit.
    """
    whole = whole_plane(plane)
    around = (region_around(plane, labels, square_at(centre, side, whole)) for centre in plane)
    candidates = [region for region in around if len(region.members) >= fewest]
    points = np.array([len(region.members) for region in candidates])
    of_label = np.rint(points * np.array([region.label_fraction for region in candidates]))
    score, _ = wilson(of_label, points)
    order = np.argsort(-score, kind="stable")
    chosen: list[Region] = []
    for new_labels_only in (True, False):
        for candidate in (candidates[at] for at in order):
            if len(chosen) == count:
                break
            free = not any(_overlap(candidate.square, other.square) for other in chosen)
            if free and not (new_labels_only and candidate.label in {other.label for other in chosen}):
                chosen.append(candidate)
    return chosen


def region_around(plane: Float[np.ndarray, "point 2"], labels: Int[np.ndarray, "point"], square: Square) -> Region:
    """The points in ``square``, its lower and left edges included, and their commonest label."""
    inside = (plane >= [square.left, square.low]) & (plane < [square.left + square.side, square.low + square.side])
    members = np.flatnonzero(inside.all(1))
    if not len(members):
        return Region(square, members, -1, np.nan)
    counts = np.bincount(labels[members])
    return Region(square, members, int(counts.argmax()), float(counts.max() / len(members)))


def selected_members(plane: Float[np.ndarray, "point 2"], region: Region, count: int) -> Int[np.ndarray, "selected"]:
    """The ``count`` members nearest to the region's centre, nearest first, equally near ones by number."""
    centre = np.array([region.square.left, region.square.low]) + region.square.side / 2
    order = np.argsort(squared_distances(plane[region.members], centre[None])[:, 0], kind="stable")
    return region.members[order[:count]]


def squared_distances(
    points: Float[np.ndarray, "point 2"], others: Float[np.ndarray, "other 2"]
) -> Float[np.ndarray, "point other"]:
    """The squared Euclidean distance in the plane of each point from each of ``others``."""
    return (points[:, :1] - others[None, :, 0]) ** 2 + (points[:, 1:] - others[None, :, 1]) ** 2


def _overlap(square: Square, other: Square) -> bool:
    reach = (square.side + other.side) / 2
    return abs(square.left - other.left) < reach and abs(square.low - other.low) < reach
