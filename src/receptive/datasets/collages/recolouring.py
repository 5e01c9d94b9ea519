"""New colours and contrasts for a crop: what a photograph's colours say of its name is taken from them."""

from __future__ import annotations

from math import cos, pi, sin, sqrt

import numpy as np
import PIL.Image
from PIL.Image import Image

from receptive.datasets.collages.leaves import log_uniform

_GREY = 0.15  # share of crops without colour
_TURN = pi / 4
_SATURATION = (0.5, 1.2)
_TINT = (0.0, 0.2)
_GAMMA = (0.7, 1.4)
_CONTRAST = (0.75, 1.1)
_BRIGHTNESS = (-0.1, 0.1)

# An orthonormal basis of the plane of colours without brightness; brightness is the mean of the channels.
_PLANE = np.array([[1 / sqrt(2), -1 / sqrt(2), 0], [1 / sqrt(6), 1 / sqrt(6), -2 / sqrt(6)]])
_MEAN = np.full((3, 3), 1 / 3)


def recoloured(crop: Image, generator: np.random.Generator) -> np.ndarray:
    """A crop with other tones and other colours: uint8, height x width x 3.

    Tones: brightness b in [0, 1] becomes 0.5 + contrast (b^gamma - 0.5) + a shift, in each channel. Colours: the hue
    is turned about the grey axis by up to 45 degrees, the saturation multiplied, and a tint of any hue added that grows
    with the brightness, so that grey photographs get colours, too. One crop in seven becomes grey.
    """
    gamma, contrast = log_uniform(generator, _GAMMA), generator.uniform(*_CONTRAST)
    shift = generator.uniform(*_BRIGHTNESS)
    turn, direction = generator.uniform(-_TURN, _TURN), generator.uniform(-pi, pi)
    saturation, tint = generator.uniform(*_SATURATION), generator.uniform(*_TINT)
    if generator.random() < _GREY:
        saturation, tint = 0.0, 0.0
    tones = 0.5 + contrast * ((np.arange(256) / 255) ** gamma - 0.5) + shift
    table = (tones * 255 + 0.5).clip(0, 255).astype(np.uint8)
    rows = np.hstack([colour_matrix(turn, saturation, tint, direction), np.zeros((3, 1))])
    toned = PIL.Image.fromarray(table[np.asarray(crop)])
    return np.asarray(toned.convert("RGB", tuple(rows.ravel().tolist())))


def colour_matrix(turn: float, saturation: float, tint: float, direction: float) -> np.ndarray:
    """The map of colours (red, green, blue), 3 x 3, that keeps the brightness (r + g + b) / 3.

    Args:
        turn: Angle of the hue about the grey axis, in radians.
        saturation: Factor on the distance from that axis.
        tint: Added to that distance, as a multiple of the brightness.
        direction: Hue of the tint, in radians.
    """
    rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
    tinted = _PLANE.T @ np.array([cos(direction), sin(direction)])
    return _MEAN + saturation * _PLANE.T @ rotation @ _PLANE + tint * np.outer(tinted, np.ones(3)) / sqrt(3)
