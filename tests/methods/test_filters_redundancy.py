"""Repeats that were planted are found under the change that makes them, and under no lesser one."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from receptive.methods.filters_redundancy import (
    _NEARLY,
    CHANGES,
    _nuclear_nearly,
    best_likeness,
    fine_turns,
    likeness,
    likenesses,
    most_alike,
    quarter_turns,
    shuffled_pixels,
    unit_norm,
)


def noise(count: int, side: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, side, side, channels))


def edge(degrees: float, side: int = 11) -> np.ndarray:
    """A smooth oriented edge in a round window, grey."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    window = np.exp(-(x**2 + y**2) / (2 * (side / 6) ** 2))
    return np.repeat((along * window)[..., None], 3, 2)


@pytest.mark.parametrize("side", [3, 7])
def test_planted_repeats_need_just_their_change(side):
    one = noise(1, side)[0]
    colours = Rotation.random(random_state=1).as_matrix()
    copies = {
        "as they are": -2 * one,
        "turned": 3 * np.rot90(one, 1)[:, ::-1],
        "recoloured": one @ colours,
        "turned and recoloured": np.rot90(one, 2) @ colours,
    }
    strengths = {change: {} for change in CHANGES}
    for change, copy in copies.items():
        found = best_likeness(np.stack([one, copy]))
        for allowed in CHANGES:
            strengths[change][allowed] = found[allowed][0]
    for change in CHANGES:
        assert strengths[change][change] == pytest.approx(1)
        assert strengths[change]["turned and recoloured"] == pytest.approx(1)
    for change, lesser in (("turned", "as they are"), ("recoloured", "as they are"), ("turned", "recoloured")):
        assert strengths[change][lesser] < 0.97
    assert strengths["turned and recoloured"]["turned"] < 0.97
    assert strengths["turned and recoloured"]["recoloured"] < 0.97


def test_quarter_turns_are_the_eight_symmetries_of_the_square():
    one = noise(1, 5)
    images = quarter_turns(one)
    np.testing.assert_array_equal(images[0], one)
    assert len({image.tobytes() for image in images}) == 8
    for image in images:
        again = {turned.tobytes() for turned in quarter_turns(image)}
        assert again == {turned.tobytes() for turned in quarter_turns(one)}


def test_finer_rotations_are_found_where_the_kernel_has_the_pixels():
    filters = np.stack([edge(0), edge(30)])
    assert best_likeness(filters, 90)["turned"][0] < 0.95
    assert best_likeness(filters, 30)["turned"][0] > 0.99
    turned = fine_turns(filters[:1], 30)
    assert len(turned) == 2 * 8  # 30, 60, 120, ... but no quarter turn, each also mirrored
    best = max(abs((unit_norm(image) * unit_norm(filters[1:])).sum()) for image in turned)
    assert best > 0.99  # the sense of turning does not matter: both are tried
    assert fine_turns(noise(2, 3), 30) == []


def test_recolouring_is_the_best_orthogonal_map_found_by_search():
    a, b = unit_norm(noise(1, 3, seed=2)), unit_norm(noise(1, 3, seed=3))

    def worse(angles, mirror):
        return -np.sum(a[0] * (b[0] @ (Rotation.from_rotvec(angles).as_matrix() * mirror)))

    found = max(
        -minimize(worse, start, args=(mirror,), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).fun
        for start in np.random.default_rng(4).normal(size=(12, 3)) * 2
        for mirror in (1, -1)
    )
    assert likeness(a, b, recoloured=True)[0, 0] == pytest.approx(found, abs=1e-6)


def test_a_grey_filter_recoloured_is_itself():
    filters = unit_norm(noise(6, 3, channels=1))
    np.testing.assert_allclose(likeness(filters, filters, True), likeness(filters, filters), atol=1e-12)


