"""Fifteen properties of a unit's answers to luminance gratings, as the physiology of V1 measures them.

The list is that of Marques, Schrimpf & DiCarlo (bioRxiv 2021.03.01.433495), who compare artificial units with cells of
macaque V1; ``PROPERTIES`` names the paper that defines each. Here the answers have no noise, so curves are not
smoothed: between the gratings shown they are cubic splines, over orientation (periodic) and log frequency together, and
peaks and widths are read from these. Bandwidths stand at 1/sqrt(2) of the peak.

As in ``methods.selectivity`` a unit is measured by its F1 if that is the greater change, otherwise by its mean F0.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped
from scipy.interpolate import CubicSpline, RectBivariateSpline
from torch import Tensor

from receptive.methods.selectivity import Cycle, circular_selectivity, rate

HEIGHT = 0.5**0.5
"""Of a tuning curve, relative to its peak, where bandwidths are measured."""
SUPPRESSED = 0.1
"""From this suppression index on a unit has a surround (Cavanaugh et al. 2002)."""
SMALLEST_DISC = 2.0
"""Diameter in px; smaller discs are no circles any more."""
SMALLEST_FIELD = 6
"""Side in px of the smallest receptive field that discs are shown to: others have room for three sizes or fewer."""

_HIGHEST = 0.5
"""Cycles a px: the highest frequency that pixels can show."""
_NEAR = 0.05
"""Share of a response that counts as the response itself (Cavanaugh et al. 2002)."""
_DEGREES, _OCTAVES = 0.1, 1 / 128
"""Steps in which curves are read."""
_ROUNDS = 4
"""Turns of looking for a peak along one axis and then along the other."""


class Property(NamedTuple):
    """One line of the card.

    Attributes:
        words: what it is, for tables and figures.
        statistic: "median" over units, or "share" of units.
        unit: of the value; "" for pure numbers and shares.
        source: the paper that defines it.
    """

    words: str
    statistic: str
    unit: str
    source: str


_RINGACH = "Ringach, Shapley & Hawken, J. Neurosci. 22, 2002"
_SCHILLER = "Schiller, Finlay & Volman, J. Neurophysiol. 39, 1976 (III)"
_CAVANAUGH = "Cavanaugh, Bair & Movshon, J. Neurophysiol. 88, 2002"
_YUND = "De Valois, Yund & Hepler, Vision Res. 22, 1982"
_ALBRECHT = "De Valois, Albrecht & Thorell, Vision Res. 22, 1982"

PROPERTIES = {
    "preferred_orientation": Property("prefers horizontal or vertical", "share", "", _YUND),
    "circular_variance": Property("circular variance", "median", "", _RINGACH),
    "orientation_selective": Property("orientation-selective", "share", "", _RINGACH),
    "orientation_bandwidth": Property("orientation bandwidth", "median", "degrees", _RINGACH),
    "orthogonal_ratio": Property("orthogonal / preferred", "median", "", _RINGACH),
    "variance_bandwidth_ratio": Property("circular variance / bandwidth", "median", "1/degree", _RINGACH),
    "orthogonal_variance_difference": Property("orthogonal ratio - variance", "median", "", _RINGACH),
    "peak_frequency": Property("peak spatial frequency", "median", "cycles/px", _ALBRECHT),
    "frequency_selective": Property("frequency-selective (band-pass)", "share", "", _SCHILLER),
    "frequency_bandwidth": Property("spatial frequency bandwidth", "median", "octaves", _SCHILLER),
    "modulation_ratio": Property("modulation ratio F1/F0", "median", "", _RINGACH),
    "maximum_response": Property("maximum response F0", "median", "own scale", _RINGACH),
    "summation_field": Property("grating summation field", "median", "px", _CAVANAUGH),
    "surround_diameter": Property("surround diameter", "median", "px", _CAVANAUGH),
    "suppression_index": Property("surround suppression index", "median", "", _CAVANAUGH),
}
"""The fifteen, by the name of their column; ``tuning`` and ``size_tuning`` say how each is measured."""
OF_BEST = ("modulation_ratio", "maximum_response")
"""The properties of a unit's best grating alone."""
OF_SIZE = ("summation_field", "surround_diameter", "suppression_index")
"""The properties that need discs."""


