"""A unit's tuning to orientation, spatial frequency and colour, from gratings or from its own kernel.

Stimuli are made in pixels in [0, 1]. A condition is a grating along one axis of colour, or at frequency 0 a uniform
field. It is shown at several phases, and a unit's strength is how much its response changes over them. The strength of
a linear unit also follows from its kernel alone (``kernel_strength``), and is the same.

Colour axes are the cardinal axes of Derrington, Krauskopf & Lennie (J. Physiol. 357, 1984): luminance, L-M (red to
green at constant S cone excitation) and S (violet to yellow-green at constant L and M). Two departures. The axes run
through pixel values as they are stored, not through linear light, because a first layer is linear in the former; around
a grey background the sRGB curve has one slope for all channels, so the chromatic axes are isoluminant (Rec. 709) to
first order. And all three axes have the same length in pixel values, not in cone contrast.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Shaped
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
        frequency: cycles per px; 0 is a uniform field, which has no orientation.
    """

    axis: str
    orientation: float
    frequency: float


def colour_axes(channels: int = 3) -> dict[str, Float64[np.ndarray, "channel"]]:
    """Directions of unit length in pixel values, by name: luminance and, with three channels, "L-M" and "S".

    The two chromatic ones do not change the luminance.
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
        orientations: for luminance, evenly spaced from horizontal on.
        frequencies: cycles per px, each above 0 and at most 1/2.
        colour_orientations: for the other axes; a divisor of ``orientations``, so that they are among those.
    """
    shown = []
    for axis in colour_axes(channels):
        count = orientations if axis == LUMINANCE else colour_orientations
        shown.append(Condition(axis, 0.0, 0.0))
        shown += [Condition(axis, 180 * at / count, f) for f in frequencies for at in range(count)]
    return shown


