"""The representation space as a plane: t-SNE of sampled vectors, how far to trust it, and the plane filled with patches
(YU 4.1, figure 3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture
from receptive.methods.embedding_purity import nearest_neighbours

NEIGHBOURS_PER_PERPLEXITY = 3
"""Neighbours that carry a row's affinities (van der Maaten 2014: 3 times the perplexity)."""

FFT_FROM = 20_000
"""Points from which interpolation (Linderman et al. 2019) is faster than the Barnes-Hut tree; measured."""

_MOST_TRUSTED = 5_000  # scikit-learn's trustworthiness holds point x point distances and ranks


# ---------------------------------------------------------------- vectors


@dataclass(frozen=True)
class Sample:
    """Positions of one layer whose vectors are wanted.

    Attributes:
        layer: name of the module.
        image: (point,), numbers of the images; y, x: (point,), the places in the map.
    """

    layer: str
    image: np.ndarray
    y: np.ndarray
    x: np.ndarray


def sample_positions(
    layer: str, images: np.ndarray, positions: int, map_size: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """Random positions of a layer's maps, spread over the images as evenly as they go, none twice.

    Args:
        layer: name of the module.
        images: numbers of the images to draw from; ``positions``: how many, or all there are where that is fewer.
            Where there are fewer positions than images, the first images are taken.
        map_size: height and width of the map.

    Returns:
        The positions in the order of the images.
    """
    height, width = map_size
    positions = min(positions, len(images) * height * width)
    each, more = divmod(positions, len(images))
    counts = np.full(len(images), each)
    counts[:more] += 1
    places = np.concatenate([rng.permutation(height * width)[:count] for count in counts])
    y, x = np.divmod(places, width)
    image = np.repeat(images, counts)
    order = np.argsort(image, kind="stable")
    return Sample(layer, image[order], y[order], x[order])


@torch.no_grad()
def vectors_at(network: nn.Module, samples: list[Sample], batches: Iterable[tuple[Tensor, Tensor]]) -> list[np.ndarray]:
    """The response vectors of the sampled positions: all units of a layer at one place.

    Everything is picked while the network runs: memory holds the sample and one batch, however many images pass.

    Args:
        network: in evaluation mode.
        samples: a layer may come several times; a layer without a map has the position (0, 0).
        batches: pairs of the images' numbers (int64) and the normalised images (image x channel x y x x), each image
        once.

    Returns:
        For each sample, point x unit, float32.

    Raises:
        ReceptiveError: an image of a sample never came.
    """
    found: list[np.ndarray | None] = [None] * len(samples)
    came = [np.zeros(len(sample.image), bool) for sample in samples]
    by_layer: dict[str, list[int]] = {}
    for at, sample in enumerate(samples):
        by_layer.setdefault(sample.layer, []).append(at)
    rows: dict[int, int] = {}

    def read(layer: str, response: Tensor) -> None:
        response = response if response.dim() == 4 else response[..., None, None]
        for at in by_layer[layer]:
            sample = samples[at]
            if found[at] is None:
                found[at] = np.zeros((len(sample.image), response.shape[1]), np.float32)
            mine = np.flatnonzero(np.isin(sample.image, list(rows)))
            row = torch.tensor([rows[image] for image in sample.image[mine].tolist()], dtype=torch.int64)
            y, x = (torch.from_numpy(np.asarray(place[mine], np.int64)) for place in (sample.y, sample.x))
            found[at][mine] = response[row, :, y, x].float().cpu().numpy()
            came[at][mine] = True

    with capture(network, by_layer, read, stop=True):
        for numbers, images in batches:
            rows = {number: row for row, number in enumerate(numbers.tolist())}
            network(images)
    for sample, there in zip(samples, came, strict=True):
        if not there.all():
            missing = sample.image[~there][0]
            raise ReceptiveError(f"{sample.layer}: image {missing} is not among the images: run 'dvc repro prepare'")
    return found


def distinct(vectors: np.ndarray) -> np.ndarray:
    """The points whose vector no earlier point has, in order.

    Where a layer sees nothing (the black around a digit) many vectors coincide; no perplexity can be given to such
    points, and a map would show little else.

    Args:
        vectors: point x unit.
    """
    return np.sort(np.unique(vectors, axis=0, return_index=True)[1])


class Strongest(NamedTuple):
    """The units that answer most at each point: both point x rank; no unit (-1) where fewer are active."""

    unit: np.ndarray
    activation: np.ndarray


def strongest_units(vectors: np.ndarray, count: int) -> Strongest:
    """The ``count`` units with the greatest positive response in each vector, strongest first, ties by number.

    Args:
        vectors: point x unit.

    Returns:
        unit -1 with activation 0 where fewer than ``count`` units are positive.
    """
    order = np.argsort(-vectors, axis=1, kind="stable")[:, :count]
    activation = np.take_along_axis(vectors, order, 1)
    unit = np.where(activation > 0, order, -1)
    short = count - order.shape[1]
    return Strongest(
        np.pad(unit, ((0, 0), (0, short)), constant_values=-1),
        np.pad(np.where(activation > 0, activation, 0), ((0, 0), (0, short))),
    )


# ---------------------------------------------------------------- the map


@dataclass(frozen=True)
class Map:
    """A plane of points and how far to trust it.

    Attributes:
        plane: point x 2, float64.
        method: "scikit-learn, barnes_hut", "openTSNE, bh" or "openTSNE, fft".
        perplexity: the number asked for; row_perplexity: the mean over the points of what their affinities have.
        components: dimensions left by PCA; variance_fraction: the share of the variance that they hold.
        kl_divergence: of the exact plane from the affinities; 0 is a perfect map.
        trustworthiness: 1 where all neighbours in the plane are neighbours in the space (Venna & Kaski 2001), about 0.5
            where they are random; of at most 5,000 points, drawn at random.
    """

    plane: np.ndarray
    method: str
    perplexity: float
    row_perplexity: float
    components: int
    variance_fraction: float
    kl_divergence: float
    trustworthiness: float


def embed(
    vectors: np.ndarray,
    layer: str,
    *,
    perplexity: float,
    components: int,
    opentsne_from: int,
    neighbours: int,
    seed: int,
    threads: int | None = None,
) -> Map:
    """t-SNE of vectors: points close in the space come close in the plane (van der Maaten & Hinton 2008).

    PCA first; then scikit-learn, or openTSNE from ``opentsne_from`` points on (Barnes-Hut, and interpolation from
    20,000). Both start from the first two principal components, scaled to a standard deviation of 0.0001, with each
    library's own number of iterations. The same input gives the same plane: scikit-learn runs on one thread, because
    its sums over more depend on their order.

    Args:
        vectors: point x unit, responses after the rectification; they are not scaled.
        layer: for the error messages, for instance "vggcnn, c5_3".
        perplexity: the effective number of neighbours of a point.
        components: most dimensions that PCA leaves.
        neighbours: how many ``trustworthiness`` looks at; fewer where there are few points.
        seed: of PCA, t-SNE and the points of the trustworthiness.
        threads: of openTSNE; None is as many as PyTorch uses.

    Raises:
        ReceptiveError: a value is not finite, all vectors are equal, or the points are too few for the perplexity.
    """
    from sklearn.decomposition import PCA

    check(vectors, layer, perplexity)
    state = seed % (1 << 32)
    kept = min(components, *vectors.shape)
    pca = PCA(kept, svd_solver="full" if min(vectors.shape) <= 64 else "covariance_eigh").fit(
        vectors.astype(np.float64)
    )
    reduced = pca.transform(vectors.astype(np.float64))
    start = reduced[:, :2] / reduced[:, 0].std() * 1e-4
    if start.shape[1] == 1:
        start = np.column_stack([start, np.zeros(len(start))])
    affinities, row_perplexity = joint_affinities(reduced, perplexity)
    if len(vectors) < opentsne_from:
        plane, method = _scikit_learn(reduced, start, perplexity, state), "scikit-learn, barnes_hut"
    else:
        gradient = "bh" if len(vectors) < FFT_FROM else "fft"
        plane = _opentsne(affinities, start, perplexity, gradient, state, threads or torch.get_num_threads())
        method = f"openTSNE, {gradient}"
    return Map(
        plane=plane,
        method=method,
        perplexity=perplexity,
        row_perplexity=float(row_perplexity.mean()),
        components=kept,
        variance_fraction=float(pca.explained_variance_ratio_.sum()),
        kl_divergence=kl_divergence(affinities, plane),
        trustworthiness=trusted(vectors, plane, neighbours, state),
    )


def check(vectors: np.ndarray, layer: str, perplexity: float) -> None:
    """Refuses what no map can be made of.

    Raises:
        ReceptiveError: as ``embed``; ``TooFew`` or ``Constant`` where the network or the sample is to blame rather than
            a broken training.
    """
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).any(1).sum())
        raise ReceptiveError(
            f"{layer}: {bad} of {len(vectors)} vectors are not finite: train the network again with a lower learning "
            "rate"
        )
    if len(vectors) > 1 and (vectors == vectors[0]).all():  # first: more points of a dead layer would not help
        raise Constant(
            f"{layer}: all {len(vectors)} vectors are equal, so there is nothing to map: choose another layer in "
            "embed.layers or train the network longer"
        )
    needed = int(np.ceil(NEIGHBOURS_PER_PERPLEXITY * perplexity)) + 1
    if len(vectors) < needed:
        raise TooFew(
            f"{layer}: {len(vectors)} points are too few for perplexity {perplexity:g}, which needs {needed}: "
            "raise embed.positions or embed.images, or lower embed.perplexity"
        )


