"""The representation space as a plane: t-SNE of sampled response vectors, and how far to trust it (YU 4.1, figure 3).

``methods.embedding_regions`` fills the plane with image patches.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import openTSNE
import torch
from jaxtyping import Float, Float32, Float64, Int, Int64, Integer, Shaped
from openTSNE.affinity import PerplexityBasedNN, PrecomputedAffinities
from openTSNE.nearest_neighbors import Sklearn
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as share_of_true_neighbours
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture
from receptive.methods.embedding_regions import squared_distances

NEIGHBOURS_PER_PERPLEXITY = 3
"""Neighbours that carry the affinities of a point, per perplexity (van der Maaten 2014)."""

FFT_FROM = 20_000
"""Points from which interpolation (Linderman et al. 2019) is faster than the Barnes-Hut tree; measured."""

MOST_TRUSTED = 5_000
"""Points of which ``trusted`` judges at most: scikit-learn holds the distances and ranks of all pairs."""


# ---------------------------------------------------------------- vectors


@dataclass(frozen=True)
class Sample:
    """Positions of one layer whose response vectors are wanted.

    Attributes:
        layer: name of the module.
        image: the number of each point's image.
        y, x: its row and column in the map; 0 for a layer without a map.
    """

    layer: str
    image: Integer[np.ndarray, "point"]
    y: Integer[np.ndarray, "point"]
    x: Integer[np.ndarray, "point"]


def sample_positions(
    layer: str,
    images: Integer[np.ndarray, "image"],
    positions: int,
    map_size: tuple[int, int],
    rng: np.random.Generator,
) -> Sample:
    """Random positions of a layer's maps, spread over the images as evenly as possible; none comes twice.

    Args:
        layer: name of the module.
        images: numbers of the images to draw from. Where there are fewer positions than images, the first are taken.
        positions: how many; all positions of all images, where there are fewer.
        map_size: height and width of the map.

    Returns:
        The positions in the order of the images' numbers.
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
def vectors_at(
    network: nn.Module, samples: list[Sample], batches: Iterable[tuple[Tensor, Tensor]]
) -> list[Float32[np.ndarray, "_ _"]]:
    """The response vectors at the sampled positions: all units of a layer at one position of one image.

    They are picked while the network runs. Memory holds the sample and one batch, whatever the number of images.

    Args:
        network: in evaluation mode.
        samples: several may be of one layer.
        batches: pairs of the images' numbers (int64) and the normalised images (image, channel, y, x), each image once.

    Returns:
        Of each sample its vectors: point, unit.

    Raises:
        ReceptiveError: an image of a sample is in no batch.
    """
    vectors: list[np.ndarray | None] = [None] * len(samples)
    filled = [np.zeros(len(sample.image), bool) for sample in samples]
    by_layer: dict[str, list[int]] = {}
    for at, sample in enumerate(samples):
        by_layer.setdefault(sample.layer, []).append(at)
    rows: dict[int, int] = {}

    def read(layer: str, response: Float[Tensor, "..."]) -> None:
        response = response if response.dim() == 4 else response[..., None, None]
        for at in by_layer[layer]:
            sample = samples[at]
            kept = vectors[at]
            if kept is None:
                kept = vectors[at] = np.zeros((len(sample.image), response.shape[1]), np.float32)
            points = np.flatnonzero(np.isin(sample.image, list(rows)))
            row = torch.tensor([rows[image] for image in sample.image[points].tolist()], dtype=torch.int64)
            y, x = (torch.from_numpy(np.asarray(place[points], np.int64)) for place in (sample.y, sample.x))
            kept[points] = response[row, :, y, x].float().cpu().numpy()
            filled[at][points] = True

    with capture(network, by_layer, read, stop=True):
        for numbers, images in batches:
            rows = {number: row for row, number in enumerate(numbers.tolist())}
            network(images)
    for sample, complete in zip(samples, filled, strict=True):
        if not complete.all():
            missing = sample.image[~complete][0]
            raise ReceptiveError(f"{sample.layer}: image {missing} is not among the images: run 'dvc repro prepare'")
    return [of_sample for of_sample in vectors if of_sample is not None]


def distinct(vectors: Shaped[np.ndarray, "point unit"]) -> Int64[np.ndarray, "selected"]:
    """The numbers of the points whose vector no earlier point has, rising.

    Where a layer sees nothing, as in the black around a digit, many vectors coincide. Such points cannot be given a
    perplexity, and a map would show little else.
    """
    return np.sort(np.unique(vectors, axis=0, return_index=True)[1])


class Strongest(NamedTuple):
    """The units that answer most at each point, strongest first.

    Attributes:
        unit: their numbers; -1 where fewer units are active.
        activation: their responses; 0 where fewer units are active.
    """

    unit: Int64[np.ndarray, "point rank"]
    activation: Float[np.ndarray, "point rank"]


