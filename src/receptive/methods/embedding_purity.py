"""Nearest-neighbour label purity: whether a space groups what belongs together (YU 4.1 in numbers)."""

from collections.abc import Iterator

import numpy as np

_BLOCK_BYTES = 1 << 26


def nearest_neighbours(
    vectors: np.ndarray, neighbours: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other points of every point by Euclidean distance, exact, nearest first.

    Equal distances are ordered by the points' numbers. Memory: blocks of 64 MB, never point x point.

    Args:
        vectors: point x dimension.
        neighbours: how many.
        groups: (point,); points of the same group are never neighbours (patches of one image, which overlap). None:
            every other point may be one.

    Returns:
        (index, distance), both point x neighbour. Where a point has too few others, the index is -1 and the distance
        infinite.
    """
    vectors = np.asarray(vectors, np.float64)
    vectors = vectors - vectors.mean(0)  # the differences of squares below lose fewer digits near the origin
    squares = (vectors**2).sum(1)
    index = np.full((len(vectors), neighbours), -1)
    distance = np.full((len(vectors), neighbours), np.inf)
    kept = min(neighbours, len(vectors))
    # rounding must not order equal points: differences below this share of the squares are none
    grain = 1e-10 * max(squares.max(initial=0), np.finfo(float).tiny)
    for rows in _blocks(len(vectors)):
        apart = squares[rows, None] + squares - 2 * vectors[rows] @ vectors.T
        apart = np.maximum(np.round(apart / grain), 0)
        if groups is None:
            apart[np.arange(len(apart)), np.arange(rows.start, rows.start + len(apart))] = np.inf
        else:
            apart[groups[rows, None] == groups] = np.inf
        # all that are as near as the last one kept, and those sorted stably, so that ties go by number
        limit = np.partition(apart, kept - 1, axis=1)[:, kept - 1]
        for row, (its, far) in enumerate(zip(apart, limit, strict=True), rows.start):
            near = np.flatnonzero((its <= far) & np.isfinite(its))
            near = near[np.argsort(its[near], kind="stable")][:kept]
            index[row, : len(near)] = near
            distance[row, : len(near)] = np.sqrt(its[near] * grain)
    return index, distance


def label_purity(labels: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """The share of each point's nearest neighbours that have its label: 1 where all do, near ``chance`` where the
    space knows nothing of the labels.

    The label is the image's, also for a patch that does not show the subject.

    Args:
        labels: (point,); neighbours: point x neighbour, indices; -1 is none.

    Returns:
        (point,), in [0, 1]; NaN for a point without neighbours.
    """
    there = neighbours >= 0
    same = (labels[neighbours] == labels[:, None]) & there
    with np.errstate(invalid="ignore"):
        return same.sum(1) / there.sum(1)


def mean_purity(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, neighbours: int) -> float:
    """``label_purity`` of a space, averaged over its points; NaN where no point has a neighbour of another group."""
    purity = label_purity(labels, nearest_neighbours(vectors, neighbours, groups)[0])
    return float(np.nanmean(purity)) if np.isfinite(purity).any() else np.nan


def chance(labels: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """The purity that neighbours drawn at random would have, point by point; groups as in ``nearest_neighbours``."""
    groups = np.arange(len(labels)) if groups is None else groups
    same = labels[:, None] == labels
    other = groups[:, None] != groups
    with np.errstate(invalid="ignore"):
        return (same & other).sum(1) / other.sum(1)


def _blocks(points: int) -> Iterator[slice]:
    rows = max(1, _BLOCK_BYTES // (8 * max(points, 1)))
    for start in range(0, points, rows):
        yield slice(start, start + rows)