class TooFew(ReceptiveError):
    """The layer has fewer sampled positions than the perplexity needs."""


class Constant(ReceptiveError):
    """The layer answers the same everywhere, for instance nothing."""


def joint_affinities(vectors: np.ndarray, perplexity: float):
    """t-SNE's P: how near each pair is, by Gaussians whose widths give every row the same perplexity.

    p(j|i) over the 3 x perplexity nearest neighbours (van der Maaten 2014), then (p(j|i) + p(i|j)) / 2n (van der Maaten
    & Hinton 2008, section 3).

    Returns:
        (P, row_perplexity): sparse, point x point, of sum 1; and (point,), 2 to the power of each row's entropy, which
        differs from ``perplexity`` only where too many points coincide.
    """
    from scipy.sparse import csr_matrix

    points = len(vectors)
    index, distance = nearest_neighbours(vectors, min(points - 1, int(np.ceil(NEIGHBOURS_PER_PERPLEXITY * perplexity))))
    conditional = row_affinities(distance**2, perplexity)
    rows = np.repeat(np.arange(points), index.shape[1])
    one_way = csr_matrix((conditional.ravel(), (rows, index.ravel())), shape=(points, points))
    both = (one_way + one_way.T) / (2 * points)
    return csr_matrix(both), row_perplexity(conditional)


