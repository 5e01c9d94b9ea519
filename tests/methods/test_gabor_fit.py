"""Gabor fits: planted functions are found again, noise explains little, and the model is the formula."""

import numpy as np
import pytest

from receptive.methods.gabor_fit import GaborFit, fit, gabor


def planted(side, count, seed=0):
    """Random Gabor functions of a random colour each, and their frequency, orientation and window."""
    generator = np.random.default_rng(seed)
    filters, known = [], []
    for _ in range(count):
        angle, phase = generator.uniform(0, np.pi, 2)
        frequency = generator.uniform(0.1, 0.35)
        across, along = generator.uniform(0.15, 0.3, 2) * side
        x, y = generator.uniform(-0.15, 0.15, 2) * side
        colour = generator.standard_normal(3)
        filters.append(colour[:, None, None] * gabor(side, x, y, angle, frequency, phase, across, along))
        known.append((frequency, np.degrees(np.pi / 2 - angle) % 180, across, along))
    return np.array(filters), np.array(known).T


def test_a_gabor_function_is_its_formula():
    made = gabor(7, 0.5, -0.3, 0.8, 0.2, 1.1, 1.5, 2.5)
    for row in range(7):
        for column in range(7):
            right, down = column - 3 - 0.5, row - 3 + 0.3
            across = right * np.cos(0.8) + down * np.sin(0.8)
            along = -right * np.sin(0.8) + down * np.cos(0.8)
            window = np.exp(-(across**2) / (2 * 1.5**2)) * np.exp(-(along**2) / (2 * 2.5**2))
            assert made[row, column] == pytest.approx(window * np.cos(2 * np.pi * 0.2 * across + 1.1), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("side", [7, 11])
def test_planted_functions_are_found(side):
    filters, (frequency, orientation, across, along) = planted(side, 20)
    found = fit(filters)
    assert found.r2.min() > 0.999
    # a pair of windows and sinusoids may explain the same weights where the window is narrow
    assert np.mean(np.abs(found.frequency / frequency - 1) < 0.01) >= 0.9
    turned = np.abs((found.orientation - orientation + 90) % 180 - 90)
    assert np.mean(turned < 1) >= 0.9
    assert np.mean(np.abs(found.sigma_across / across - 1) < 0.01) >= 0.9
    assert np.mean(np.abs(found.sigma_along / along - 1) < 0.01) >= 0.9


def test_orientation_is_that_of_the_stripes():
    """A sinusoid that runs to the right has upright stripes; one that runs down has level ones."""
    upright = gabor(9, 0, 0, 0.0, 0.2, 0.0, 2, 2)
    assert (upright == upright[::-1]).all()
    rising = gabor(
        9, 0, 0, np.pi / 4, 0.2, 0.0, 2, 2
    )  # runs to the lower right: stripes from lower left to upper right
    found = fit(np.stack([upright, upright.T, rising])[:, None])
    assert found.orientation == pytest.approx([90, 0, 45], abs=0.1) or found.orientation[1] == pytest.approx(
        180, abs=0.1
    )
    assert found.phase == pytest.approx([0, 0, 0], abs=0.5)


@pytest.mark.slow
def test_noise_is_explained_no_better_than_by_its_own_numbers():
    """Seven numbers and three factors leave most of 7 x 7 x 3 random weights unexplained; mixtures lie between."""
    noise = np.random.default_rng(1).standard_normal((12, 3, 7, 7))
    assert fit(noise).r2.max() < 0.4
    filters, _ = planted(7, 12)
    filters /= np.sqrt((filters**2).sum((1, 2, 3), keepdims=True))
    noise /= np.sqrt((noise**2).sum((1, 2, 3), keepdims=True))
    mixed = fit(filters + noise).r2
    # half of the energy is the function's; the fit also follows a little of the noise
    assert 0.42 < np.median(mixed) < 0.65


def test_explained_is_the_share_of_energy_that_the_best_colour_leaves():
    """Two orthogonal parts, one of them a Gabor function: the share is its energy's."""
    shape = gabor(11, 0, 0, 0.4, 0.15, 0.3, 2.5, 2.5)
    checks = np.indices((11, 11)).sum(0) % 2 - 0.5
    checks -= (checks * shape).sum() / (shape**2).sum() * shape
    part = 0.1 * checks / np.linalg.norm(checks) * np.linalg.norm(shape)
    found = fit((shape + part)[None, None])
    assert found.r2[0] == pytest.approx(1 / 1.01, abs=2e-3)


def test_small_kernels_and_empty_filters_are_not_fitted():
    for filters in (np.ones((2, 3, 3, 3)), np.zeros((2, 3, 7, 7))):
        found = fit(filters)
        assert isinstance(found, GaborFit)
        assert all(np.isnan(values).all() and values.shape == (2,) for values in found)


def test_scale_and_sign_do_not_matter():
    filters, _ = planted(7, 2)
    np.testing.assert_allclose(fit(-40 * filters).r2, fit(filters).r2, atol=1e-6)