# ---------------------------------------------------------------- stimuli


def frequencies(field: float, image: int, per_octave: int) -> Float64[np.ndarray, "frequency"]:
    """Frequencies that a unit can tell apart, evenly spaced in octaves up to 1/2, cycles per px.

    The lowest has four periods of the field's side, below which a grating is a slope over the field, or one period in
    the image where that is higher.

    Args:
        field: side of the receptive field, px.
        image: side of the image, px.
        per_octave: at least so many; with 3 or more there are at least 4 frequencies in all.
    """
    lowest = 1 / min(4 * max(field, 1), image)
    octaves = np.log2(_HIGHEST / lowest)
    return np.geomspace(lowest, _HIGHEST, int(np.ceil(octaves * per_octave)) + 1)


def diameters(field: float, per_octave: int) -> Float64[np.ndarray, "diameter"]:
    """Diameters of discs, evenly spaced in octaves, px: from ``SMALLEST_DISC`` to one that covers the field.

    Args:
        field: side of the square receptive field, px; at least ``SMALLEST_FIELD``.
        per_octave: at least so many.
    """
    largest = 2**0.5 * (field + 1)  # half a pixel more on every side: discs have soft edges
    return np.geomspace(SMALLEST_DISC, largest, int(np.ceil(np.log2(largest / SMALLEST_DISC) * per_octave)) + 1)


def disc(diameter: float, centre: tuple[float, float], size: int) -> Float32[Tensor, "y x"]:
    """1 inside a disc, 0 outside; at its edge about the covered share of a pixel.

    Args:
        diameter: px.
        centre: (y, x), px; a whole number is the centre of a pixel.
        size: height and width of the image, px.
    """
    y, x = (torch.arange(size, dtype=torch.float64) - at for at in centre)
    return (diameter / 2 + 0.5 - torch.hypot(y[:, None], x)).clamp(0, 1).float()


# ---------------------------------------------------------------- orientation and frequency


def preferred(
    cycle: Cycle, grey: Shaped[np.ndarray, "unit"], orientations: int
) -> tuple[Int64[np.ndarray, "unit"], Int64[np.ndarray, "unit"]]:
    """Numbers of the orientation and of the frequency that each unit answers best among those shown.

    Args:
        cycle: of luminance gratings, frequency by frequency, and within one orientation by orientation.
        orientations: how many there are.
    """
    frequency, orientation = np.divmod(rate(cycle, grey).argmax(0), orientations)
    return orientation, frequency


def tuning(
    cycle: Cycle,
    grey: Shaped[np.ndarray, "unit"],
    orientations: int,
    shown: Float[np.ndarray, "frequency"],
    answers: Bool[np.ndarray, "unit"],
) -> dict[str, Float64[np.ndarray, "unit"]]:
    """The ten properties of ``PROPERTIES`` that curves of full-field gratings give, with NaN where a unit has none.

    Peak (o, f): where the unit's response is greatest, over orientation and frequency. Orientation curves are read at
    f, frequency curves at o.

    - ``preferred_orientation``: o, degrees of the bars counter-clockwise from horizontal, in [0, 180);
    - ``circular_variance``: 1 - |sum r exp(2 i o)| / sum r over the orientations shown, in [0, 1];
    - ``orientation_bandwidth``: half the distance of the two nearest orientations with 1/sqrt(2) of the peak, degrees;
      NaN if the curve stays above on either side;
    - ``orientation_selective``: 1 if there is a bandwidth, 0 if not;
    - ``orthogonal_ratio``: response at o + 90 degrees over the peak;
    - ``variance_bandwidth_ratio``: circular variance over bandwidth, per degree;
    - ``orthogonal_variance_difference``: orthogonal ratio - circular variance;
    - ``peak_frequency``: f, cycles per px; NaN where the greatest response is at an end of the frequencies shown;
    - ``frequency_bandwidth``: octaves between the two nearest frequencies with 1/sqrt(2) of the peak; NaN if the curve
      stays above on either side (low-pass, high-pass);
    - ``frequency_selective``: 1 if there is a bandwidth, 0 if not.

    Args:
        cycle: of luminance gratings, frequency by frequency, and within one orientation by orientation.
        grey: the responses to the background alone.
        orientations: how many, evenly spaced over 180 degrees from horizontal on; even, at least 4.
        shown: the frequencies, ascending, evenly spaced in octaves, at least 4.
        answers: which units are measured; others have NaN alone.
    """
    names = [name for name in PROPERTIES if name not in OF_BEST + OF_SIZE]
    columns = {name: np.full(len(grey), np.nan) for name in names}
    rates = rate(cycle, grey)
    for unit in np.flatnonzero(answers & (rates.max(0) > 0)):
        surface = _Surface(rates[:, unit].reshape(len(shown), orientations).T, shown)
        frequency, orientation = divmod(int(rates[:, unit].argmax()), orientations)
        for name, value in _curves(surface, surface.orientations[orientation], surface.octaves[frequency]).items():
            columns[name][unit] = value
    return columns