def row_affinities(squares: np.ndarray, perplexity: float, steps: int = 64) -> np.ndarray:
    """p(j|i) of each row: Gaussian weights of squared distances, of sum 1, whose entropy is log2(perplexity).

    The width is found by bisection on its logarithm, all rows at once.

    Args:
        squares: point x neighbour, squared distances.
    """
    squares = squares - squares.min(1, keepdims=True)  # a common factor of the row, which the sum cancels
    scale = squares.mean(1, keepdims=True)
    squares = squares / np.where(scale > 0, scale, 1)
    low, high = np.full((len(squares), 1), -30.0), np.full((len(squares), 1), 30.0)  # log of the precision
    for _ in range(steps):
        middle = (low + high) / 2
        weights = np.exp(-squares * np.exp(middle))
        wide = row_perplexity(weights / weights.sum(1, keepdims=True))[:, None] > perplexity
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    weights = np.exp(-squares * np.exp((low + high) / 2))
    return weights / weights.sum(1, keepdims=True)


def row_perplexity(conditional: np.ndarray) -> np.ndarray:
    """The effective number of neighbours of each row: 1 where one carries all, their count where all carry the same.

    Args:
        conditional: point x neighbour, rows of sum 1.
    """
    logarithm = np.log2(conditional, where=conditional > 0, out=np.zeros_like(conditional))
    return 2 ** -(conditional * logarithm).sum(1)


