"""Fine detail and colour of pictures made for it, against closed forms, loops and the formulas of CIE L*a*b*."""

import numpy as np
import pytest

from receptive.methods.image_statistics import (
    broad_chroma,
    chroma,
    high_frequency_share,
    luminance,
    shared_high_frequency_share,
)


def wave(frequency, angle=0.0, size=64, phase=0.3):
    """A sine of so many cycles a pixel across y x x, one channel."""
    y, x = np.mgrid[:size, :size]
    return np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + phase)[..., None]


def literal_share(picture, cutoff):
    """The definition by sums over pixels, one frequency after the other."""
    height, width, channels = picture.shape
    y, x = np.mgrid[:height, :width]
    window = np.sin(np.pi * (y + 0.5) / height) ** 2 * np.sin(np.pi * (x + 0.5) / width) ** 2
    fine = total = 0.0
    for channel in range(channels):
        values = picture[:, :, channel]
        values = (values - (values * window).sum() / window.sum()) * window
        for v, u in np.ndindex(height, width):
            fy, fx = (k / n - (k > n / 2) for k, n in ((v, height), (u, width)))
            energy = abs((values * np.exp(-2j * np.pi * (fy * y + fx * x))).sum()) ** 2
            total += energy
            fine += energy * (np.hypot(fy, fx) > cutoff)
    return fine / total


@pytest.mark.parametrize("shape", [(7, 7, 1), (8, 6, 3), (5, 9, 2)])
@pytest.mark.parametrize("cutoff", [0.25, 0.4])
def test_against_sums_over_pixels(shape, cutoff):
    picture = np.random.default_rng(0).random(shape)
    assert high_frequency_share(picture, cutoff) == pytest.approx(literal_share(picture, cutoff), rel=1e-10)


@pytest.mark.parametrize("angle", [0, np.pi / 4, np.pi / 2, 2.0])
def test_waves_are_wholly_fine_or_wholly_broad(angle):
    assert high_frequency_share(wave(0.35, angle)) > 0.999
    assert high_frequency_share(wave(0.15, angle)) < 0.001


def test_white_noise_has_what_lies_outside_the_circle():
    noise = np.random.default_rng(1).normal(size=(40, 64, 64, 1))
    for cutoff in (0.2, 0.25, 0.4):
        assert high_frequency_share(noise, cutoff).mean() == pytest.approx(1 - np.pi * cutoff**2, abs=0.01)


def test_energies_add_with_the_square_of_amplitude_over_waves_and_channels():
    mixed = wave(0.1) + 0.5 * wave(0.4)
    assert high_frequency_share(mixed) == pytest.approx(0.25 / 1.25, abs=1e-3)
    channels = np.concatenate([wave(0.1), 0.5 * wave(0.4)], -1)
    assert high_frequency_share(channels) == pytest.approx(0.25 / 1.25, abs=1e-3)


def test_scale_and_offset_do_not_count():
    picture = np.random.default_rng(2).random((16, 16, 3))
    share = high_frequency_share(picture)
    assert high_frequency_share(-300 * picture + 1e4) == pytest.approx(share, rel=1e-6)


def test_a_slope_is_broad_though_its_borders_do_not_meet():
    slope = np.tile(np.linspace(0, 1, 32)[:, None, None], (1, 32, 1))
    assert high_frequency_share(slope) < 1e-4


def test_pictures_without_energy_have_no_share():
    pictures = np.random.default_rng(3).random((3, 9, 9, 3))
    pictures[0] = 0.1
    pictures[1, 2, 2] = np.nan
    np.testing.assert_array_equal(np.isfinite(high_frequency_share(pictures)), [False, False, True])
    assert np.isnan(high_frequency_share(np.zeros((4, 4, 1))))


def test_together_equals_one_by_one():
    pictures = np.random.default_rng(4).random((2, 3, 8, 8, 3))
    for quantity in (high_frequency_share, chroma, broad_chroma):
        whole = quantity(pictures)
        assert whole.shape == (2, 3)
        for at in np.ndindex(2, 3):
            assert whole[at] == pytest.approx(float(quantity(pictures[at])), rel=1e-12)


# ---------------------------------------------------------------- colour


