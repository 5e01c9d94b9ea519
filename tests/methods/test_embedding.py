"""Maps of representation spaces against literal t-SNE quantities, scikit-learn, and planted structure."""

import numpy as np
import pytest
import torch
from oracles import affinities_by_bisection, with_integers
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.embedding import (
    Constant,
    Sample,
    TooFew,
    distinct,
    embed,
    joint_affinities,
    kl_divergence,
    method_for,
    opentsne_plane,
    sample_positions,
    strongest_units,
    trusted,
    vectors_at,
)

SETTINGS = dict(perplexity=10, components=8, opentsne_from=10_000, neighbours=10, seed=5, threads=1)


def clusters(points=200, dimensions=20, groups=4, apart=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, groups, points)
    centres = apart * rng.normal(size=(groups, dimensions)) / np.sqrt(dimensions)
    return (centres[labels] + rng.normal(size=(points, dimensions))).astype(np.float32), labels


# ---------------------------------------------------------------- vectors


def network():
    return with_integers(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 2, stride=2), nn.ReLU()), 3)


IMAGES = torch.randint(-3, 4, (11, 1, 8, 8), generator=torch.Generator().manual_seed(0)).float()
NUMBERS = torch.tensor([4, 9, 2, 30, 1, 5, 8, 7, 6, 11, 12])


def batches(size):
    return ((NUMBERS[i : i + size], IMAGES[i : i + size]) for i in range(0, len(IMAGES), size))


def test_positions_are_even_and_none_comes_twice():
    images = np.array([7, 3, 9, 4])
    sample = sample_positions("a", images, 10, (3, 2), np.random.default_rng(0))
    assert np.bincount(sample.image)[[7, 3, 9, 4]].tolist() == [3, 3, 2, 2]
    assert (np.diff(sample.image) >= 0).all()
    assert len(set(zip(sample.image, sample.y, sample.x, strict=True))) == 10
    assert sample.y.max() <= 2
    assert sample.x.max() <= 1
    everything = sample_positions("a", images, 1000, (3, 2), np.random.default_rng(0))
    assert len(set(zip(everything.image, everything.y, everything.x, strict=True))) == 24
    few = sample_positions("a", images, 2, (3, 2), np.random.default_rng(0))
    assert few.image.tolist() == [3, 7]


@pytest.mark.parametrize("size", [1, 4, 11])
def test_vectors_are_those_of_the_whole_maps(size):
    net = network()
    rng = np.random.default_rng(1)
    samples = [
        sample_positions("1", NUMBERS.numpy(), 25, (6, 6), rng),
        sample_positions("3", NUMBERS.numpy(), 7, (3, 3), rng),
    ]
    samples.append(sample_positions("1", NUMBERS.numpy()[:3], 5, (6, 6), rng))  # a layer may come twice
    found = vectors_at(net, samples, batches(size))
    for sample, vectors in zip(samples, found, strict=True):
        maps = net[: int(sample.layer) + 1](IMAGES).detach().numpy()
        rows = [NUMBERS.tolist().index(image) for image in sample.image]
        for vector, row, y, x in zip(vectors, rows, sample.y, sample.x, strict=True):
            np.testing.assert_array_equal(vector, maps[row, :, y, x])


def test_layers_without_a_map_have_one_position():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    sample = sample_positions("1", NUMBERS.numpy(), 11, (1, 1), np.random.default_rng(0))
    order = [NUMBERS.tolist().index(image) for image in sample.image]
    torch.testing.assert_close(torch.from_numpy(vectors_at(net, [sample], batches(4))[0]), net(IMAGES)[order])


