"""Maps of representation spaces against literal t-SNE quantities, scikit-learn, and planted structure."""

from functools import partial

import numpy as np
import openTSNE
import pytest
import torch
from oracles import with_integers
from scipy import stats
from scipy.sparse import csr_matrix
from sklearn.manifold import TSNE, trustworthiness
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods import embedding
from receptive.methods.embedding import Constant, Sample, TooFew, distinct, embed, joint_affinities, kl_divergence, sample_positions, strongest_units, trusted, vectors_at
from receptive.methods.embedding_regions import Region, Square, dense_pure_regions, fill_grid, region_around, selected_members, whole_plane

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


@pytest.mark.parametrize("scale", [1e-6, 1, 1e8])
@pytest.mark.parametrize("perplexity", [2, 5.5, 15])
def test_affinities_have_the_perplexity_asked_for(perplexity, scale):
    squares = scale * np.sort(np.random.default_rng(0).gamma(2, size=(12, 30)), 1)
    rows = row_affinities(squares, perplexity)
    np.testing.assert_allclose(rows.sum(1), 1)
    np.testing.assert_allclose(row_perplexity(rows), perplexity, rtol=1e-6)
    entropy = [-sum(p * np.log2(p) for p in row if p > 0) for row in rows]
    np.testing.assert_allclose(2 ** np.array(entropy), perplexity, rtol=1e-6)
    for row, its in zip(rows[:3], squares, strict=False):
        np.testing.assert_allclose(row, literal_row(its / scale, perplexity), rtol=1e-4, atol=1e-9)


def test_perplexity_of_rows_that_can_be_worked_out():
    np.testing.assert_allclose(row_perplexity(np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])), [1, 4, 2])


def test_coinciding_points_keep_what_perplexity_they_can():
    rows = row_affinities(np.zeros((1, 9)), 3)  # no width tells equal distances apart
    np.testing.assert_allclose(row_perplexity(rows), 9)


def test_joint_affinities_and_kl_against_all_pairs():
    vectors = np.random.default_rng(0).normal(size=(13, 3))
    plane = np.random.default_rng(1).normal(size=(13, 2))
    affinities, perplexities = joint_affinities(vectors, 4)  # 12 neighbours: everyone else
    conditional = np.zeros((13, 13))
    for i in range(13):
        others = [j for j in range(13) if j != i]
        conditional[i, others] = literal_row([((vectors[i] - vectors[j]) ** 2).sum() for j in others], 4)
    expected = (conditional + conditional.T) / 26
    np.testing.assert_allclose(affinities.toarray(), expected, atol=1e-6)
    np.testing.assert_allclose(perplexities, 4, rtol=1e-6)
    similar = [[0 if i == j else 1 / (1 + ((plane[i] - plane[j]) ** 2).sum()) for j in range(13)] for i in range(13)]
    q = np.array(similar) / np.sum(similar)
    terms = [expected[i, j] * np.log(expected[i, j] / q[i, j]) for i in range(13) for j in range(13) if i != j]
    assert kl_divergence(affinities, plane) == pytest.approx(sum(terms), rel=1e-5)


def test_kl_of_perfect_affinities_is_0():
    plane = np.random.default_rng(0).normal(size=(30, 2))
    q = 1 / (1 + ((plane[:, None] - plane) ** 2).sum(2))
    np.fill_diagonal(q, 0)
    assert kl_divergence(csr_matrix(q / q.sum()), plane) == pytest.approx(0, abs=1e-12)


def test_map_and_kl_are_those_of_scikit_learn():
    """The exact gradient and its own P and Q; only the tree's approximation lies between."""
    vectors, _ = clusters(80, 6)
    found = embed(vectors, "n", **{**SETTINGS, "components": 6})
    theirs = TSNE(perplexity=10, method="exact", init=found.plane.astype(np.float32), max_iter=300, learning_rate=1e-6)
    theirs.fit(vectors)
    assert found.kl_divergence == pytest.approx(theirs.kl_divergence_, rel=0.02)
    own = TSNE(perplexity=10, method="exact", init="pca", random_state=0).fit(vectors)  # all of it theirs
    assert found.kl_divergence == pytest.approx(own.kl_divergence_, rel=0.1)
    assert found.row_perplexity == pytest.approx(10, rel=1e-4)
    assert found.variance_fraction == pytest.approx(1)


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


def test_many_points_are_interpolated(monkeypatch):
    """Which of openTSNE's two gradients is asked for; docs/decisions.md has the measured 20,000."""
    asked = []
    monkeypatch.setattr(embedding, "_opentsne", lambda affinities, start, *rest: asked.append(rest) or start)
    monkeypatch.setattr(embedding, "FFT_FROM", 150)
    vectors, _ = clusters(150)
    assert embed(vectors, "n", **{**SETTINGS, "opentsne_from": 100}).method == "openTSNE, fft"
    assert embed(vectors[:149], "n", **{**SETTINGS, "opentsne_from": 100}).method == "openTSNE, bh"
    assert asked == [(10, "fft", 5, 1), (10, "bh", 5, 1)]


@pytest.mark.parametrize("gradient", ["bh", "fft"])
def test_both_gradients_of_opentsne_find_planted_clusters_twice_the_same(monkeypatch, gradient):
    """openTSNE itself, with fewer iterations: on few points each of the interpolation's takes 12 ms."""
    monkeypatch.setattr(embedding, "FFT_FROM", {"bh": 301, "fft": 300}[gradient])
    monkeypatch.setattr(openTSNE, "TSNE", partial(openTSNE.TSNE, early_exaggeration_iter=60, n_iter=40))
    vectors, labels = clusters(300)
    settings = {**SETTINGS, "opentsne_from": 100}
    found = embed(vectors, "n", **settings)
    assert found.method == f"openTSNE, {gradient}"
    apart = ((found.plane[:, None] - found.plane) ** 2).sum(2) + 1e9 * np.eye(300)
    assert (labels[apart.argmin(1)] == labels).mean() > 0.97
    shuffled = np.random.default_rng(0).permutation(labels)
    assert (shuffled[apart.argmin(1)] == shuffled).mean() < 0.5
    np.testing.assert_array_equal(embed(vectors, "n", **settings).plane, found.plane)


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


def test_trustworthiness_of_many_points_is_that_of_a_sample(monkeypatch):
    monkeypatch.setattr(embedding, "_MOST_TRUSTED", 400)
    vectors = np.random.default_rng(0).normal(size=(900, 4))
    plane = vectors[:, :2]
    assert trusted(vectors, plane, 10, 3) == pytest.approx(trustworthiness(vectors, plane, n_neighbors=10), abs=0.05)
    assert trusted(vectors, plane, 10, 3) == trusted(vectors, plane, 10, 3)


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


# ---------------------------------------------------------------- the plane filled with patches


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
    wilson = stats.binomtest(5, 10).proportion_ci(0.95, method="wilson")
    assert embedding._wilson_low(0.5, 10) == pytest.approx(wilson.low)


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
