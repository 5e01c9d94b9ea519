"""Textures made by rule, for backgrounds and small leaves: noise, blots, gratings, stripes, discs and cells.

They add sources of orientation, scale and colour that no photograph has, and need no licence. All of them are made
once, always the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import cos, pi, sin

import numpy as np

SIDE_PX = 256
_OF_EACH = 3


@cache
def all_textures() -> dict[str, np.ndarray]:
    """By name ('noise-1', ...), uint8, 256 x 256 x 3; three of each kind."""
    made = {}
    for place, name in enumerate(NAMES):
        generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(place,)))
        texture = _KINDS[name.partition("-")[0]](generator)
        made[name] = (texture * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return made


def _noise(generator: np.random.Generator) -> np.ndarray:
    """Noise whose amplitude falls with the frequency f as 1/f, as in natural images (Field 1987)."""
    grey, *channels = (_filtered(generator, lambda f: 1 / f) for _ in range(4))
    return 0.5 + 0.15 * (grey[..., None] + 0.7 * np.stack(channels, -1))


def _blots(generator: np.random.Generator) -> np.ndarray:
    """Blots of two colours: the sign of noise of one scale."""
    scale = SIDE_PX / generator.uniform(12, 40)
    return _two_colours(generator, _filtered(generator, lambda f: np.exp(-((f * scale) ** 2) / 2)) > 0)


def _grating(generator: np.random.Generator) -> np.ndarray:
    """The product of two sinusoidal gratings of any orientation, between two colours: a plaid."""
    along, across = (np.cos(2 * pi * _ramp(generator, (8, 40))) for _ in range(2))
    return _two_colours(generator, 0.5 + along * across / 2)


def _stripes(generator: np.random.Generator) -> np.ndarray:
    """Stripes with sharp edges, bent by noise."""
    bend = _filtered(generator, lambda f: f**-1.5)
    return _two_colours(generator, np.cos(2 * pi * (_ramp(generator, (8, 24)) + 0.4 * bend)) > 0)


def _discs(generator: np.random.Generator) -> np.ndarray:
    """Dead leaves of one colour each: discs whose radius r has a density proportional to 1 / r^3 (Lee et al. 2001)."""
    image = np.empty((SIDE_PX, SIDE_PX, 3))
    image[:] = _colours(generator, 1)[0]
    smallest, largest = 5.0, 60.0
    for radius in (smallest**-2 + generator.random(300) * (largest**-2 - smallest**-2)) ** -0.5:
        centre, reach = generator.integers(SIDE_PX, size=2), int(radius)
        top, left = np.maximum(centre - reach, 0)
        part = image[top : centre[0] + reach + 1, left : centre[1] + reach + 1]
        down, across = np.ogrid[: part.shape[0], : part.shape[1]]
        part[(down + top - centre[0]) ** 2 + (across + left - centre[1]) ** 2 <= radius**2] = _colours(generator, 1)[0]
    return image


def _cells(generator: np.random.Generator) -> np.ndarray:
    """Voronoi cells of random points, shaded towards their borders."""
    y, x = _pixels()
    points = generator.random((int(generator.integers(30, 80)), 2)) * SIDE_PX
    nearest, second = np.full((2, SIDE_PX, SIDE_PX), np.inf, np.float32)
    for across, down in points:
        distance = np.hypot(x - np.float32(across), y - np.float32(down))
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return _two_colours(generator, np.minimum((second - nearest) / 12, 1))


_KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "noise": _noise,
    "blots": _blots,
    "grating": _grating,
    "stripes": _stripes,
    "discs": _discs,
    "cells": _cells,
}
NAMES = tuple(f"{kind}-{number}" for kind in _KINDS for number in range(1, _OF_EACH + 1))


def _pixels() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel."""
    rows, columns = np.indices((SIDE_PX, SIDE_PX), dtype=np.float32)
    return rows, columns


def _ramp(generator: np.random.Generator, periods: tuple[float, float]) -> np.ndarray:
    """A plane that rises in any direction by a number of periods in ``periods``."""
    y, x = _pixels()
    angle, count = generator.uniform(0, pi), generator.uniform(*periods)
    return (x * cos(angle) + y * sin(angle)) * count / SIDE_PX + generator.random()


def _filtered(generator: np.random.Generator, amplitude: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Noise with the given amplitude at each frequency (cycles per px), without a mean, of variance 1."""
    frequency = np.hypot(np.fft.fftfreq(SIDE_PX)[:, None], np.fft.rfftfreq(SIDE_PX)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator.standard_normal((SIDE_PX, SIDE_PX))) * amplitude(frequency)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (SIDE_PX, SIDE_PX))
    return noise / noise.std()


def _two_colours(generator: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """A mixture of two random colours, the second with the given share; row x column x 3."""
    first, second = _colours(generator, 2)
    return first + (second - first) * np.asarray(share, dtype=float)[..., None]


def _colours(generator: np.random.Generator, count: int) -> np.ndarray:
    """Random colours of any brightness and half the possible saturation, count x 3."""
    colours = generator.random((count, 3))
    return (generator.random((count, 1)) + colours) / 2
