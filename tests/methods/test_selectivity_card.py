"""The card's fifteen properties against Gabors, energy models and divisive normalisation, worked out on paper."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq

from receptive.methods.selectivity import LUMINANCE, Condition, Cycle, gratings, over_phases
from receptive.methods.selectivity_card import (
    HEIGHT,
    OF_BEST,
    OF_SIZE,
    PROPERTIES,
    at_best,
    diameters,
    disc,
    frequencies,
    preferred,
    size_response,
    size_tuning,
    tuning,
)

SIDE, ORIENTATIONS, PHASES = 49, 24, 8
Y, X = np.indices((SIDE, SIDE)) - SIDE // 2
SHOWN = frequencies(SIDE, 64, 4)
# preferred orientation (degrees), frequency (cycles/px), widths across and along the bars (px), phase
BANK = [
    (48.6, 0.15, 3.0, 3.2, 0.3),
    (109.2, 0.12, 4.5, 4.0, 1.7),
    (0.0, 0.20, 2.6, 3.0, 2.9),
    (155.4, 0.23, 2.1, 2.0, 4.4),
    (87.5, 0.17, 3.3, 3.4, 5.8),
]


def gabor(orientation, frequency, across, along, phase) -> np.ndarray:
    """y x x, complex: the cosine Gabor and, a quarter of a cycle on, its partner."""
    angle = np.deg2rad(orientation)
    u, v = Y * np.cos(angle) + X * np.sin(angle), X * np.cos(angle) - Y * np.sin(angle)
    return np.exp(-(u**2) / (2 * across**2) - v**2 / (2 * along**2) + 1j * (2 * np.pi * frequency * u + phase))


def amplitude(unit, frequency, turned) -> np.ndarray:
    """The unit's spectrum relative to its peak, at a frequency and at degrees from its orientation: a Gaussian."""
    _, best, across, along, _ = unit
    turned = np.deg2rad(turned)
    distance = across**2 * (frequency * np.cos(turned) - best) ** 2 + along**2 * (frequency * np.sin(turned)) ** 2
    return np.exp(-2 * np.pi**2 * distance)


def bank(orientations=ORIENTATIONS, shown=SHOWN) -> list[Condition]:
    """In the order of ``tuning``: frequency by frequency."""
    return [Condition(LUMINANCE, 180 * at / orientations, float(f)) for f in shown for at in range(orientations)]


def answered(images: torch.Tensor) -> np.ndarray:
    """Responses of the bank's simple cells (half-rectified) and then of its complex cells (energy), image x unit."""
    kernels = np.stack([gabor(*unit) for unit in BANK]).reshape(len(BANK), -1)
    seen = (images.double().numpy() - 0.5).reshape(len(images), -1)
    even, odd = seen @ kernels.real.T, seen @ kernels.imag.T
    return np.concatenate([even.clip(min=0), even**2 + odd**2], 1)


@pytest.fixture(scope="module")
def measured():
    images = gratings(bank(), PHASES, SIDE, 0.4, channels=1)
    cycle = over_phases(answered(images.flatten(0, 1)).reshape(len(images), PHASES, -1))
    grey = np.zeros(2 * len(BANK))
    return cycle, tuning(cycle, grey, ORIENTATIONS, SHOWN, np.ones(2 * len(BANK), bool))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BANK)))
@pytest.mark.parametrize("power", [1, 2], ids=["simple", "complex"])  # of the spectrum's amplitude
def test_planted_gabors_are_recovered_within_one_percent(measured, power, number):
    unit = BANK[number]
    orientation, frequency = unit[:2]
    found = {name: values[number + (power - 1) * len(BANK)] for name, values in measured[1].items()}

    def turned(degrees):
        return amplitude(unit, frequency, degrees) ** power

    def tuned(cycles):
        return amplitude(unit, cycles, 0) ** power

    assert abs((found["preferred_orientation"] - orientation + 90) % 180 - 90) < 0.3
    assert found["peak_frequency"] == pytest.approx(frequency, rel=0.01)
    width = brentq(lambda degrees: turned(degrees) - HEIGHT, 0, 90)
    assert found["orientation_bandwidth"] == pytest.approx(width, rel=0.01)
    low, high = (brentq(lambda f: tuned(f) - HEIGHT, *ends) for ends in ((1e-3, frequency), (frequency, 1)))
    assert found["frequency_bandwidth"] == pytest.approx(np.log2(high / low), rel=0.01)
    assert (found["orientation_selective"], found["frequency_selective"]) == (1, 1)
    total = quad(turned, -90, 90)[0]
    variance = 1 - quad(lambda degrees: turned(degrees) * np.cos(2 * np.deg2rad(degrees)), -90, 90)[0] / total
    assert found["circular_variance"] == pytest.approx(variance, abs=0.005)
    assert found["orthogonal_ratio"] == pytest.approx(turned(90), abs=0.01)
    assert found["variance_bandwidth_ratio"] == pytest.approx(variance / width, rel=0.02)
    assert found["orthogonal_variance_difference"] == pytest.approx(turned(90) - variance, abs=0.015)