def gratings(
    shown: Sequence[Condition], phases: int, size: int, amplitude: float, background: float = 0.5, channels: int = 3
) -> Float32[Tensor, "condition phase channel y x"]:
    """The stimuli as full-field images in pixels.

    ``background + amplitude * axis * cos(2 pi f (x sin o + y cos o) + phase)`` with x and y in px from the image's
    centre, y downwards. Phases are evenly spaced over a cycle. A uniform field has the same phases, as a grating of
    frequency 0.

    Args:
        size: height and width, px.
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
def centre_responses(
    network: nn.Module, images: Float[Tensor, "image channel y x"], layers: Iterable[str]
) -> dict[str, Float[Tensor, "image _"]]:
    """By layer the responses (image, unit) at the middle of its map; of two middle positions the later one.

    Args:
        images: normalised.
    """

    def middle(_: str, response: Float[Tensor, "image unit y x"]) -> Float[Tensor, "image unit"]:
        return response[:, :, response.shape[2] // 2, response.shape[3] // 2].clone()

    with capture(network, layers, middle, stop=True) as responses:
        network(images)
    return responses


class Cycle(NamedTuple):
    """How responses change over a cycle of phases.

    Attributes:
        mean: F0.
        first: F1, the amplitude of the first harmonic, at least 0.
    """

    mean: Float64[np.ndarray, "condition unit"]
    first: Float64[np.ndarray, "condition unit"]


def over_phases(responses: Shaped[np.ndarray, "condition phase unit"]) -> Cycle:
    """Mean and first harmonic of responses to evenly spaced phases.

    With an even number of phases the first harmonic of a rectified linear unit is exact: a half-wave rectified cosine
    has no other odd harmonics, which would be mistaken for it.
    """
    responses = np.asarray(responses, np.float64)
    phases = responses.shape[1]
    wave = np.exp(-2j * np.pi * np.arange(phases) / phases)
    return Cycle(responses.mean(1), 2 / phases * np.abs(np.einsum("p,cpu->cu", wave, responses)))


def strength(cycle: Cycle, grey: Shaped[np.ndarray, "unit"]) -> Float64[np.ndarray, "condition unit"]:
    """How much each condition changes each unit's response, at least 0: 0 where the unit answers as it does to grey.

    The usual measure of visual cortex (for instance Johnson, Hawken & Shapley, Nature Neuroscience 4, 2001). F0 is the
    mean less the response to grey. A unit whose greatest F1 reaches its greatest F0 is measured by F1, any other by F0.

    Args:
        grey: the responses to the background alone.
    """
    raised = (cycle.mean - grey).clip(min=0)
    change = np.where(follows_phase(cycle, grey), cycle.first, raised)
    largest = np.maximum((np.abs(cycle.mean) + cycle.first).max(0), np.abs(grey))
    return np.where(change > _NOISE * largest, change, 0.0)


def rate(cycle: Cycle, grey: Shaped[np.ndarray, "unit"]) -> Float64[np.ndarray, "condition unit"]:
    """The response that orientation tuning is measured on, at least 0: ``strength``, but with all of the mean as F0.

    Ringach, Shapley & Hawken (2002) subtract nothing. A small change on a large constant response is weak tuning, and
    only looks sharp when the constant is subtracted (the iceberg effect).
    """
    return np.where(follows_phase(cycle, grey), cycle.first, cycle.mean.clip(min=0))


def follows_phase(cycle: Cycle, grey: Shaped[np.ndarray, "unit"]) -> Bool[np.ndarray, "unit"]:
    """Whether a unit is measured by its F1: its greatest F1 is at least its greatest rise of the mean over grey."""
    return cycle.first.max(0) >= (cycle.mean - grey).max(0)


def modulation(cycle: Cycle, grey: Shaped[np.ndarray, "unit"]) -> Float64[np.ndarray, "condition unit"]:
    """F1 / (F1 + |F0 - grey|), in [0, 1]: 1 if the response follows the phase, 0 if it does not change with it.

    Skottun et al. (Vision Research 31, 1991) divide F1 by F0 alone and call a cell simple above 1; that is 1/2 here. A
    rectified linear unit has pi / (pi + 2). NaN where nothing changes.
    """
    change = cycle.first + np.abs(cycle.mean - grey)
    return np.divide(cycle.first, change, out=np.full_like(change, np.nan), where=change > 0)


def kernel_strength(
    kernels: Float[np.ndarray, "unit channel kernel_y kernel_x"], shown: Sequence[Condition], amplitude: float
) -> Float64[np.ndarray, "condition unit"]:
    """The strength of linear units from their kernels alone: the size of their spectra at the gratings' frequencies.

    Args:
        kernels: on pixel values (``in_pixels``).
        amplitude: of the gratings, as for ``gratings``.
    """
    axes = colour_axes(kernels.shape[1])
    y, x = np.indices(kernels.shape[2:])
    sizes = []
    for axis, orientation, frequency in shown:
        angle = np.deg2rad(orientation)
        wave = np.exp(2j * np.pi * frequency * (x * np.sin(angle) + y * np.cos(angle)))
        sizes.append(np.abs(np.einsum("yx,q,uqyx->u", wave, axes[axis], kernels)))
    strengths = amplitude * np.stack(sizes)
    return np.where(strengths > _NOISE * amplitude * np.abs(kernels).sum((1, 2, 3)), strengths, 0.0)


def in_pixels(
    kernels: Float[np.ndarray, "unit channel kernel_y kernel_x"], matrix: Float[np.ndarray, "channel channel"]
) -> Float[np.ndarray, "unit channel kernel_y kernel_x"]:
    """The kernels on pixels that answer, up to a constant, as the given kernels do on normalised images.

    Args:
        kernels: on normalised images.
        matrix: of the normalisation, from pixels to what the network sees.
    """
    return np.einsum("udyx,dc->ucyx", kernels, matrix)


def circular_selectivity(
    tuning: Float[np.ndarray, "orientation unit"], orientations: Shaped[np.ndarray, "orientation"]
) -> tuple[Float64[np.ndarray, "unit"], Float64[np.ndarray, "unit"]]:
    """1 - circular variance, and the preferred orientation: 1 for one orientation alone, 0 for all alike.

    OSI = |sum r exp(2 i o)| / sum r (Ringach, Shapley & Hawken, J. Neurosci. 22, 2002, equation of circular variance).
    A raised cosine that falls to 0 has 1/2. |cos| has 1/3; it is the tuning of any kernel without a mean to frequencies
    far below its own size.

    Args:
        tuning: at least 0.
        orientations: degrees, evenly spaced over [0, 180).

    Returns:
        (OSI, orientation in [0, 180)); NaN for a unit that answers no orientation.
    """
    total = tuning.sum(0)
    vector = (tuning * np.exp(2j * np.deg2rad(orientations))[:, None]).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        osi = np.where(total > 0, np.abs(vector) / total, np.nan)
    preferred = np.rad2deg(np.angle(vector)) / 2 % 180 % 180  # twice: -1e-20 % 180 is 180
    return osi, np.where(total > 0, preferred, np.nan)


def orthogonal_selectivity(tuning: Float[np.ndarray, "orientation unit"]) -> Float64[np.ndarray, "unit"]:
    """(best - orthogonal) / (best + orthogonal): 1 without a response at 90 degrees from the best, 0 if it is as great.

    The index of Niell & Stryker (J. Neurosci. 28, 2008), at the best orientation shown. NaN for a unit that answers no
    orientation.

    Args:
        tuning: an even number of orientations, evenly spaced over 180 degrees.
    """
    best = tuning.max(0)
    orthogonal = np.take_along_axis(np.roll(tuning, -(len(tuning) // 2), 0), tuning.argmax(0)[None], 0)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(best > 0, (best - orthogonal) / (best + orthogonal), np.nan)


def measures(
    shown: Sequence[Condition],
    strengths: Float[np.ndarray, "condition unit"],
    rates: Float[np.ndarray, "condition unit"] | None = None,
    modulations: Float[np.ndarray, "condition unit"] | None = None,
    weakest: float = 0.0,
) -> dict[str, Shaped[np.ndarray, "unit"]]:
    """What each unit is tuned to, as the columns of a table with one row per unit. NaN where nothing can be measured.

    From luminance gratings, at the frequency of the best one:

    - ``responds``: whether any condition, of any axis, changes the response;
    - ``osi`` and ``orthogonal_index``: ``circular_selectivity`` and ``orthogonal_selectivity``;
    - ``orientation``: that is preferred, degrees, of the bars;
    - ``frequency``: of the best grating, cycles per px; ``modulation``: at the best grating.

    From the chromatic axes:

    - ``colour_index``: greatest strength along a chromatic axis over the greatest along luminance (the sensitivity
      index of Johnson et al. 2001), with uniform fields, at the orientations that are shown along both;
    - ``colour_axis``: the axis of the best chromatic condition;
    - ``colour_frequency`` and ``colour_modulation``: of and at that condition; frequency 0 is a uniform field;
    - ``colour_uniform``: strength for the uniform fields of that axis over the strength for its best grating: 0 for a
      unit that needs structure; it may exceed 1.

    Args:
        strengths, rates, modulations: of the functions of these names; of kernels, which are linear, strengths alone.
        weakest: a unit whose response no luminance grating changes by more than this share of its greatest strength has
            no orientation tuning. What a rectifier passes of so small a response always looks sharply tuned.
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
    for cycles in np.unique(frequency[light]):
        rows = light[frequency[light] == cycles]
        at = answers & (frequency[best] == cycles)
        tuning = rates[np.ix_(rows, at)]
        columns["osi"][at], columns["orientation"][at] = circular_selectivity(tuning, orientation[rows])
        columns["orthogonal_index"][at] = orthogonal_selectivity(tuning)
    columns["frequency"] = np.where(answers, frequency[best], np.nan)
    columns["modulation"] = np.where(answers, modulations[best, units], np.nan)
    columns = {"responds": strengths.max(0) > 0, **columns}
    return columns | _colour(shown, strengths, modulations)