def at_best(cycle: Cycle, answers: Bool[np.ndarray, "unit"]) -> dict[str, Float64[np.ndarray, "unit"]]:
    """The two properties ``OF_BEST``, of the grating that each unit answers best, with NaN where a unit has none.

    - ``modulation_ratio``: F1 / F0, nothing subtracted: pi/2 for a half-rectified linear unit, 0 for one that ignores
      phase, at most 2 where responses are at least 0; NaN where F0 is not positive;
    - ``maximum_response``: F0, on the scale of the layer's responses.

    With n phases (even) the F0 of a half-rectified linear unit is wrong by at most pi^2 / (3 n^2) of itself.

    Args:
        cycle: of one condition: of each unit's own best grating.
    """
    mean, first = (np.where(answers, of[0], np.nan) for of in cycle)
    ratio = np.divide(first, mean, out=np.full_like(mean, np.nan), where=mean > 0)
    return {"modulation_ratio": ratio, "maximum_response": mean}


class _Surface:
    """A response over orientation and log2 frequency, between the gratings shown a cubic spline.

    Args:
        values: of the gratings shown, at evenly spaced orientations.
        shown: frequencies, cycles per px.
    """

    def __init__(self, values: Float64[np.ndarray, "orientation frequency"], shown: Float64[np.ndarray, "frequency"]):
        count = len(values)
        self.orientations, self.octaves = 180 * np.arange(count) / count, np.log2(shown)
        around = np.arange(-count, 2 * count + 1)  # orientation is a circle: one more turn on either side
        self._spline = RectBivariateSpline(180 * around / count, self.octaves, values[around % count])

    def __call__(self, orientation: float | np.ndarray, octave: float | np.ndarray) -> Float64[np.ndarray, " value"]:
        """The response, at least 0, along one axis or at one point.

        Args:
            orientation: degrees, in [-180, 360], ascending.
            octave: log2 of cycles per px, ascending.
        """
        return self._spline(np.atleast_1d(orientation), np.atleast_1d(octave), grid=True).ravel().clip(min=0)