@pytest.mark.slow
def test_best_gratings_tell_simple_from_complex_cells(measured):
    cycle, _ = measured
    orientation, frequency = preferred(cycle, np.zeros(2 * len(BANK)), ORIENTATIONS)
    conditions, ratios, largest = bank(), [], []
    for unit, (turn, step) in enumerate(zip(orientation, frequency, strict=True)):
        condition = conditions[step * ORIENTATIONS + turn]
        assert condition.frequency == pytest.approx(BANK[unit % len(BANK)][1], rel=2 ** (1 / 8))
        images = gratings([condition], 24, SIDE, 0.4, channels=1)
        one = over_phases(answered(images[0])[None])
        of_one = at_best(one, np.ones(2 * len(BANK), bool))
        ratios.append(of_one["modulation_ratio"][unit])
        largest.append(of_one["maximum_response"][unit])
        np.testing.assert_allclose(largest[-1], answered(images[0])[:, unit].mean())
    assert ratios[: len(BANK)] == pytest.approx([np.pi / 2] * len(BANK), rel=0.01)
    assert ratios[len(BANK) :] == pytest.approx([0] * len(BANK), abs=0.01)


def test_units_that_are_not_measured_have_nothing():
    cycle = Cycle(np.ones((1, 3)), np.array([[0.5, 0.5, 0.5]]))
    columns = at_best(cycle, np.array([True, False, True]))
    assert columns["modulation_ratio"] == pytest.approx([0.5, np.nan, 0.5], nan_ok=True)
    columns = at_best(Cycle(np.array([[-1.0, 0.0]]), np.ones((1, 2))), np.ones(2, bool))
    assert np.isnan(columns["modulation_ratio"]).all()
    assert columns["maximum_response"].tolist() == [-1, 0]


def curves(of_orientation, of_frequency, answers=True, orientations=16, shown=SHOWN) -> dict[str, float]:
    """The columns of one unit whose response is a product of two curves; it is measured by its mean."""
    turned = 180 * np.arange(orientations) / orientations
    mean = (of_frequency(shown)[:, None] * of_orientation(turned)).reshape(-1, 1)
    found = tuning(Cycle(mean, 0 * mean), np.zeros(1), orientations, shown, np.array([answers]))
    return {name: values[0] for name, values in found.items()}


def flat(places):
    return np.ones_like(places)


def peaked(frequency):
    return np.exp(-((np.log2(frequency) + 3) ** 2) / (2 * 0.6**2))


def test_a_raised_cosine_has_half_the_variance_and_a_known_width():
    found = curves(lambda o: 1 + np.cos(2 * np.deg2rad(o - 30)), peaked)
    assert found["preferred_orientation"] == pytest.approx(30, abs=0.11)
    assert found["circular_variance"] == pytest.approx(0.5, abs=1e-6)
    # 1 + cos(2 w) = sqrt(2)
    assert found["orientation_bandwidth"] == pytest.approx(np.rad2deg(np.arccos(2**0.5 - 1)) / 2, rel=1e-3)
    assert found["orthogonal_ratio"] == pytest.approx(0, abs=1e-4)
    # a Gaussian over octaves falls to 1/sqrt(2) at sigma sqrt(ln 2) on either side
    assert found["frequency_bandwidth"] == pytest.approx(2 * 0.6 * np.log(2) ** 0.5, rel=0.005)
    assert found["peak_frequency"] == pytest.approx(1 / 8, rel=0.01)