def strongest_units(vectors: Float[np.ndarray, "point unit"], count: int) -> Strongest:
    """The ``count`` units with the greatest positive response in each vector; equal ones by number."""
    order = np.argsort(-vectors, axis=1, kind="stable")[:, :count]
    activation = np.take_along_axis(vectors, order, 1)
    unit = np.where(activation > 0, order, -1)
    missing = count - order.shape[1]
    return Strongest(
        np.pad(unit, ((0, 0), (0, missing)), constant_values=-1),
        np.pad(np.where(activation > 0, activation, 0), ((0, 0), (0, missing))),
    )


# ---------------------------------------------------------------- the map


@dataclass(frozen=True)
class Map:
    """A plane of points, and how far to trust it.

    Attributes:
        plane: the place of each point, across and up.
        method: "scikit-learn, barnes_hut", "openTSNE, bh" or "openTSNE, fft".
        perplexity: the effective number of neighbours of a point.
        components: dimensions that PCA left.
        variance_fraction: the share of the variance that they hold, in (0, 1].
        kl_divergence: of the plane from the affinities, at least 0; 0 for a perfect map.
        trustworthiness: 1 where all neighbours in the plane are neighbours in the space (Venna & Kaski 2001), about 0.5
            where they are random; of at most 5,000 points, drawn at random.
    """

    plane: Float64[np.ndarray, "point 2"]
    method: str
    perplexity: float
    components: int
    variance_fraction: float
    kl_divergence: float
    trustworthiness: float


def embed(
    vectors: Float[np.ndarray, "point unit"],
    layer: str,
    *,
    perplexity: float,
    components: int,
    opentsne_from: int,
    neighbours: int,
    seed: int,
    threads: int | None = None,
) -> Map:
    """t-SNE of response vectors: points close in the space come close in the plane (van der Maaten & Hinton 2008).

    PCA comes first. Then scikit-learn makes the plane, or openTSNE from ``opentsne_from`` points on. Both start from
    the first two principal components, scaled to a standard deviation of 0.0001, and run each library's own number of
    iterations. The same input gives the same plane: scikit-learn runs on one thread, because its sums over several
    depend on their order.

    Args:
        vectors: responses after the rectification, not scaled.
        layer: for the error messages, for instance "vggcnn, c5_3".
        perplexity: the effective number of neighbours of a point.
        components: most dimensions that PCA leaves.
        neighbours: how many ``trusted`` looks at; fewer where there are few points.
        seed: of PCA, t-SNE and the points of ``trusted``.
        threads: of openTSNE; None for as many as PyTorch uses.

    Raises:
        ReceptiveError: see ``check``.
    """
    check(vectors, layer, perplexity)
    state = seed % (1 << 32)
    threads = threads or torch.get_num_threads()
    kept = min(components, *vectors.shape)
    pca = PCA(kept, svd_solver="full" if min(vectors.shape) <= 64 else "covariance_eigh").fit(
        vectors.astype(np.float64)
    )
    reduced = pca.transform(vectors.astype(np.float64))
    start = reduced[:, :2] / reduced[:, 0].std() * 1e-4
    if start.shape[1] == 1:
        start = np.column_stack([start, np.zeros(len(start))])
    affinities = joint_affinities(reduced, perplexity, threads)
    method = method_for(len(vectors), opentsne_from)
    if method.startswith("scikit-learn"):
        plane = scikit_learn_plane(reduced, start, perplexity, state)
    else:
        plane = opentsne_plane(affinities, start, method.removeprefix("openTSNE, "), state, threads)
    return Map(
        plane=plane,
        method=method,
        perplexity=perplexity,
        components=kept,
        variance_fraction=float(pca.explained_variance_ratio_.sum()),
        kl_divergence=kl_divergence(affinities, plane),
        trustworthiness=trusted(vectors, plane, neighbours, state),
    )