def test_nothing_is_left_of_the_reading_also_after_an_error():
    net = network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    sample = Sample("1", np.array([4, 99]), np.zeros(2, int), np.zeros(2, int))
    with pytest.raises(ReceptiveError, match="image 99"):
        vectors_at(net, [sample], batches(4))

    def broken():
        yield next(batches(4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vectors_at(net, [Sample("1", np.array([4]), np.zeros(1, int), np.zeros(1, int))], broken())
    assert not any(module._forward_hooks for module in net.modules())
    assert net.training
    assert "forward" not in net.__dict__
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_strongest_units_are_positive_and_ties_go_by_number():
    found = strongest_units(np.array([[0, 3, 3, 1], [0, -1, 0, 2], [0, 0, 0, 0]], np.float32), 3)
    assert found.unit.tolist() == [[1, 2, 3], [3, -1, -1], [-1, -1, -1]]
    assert found.activation.tolist() == [[3, 3, 1], [2, 0, 0], [0, 0, 0]]
    assert strongest_units(np.ones((1, 2)), 3).unit.tolist() == [[0, 1, -1]]


def test_of_equal_vectors_the_first_stays():
    assert distinct(np.array([[2, 1], [0, 0], [2, 1], [1, 2], [0, 0]])).tolist() == [0, 1, 3]


# ---------------------------------------------------------------- the map


def literal_row(squares, perplexity):
    """One row by bisection on the precision itself, as in van der Maaten & Hinton 2008."""
    low, high = 0.0, 1e9
    for _ in range(300):
        beta = (low + high) / 2 if high < 1e9 else max(2 * low, 1e-9)
        weights = [np.exp(-beta * (s - min(squares))) for s in squares]
        p = [w / sum(weights) for w in weights]
        entropy = -sum(q * np.log(q) for q in p if q > 0)
        low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
    return p


@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
@pytest.mark.parametrize("perplexity", [2, 5.5, 15])
def test_affinities_have_the_perplexity_asked_for_and_are_those_of_the_equations(perplexity, scale):
    vectors = clusters(150, 20)[0].astype(np.float64)
    vectors[:3] *= 100  # far from all others, whose distances from it hardly differ
    expected, perplexities = affinities_by_bisection(vectors, perplexity, int(np.ceil(3 * perplexity)))
    np.testing.assert_allclose(perplexities, perplexity, rtol=1e-10)
    affinities = joint_affinities(scale * vectors, perplexity, threads=1)
    np.testing.assert_allclose(affinities.toarray(), expected, rtol=0, atol=1e-10)
    one_way = 150 * joint_affinities(scale * vectors, perplexity, threads=1, symmetrize=False).toarray()
    np.testing.assert_allclose(one_way.sum(1), 1)
    entropies = [-sum(p * np.log2(p) for p in row if p > 0) for row in one_way]
    np.testing.assert_allclose(2 ** np.array(entropies), perplexity, rtol=1e-6)


def test_coinciding_points_keep_what_perplexity_they_can():
    affinities = joint_affinities(np.ones((10, 3)), 3, threads=1)  # no width tells equal distances apart
    np.testing.assert_allclose(affinities.toarray(), (1 - np.eye(10)) / 90, rtol=1e-9)


def test_affinities_and_kl_of_few_points_are_those_of_loops():
    vectors = np.random.default_rng(0).normal(size=(13, 3))
    plane = np.random.default_rng(1).normal(size=(13, 2))
    conditional = np.zeros((13, 13))
    for i in range(13):
        others = [j for j in range(13) if j != i]  # 12 neighbours: every other point
        conditional[i, others] = literal_row([((vectors[i] - vectors[j]) ** 2).sum() for j in others], 4)
    expected = (conditional + conditional.T) / 26
    affinities = joint_affinities(vectors, 4, threads=1)
    np.testing.assert_allclose(affinities.toarray(), expected, atol=1e-10)
    similar = [[0 if i == j else 1 / (1 + ((plane[i] - plane[j]) ** 2).sum()) for j in range(13)] for i in range(13)]
    q = np.array(similar) / np.sum(similar)
    terms = [expected[i, j] * np.log(expected[i, j] / q[i, j]) for i in range(13) for j in range(13) if i != j]
    assert kl_divergence(affinities, plane) == pytest.approx(sum(terms), rel=1e-8)


def test_kl_of_perfect_affinities_is_0():
    plane = np.random.default_rng(0).normal(size=(30, 2))
    q = 1 / (1 + ((plane[:, None] - plane) ** 2).sum(2))
    np.fill_diagonal(q, 0)
    assert kl_divergence(csr_matrix(q / q.sum()), plane) == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_map_and_kl_are_those_of_scikit_learn():
    """The exact gradient and its own P and Q; only the tree's approximation lies between."""
    vectors, _ = clusters(80, 6)
    found = embed(vectors, "n", **{**SETTINGS, "components": 6})
    theirs = TSNE(perplexity=10, method="exact", init=found.plane.astype(np.float32), max_iter=300, learning_rate=1e-6)
    theirs.fit(vectors)
    assert found.kl_divergence == pytest.approx(theirs.kl_divergence_, rel=0.02)
    own = TSNE(perplexity=10, method="exact", init="pca", random_state=0).fit(vectors)  # all of it theirs
    assert found.kl_divergence == pytest.approx(own.kl_divergence_, rel=0.1)
    assert found.variance_fraction == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize(("opentsne_from", "method"), [(151, "scikit-learn, barnes_hut"), (150, "openTSNE, bh")])
def test_planted_clusters_stay_together_and_twice_is_the_same(opentsne_from, method):
    vectors, labels = clusters(150)
    settings = {**SETTINGS, "opentsne_from": opentsne_from}
    found = embed(vectors, "n", **settings)
    assert found.method == method
    nearest = ((found.plane[:, None] - found.plane) ** 2).sum(2) + 1e9 * np.eye(150)
    assert (labels[nearest.argmin(1)] == labels).mean() > 0.97
    assert found.trustworthiness > 0.85
    again = embed(vectors, "n", **settings)
    np.testing.assert_array_equal(again.plane, found.plane)
    assert again.kl_divergence == found.kl_divergence


def test_the_number_of_points_decides_on_library_and_gradient():
    """docs/decisions.md has the measured 20,000."""
    assert [method_for(points, 3000) for points in (1, 2999)] == ["scikit-learn, barnes_hut"] * 2
    assert [method_for(points, 3000) for points in (3000, 19_999)] == ["openTSNE, bh"] * 2
    assert method_for(20_000, 3000) == "openTSNE, fft"


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["bh", "fft"])
def test_both_gradients_of_opentsne_find_planted_clusters_twice_the_same(gradient):
    """openTSNE itself, with fewer iterations: on few points each of the interpolation's takes 12 ms."""
    vectors, labels = clusters(300)
    affinities = joint_affinities(vectors.astype(np.float64), 10, threads=1)
    start = PCA(2).fit_transform(vectors.astype(np.float64)) * 1e-4

    def plane():
        return opentsne_plane(affinities, start, gradient, 5, 1, early_exaggeration_iter=60, n_iter=40)

    found = plane()
    apart = ((found[:, None] - found) ** 2).sum(2) + 1e9 * np.eye(300)
    assert (labels[apart.argmin(1)] == labels).mean() > 0.97
    shuffled = np.random.default_rng(0).permutation(labels)
    assert (shuffled[apart.argmin(1)] == shuffled).mean() < 0.5
    np.testing.assert_array_equal(plane(), found)


def test_a_map_is_what_its_parts_give():
    """PCA, affinities and start of the call are those that the plane of openTSNE is made of."""
    vectors, _ = clusters(120, 6)
    settings = {**SETTINGS, "components": 6, "opentsne_from": 100}
    pca = PCA(6, svd_solver="full").fit(vectors.astype(np.float64))
    reduced = pca.transform(vectors.astype(np.float64))
    start = reduced[:, :2] / reduced[:, 0].std() * 1e-4
    expected = opentsne_plane(joint_affinities(reduced, 10, 1), start, "bh", 5, 1)
    np.testing.assert_array_equal(embed(vectors, "n", **settings).plane, expected)


@pytest.mark.slow
def test_another_seed_changes_only_what_is_drawn():
    vectors, _ = clusters(120)
    first, second = (embed(vectors, "n", **{**SETTINGS, "seed": seed}) for seed in (1, 2))
    np.testing.assert_array_equal(first.plane, second.plane)  # the start is PCA's: nothing of the map is left to chance


def test_trustworthiness_of_an_affine_copy_is_1_and_of_noise_one_half():
    plane = np.random.default_rng(0).normal(size=(300, 2))
    assert trusted(plane @ np.array([[0, 3], [-3, 0]]) + 7, plane, 10, 0) == 1
    noise = np.random.default_rng(1).normal(size=(300, 2))
    assert trusted(plane, noise, 10, 0) == pytest.approx(0.5, abs=0.03)
    assert trusted(plane, noise, 10, 0) == trustworthiness(plane, noise, n_neighbors=10)


def test_trustworthiness_of_many_points_is_that_of_a_sample():
    vectors = np.random.default_rng(0).normal(size=(900, 4))
    plane = vectors[:, :2]
    of_all = trustworthiness(vectors, plane, n_neighbors=10)
    assert trusted(vectors, plane, 10, 3, most=900) == of_all
    of_some = trusted(vectors, plane, 10, 3, most=400)
    assert of_some != of_all
    assert of_some == pytest.approx(of_all, abs=0.05)
    assert trusted(vectors, plane, 10, 3, most=400) == of_some


@pytest.mark.parametrize(
    ("vectors", "error", "words"),
    [
        (np.eye(30, 4, dtype=np.float32), TooFew, "30 points are too few for perplexity 10, which needs 31"),
        (np.ones((40, 4), np.float32), Constant, "all 40 vectors are equal"),
        (np.zeros((20, 4), np.float32), Constant, "all 20 vectors are equal"),  # more points would not help
        (np.ones((1, 4), np.float32), TooFew, "1 points are too few"),
        (np.where(np.eye(40) > 0, np.nan, 1), ReceptiveError, "40 of 40 vectors are not finite"),
    ],
)
def test_what_cannot_be_mapped_is_refused_in_one_line_that_names_the_layer(vectors, error, words):
    with pytest.raises(error) as caught:
        embed(vectors, "vggcnn, c5_3", **SETTINGS)
    line = str(caught.value)
    assert line.startswith("vggcnn, c5_3: ")
    assert words in line
    assert "\n" not in line


def test_one_unit_is_enough_for_a_map():
    vectors = np.random.default_rng(0).normal(size=(60, 1))
    assert np.isfinite(embed(vectors, "n", **SETTINGS).plane).all()