def test_what_does_not_fall_on_both_sides_has_no_bandwidth():
    low_pass = curves(flat, lambda f: np.exp(-((4 * f) ** 2)))
    assert (low_pass["orientation_selective"], low_pass["frequency_selective"]) == (0, 0)
    assert low_pass["circular_variance"] == pytest.approx(1)
    assert low_pass["orthogonal_ratio"] == pytest.approx(1)
    for name in ("orientation_bandwidth", "frequency_bandwidth", "variance_bandwidth_ratio", "peak_frequency"):
        assert np.isnan(low_pass[name]), name
    # falls to 0.8 only: no bandwidth, but a peak
    shallow = curves(lambda o: 0.9 + 0.1 * np.cos(2 * np.deg2rad(o)), lambda f: 0.8 + 0.2 * peaked(f))
    assert (shallow["orientation_selective"], shallow["frequency_selective"]) == (0, 0)
    assert shallow["peak_frequency"] == pytest.approx(1 / 8, rel=0.01)


def test_a_unit_that_does_not_answer_has_nothing():
    assert all(np.isnan(value) for value in curves(flat, peaked, answers=False).values())
    assert all(np.isnan(value) for value in curves(lambda o: 0 * o, peaked).values())
    names = [*curves(flat, peaked), *OF_BEST, *OF_SIZE]
    assert sorted(names) == sorted(PROPERTIES)
    assert len(PROPERTIES) == 15


def test_what_responds_with_its_phase_is_measured_by_its_first_harmonic():
    shown = bank(16)
    angle = np.array([condition.orientation for condition in shown])
    octave = np.log2([condition.frequency for condition in shown])
    first = np.exp(-((octave + 3) ** 2)) * (1 + np.cos(2 * np.deg2rad(angle - 90)))
    mean = np.full_like(first, 0.3)
    found = tuning(Cycle(mean[:, None], first[:, None]), np.array([0.3]), 16, SHOWN, np.ones(1, bool))
    assert found["preferred_orientation"][0] == pytest.approx(90, abs=0.11)
    assert found["circular_variance"][0] == pytest.approx(0.5, abs=1e-6)


# ---------------------------------------------------------------- stimuli


@pytest.mark.parametrize(
    ("field", "image", "lowest"),
    [(7, 64, 1 / 28), (27, 64, 1 / 64), (1, 64, 1 / 4), (200, 28, 1 / 28)],
)
def test_frequencies_span_what_field_and_image_allow(field, image, lowest):
    for per_octave in (3, 4):
        shown = frequencies(field, image, per_octave)
        assert shown[0] == pytest.approx(lowest)
        assert shown[-1] == pytest.approx(0.5)
        steps = np.diff(np.log2(shown))
        np.testing.assert_allclose(steps, steps[0])
        assert steps[0] <= 1 / per_octave + 1e-12
        assert len(shown) >= 4


def test_diameters_end_with_a_disc_that_covers_the_field():
    shown = diameters(9, 3)
    assert shown[0] == 2
    assert np.diff(np.log2(shown)).max() <= 1 / 3 + 1e-12
    window = disc(shown[-1], (20.0, 20.0), 41)
    assert (window[16:25, 16:25] == 1).all()


@pytest.mark.parametrize("diameter", [2.0, 5.3, 11.0])
@pytest.mark.parametrize("centre", [(15.0, 15.0), (14.5, 16.5)])
def test_discs_have_their_area_and_place(diameter, centre):
    window = disc(diameter, centre, 32).double().numpy()
    y, x = np.indices((32, 32))
    assert window.sum() == pytest.approx(np.pi * diameter**2 / 4, rel=0.07)
    assert ((window * y).sum() / window.sum(), (window * x).sum() / window.sum()) == pytest.approx(centre, abs=1e-6)
    assert window.max() <= 1


# ---------------------------------------------------------------- size

CENTRE, SURROUND, WEIGHT = 3.0, 7.0, 1.5


def normalised(diameter) -> np.ndarray:
    """Energy of a Gaussian centre over 1 + energy of a wider one (ratio of Gaussians; Cavanaugh et al. 2002)."""
    inner, outer = (1 - np.exp(-(np.asarray(diameter) ** 2) / (8 * width**2)) for width in (CENTRE, SURROUND))
    return inner**2 / (1 + WEIGHT * outer**2)


def expected_sizes() -> tuple[float, float, float, float]:
    """Summation field, surround diameter and suppression index by root finding, and the peak's diameter."""
    fine = np.linspace(1, 60, 200_001)
    top = fine[normalised(fine).argmax()]
    peak, plateau = normalised(top), 1 / (1 + WEIGHT)
    field = brentq(lambda d: normalised(d) - 0.95 * peak, 1, top)
    surround = brentq(lambda d: normalised(d) - 1.05 * plateau, top, 60)
    return field, surround, (peak - plateau) / peak, top