def _colour(
    shown: Sequence[Condition],
    strengths: Float[np.ndarray, "condition unit"],
    modulations: Float[np.ndarray, "condition unit"],
) -> dict[str, Shaped[np.ndarray, "unit"]]:
    axis = np.array([condition.axis for condition in shown])
    frequency = np.array([condition.frequency for condition in shown])
    place = [(condition.orientation, condition.frequency) for condition in shown]
    units = np.arange(strengths.shape[1])
    names = ("colour_index", "colour_frequency", "colour_uniform", "colour_modulation")
    columns: dict[str, np.ndarray] = {name: np.full(len(units), np.nan) for name in names}
    columns["colour_axis"] = np.full(len(units), None, object)
    chromatic = np.flatnonzero(axis != LUMINANCE)
    if not len(chromatic):
        return columns
    best = chromatic[strengths[chromatic].argmax(0)]
    # with more orientations along luminance than along colour, its best one would be better for that reason alone
    compared = {place[at] for at in chromatic}
    of_light = [at for at in np.flatnonzero(axis == LUMINANCE) if place[at] in compared]
    colour, light = strengths[best, units], strengths[of_light].max(0)
    on_axis = axis[:, None] == axis[best]
    patterned = np.where(on_axis & (frequency > 0)[:, None], strengths, 0).max(0)
    uniform = np.where(on_axis & (frequency == 0)[:, None], strengths, 0).max(0)
    coloured = colour > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["colour_index"] = np.where(coloured | (light > 0), colour / light, np.nan)
        columns["colour_uniform"] = np.where(coloured, uniform / patterned, np.nan)
    columns["colour_frequency"] = np.where(coloured, frequency[best], np.nan)
    columns["colour_modulation"] = np.where(coloured, modulations[best, units], np.nan)
    columns["colour_axis"][coloured] = axis[best][coloured]
    return columns


