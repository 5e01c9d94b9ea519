"""Purity of the nearest neighbours' labels: whether a space groups images of one class (YU 4.1 in numbers)."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64, Int, Shaped
from scipy import sparse, stats

from receptive.methods.inference import CONFIDENCE, Estimate

_BLOCK_BYTES = 1 << 26


def nearest_neighbours(
    vectors: Shaped[np.ndarray, "point dimension"], neighbours: int, groups: Shaped[np.ndarray, "point"] | None = None
) -> tuple[Int[np.ndarray, "point neighbour"], Float64[np.ndarray, "point neighbour"]]:
    """The nearest other points of every point by Euclidean distance, exact, nearest first.

    Equal distances are ordered by the points' numbers. Memory: blocks of 64 MB.

    Args:
        neighbours: how many.
        groups: points of the same group are never neighbours (image patches of one image, which overlap). With None
            every other point may be one.

    Returns:
        (index, distance). Where a point has too few others, the index is -1 and the distance infinite.
    """
    vectors = np.asarray(vectors, np.float64)
    vectors = vectors - vectors.mean(0)  # the differences of squares below lose fewer digits near the origin
    squares = (vectors**2).sum(1)
    index = np.full((len(vectors), neighbours), -1)
    distance = np.full((len(vectors), neighbours), np.inf)
    kept = min(neighbours, len(vectors))
    # rounding must not order equal points: a difference below this grain counts as none
    grain = 1e-10 * max(squares.max(initial=0), np.finfo(float).tiny)
    for rows in _blocks(len(vectors)):
        apart = squares[rows, None] + squares - 2 * vectors[rows] @ vectors.T
        apart = np.maximum(np.round(apart / grain), 0)
        if groups is None:
            apart[np.arange(len(apart)), np.arange(rows.start, rows.start + len(apart))] = np.inf
        else:
            apart[groups[rows, None] == groups] = np.inf
        # all that are as near as the last one kept, sorted stably, so that ties go by number
        limit = np.partition(apart, kept - 1, axis=1)[:, kept - 1]
        for row, (distances, farthest) in enumerate(zip(apart, limit, strict=True), rows.start):
            near = np.flatnonzero((distances <= farthest) & np.isfinite(distances))
            near = near[np.argsort(distances[near], kind="stable")][:kept]
            index[row, : len(near)] = near
            distance[row, : len(near)] = np.sqrt(distances[near] * grain)
    return index, distance


def label_purity(
    labels: Shaped[np.ndarray, "point"], neighbours: Int[np.ndarray, "point neighbour"]
) -> Float64[np.ndarray, "point"]:
    """The share of each point's nearest neighbours that have its label: 1 if all do, near ``chance`` if it is random.

    The label is that of the image, also for an image patch that does not show the subject.

    Args:
        neighbours: numbers of points (``nearest_neighbours``); -1 for none.

    Returns:
        NaN for a point without neighbours.
    """
    exists = neighbours >= 0
    same = (labels[neighbours] == labels[:, None]) & exists
    with np.errstate(invalid="ignore"):
        return same.sum(1) / exists.sum(1)


def mean_purity(
    vectors: Shaped[np.ndarray, "point dimension"],
    labels: Shaped[np.ndarray, "point"],
    groups: Shaped[np.ndarray, "point"],
    neighbours: int,
) -> float:
    """Mean of ``label_purity`` over the points of a space; NaN where no point has a neighbour of another group."""
    purity = label_purity(labels, nearest_neighbours(vectors, neighbours, groups)[0])
    return float(np.nanmean(purity)) if np.isfinite(purity).any() else np.nan


def purity_difference(
    labels: Shaped[np.ndarray, "point"],
    spaces: Sequence[tuple[float, Int[np.ndarray, "point _"]]],
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean purities of several spaces of the same points, each times its sign, added; with an interval over points.

    The purities of two points are not independent: they share neighbours, and are each other's. So an interval from the
    points' own purities is too narrow. Here the sum runs over pairs of points, and the variance adds the products of
    all pairs that share a point (cluster-robust for dyads: Aronow, Samii & Assenova 2015): with R[i, j] what the pair
    adds to the deviation, and u[i] the sum of R[i, j] over j, it is sum(u^2) - sum of R[i, j]^2 over pairs. It is not
    taken below the variance of the points' own purities. The interval is Student's t, with points - 1
    degrees of freedom.

    Args:
        labels: of the points.
        spaces: a sign (1, -1) and the neighbours of each point in that space (``nearest_neighbours``).

    Returns:
        NaN where no point of a space has a neighbour; NaN ends with fewer than two points.
    """
    points, value = len(labels), 0.0
    deviation = sparse.csr_array((points, points))
    own = np.zeros(points)
    for sign, neighbours in spaces:
        purity = label_purity(labels, neighbours)
        have = np.isfinite(purity)
        if not have.any():
            return Estimate(np.nan, np.nan, np.nan)
        mean, weight = float(purity[have].mean()), sign / have.sum()
        value += sign * mean
        own[have] += weight * (purity[have] - mean)
        point, place = np.nonzero(neighbours >= 0)
        near = neighbours[point, place]
        of_pair = weight * ((labels[near] == labels[point]) - mean) / (neighbours >= 0).sum(1)[point]
        deviation = deviation + sparse.csr_array((of_pair, (point, near)), (points, points))
    if points < 2:
        return Estimate(value, np.nan, np.nan)
    pairs = deviation + deviation.T  # each pair stands in it twice
    sums = np.asarray(pairs.sum(axis=1)).ravel()
    variance = max((sums**2).sum() - (pairs.data**2).sum() / 2, (own**2).sum()) * points / (points - 1)
    half = float(stats.t.ppf((1 + confidence) / 2, points - 1) * np.sqrt(variance))
    return Estimate(value, value - half, value + half)


def chance(
    labels: Shaped[np.ndarray, "point"], groups: Shaped[np.ndarray, "point"] | None = None
) -> Float64[np.ndarray, "point"]:
    """The purity of each point if its neighbours were drawn at random; groups as for ``nearest_neighbours``."""
    groups = np.arange(len(labels)) if groups is None else groups
    same = labels[:, None] == labels
    other = groups[:, None] != groups
    with np.errstate(invalid="ignore"):
        return (same & other).sum(1) / other.sum(1)


def _blocks(points: int) -> Iterator[slice]:
    rows = max(1, _BLOCK_BYTES // (8 * max(points, 1)))
    for start in range(0, points, rows):
        yield slice(start, start + rows)