def test_a_normalised_unit_is_recovered_within_one_percent():
    shown = diameters(48, 3)
    responses = normalised(shown)[:, None] * [1.0, 40.0]
    found = size_tuning(responses, shown)
    field, surround, index, _ = expected_sizes()
    assert index > 0.3
    for unit in range(2):
        assert found["summation_field"][unit] == pytest.approx(field, rel=0.01)
        assert found["surround_diameter"][unit] == pytest.approx(surround, rel=0.01)
        assert found["suppression_index"][unit] == pytest.approx(index, rel=0.01)


@pytest.mark.slow
def test_a_normalised_unit_is_recovered_from_gratings_in_discs():
    """Both pools are energies of Gabors of one frequency, so a disc's grating drives them by the covered Gaussian."""
    pools = []
    for width in (CENTRE, SURROUND):
        kernel = gabor(30.0, 0.25, width, width, 0.0)
        pools.append(kernel.reshape(-1) / np.abs(kernel).sum())
    shown = diameters(48, 3)
    condition, responses = Condition(LUMINANCE, 30.0, 0.25), []
    for diameter in shown:
        images = 0.5 + disc(diameter, (SIDE // 2, SIDE // 2), SIDE) * (
            gratings([condition], 8, SIDE, 0.4, channels=1) - 0.5
        )
        seen = (images[0].double().numpy() - 0.5).reshape(8, -1)
        # the energy is 1 for a full grating of amplitude 0.4
        inner, outer = ((np.abs(seen @ kernel) * 2 / 0.4) ** 2 for kernel in pools)
        responses.append(over_phases((inner / (1 + WEIGHT * outer))[None, :, None]))
    cycle = Cycle(*(np.concatenate(part) for part in zip(*responses, strict=True)))
    found = size_tuning(size_response(cycle, np.zeros(1), np.array([False])), shown)
    field, surround, index, _ = expected_sizes()
    assert found["suppression_index"][0] == pytest.approx(index, rel=0.01)
    assert found["summation_field"][0] == pytest.approx(field, rel=0.02)  # pixels have corners
    assert found["surround_diameter"][0] == pytest.approx(surround, rel=0.02)


def test_without_a_surround_there_is_a_field_and_no_surround():
    shown = diameters(30, 3)
    responses = (1 - np.exp(-(shown**2) / (8 * CENTRE**2)))[:, None]
    found = size_tuning(responses, shown)
    # 95% of the whole at sigma sqrt(8 ln 20)
    assert found["summation_field"][0] == pytest.approx(CENTRE * (8 * np.log(20)) ** 0.5, rel=0.01)
    assert found["suppression_index"][0] == pytest.approx(0, abs=1e-3)
    assert np.isnan(found["surround_diameter"][0])


def test_suppression_below_grey_counts_above_one_and_silence_has_no_size():
    shown = np.array([2.0, 4.0, 8.0, 16.0])
    responses = np.array([[0.5, 1, 0, -0.5], [0, 0, 0, 0], [np.nan] * 4, [-1, -2, -1, -1], [1, 1, 1, 1]]).T
    found = size_tuning(responses, shown)
    # the curve between the discs rises a little above the 1 of the second disc
    assert found["suppression_index"] == pytest.approx([1.5, np.nan, np.nan, np.nan, 0], abs=0.05, nan_ok=True)
    assert np.isnan(found["summation_field"][1:]).all()  # the last unit answers the smallest disc as much as any
    # falls to -0.5 + 5% of 0.5 on the way from 0 at 8 px to -0.5 at 16 px
    assert 8 < found["surround_diameter"][0] < 16


def test_size_is_measured_on_the_harmonic_that_a_unit_follows():
    cycle = Cycle(np.array([[3.0, 3.0]]), np.array([[2.0, 2.0]]))
    assert size_response(cycle, np.array([1.0, 0.5]), np.array([True, False])).tolist() == [[2.0, 2.5]]


@pytest.mark.parametrize("phases", [8, 16, 24])
def test_few_phases_err_as_little_as_promised(phases):
    start = np.linspace(0, 2 * np.pi / phases, 50)[:, None]
    responses = np.cos(start + 2 * np.pi * np.arange(phases) / phases).clip(min=0)
    cycle = over_phases(responses[:, :, None])
    np.testing.assert_allclose(cycle.first, 0.5)
    assert np.abs(cycle.mean * np.pi - 1).max() == pytest.approx(np.pi**2 / (3 * phases**2), rel=0.02)