def test_likeness_literally():
    a, b = unit_norm(noise(4, 3, seed=5)), unit_norm(noise(5, 3, seed=6))
    for i in range(4):
        for j in range(5):
            plain = abs(sum(x * y for x, y in zip(a[i].ravel(), b[j].ravel(), strict=True)))
            assert likeness(a, b)[i, j] == pytest.approx(plain)
            product = sum(np.outer(a[i, y, x], b[j, y, x]) for y in range(3) for x in range(3))
            assert likeness(a, b, True)[i, j] == pytest.approx(np.linalg.norm(product, "nuc"))


def test_a_symmetric_filter_and_a_zero_one_repeat_nobody():
    filters = noise(3, 3)
    filters[0] = np.ones((3, 3, 3))  # equal to all its own turns
    filters[1] = 0
    alone = best_likeness(filters[:1])
    assert all((values == 0).all() for values in alone.values())
    assert all(best_likeness(filters)[change][1] == 0 for change in CHANGES)


def test_every_change_only_adds():
    found = best_likeness(noise(10, 7), 30)
    assert (found["turned"] >= found["as they are"]).all()
    assert (found["recoloured"] >= found["as they are"] - 1e-12).all()
    assert (found["turned and recoloured"] >= np.maximum(found["turned"], found["recoloured"]) - 1e-12).all()
    assert (found["turned and recoloured"] <= 1 + 1e-12).all()


def test_the_most_alike_pairs_use_no_filter_twice():
    similarity = np.array([[0, 0.9, 0.8, 0.1], [0.9, 0, 0.7, 0.2], [0.8, 0.7, 0, 0.3], [0.1, 0.2, 0.3, 0]])
    assert most_alike(similarity, 5) == [(0, 1, 0.9), (2, 3, 0.3)]
    assert most_alike(likenesses(noise(1, 3), "turned"), 3) == []


def test_shuffling_moves_whole_pixels_within_each_filter():
    filters = noise(4, 5)
    shuffled = shuffled_pixels(filters, np.random.default_rng(7))
    for one, other in zip(filters, shuffled, strict=True):
        assert not np.array_equal(one, other)
        assert sorted(map(tuple, one.reshape(-1, 3))) == sorted(map(tuple, other.reshape(-1, 3)))
    orders = [[np.abs(one.reshape(-1, 3) - pixel).sum(1).argmin() for pixel in other.reshape(-1, 3)]
              for one, other in zip(filters, shuffled, strict=True)]  # fmt: skip
    assert orders[0] != orders[1]


@pytest.mark.parametrize(("side", "channels"), [(3, 3), (7, 3), (6, 1), (5, 2)])
def test_the_fast_likenesses_are_the_greatest_of_all(side, channels):
    filters = noise(9, side, channels, seed=side)
    filters[3] = 0
    filters[4] = filters[5] @ Rotation.random(random_state=2).as_matrix() if channels == 3 else filters[5]
    filters[6] = filters[6].mean(-1, keepdims=True)  # a grey one: products of rank 1
    found = best_likeness(filters, 30)
    for change in CHANGES:
        np.testing.assert_array_equal(found[change], likenesses(filters, change, 30).max(1))


def test_the_nearly_nuclear_norm_is_near():
    random = np.random.default_rng(8)
    matrices = random.normal(size=(400, 3, 3))
    matrices[100:200, 2] = matrices[100:200, 0] + matrices[100:200, 1]  # of rank 2
    matrices[200:300] = matrices[200:300, :, :1] * matrices[200:300, :1]  # of rank 1
    matrices[300:350] = np.linalg.qr(matrices[300:350])[0]  # three equal singular values: the slowest to be found
    matrices[-1] = 0
    exact = np.linalg.norm(matrices, "nuc", axis=(1, 2))
    sizes = np.maximum(exact, 1)  # likenesses are at most 1
    assert np.abs((_nuclear_nearly(matrices) - exact) / sizes).max() < _NEARLY / 2


def test_fine_turns_are_scipys():
    filters = noise(3, 6, 2)
    for angle, turned in zip((30, 60, 120, 150, 210, 240, 300, 330), fine_turns(filters, 30), strict=False):
        literally = ndimage.rotate(filters, angle, axes=(2, 1), reshape=False, order=3)
        np.testing.assert_allclose(turned, literally, atol=1e-14)
