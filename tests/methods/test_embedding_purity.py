"""Nearest neighbours and label purity against literal loops and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from receptive.methods import embedding_purity as purity
from receptive.methods.embedding_purity import (
    chance,
    label_purity,
    mean_purity,
    nearest_neighbours,
    purity_difference,
)


def literal_neighbours(vectors, count, groups):
    """Every pair by hand, sorted by (distance, number)."""
    found = []
    for i in range(len(vectors)):
        others = [j for j in range(len(vectors)) if j != i and groups[j] != groups[i]]
        others.sort(key=lambda j: (float(((vectors[i] - vectors[j]) ** 2).sum()), j))
        found.append((others + [-1] * count)[:count])
    return np.array(found)


@pytest.fixture
def cloud():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 5)) + 100, rng.integers(0, 15, 60), rng.integers(0, 4, 60)


def test_neighbours_of_other_images_against_all_pairs(cloud, monkeypatch):
    vectors, images, _ = cloud
    monkeypatch.setattr(purity, "_BLOCK_BYTES", 7 * 8 * 60)  # blocks of 7 rows, the last one short
    index, distance = nearest_neighbours(vectors, 6, images)
    np.testing.assert_array_equal(index, literal_neighbours(vectors, 6, images))
    apart = np.linalg.norm(vectors[:, None] - vectors[index], axis=2)
    np.testing.assert_allclose(distance, apart, atol=1e-3)  # squares are rounded to 1e-10 of the greatest
    assert (images[index] != images[:, None]).all()


def test_without_groups_they_are_those_of_scikit_learn(cloud):
    vectors = cloud[0]
    expected = NearestNeighbors(n_neighbors=6).fit(vectors).kneighbors(return_distance=False)
    np.testing.assert_array_equal(nearest_neighbours(vectors, 6)[0], expected)


def test_equal_distances_go_by_number_also_far_from_the_origin():
    grid = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1], [0, 0]], float) + 12345.678
    assert nearest_neighbours(grid, 5)[0][0].tolist() == [5, 1, 2, 3, 4]
    assert nearest_neighbours(np.full((5, 3), 0.1, np.float32), 3)[0].tolist() == [
        *([1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]),
    ]


def test_rounding_orders_no_equal_distances():
    """The corners of a turned simplex are all equally far from each other, but not to the last digit."""
    corners = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    for i, row in enumerate(nearest_neighbours(corners, 11)[0]):
        assert row.tolist() == [j for j in range(12) if j != i]


def test_too_few_others_leave_places_empty():
    index, distance = nearest_neighbours(np.arange(3.0)[:, None], 2, np.array([0, 0, 1]))
    assert index.tolist() == [[2, -1], [2, -1], [1, 0]]
    assert np.isinf(distance[0, 1])
    assert np.isnan(label_purity(np.array([1, 1]), np.full((2, 2), -1))).all()
    assert np.isnan(mean_purity(np.zeros((3, 1)), np.zeros(3, int), np.zeros(3), 2))


def test_purity_against_a_count(cloud):
    vectors, images, labels = cloud
    index = literal_neighbours(vectors, 7, images)
    expected = [sum(labels[j] == labels[i] for j in row) / 7 for i, row in enumerate(index)]
    np.testing.assert_allclose(label_purity(labels, index), expected)
    assert mean_purity(vectors, labels, images, 7) == pytest.approx(np.mean(expected))


def test_separate_classes_have_purity_1_and_noise_has_chance():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 100)
    noise = rng.normal(size=(400, 3))
    assert mean_purity(noise + 1000 * labels[:, None], labels, np.arange(400), 10) == 1
    by_chance = chance(labels)
    np.testing.assert_allclose(by_chance, 99 / 399)
    assert mean_purity(noise, labels, np.arange(400), 10) == pytest.approx(99 / 399, abs=0.03)


def test_patches_of_one_image_would_flatter():
    """Two copies of every vector share image and label: only without the exclusion do they count."""
    rng = np.random.default_rng(2)
    images = np.repeat(np.arange(200), 2)
    vectors, labels = rng.normal(size=(200, 4))[images], rng.integers(0, 5, 200)[images]
    assert mean_purity(vectors, labels, np.arange(400), 1) == 1
    assert mean_purity(vectors, labels, images, 1) < 0.35


def test_chance_counts_other_groups_only():
    labels, groups = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2])
    np.testing.assert_allclose(chance(labels, groups), [1 / 2, 1 / 2, 2 / 3, 0])


def test_the_interval_of_purity_is_the_sum_over_all_pairs_of_edges_that_share_a_point(cloud):
    """Word for word: the product of the deviations of any two pairs of points with a point in common."""
    vectors, _, labels = cloud
    spaces = [(1.0, nearest_neighbours(vectors, 3)[0]), (-1.0, nearest_neighbours(vectors[:, :2], 4)[0])]
    found = purity_difference(labels, spaces)
    pairs, value = {}, 0.0
    for sign, near in spaces:
        mean = np.mean([labels[i] == labels[j] for i in range(60) for j in near[i]])
        value += sign * mean
        for i in range(60):
            for j in near[i]:
                key = frozenset((i, int(j)))
                deviation = sign * ((labels[i] == labels[j]) - mean) / len(near[i]) / 60
                pairs[key] = pairs.get(key, 0.0) + deviation
    variance = sum(a * b for one, a in pairs.items() for other, b in pairs.items() if one & other) * 60 / 59
    half = stats.t.ppf(0.975, 59) * variance**0.5
    assert found == pytest.approx((value, value - half, value + half))


def test_purity_without_neighbours_has_no_interval():
    nobody = np.full((3, 2), -1)
    assert np.isnan(purity_difference(np.array([0, 1, 0]), [(1.0, nobody)])).all()
    some = np.array([[1, -1], [-1, -1], [0, 1]])
    assert purity_difference(np.array([0, 0, 1]), [(1.0, some)]).value == pytest.approx(0.5)  # of two points with some