def literal_chroma(pixel):
    """sqrt(a*^2 + b*^2) of one sRGB pixel, by the formulas (IEC 61966-2-1, CIE 15)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in pixel]
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(matrix) @ linear / [0.95047, 1.0, 1.08883]
    f = [t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in xyz]
    return np.hypot(500 * (f[0] - f[1]), 200 * (f[1] - f[2]))


def test_chroma_is_the_mean_over_pixels():
    picture = np.random.default_rng(5).random((4, 5, 3))
    expected = np.mean([literal_chroma(picture[at]) for at in np.ndindex(4, 5)])
    assert chroma(picture) == pytest.approx(expected, rel=2e-3)  # white points of five digits


def test_grey_has_no_chroma_and_blue_the_most():
    grey = np.repeat(np.random.default_rng(6).random((8, 8, 1)), 3, -1)
    assert chroma(grey) < 0.02
    blue = chroma(np.full((2, 2, 3), (0.0, 0.0, 1.0)))
    assert blue == pytest.approx(133.8, abs=0.2)
    corners = np.array(list(np.ndindex(2, 2, 2)), float)[:, None, None]
    assert chroma(corners).max() == blue


def test_what_cannot_be_shown_is_clipped():
    assert chroma(np.full((2, 2, 3), (-5.0, -1.0, 9.0))) == chroma(np.full((2, 2, 3), (0.0, 0.0, 1.0)))
    checks = np.where((np.indices((16, 16)).sum(0) % 2 == 0)[..., None], (9.0, 0.0, 0.0), (0.0, 9.0, 9.0))
    assert broad_chroma(checks)[()] == pytest.approx(broad_chroma(checks.clip(0, 1))[()])


def test_colours_that_cancel_nearby_are_not_broad():
    red, cyan = (1.0, 0.0, 0.0), (0.0, 1.0, 1.0)
    checks = np.where((np.indices((32, 32)).sum(0) % 2 == 0)[..., None], red, cyan)
    assert chroma(checks) > 50
    assert broad_chroma(checks) < 1
    halves = np.where((np.arange(32) < 16)[None, :, None], red, cyan) * np.ones((32, 1, 1))
    assert broad_chroma(halves) > 0.5 * chroma(halves)
    plain = np.full((8, 8, 3), red)
    assert broad_chroma(plain) == pytest.approx(float(chroma(plain)))


def test_the_blur_is_of_pixels_alone():
    # over images and colours nothing may flow
    pictures = np.zeros((3, 8, 8, 3))
    pictures[1, ..., 2] = 1
    found = broad_chroma(pictures)
    assert found[0] == found[2] == pytest.approx(0, abs=1e-6)
    assert found[1] == pytest.approx(133.8, abs=0.2)


def test_luminance():
    assert luminance(np.ones((2, 2, 3))) == pytest.approx(np.ones((2, 2, 1)))
    np.testing.assert_allclose(luminance(np.eye(3)[:, None, None])[:, 0, 0, 0], [0.2126, 0.7152, 0.0722])


def test_what_two_copies_share_is_a_quarter_of_sum_less_difference():
    """|A + B|^2 - |A - B|^2 is four times the real part of A times the conjugate of B: energies of plain pictures."""
    rng = np.random.default_rng(7)
    shape = (8, 6, 3)
    common = rng.normal(size=shape)
    first, second = common + 0.3 * rng.normal(size=(2, *shape))

    def energies(picture):
        """Fine and whole energy."""
        height, width = picture.shape[:2]
        window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (height, width)))[..., None]
        values = (picture - (picture * window).sum((0, 1)) / window.sum()) * window
        energy = np.abs(np.fft.fft2(values, axes=(0, 1))) ** 2
        fine = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) > 0.25
        return np.array([energy[fine].sum(), energy.sum()])

    fine, total = energies(first + second) - energies(first - second)
    assert shared_high_frequency_share(first, second) == pytest.approx(fine / total)
    assert shared_high_frequency_share(first, first) == pytest.approx(high_frequency_share(first))
    assert shared_high_frequency_share(first, 5 * second + 3) == pytest.approx(fine / total)


def test_copies_that_share_little_have_no_share():
    rng = np.random.default_rng(8)
    one, other = rng.normal(size=(2, 16, 16, 3))
    assert np.isnan(shared_high_frequency_share(one, other))
    assert np.isnan(shared_high_frequency_share(one, -one))
    assert np.isnan(shared_high_frequency_share(np.ones((4, 4, 1)), np.ones((4, 4, 1))))
    assert np.isnan(shared_high_frequency_share(one, np.full_like(one, np.nan)))
