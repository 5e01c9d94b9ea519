"""How well a Gabor function describes a filter: the share of the filter's energy that the best one explains.

A Gabor function is a sinusoid under a Gaussian window (Daugman 1985; Jones & Palmer 1987 fit it to simple cells; the
frequency of a filter's best Gabor and the share it explains are the usual description of learned first filters). Needs
no torch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import leastsq
from scipy.special import expit, logit

SMALLEST_KERNEL = 5
"""Side of the smallest kernels that are fitted, px: a Gabor function has seven numbers, a 3x3 kernel nine weights."""

_SIGMA_PX = 0.4  # of the narrowest window; the widest has the kernel's side
_PADDED = 32  # side of the spectrum in which the first guess is looked for


class GaborFit(NamedTuple):
    """The best Gabor function of each filter; every field has one value a unit. NaN where nothing was fitted.

    Attributes:
        r2: Share of the filter's energy (sum of squared weights) that the function explains, 0 ... 1.
        frequency: Of the sinusoid, cycles per px, 0 ... 0.5. Near 0 the function is a spot (even) or an edge (odd).
        orientation: Of its stripes, degrees anticlockwise from the horizontal, 0 ... 180.
        sigma_across, sigma_along: Of the window across and along the stripes, px.
        phase: Of the sinusoid at the window's centre, degrees, 0 (even) ... 90 (odd).
    """

    r2: Float64[np.ndarray, " unit"]
    frequency: Float64[np.ndarray, " unit"]
    orientation: Float64[np.ndarray, " unit"]
    sigma_across: Float64[np.ndarray, " unit"]
    sigma_along: Float64[np.ndarray, " unit"]
    phase: Float64[np.ndarray, " unit"]


def gabor(
    side: int, x: float, y: float, angle: float, frequency: float, phase: float, sigma_across: float, sigma_along: float
) -> Float64[np.ndarray, "kernel_y kernel_x"]:
    """A Gabor function on the pixels of a kernel, y (down) x x.

    Args:
        side: Of the kernel, px.
        x, y: The window's centre, px from the centre of the kernel, right and down.
        angle: Direction in which the sinusoid runs, radians, from right towards down.
        frequency: Cycles per px.
        phase: Radians.
        sigma_across, sigma_along: Standard deviations of the window along ``angle`` and at right angles to it, px.
    """
    place = np.arange(side) - (side - 1) / 2
    right, down = place[None, :] - x, place[:, None] - y
    across = right * np.cos(angle) + down * np.sin(angle)
    along = down * np.cos(angle) - right * np.sin(angle)
    window = np.exp(-((across / sigma_across) ** 2 + (along / sigma_along) ** 2) / 2)
    return window * np.cos(2 * np.pi * frequency * across + phase)


def fit(filters: Float[np.ndarray, "unit channel kernel_y kernel_x"]) -> GaborFit:
    """The Gabor function that explains most of each filter, by nonlinear least squares from several first guesses.

    All channels share one function and have a factor each, which may be negative: a colour. The factors have a closed
    form (variable projection), so seven numbers are searched; they stay in their ranges by a logistic map. Guesses are
    the two highest peaks of the strongest component's spectrum in two phases, and a spot without stripes.

    A filter of zeros explains nothing and is not fitted.

    Args:
        filters: Square kernels. Below ``SMALLEST_KERNEL`` px none is fitted.
    """
    rows = [_best(filter.astype(np.float64)) for filter in filters]
    return GaborFit(*np.array(rows, dtype=np.float64).reshape(-1, len(GaborFit._fields)).T)


def _best(filter: np.ndarray) -> tuple[float, ...]:
    side, energy = filter.shape[-1], float((filter**2).sum())
    if side < SMALLEST_KERNEL or energy == 0:
        return (np.nan,) * len(GaborFit._fields)
    flat = filter.reshape(len(filter), -1) / energy**0.5

    def residual(free: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " row"]:
        shape = gabor(side, *_bounded(free, side)).ravel()
        length = shape @ shape
        factors = flat @ shape / length if length > 0 else np.zeros(len(flat))
        return (flat - factors[:, None] * shape).ravel()

    # full_output: a search that ends at maxfev gives its best so far, without a warning
    found = [leastsq(residual, guess, maxfev=400, full_output=True)[0] for guess in _guesses(flat, side)]
    free = min(found, key=lambda free: float((residual(free) ** 2).sum()))
    explained = 1 - float((residual(free) ** 2).sum())
    _, _, angle, frequency, phase, across, along = _bounded(free, side)
    stripes = (90 - np.degrees(angle)) % 180
    odd = np.degrees(np.arcsin(abs(np.sin(phase))))
    return max(0.0, explained), frequency, stripes, across, along, odd


def _bounded(free: np.ndarray, side: int) -> tuple[float, ...]:
    """The arguments of ``gabor`` from unbounded numbers."""
    x, y = (expit(free[:2]) - 0.5) * side
    angle, phase = free[2], free[4]
    frequency = 0.5 * expit(free[3])
    across, along = _SIGMA_PX + (side - _SIGMA_PX) * expit(free[5:])
    return float(x), float(y), float(angle), float(frequency), float(phase), float(across), float(along)


def _guesses(flat: np.ndarray, side: int) -> list[np.ndarray]:
    """First guesses of the unbounded numbers; ``flat`` is channel x pixel."""
    strongest = np.linalg.svd(flat, full_matrices=False)[2][0].reshape(side, side)
    place = np.arange(side) - (side - 1) / 2
    weight = strongest**2
    centre = [float((weight.sum(0) * place).sum()), float((weight.sum(1) * place).sum())]  # weight sums to 1
    window = logit((side / 4 - _SIGMA_PX) / (side - _SIGMA_PX))
    middle = logit(np.clip(np.array(centre) / side + 0.5, 0.05, 0.95))
    # half of the spectrum, of which the other half is the mirror image
    power = np.abs(np.fft.rfft2(strongest, (_PADDED, _PADDED))) ** 2
    down, right = np.fft.fftfreq(_PADDED), np.fft.rfftfreq(_PADDED)
    guesses = [np.array([*middle, 0.0, logit(0.02), 0.0, window, window])]
    for _ in range(2):
        row, column = np.unravel_index(power.argmax(), power.shape)
        frequency = np.clip(np.hypot(down[row], right[column]), 0.04, 0.48)
        angle = np.arctan2(down[row], right[column])
        for phase in (0.0, np.pi / 2):
            guesses.append(np.array([*middle, angle, logit(2 * frequency), phase, window, window]))
        near = np.hypot(down[:, None] - down[row], right[None, :] - right[column]) < 1 / side
        power = np.where(near, 0, power)
    return guesses
