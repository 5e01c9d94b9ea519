"""What a unit is tuned to: orientation, spatial frequency and colour, from gratings or from its own kernel.

Stimuli are made in pixels in [0, 1]. A condition is a grating (or, at frequency 0, a uniform field) along one axis of
colour; it is shown at several phases, and a unit's strength is how its response changes over them. A linear unit
can be asked through its kernel alone (``kernel_strength``); both ways agree on it exactly.

Colour axes are the cardinal axes of Derrington, Krauskopf & Lennie (J. Physiol. 357, 1984): luminance, L-M (red to
green at constant S cone excitation) and S (violet to yellow-green at constant L and M). Departures: they are laid
through pixel values as they are stored, not through linear light, because that is what a first layer is linear in;
around a grey background the sRGB curve has one slope for all channels, so the chromatic axes are isoluminant
(Rec. 709) to first order. And all three have the same length in pixel values, not in cone contrast.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from receptive.methods.capture import capture

LUMINANCE = "luminance"
LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Share of each channel in the luminance Y (ITU-R BT.709)."""

_XYZ_OF_RGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_LMS_OF_XYZ = np.array([[0.15514, 0.54312, -0.03286], [-0.15514, 0.45684, 0.03286], [0.0, 0.0, 0.01608]])
"""Cone fundamentals of Smith & Pokorny (Vision Research 15, 1975), scaled so that L + M is the luminance."""

_NOISE = 1e-5
"""A change smaller than this share of a unit's greatest response is rounding."""


class Condition(NamedTuple):
    """One stimulus, apart from its phase.

    Attributes:
        axis: a key of ``colour_axes``.
        orientation: of the bars, degrees counter-clockwise from horizontal, in [0, 180).
        frequency: cycles a px; 0 is a uniform field, which has no orientation.
    """

    axis: str
    orientation: float
    frequency: float


def colour_axes(channels: int = 3) -> dict[str, np.ndarray]:
    """Directions of unit length in pixel values, by name: luminance and, with three channels, "L-M" and "S".

    The two chromatic ones leave the luminance as it is.
    """
    axes = {LUMINANCE: np.ones(channels)}
    if channels == 3:
        rgb_of_lms = np.linalg.inv(_LMS_OF_XYZ @ _XYZ_OF_RGB)
        axes |= {"L-M": rgb_of_lms @ [1, -1, 0], "S": rgb_of_lms @ [0, 0, 1]}
    return {name: axis / np.linalg.norm(axis) for name, axis in axes.items()}


def conditions(
    orientations: int, frequencies: Sequence[float], colour_orientations: int, channels: int = 3
) -> list[Condition]:
    """All stimuli: along every axis the uniform field, and gratings of every frequency and orientation.

    Args:
        orientations: evenly spaced from horizontal on, for luminance; colour_orientations: for the other axes, so many
            that they are among those of luminance.
        frequencies: cycles a px, each above 0 and at most 1/2.
    """
    found = []
    for axis in colour_axes(channels):
        count = orientations if axis == LUMINANCE else colour_orientations
        found.append(Condition(axis, 0.0, 0.0))
        found += [Condition(axis, 180 * at / count, f) for f in frequencies for at in range(count)]
    return found


def gratings(
    shown: Sequence[Condition], phases: int, size: int, amplitude: float, background: float = 0.5, channels: int = 3
) -> Tensor:
    """The stimuli as full-field images in pixels: condition x phase x channel x y x x, float32.

    ``background + amplitude * axis * cos(2 pi f (x sin o + y cos o) + phase)`` with x and y in px from the image's
    centre, y downwards. Phases are evenly spaced over a cycle; a uniform field goes through the same cosines, so it is
    the grating of frequency 0.

    Args:
        amplitude: Euclidean length of the greatest change in pixel values.
    """
    axes = colour_axes(channels)
    direction = torch.from_numpy(np.stack([axes[condition.axis] for condition in shown]))
    angle = torch.deg2rad(torch.tensor([condition.orientation for condition in shown], dtype=torch.float64))
    frequency = torch.tensor([condition.frequency for condition in shown], dtype=torch.float64)
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    across = angle.sin()[:, None, None] * place + angle.cos()[:, None, None] * place[:, None]
    phase = torch.arange(phases, dtype=torch.float64) * (2 * torch.pi / phases)
    wave = (2 * torch.pi * frequency[:, None, None] * across)[:, None] + phase[:, None, None]
    return (background + amplitude * direction[:, None, :, None, None] * wave.cos()[:, :, None]).float()


