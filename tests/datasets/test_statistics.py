"""Statistics of training pixels, against numpy's and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from receptive.datasets.statistics import pixel_statistics


@pytest.fixture
def images():
    """Correlated random colours."""
    generator = np.random.default_rng(5)
    grey = generator.integers(0, 128, (24, 7, 5, 1))
    return (grey + generator.integers(0, 128, (24, 7, 5, 3))).astype(np.uint8)


def test_statistics_are_numpys_on_the_chosen_rows(images):
    rows = np.array([20, 3, 4, 11])
    scaled = images[rows] / 255
    measured = pixel_statistics(images, rows)
    np.testing.assert_allclose(measured.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(measured.std, scaled.std((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(measured.covariance, np.cov(scaled.reshape(-1, 3).T, bias=True), rtol=1e-10)
    np.testing.assert_array_equal(measured.mean_image, scaled.mean(0).astype(np.float32))


def test_statistics_do_not_depend_on_chunks(images):
    rows = np.arange(24)
    whole = pixel_statistics(images, rows)
    for values in (1, 7 * 5 * 3 * 5, 7 * 5 * 3 * 23):
        for chunked, expected in zip(pixel_statistics(images, rows, values), whole, strict=True):
            assert chunked.tobytes() == expected.tobytes()


def test_tiny_variance_does_not_cancel():
    images = np.full((4, 50, 50, 3), 255, dtype=np.uint8)
    images[0, 0, 0, 0] = 254
    measured = pixel_statistics(images, np.arange(3))
    share = Fraction(1, 3 * 50 * 50)
    assert measured.covariance[0, 0] == float(share * (1 - share) / 255**2)
    assert measured.covariance[0, 1] == measured.covariance[1, 1] == 0
    assert measured.mean[0] == float(1 - share / 255)