def opponent(
    columns: Mapping[str, Any], colour_index: float, modulation: float, uniform: float
) -> tuple[Bool[np.ndarray, "unit"], Bool[np.ndarray, "unit"]]:
    """Which units are single and which are double opponent; no unit is both.

    - Opponent in colour: the unit prefers colour, and tells the two ends of the axis apart. A linear unit that weighs
      all channels with one sign and one spatial profile has a colour index of at most ``unopposed_index()`` (1.69).
    - Double opponent: the unit is opponent in space as well, so its response to uniform colour is small (band-pass in
      Johnson et al. 2001; Shapley & Hawken, Vision Research 51, 2011).
    - Single opponent: all other units that are opponent in colour. They answer uniform colour.

    Args:
        columns: of ``measures``, or a table of them.
        colour_index, modulation: least ``colour_index`` and ``colour_modulation`` of a unit that is opponent in colour.
        uniform: greatest ``colour_uniform`` of a unit that is double opponent.
    """
    with np.errstate(invalid="ignore"):
        prefers = (columns["colour_index"] >= colour_index) & (columns["colour_modulation"] >= modulation)
        structured = columns["colour_uniform"] <= uniform
    return prefers & ~structured, prefers & structured


def unopposed_index() -> float:
    """The greatest colour index of a linear unit that weighs all channels with one sign and one spatial profile."""
    axes = colour_axes()
    return max(np.abs(axis).max() for axis in axes.values()) / axes[LUMINANCE].min()


def shuffled_pixels(
    kernels: Float[Tensor, "unit channel kernel_y kernel_x"], generator: torch.Generator
) -> Float[Tensor, "unit channel kernel_y kernel_x"]:
    """Kernels with permuted pixels: each keeps its weights and colours, and loses its shape.

    There is one permutation per unit, the same for all its input channels.
    """
    units, channels, height, width = kernels.shape
    order = torch.rand(units, height * width, generator=generator).argsort(dim=1, stable=True)
    order = order[:, None].expand(units, channels, height * width)
    return kernels.flatten(2).gather(2, order.to(kernels.device)).reshape(kernels.shape)