@torch.no_grad()
def centre_responses(network: nn.Module, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """The responses of the units at the middle of each layer's map (of two middle positions the later one).

    Args:
        images: normalised, image x channel x y x x.

    Returns:
        Layer to image x unit.
    """

    def middle(_: str, response: Tensor) -> Tensor:
        return response[:, :, response.shape[2] // 2, response.shape[3] // 2].clone()

    with capture(network, layers, middle, stop=True) as responses:
        network(images)
    return responses


class Cycle(NamedTuple):
    """How responses go over a cycle of phases, condition x unit.

    Attributes:
        mean: F0; first: F1, the amplitude of the first harmonic, at least 0.
    """

    mean: np.ndarray
    first: np.ndarray


def over_phases(responses: np.ndarray) -> Cycle:
    """Mean and first harmonic of responses to evenly spaced phases, condition x phase x unit.

    With an even number of phases the first harmonic of a linear unit behind a rectifier is exact: a half-wave
    rectified cosine has no odd harmonics that could be mistaken for it.
    """
    responses = np.asarray(responses, np.float64)
    phases = responses.shape[1]
    wave = np.exp(-2j * np.pi * np.arange(phases) / phases)
    return Cycle(responses.mean(1), 2 / phases * np.abs(np.einsum("p,cpu->cu", wave, responses)))


def strength(cycle: Cycle, grey: np.ndarray) -> np.ndarray:
    """How much each condition moves each unit, condition x unit, at least 0: 0 where it answers as it does to grey.

    The usual measure of visual cortex (for instance Johnson, Hawken & Shapley, Nature Neuroscience 4, 2001): F1 for
    a unit whose greatest F1 reaches its greatest F0, the mean less the response to grey, and that F0 otherwise.

    Args:
        grey: (unit,), the responses to the background alone.
    """
    raised = (cycle.mean - grey).clip(min=0)
    found = np.where(follows_phase(cycle, grey), cycle.first, raised)
    largest = np.maximum((np.abs(cycle.mean) + cycle.first).max(0), np.abs(grey))
    return np.where(found > _NOISE * largest, found, 0.0)


def rate(cycle: Cycle, grey: np.ndarray) -> np.ndarray:
    """What orientation tuning is measured on, condition x unit, at least 0: as ``strength``, but F0 is all of the mean.

    Ringach, Shapley & Hawken (2002) take nothing off: a small change on a large constant response is weak tuning, and
    only looks sharp once the constant is gone (the iceberg effect).
    """
    return np.where(follows_phase(cycle, grey), cycle.first, cycle.mean.clip(min=0))


def follows_phase(cycle: Cycle, grey: np.ndarray) -> np.ndarray:
    """Whether a unit is measured by its F1, (unit,): its greatest F1 is at least its greatest rise of the mean."""
    return cycle.first.max(0) >= (cycle.mean - grey).max(0)


def modulation(cycle: Cycle, grey: np.ndarray) -> np.ndarray:
    """F1 / (F1 + |F0 - grey|), condition x unit, in [0, 1]: 1 if the response follows the phase, 0 if it ignores it.

    Skottun et al. (Vision Research 31, 1991) divide F1 by F0 alone and call a cell simple above 1; that is 1/2 here. A
    rectified linear unit has pi / (pi + 2). NaN where nothing changes.
    """
    change = cycle.first + np.abs(cycle.mean - grey)
    return np.divide(cycle.first, change, out=np.full_like(change, np.nan), where=change > 0)


def kernel_strength(kernels: np.ndarray, shown: Sequence[Condition], amplitude: float) -> np.ndarray:
    """The strength of linear units from their kernels alone, condition x unit: their spectra at the gratings' places.

    Args:
        kernels: unit x channel x y x x, in pixel values (``in_pixels``).
    """
    axes = colour_axes(kernels.shape[1])
    y, x = np.indices(kernels.shape[2:])
    found = []
    for axis, orientation, frequency in shown:
        angle = np.deg2rad(orientation)
        wave = np.exp(2j * np.pi * frequency * (x * np.sin(angle) + y * np.cos(angle)))
        found.append(np.abs(np.einsum("yx,q,uqyx->u", wave, axes[axis], kernels)))
    found = amplitude * np.stack(found)
    return np.where(found > _NOISE * amplitude * np.abs(kernels).sum((1, 2, 3)), found, 0.0)


def in_pixels(kernels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Kernels on normalised images as the kernels on pixels that answer alike, a constant apart.

    Args:
        kernels: unit x channel x y x x; matrix: channel x channel of ``networks.normalisation.Normalisation``.
    """
    return np.einsum("udyx,dc->ucyx", kernels, matrix)


def circular_selectivity(tuning: np.ndarray, orientations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - circular variance, and the orientation preferred: 1 for one orientation alone, 0 for all alike.

    OSI = |sum r exp(2 i o)| / sum r (Ringach, Shapley & Hawken, J. Neurosci. 22, 2002, equation of circular
    variance). A raised cosine that falls to 0 has 1/2; |cos|, the tuning of any kernel to frequencies far below
    its own size if it has no mean, has 1/3.

    Args:
        tuning: orientation x unit, at least 0; orientations: evenly spaced over [0, 180) degrees.

    Returns:
        (OSI, orientation in [0, 180)), NaN where a unit answers none.
    """
    total = tuning.sum(0)
    vector = (tuning * np.exp(2j * np.deg2rad(orientations))[:, None]).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        osi = np.where(total > 0, np.abs(vector) / total, np.nan)
    preferred = np.rad2deg(np.angle(vector)) / 2 % 180 % 180  # twice: -1e-20 % 180 is 180
    return osi, np.where(total > 0, preferred, np.nan)


def orthogonal_selectivity(tuning: np.ndarray) -> np.ndarray:
    """(best - orthogonal) / (best + orthogonal): 1 if nothing is left at 90 degrees, 0 if as much; NaN without any.

    The index of Niell & Stryker (J. Neurosci. 28, 2008), at the best orientation shown.

    Args:
        tuning: orientation x unit, an even number evenly spaced over 180 degrees.
    """
    best = tuning.max(0)
    orthogonal = np.take_along_axis(np.roll(tuning, -(len(tuning) // 2), 0), tuning.argmax(0)[None], 0)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(best > 0, (best - orthogonal) / (best + orthogonal), np.nan)


def measures(
    shown: Sequence[Condition],
    strengths: np.ndarray,
    rates: np.ndarray | None = None,
    modulations: np.ndarray | None = None,
    weakest: float = 0.0,
) -> dict:
    """What each unit is tuned to, as columns of a table, one row a unit.

    Columns: ``responds`` (whether any condition moves it), ``osi``, ``orthogonal_index``, ``orientation`` (degrees,
    of the bars), ``frequency`` (cycles a px) and ``modulation``, all from luminance gratings at the frequency of the
    best one; ``colour_index`` (greatest strength along a chromatic axis over greatest along luminance: Johnson et al.
    2001, their sensitivity index; with uniform fields, and at the orientations shown along both), ``colour_axis`` (the
    chromatic axis answered best), ``colour_frequency`` (of the best chromatic condition, 0 for a uniform field),
    ``colour_uniform`` (strength for the uniform fields of that axis over the strength for its best grating: 0 for a
    unit that needs structure; it may exceed 1) and ``colour_modulation`` (at the best chromatic condition). NaN where
    there is nothing to measure.

    Args:
        strengths, rates, modulations: condition x unit; of kernels, which are linear, the strengths alone.
        weakest: a unit that no luminance grating moves by more than this share of its greatest strength has no
            orientation tuning: what a rectifier lets through of so little always looks sharply tuned.
    """
    axis = np.array([condition.axis for condition in shown])
    frequency = np.array([condition.frequency for condition in shown])
    orientation = np.array([condition.orientation for condition in shown])
    rates = strengths if rates is None else rates
    modulations = np.ones_like(strengths) if modulations is None else modulations
    units = np.arange(strengths.shape[1])

    light = np.flatnonzero((axis == LUMINANCE) & (frequency > 0))
    best = light[rates[light].argmax(0)]
    answers = strengths[light].max(0) > weakest * strengths.max(0)
    columns = {name: np.full(len(units), np.nan) for name in ("osi", "orthogonal_index", "orientation")}
    for one in np.unique(frequency[light]):
        rows = light[frequency[light] == one]
        at = answers & (frequency[best] == one)
        tuning = rates[np.ix_(rows, at)]
        columns["osi"][at], columns["orientation"][at] = circular_selectivity(tuning, orientation[rows])
        columns["orthogonal_index"][at] = orthogonal_selectivity(tuning)
    columns["frequency"] = np.where(answers, frequency[best], np.nan)
    columns["modulation"] = np.where(answers, modulations[best, units], np.nan)
    columns = {"responds": strengths.max(0) > 0, **columns}
    return columns | _colour(shown, strengths, modulations)


def _colour(shown: Sequence[Condition], strengths: np.ndarray, modulations: np.ndarray) -> dict:
    axis = np.array([condition.axis for condition in shown])
    frequency = np.array([condition.frequency for condition in shown])
    place = [(condition.orientation, condition.frequency) for condition in shown]
    units = np.arange(strengths.shape[1])
    names = ("colour_index", "colour_frequency", "colour_uniform", "colour_modulation")
    columns = {name: np.full(len(units), np.nan) for name in names}
    columns["colour_axis"] = np.full(len(units), None, object)
    chromatic = np.flatnonzero(axis != LUMINANCE)
    if not len(chromatic):
        return columns
    best = chromatic[strengths[chromatic].argmax(0)]
    # more orientations along luminance than along colour would find a better best one
    compared = {place[at] for at in chromatic}
    light = [at for at in np.flatnonzero(axis == LUMINANCE) if place[at] in compared]
    colour, light = strengths[best, units], strengths[light].max(0)
    on_axis = axis[:, None] == axis[best]
    patterned = np.where(on_axis & (frequency > 0)[:, None], strengths, 0).max(0)
    uniform = np.where(on_axis & (frequency == 0)[:, None], strengths, 0).max(0)
    there = colour > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["colour_index"] = np.where(there | (light > 0), colour / light, np.nan)
        columns["colour_uniform"] = np.where(there, uniform / patterned, np.nan)
    columns["colour_frequency"] = np.where(there, frequency[best], np.nan)
    columns["colour_modulation"] = np.where(there, modulations[best, units], np.nan)
    columns["colour_axis"] = np.where(there, axis[best].astype(object), None)
    return columns


def opponent(columns: dict, colour_index: float, modulation: float, uniform: float) -> tuple[np.ndarray, np.ndarray]:
    """Which units are single and which double opponent, as booleans (unit,); no unit is both.

    Opponent in colour: the unit prefers colour (``colour_index`` at least so great) and tells the two ends of the axis
    apart (``colour_modulation``). A linear unit whose channels all act with the same sign in one spatial profile
    reaches at most an index of ``unopposed_index()`` (1.69). Double opponent: it is opponent in space as well, so
    uniform colour moves it at most ``uniform`` times as much as the best grating of the same axis (band-pass in
    Johnson et al. 2001; Shapley & Hawken, Vision Research 51, 2011). Single opponent: all others, which answer uniform
    colour.
    """
    with np.errstate(invalid="ignore"):
        prefers = (columns["colour_index"] >= colour_index) & (columns["colour_modulation"] >= modulation)
        structured = columns["colour_uniform"] <= uniform
    return prefers & ~structured, prefers & structured


def unopposed_index() -> float:
    """The greatest colour index of a linear unit that weighs all channels with one sign and one spatial profile."""
    axes = colour_axes()
    return max(np.abs(axis).max() for axis in axes.values()) / axes[LUMINANCE].min()


def shuffled_pixels(kernels: Tensor, generator: torch.Generator) -> Tensor:
    """The kernels with the places of each one permuted: a filter keeps its weights and colours and loses its shape.

    One permutation a unit, the same for all its input channels.

    Args:
        kernels: unit x channel x y x x.
    """
    units, channels, height, width = kernels.shape
    order = torch.rand(units, height * width, generator=generator).argsort(dim=1, stable=True)
    order = order[:, None].expand(units, channels, height * width)
    return kernels.flatten(2).gather(2, order.to(kernels.device)).reshape(kernels.shape)
