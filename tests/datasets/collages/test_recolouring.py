"""Recolouring, held against colorsys and against colours whose change is known."""

import colorsys

import numpy as np
import PIL.Image
import pytest

from receptive.datasets.collages.recolouring import colour_matrix, recoloured


def random_colours(count=50):
    return np.random.default_rng(0).random((count, 3))


def chroma(colour):
    return colour - colour.mean(-1, keepdims=True)


def test_brightness_stays():
    for turn, saturation, tint, direction in ((0.5, 1.2, 0.2, 1.0), (-3, 0, 0, 0), (1, 0.5, 0.3, -2)):
        made = random_colours() @ colour_matrix(turn, saturation, tint, direction).T
        np.testing.assert_allclose(made.mean(1), random_colours().mean(1), rtol=1e-12)


def test_nothing_changes_at_turn_0_saturation_1_tint_0():
    np.testing.assert_allclose(colour_matrix(0, 1, 0, 0.3), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("third", [1, -1])
def test_a_third_of_a_turn_exchanges_the_channels(third):
    made = colour_matrix(third * 2 * np.pi / 3, 1, 0, 0) @ (1, 0, 0)
    np.testing.assert_allclose(sorted(made), [0, 0, 1], atol=1e-12)
    assert made[0] < 1e-12


def test_hue_turns_by_the_angle():
    """Of colours near grey, whose hue in the colour plane and in the hexagon of colorsys agree at multiples of 60."""
    for steps in range(-2, 3):
        red, green, blue = colour_matrix(steps * np.pi / 3, 1, 0, 0) @ (0.6, 0.4, 0.4)
        hue = colorsys.rgb_to_hsv(red, green, blue)[0] * 6
        assert min(hue % 6, 6 - hue % 6) == pytest.approx(abs(steps), abs=1e-9)


def test_saturation_scales_the_distance_from_grey_and_a_tint_adds_to_it():
    colours = random_colours()
    made = colours @ colour_matrix(0.4, 0.5, 0, 0).T
    np.testing.assert_allclose(np.linalg.norm(chroma(made), axis=1), 0.5 * np.linalg.norm(chroma(colours), axis=1))
    grey = np.full((1, 3), 0.5) @ colour_matrix(0.4, 0.5, 0.2, 1.1).T
    assert np.linalg.norm(chroma(grey)) == pytest.approx(0.2 * np.sqrt(3) * 0.5)


def crops(colour, count=400):
    generator = np.random.default_rng(0)
    crop = PIL.Image.fromarray(np.full((2, 3, 3), colour, np.uint8))
    made = [recoloured(crop, generator) for _ in range(count)]
    assert all(part.shape == (2, 3, 3) and part.dtype == np.uint8 for part in made)
    return np.array([part[0, 0] for part in made], dtype=float)


def test_one_crop_in_seven_is_grey():
    grey = (crops((180, 90, 60)).std(1) < 1).mean()
    assert grey == pytest.approx(0.15, abs=0.05)


def test_grey_photographs_get_colours():
    assert (crops((128, 128, 128)).std(1) > 2).mean() > 0.6


def test_tones_vary_and_keep_their_order():
    generator = np.random.default_rng(0)
    ramp = PIL.Image.fromarray(np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, 2))
    made = np.array([recoloured(ramp, generator)[0].mean(1) for _ in range(200)])
    assert (np.diff(made, axis=1) >= -1).all()
    middle = made[:, made.shape[1] // 2]
    assert middle.std() > 15
    assert abs(middle.mean() - 128) < 15


def test_same_seed_same_colours():
    assert (crops((10, 200, 90), 20) == crops((10, 200, 90), 20)).all()
