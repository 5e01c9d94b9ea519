"""Textures: what their names promise."""

import numpy as np

from receptive.datasets.collages.textures import NAMES, all_textures


def slope_of_spectrum(texture):
    """Exponent of the amplitude's fall with the frequency, between 4 and 40 cycles a side."""
    grey = texture.mean(2)
    amplitude = np.abs(np.fft.fft2(grey - grey.mean()))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256) * 256] * 2))
    rings = [amplitude[(frequency >= f) & (frequency < f + 2)].mean() for f in range(4, 40, 2)]
    return np.polyfit(np.log(np.arange(5, 41, 2)), np.log(rings), 1)[0]


def test_three_of_each_kind_and_no_two_alike():
    made = all_textures()
    assert tuple(made) == NAMES
    assert len({texture.tobytes() for texture in made.values()}) == len(NAMES) == 18
    for texture in made.values():
        assert texture.shape == (256, 256, 3)
        assert texture.dtype == np.uint8
        assert texture.std() > 8


def test_noise_falls_as_one_over_the_frequency():
    for number in (1, 2, 3):
        assert abs(slope_of_spectrum(all_textures()[f"noise-{number}"]) + 1) < 0.15


def test_blots_and_stripes_have_two_colours_and_discs_many():
    for number in (1, 2, 3):
        for kind in ("blots", "stripes"):
            assert len(np.unique(all_textures()[f"{kind}-{number}"].reshape(-1, 3), axis=0)) == 2
        assert len(np.unique(all_textures()[f"discs-{number}"].reshape(-1, 3), axis=0)) > 50


def test_a_grating_has_two_frequencies_and_their_mirror_images():
    """cos a cos b holds the frequencies a + b and a - b; a window keeps each to a few places of the spectrum."""
    window = np.outer(np.hanning(256), np.hanning(256))
    for number in (1, 2, 3):
        grey = all_textures()[f"grating-{number}"].mean(2)
        power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
        strongest = np.sort(power.ravel())[::-1]
        assert strongest[:100].sum() > 0.9 * power.sum()