def check(vectors: Float[np.ndarray, "point unit"], layer: str, perplexity: float) -> None:
    """Refuses vectors of which no map can be made.

    Raises:
        Constant: all vectors are equal.
        TooFew: there are too few points for the perplexity.
        ReceptiveError: a value is not finite.
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


def method_for(points: int, opentsne_from: int) -> str:
    """The library and the approximation of the gradient by which so many points are mapped (``Map.method``)."""
    if points < opentsne_from:
        return "scikit-learn, barnes_hut"
    return "openTSNE, bh" if points < FFT_FROM else "openTSNE, fft"


def joint_affinities(
    reduced: Float[np.ndarray, "point dimension"], perplexity: float, threads: int, symmetrize: bool = True
) -> csr_matrix:
    """How near each pair of points is, by Gaussians whose widths give every point the same perplexity.

    By openTSNE: p(j|i) over the 3 x perplexity nearest neighbours (van der Maaten 2014), then (p(j|i) + p(i|j)) / 2n
    (van der Maaten & Hinton 2008, section 3).

    Args:
        symmetrize: False gives p(j|i) / n.

    Returns:
        P (point, point), of sum 1.
    """
    neighbours = min(len(reduced) - 1, int(np.ceil(NEIGHBOURS_PER_PERPLEXITY * perplexity)))
    nearest = _NearestOthers(reduced, neighbours)
    return PerplexityBasedNN(perplexity=perplexity, knn_index=nearest, symmetrize=symmetrize, n_jobs=threads).P


class _NearestOthers(Sklearn):
    """openTSNE's exact nearest neighbours, with the squared distances of each point less their smallest.

    That, and dividing them by their mean, are factors common to the weights of a point, which their sum cancels.
    Without it openTSNE misses the perplexity of points that are far from all others: their weights vanish beside the
    constant that it adds to the sum (3 of 636 points of DigitCNN's c2, by up to 36).
    """

    def build(self) -> tuple[Int[np.ndarray, "point neighbour"], Float64[np.ndarray, "point neighbour"]]:
        """The neighbours of each point, nearest first, and their distances."""
        index, distance = super().build()
        squares = distance**2 - distance[:, :1] ** 2
        mean = squares.mean(1, keepdims=True)
        return index, np.sqrt(squares / np.where(mean > 0, mean, 1))


def kl_divergence(affinities: csr_matrix, plane: Float[np.ndarray, "point 2"]) -> float:
    """KL(P || Q): 0 where the plane has all affinities right; it grows with every pair that the plane tears apart.

    Q is exact, whichever approximation made the plane, so that maps of both libraries compare: (1 + d^2)^-1 over its
    sum over all pairs (van der Maaten & Hinton 2008, equation 4). Memory: blocks of 64 MB.

    Args:
        affinities: P (point, point), of sum 1.
    """
    total = 0.0
    rows = max(1, (1 << 26) // (8 * len(plane)))
    for start in range(0, len(plane), rows):
        total += float((1 / (1 + squared_distances(plane[start : start + rows], plane))).sum())
    total -= len(plane)  # a point is no neighbour of itself
    pairs = affinities.tocoo()
    near = pairs.data > 0
    p, i, j = pairs.data[near], pairs.row[near], pairs.col[near]
    q = 1 / (1 + ((plane[i] - plane[j]) ** 2).sum(1)) / total
    return float((p * np.log(p / q)).sum())


def trusted(
    vectors: Float[np.ndarray, "point unit"],
    plane: Float[np.ndarray, "point 2"],
    neighbours: int,
    seed: int,
    most: int = MOST_TRUSTED,
) -> float:
    """Trustworthiness: 1 where all neighbours in the plane are neighbours in the space, about 0.5 for a random plane.

    By scikit-learn (Venna & Kaski 2001).

    Args:
        neighbours: how many of each point; fewer where there are few points.
        seed: of the points that are drawn, where there are more than ``most``.
    """
    if len(vectors) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), most, replace=False))
        vectors, plane = vectors[chosen], plane[chosen]
    looked_at = max(1, min(neighbours, (len(vectors) - 1) // 2))
    return float(share_of_true_neighbours(vectors, plane, n_neighbors=looked_at))


def scikit_learn_plane(
    reduced: Float[np.ndarray, "point dimension"], start: Float[np.ndarray, "point 2"], perplexity: float, seed: int
) -> Float64[np.ndarray, "point 2"]:
    """The plane by scikit-learn's Barnes-Hut t-SNE, on one thread."""
    with threadpool_limits(1, "openmp"):
        fitted = TSNE(perplexity=perplexity, init=start.astype(np.float32), random_state=seed).fit_transform(reduced)
    return fitted.astype(np.float64)


def opentsne_plane(
    affinities: csr_matrix,
    start: Float[np.ndarray, "point 2"],
    gradient: str,
    seed: int,
    threads: int,
    **options: int,
) -> Float64[np.ndarray, "point 2"]:
    """The plane by openTSNE.

    Args:
        affinities: P (point, point), of sum 1; it stays as it is.
        gradient: "bh" (the tree of Barnes and Hut) or "fft" (interpolation).
        options: of ``openTSNE.TSNE``, for instance its numbers of iterations.
    """
    tsne = openTSNE.TSNE(negative_gradient_method=gradient, random_state=seed, n_jobs=threads, **options)
    own = PrecomputedAffinities(affinities.copy(), normalize=False)  # openTSNE changes them while it runs
    return np.array(tsne.fit(affinities=own, initialization=start.copy()), np.float64)