def _curves(surface: _Surface, orientation: float, octave: float) -> dict[str, float]:
    """The properties of one unit, whose peak is near this orientation (degrees) and log2 frequency."""
    octaves = np.append(np.arange(surface.octaves[0], surface.octaves[-1], _OCTAVES), surface.octaves[-1])
    turns = np.arange(-900, 901) * _DEGREES
    for _ in range(_ROUNDS):
        octave = float(octaves[surface(orientation, octaves).argmax()])
        orientation = float((orientation + turns[surface(orientation + turns, octave).argmax()]) % 180)
    turned, along = surface(orientation + turns, octave), surface(orientation, octaves)
    peak, middle, top = turned[900], 900, int(along.argmax())
    sides = (_reach(turns[middle:], side, HEIGHT * peak) for side in (turned[middle::-1], turned[middle:]))
    half = float(np.mean(list(sides)))
    below = _reach(octaves[top] - octaves[top::-1], along[top::-1], HEIGHT * peak)
    above = _reach(octaves[top:] - octaves[top], along[top:], HEIGHT * peak)
    shown = surface(surface.orientations, octave)
    variance = 1 - float(circular_selectivity(shown[:, None], surface.orientations)[0][0])
    orthogonal = surface(orientation + 90, octave).item() / peak
    return {
        "preferred_orientation": orientation,
        "circular_variance": variance,
        "orientation_selective": float(np.isfinite(half)),
        "orientation_bandwidth": half,
        "orthogonal_ratio": orthogonal,
        "variance_bandwidth_ratio": variance / half,
        "orthogonal_variance_difference": orthogonal - variance,
        "peak_frequency": 2.0 ** octaves[top] if 0 < top < len(octaves) - 1 else np.nan,
        "frequency_selective": float(np.isfinite(below + above)),
        "frequency_bandwidth": below + above,
    }


def _reach(distances: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first distance at which values fall to ``level``, between two steps along a line; NaN if they never do.

    NaN, too, where the first value is not above it.
    """
    under = np.flatnonzero(values <= level)
    if not len(under) or not under[0]:
        return np.nan
    after = under[0]
    drop = (values[after - 1] - level) / (values[after - 1] - values[after])
    return float(distances[after - 1] + drop * (distances[after] - distances[after - 1]))


# ---------------------------------------------------------------- size


def size_response(
    cycle: Cycle, grey: Shaped[np.ndarray, "unit"], follows: Bool[np.ndarray, "unit"]
) -> Float[np.ndarray, "*shape unit"]:
    """The response that size tuning is measured on: F1, or F0 less the response to grey (Cavanaugh et al. 2002).

    Args:
        follows: which units are measured by F1 (``methods.selectivity.follows_phase`` of full-field gratings).
    """
    return np.where(follows, cycle.first, cycle.mean - grey)


def size_tuning(
    responses: Float[np.ndarray, "diameter unit"], shown: Float[np.ndarray, "diameter"]
) -> dict[str, Float64[np.ndarray, "unit"]]:
    """The three properties ``OF_SIZE`` of gratings in discs, NaN where a unit has none (Cavanaugh et al. 2002).

    Between the discs shown curves are cubic splines over log diameter.

    - ``summation_field``: smallest diameter with at least 95% of the greatest response, px; NaN where the smallest disc
      has that already;
    - ``suppression_index``: (greatest response - response to the largest disc) / greatest response; 0: no suppression,
      above 1: less than to grey;
    - ``surround_diameter``: smallest diameter above that of the greatest response with at most 5% more than the largest
      disc's response, px; NaN where the suppression index is below ``SUPPRESSED``.

    Args:
        responses: to each unit's own best grating; NaN or no positive response: not measured.
        shown: diameters, px, ascending; the last disc covers the receptive field.
    """
    columns = {name: np.full(responses.shape[1], np.nan) for name in OF_SIZE}
    measured = np.flatnonzero(np.isfinite(responses).all(0) & (responses.max(0) > 0))
    if not len(measured):
        return columns
    octaves = np.log2(shown)
    fine = np.linspace(octaves[0], octaves[-1], int(np.ceil((octaves[-1] - octaves[0]) / _OCTAVES)) + 1)
    curves = CubicSpline(octaves, responses[:, measured], axis=0)(fine)
    for unit, curve in zip(measured, curves.T, strict=True):
        top = int(curve.argmax())
        peak, plateau = curve[top], curve[-1]
        index = (peak - plateau) / peak
        columns["suppression_index"][unit] = index
        rise = _reach(fine[: top + 1], -curve[: top + 1], -(1 - _NEAR) * peak)
        columns["summation_field"][unit] = 2.0**rise
        if index >= SUPPRESSED:
            columns["surround_diameter"][unit] = 2.0 ** _reach(fine[top:], curve[top:], plateau + _NEAR * abs(plateau))
    return columns