def kl_divergence(affinities, plane: np.ndarray) -> float:
    """KL(P || Q): 0 where the plane has all affinities right, growing with every pair that it tears apart.

    Q is exact: (1 + d^2)^-1 over its sum over all pairs (van der Maaten & Hinton 2008, equation 4), whichever
    approximation made the plane, so that maps of both libraries compare. Memory: blocks of 64 MB.

    Args:
        affinities: sparse P, point x point, of sum 1; plane: point x 2.
    """
    total = 0.0
    rows = max(1, (1 << 26) // (8 * len(plane)))
    for start in range(0, len(plane), rows):
        total += float((1 / (1 + _squares(plane[start : start + rows], plane))).sum())
    total -= len(plane)  # a point is no neighbour of itself
    pairs = affinities.tocoo()
    there = pairs.data > 0
    p, i, j = pairs.data[there], pairs.row[there], pairs.col[there]
    q = 1 / (1 + ((plane[i] - plane[j]) ** 2).sum(1)) / total
    return float((p * np.log(p / q)).sum())


def trusted(vectors: np.ndarray, plane: np.ndarray, neighbours: int, seed: int) -> float:
    """scikit-learn's trustworthiness: 1 where every neighbour in the plane is one in the space.

    Of at most 5,000 points, drawn at random, because it holds distances of all pairs.
    """
    from sklearn.manifold import trustworthiness

    if len(vectors) > _MOST_TRUSTED:
        chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), _MOST_TRUSTED, replace=False))
        vectors, plane = vectors[chosen], plane[chosen]
    return float(trustworthiness(vectors, plane, n_neighbors=max(1, min(neighbours, (len(vectors) - 1) // 2))))


def _scikit_learn(reduced: np.ndarray, start: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "openmp"):
        fitted = TSNE(perplexity=perplexity, init=start.astype(np.float32), random_state=seed).fit_transform(reduced)
    return fitted.astype(np.float64)


def _opentsne(affinities, start, perplexity: float, gradient: str, seed: int, threads: int) -> np.ndarray:
    from openTSNE import TSNE
    from openTSNE.affinity import PrecomputedAffinities

    known = PrecomputedAffinities(affinities, normalize=False)
    tsne = TSNE(perplexity=perplexity, negative_gradient_method=gradient, random_state=seed, n_jobs=threads)
    return np.array(tsne.fit(affinities=known, initialization=start.copy()), np.float64)


# ---------------------------------------------------------------- the plane filled with patches


class Square(NamedTuple):
    """A square of the plane: its left and lower edge and its side, in the plane's own units."""

    left: float
    low: float
    side: float


def whole_plane(plane: np.ndarray) -> Square:
    """The smallest square around all points, with a margin of 1% on each side."""
    least, greatest = plane.min(0), plane.max(0)
    side = 1.02 * max(float((greatest - least).max()), np.finfo(np.float32).tiny)
    left, low = (least + greatest) / 2 - side / 2
    return Square(float(left), float(low), side)


def fill_grid(plane: np.ndarray, square: Square, cells: int) -> np.ndarray:
    """The nearest point of every cell of a grid over ``square``: no cell is empty, no patch overlaps (YU 4.1).

    Args:
        plane: point x 2, across and up.
        cells: along each side.

    Returns:
        row x column, the numbers of the points nearest to the cells' centres; row 0 is the top.
    """
    steps = (np.arange(cells) + 0.5) / cells * square.side
    across, up = np.meshgrid(square.left + steps, square.low + steps[::-1])
    centres = np.stack([across.ravel(), up.ravel()], 1)
    rows = max(1, (1 << 26) // (8 * len(plane)))
    nearest = [_squares(centres[at : at + rows], plane).argmin(1) for at in range(0, len(centres), rows)]
    return np.concatenate(nearest).reshape(cells, cells)


@dataclass(frozen=True)
class Region:
    """A part of the plane to look at more closely.

    Attributes:
        square: where it is; members: the points in it.
        label: the commonest label there, the lowest of equally common ones; label_fraction: its share.
    """

    square: Square
    members: np.ndarray
    label: int
    label_fraction: float


def square_at(centre: np.ndarray, side: float, within: Square) -> Square:
    """The square of this side around ``centre``, moved as far as needed to lie ``within`` another, which is larger."""
    corner = [min(max(c - side / 2, e), e + within.side - side) for c, e in zip(centre, within[:2], strict=True)]
    return Square(*map(float, corner), float(side))


def dense_pure_regions(plane: np.ndarray, labels: np.ndarray, count: int, side: float, fewest: int = 5) -> list[Region]:
    """The squares that hold most points of one label, best first: the plane's clearest groups.

    A square around every point, moved into the plane, is a candidate; its score is the lower end of the 95% Wilson
    interval of the share of its commonest label, so that it must be both pure and full. Chosen one by one: no square
    overlaps another, and labels come twice only where there are no others left. Ties go by the points' numbers.

    Args:
        labels: (point,); side: of the squares, in the plane's units; fewest: points that a square must hold.

    Returns:
        ``count`` regions, or fewer where no more fit.
    """
    whole = whole_plane(plane)
    candidates = [region_around(plane, labels, square_at(centre, side, whole)) for centre in plane]
    candidates = [(i, one) for i, one in enumerate(candidates) if len(one.members) >= fewest]
    candidates.sort(key=lambda pair: (-_wilson_low(pair[1].label_fraction, len(pair[1].members)), pair[0]))
    chosen: list[Region] = []
    for new_labels_only in (True, False):
        for _, one in candidates:
            if len(chosen) == count:
                break
            apart = all(not _overlap(one.square, other.square) for other in chosen)
            if apart and not (new_labels_only and one.label in {other.label for other in chosen}):
                chosen.append(one)
    return chosen


def region_around(plane: np.ndarray, labels: np.ndarray, square: Square) -> Region:
    """The points in ``square`` and their commonest label; label -1 and share NaN where it is empty."""
    inside = (plane >= [square.left, square.low]) & (plane < [square.left + square.side, square.low + square.side])
    members = np.flatnonzero(inside.all(1))
    if not len(members):
        return Region(square, members, -1, np.nan)
    counts = np.bincount(labels[members])
    return Region(square, members, int(counts.argmax()), float(counts.max() / len(members)))


def selected_members(plane: np.ndarray, region: Region, count: int) -> np.ndarray:
    """The ``count`` members nearest to the region's centre, nearest first, ties by number."""
    centre = np.array([region.square.left, region.square.low]) + region.square.side / 2
    order = np.argsort(_squares(plane[region.members], centre[None])[:, 0], kind="stable")
    return region.members[order[:count]]


def _overlap(one: Square, other: Square) -> bool:
    reach = (one.side + other.side) / 2
    return abs(one.left - other.left) < reach and abs(one.low - other.low) < reach


def _wilson_low(share: float, trials: int, z: float = 1.959964) -> float:
    middle = share + z**2 / (2 * trials)
    return (middle - z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))) / (1 + z**2 / trials)


def _squares(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (points[:, :1] - others[None, :, 0]) ** 2 + (points[:, 1:] - others[None, :, 1]) ** 2
