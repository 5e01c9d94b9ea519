"""Selectivity against units whose tuning can be worked out on paper: Gabors, Gaussians, opponent kernels."""

import numpy as np
import pytest
import torch
from torch import nn

from receptive.methods.selectivity import (
    LUMINANCE,
    LUMINANCE_WEIGHTS,
    Condition,
    Cycle,
    centre_responses,
    circular_selectivity,
    colour_axes,
    conditions,
    follows_phase,
    gratings,
    in_pixels,
    kernel_strength,
    measures,
    modulation,
    opponent,
    orthogonal_selectivity,
    over_phases,
    rate,
    shuffled_pixels,
    strength,
    unopposed_index,
)

FREQUENCIES = [1 / 32, 1 / 16, 1 / 8, 1 / 4]
SHOWN = conditions(12, FREQUENCIES, 6)
SIDE = 33
Y, X = np.indices((SIDE, SIDE)) - SIDE // 2
GREY = np.ones(3)


def gabor(orientation: float, frequency: float, width: float = 6.0, phase: float = 0.4) -> np.ndarray:
    """y x x: bars ``orientation`` degrees counter-clockwise from horizontal, under a round Gaussian."""
    angle = np.deg2rad(orientation)
    across = Y * np.cos(angle) + X * np.sin(angle)
    return np.exp(-(X**2 + Y**2) / (2 * width**2)) * np.cos(2 * np.pi * frequency * across + phase)


def gaussian(width: float) -> np.ndarray:
    """y x x: of sum 1."""
    found = np.exp(-(X**2 + Y**2) / (2 * width**2))
    return found / found.sum()


def coloured(profile: np.ndarray, weights) -> np.ndarray:
    """channel x y x x: one spatial profile, weighted by channel."""
    return np.asarray(weights, float)[:, None, None] * profile


def linear_network(kernels: np.ndarray) -> nn.Sequential:
    """A rectified convolution over an image of the kernels' size: its units see all of it from the middle."""
    conv = nn.Conv2d(kernels.shape[1], len(kernels), kernels.shape[2], padding=kernels.shape[2] // 2, bias=True)
    conv.weight.data = torch.from_numpy(kernels).float()
    # grey is not 0 in pixels, and a linear unit is asked for changes from it
    conv.bias.data = torch.from_numpy(-0.5 * kernels.sum((1, 2, 3))).float()
    return nn.Sequential(conv, nn.ReLU())


def measured(network: nn.Module, channels: int = 3, phases: int = 8, shown=None) -> dict:
    """The columns of ``measures`` from responses of the network's last layer."""
    shown = SHOWN if shown is None else shown
    images = gratings(shown, phases, SIDE, 0.5, 0.5, channels)
    layer = str(len(network) - 1)
    found = centre_responses(network, images.flatten(0, 1), [layer])[layer]
    grey = centre_responses(network, torch.full((1, channels, SIDE, SIDE), 0.5), [layer])[layer][0].numpy()
    cycle = over_phases(found.reshape(len(shown), phases, -1).numpy())
    return measures(shown, strength(cycle, grey), rate(cycle, grey), modulation(cycle, grey))


# ---------------------------------------------------------------- stimuli


def test_chromatic_axes_keep_the_luminance_and_all_are_of_length_one():
    axes = colour_axes()
    assert list(axes) == ["luminance", "L-M", "S"]
    for name, axis in axes.items():
        assert np.linalg.norm(axis) == pytest.approx(1)
        change = np.dot(LUMINANCE_WEIGHTS, axis)
        assert change == pytest.approx(np.linalg.norm(axis, 1) / 3 if name == LUMINANCE else 0, abs=1e-4)
    # the one is red against green, the other blue; and S leaves the difference of L and M
    assert axes["L-M"][0] > 0 > axes["L-M"][1]
    assert axes["S"][2] > 0.9
    assert list(colour_axes(1)) == ["luminance"]


def test_the_s_axis_moves_neither_l_nor_m():
    """Cone excitations worked out here from CIE XYZ by Smith & Pokorny's equations, written out."""
    red, green, blue = colour_axes()["S"]
    x = 0.4124 * red + 0.3576 * green + 0.1805 * blue
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = 0.0193 * red + 0.1192 * green + 0.9505 * blue
    assert 0.15514 * x + 0.54312 * y - 0.03286 * z == pytest.approx(0, abs=1e-12)
    assert -0.15514 * x + 0.45684 * y + 0.03286 * z == pytest.approx(0, abs=1e-12)


def test_a_physical_isoluminant_grating_is_isoluminant_to_first_order():
    """Around grey, decoding sRGB changes the luminance of a small chromatic step only in second order."""

    def light(pixel):
        return ((pixel + 0.055) / 1.055) ** 2.4

    for name in ("L-M", "S"):
        axis = colour_axes()[name]
        small, smaller = (np.dot(LUMINANCE_WEIGHTS, light(0.5 + step * axis) - light(0.5)) for step in (1e-2, 5e-3))
        plain = np.dot(LUMINANCE_WEIGHTS, light(0.5 + 1e-2 * colour_axes()["luminance"]) - light(0.5))
        assert abs(small) < 0.05 * plain
        assert smaller / small == pytest.approx(1 / 4, rel=0.1)


def test_gratings_are_the_written_cosine():
    shown = [Condition("S", 30.0, 0.1), Condition("luminance", 90.0, 0.25), Condition("L-M", 0.0, 0.0)]
    images = gratings(shown, 6, 8, 0.4, 0.5)
    assert images.shape == (3, 6, 3, 8, 8)
    for number, phase, channel, y, x in [(0, 0, 2, 3, 5), (0, 4, 1, 7, 0), (1, 1, 0, 2, 6), (2, 3, 0, 5, 5)]:
        axis, orientation, frequency = shown[number]
        angle = np.pi * orientation / 180
        wave = np.cos(
            2 * np.pi * frequency * ((x - 3.5) * np.sin(angle) + (y - 3.5) * np.cos(angle)) + np.pi * phase / 3
        )
        expected = 0.5 + 0.4 * colour_axes()[axis][channel] * wave
        assert images[number, phase, channel, y, x].item() == pytest.approx(expected, abs=1e-6)
    # vertical bars at 90 degrees: nothing changes from row to row
    assert torch.equal(images[1, :, :, 0], images[1, :, :, 5])
    assert images.min() >= 0
    assert images.max() <= 1


def test_bars_turn_counter_clockwise():
    image = gratings([Condition("luminance", 45.0, 0.1)], 6, 9, 0.5, channels=1)[0, 0, 0]
    # along a bar that rises to the right nothing changes
    assert torch.allclose(image[4, 4], image[3, 5], atol=1e-6)
    assert torch.allclose(image[4, 4], image[2, 6], atol=1e-6)
    assert not torch.allclose(image[4, 4], image[5, 5], atol=1e-2)


def test_conditions_hold_uniform_fields_and_every_grating_once():
    shown = conditions(8, [0.1, 0.2], 4)
    assert len(shown) == len(set(shown)) == (1 + 8 * 2) + 2 * (1 + 4 * 2)
    assert {c.axis for c in conditions(8, [0.1], 4, channels=1)} == {"luminance"}


# ---------------------------------------------------------------- indices


@pytest.mark.parametrize(("depth", "power"), [(1.0, 1), (0.5, 1), (0.0, 1)])
def test_osi_of_a_raised_cosine(depth, power):
    """1 + d cos 2(o - p): the vector sum has length d/2 of the sum, whatever the peak."""
    orientations = np.arange(12) * 15.0
    tuning = 1 + depth * np.cos(2 * np.deg2rad(orientations - 37))[:, None] ** power
    osi, preferred = circular_selectivity(tuning, orientations)
    assert osi[0] == pytest.approx(depth / 2)
    if depth:
        assert preferred[0] == pytest.approx(37)


def test_osi_of_one_orientation_alone_of_none_and_of_a_dipole():
    orientations = np.arange(360) / 2
    tuning = np.zeros((360, 3))
    tuning[120, 0] = 3
    tuning[:, 2] = np.abs(np.cos(np.deg2rad(orientations)))
    osi, preferred = circular_selectivity(tuning, orientations)
    assert osi[0] == pytest.approx(1)
    assert preferred[0] == pytest.approx(60)
    assert np.isnan([osi[1], preferred[1]]).all()
    assert osi[2] == pytest.approx(1 / 3, abs=1e-4)


def test_preferred_orientation_stays_below_180():
    _, preferred = circular_selectivity(np.array([[1.0], [0.5], [0.0], [0.5]]), np.array([0.0, 45, 90, 135]))
    assert 0 <= preferred[0] < 180
    assert min(preferred[0], 180 - preferred[0]) < 1e-9


def test_orthogonal_index():
    tuning = np.array([[1.0, 2, 0], [3, 2, 0], [0.5, 2, 0], [1, 2, 0]])  # 0, 45, 90, 135 degrees
    found = orthogonal_selectivity(tuning)
    assert found[:2] == pytest.approx([(3 - 1) / (3 + 1), 0])
    assert np.isnan(found[2])


# ---------------------------------------------------------------- over phases


def test_harmonics_of_a_rectified_cosine():
    """Mean 1/pi and first harmonic 1/2 of its amplitude, at whatever phase."""
    for phases, mean_error in ((6, 0.07), (60, 1e-3)):
        phase = 2 * np.pi * np.arange(phases) / phases
        cycle = over_phases(2 * np.cos(phase + 0.7).clip(0)[None, :, None])
        assert cycle.first[0, 0] == pytest.approx(1, abs=1e-12)
        assert cycle.mean[0, 0] == pytest.approx(2 / np.pi, rel=mean_error)
    assert modulation(cycle, np.zeros(1))[0, 0] == pytest.approx(np.pi / (np.pi + 2), rel=1e-3)


def test_simple_complex_and_constant_units():
    phase = 2 * np.pi * np.arange(8) / 8
    simple = 5 + np.cos(phase)  # on a constant, which is what it answers to grey
    complex_ = 5 + 2 + 0 * phase
    constant = 5 + 0 * phase
    responses = np.stack([simple, complex_, constant], 1)[None]
    cycle, grey = over_phases(responses), np.full(3, 5.0)
    assert strength(cycle, grey)[0] == pytest.approx([1, 2, 0])
    assert follows_phase(cycle, grey).tolist() == [True, False, True]
    assert rate(cycle, grey)[0, :2] == pytest.approx([1, 7])  # F0 with all of its mean
    found = modulation(cycle, grey)[0]
    assert found[:2] == pytest.approx([1, 0])
    assert not measures([Condition("luminance", 0.0, 0.1)], strength(cycle, grey))["responds"][2]


def test_rounding_is_no_response():
    noise = 1e-7 * np.random.default_rng(0).normal(size=(3, 6, 2))
    cycle = over_phases(1 + noise)
    assert (strength(cycle, np.ones(2)) == 0).all()


def test_one_measure_for_a_unit_not_one_for_a_condition():
    # F0 wins once, so F1 counts nowhere
    cycle = Cycle(np.array([[3.0], [0.5]]), np.array([[1.0], [1.0]]))
    assert strength(cycle, np.zeros(1))[:, 0].tolist() == [3.0, 0.5]


# ---------------------------------------------------------------- linear units


@pytest.mark.slow
@pytest.mark.parametrize(("orientation", "frequency"), [(0, 1 / 8), (30, 1 / 16), (45, 1 / 8), (120, 1 / 16)])
def test_a_gabor_prefers_its_own_orientation_and_frequency(orientation, frequency):
    kernel = coloured(gabor(orientation, frequency, 8.0 if frequency < 0.1 else 6.0), GREY)[None]
    for columns in (measured(linear_network(kernel)), measures(SHOWN, kernel_strength(kernel, SHOWN, 0.5))):
        assert columns["frequency"][0] == frequency
        apart = abs(columns["orientation"][0] - orientation)
        assert min(apart, 180 - apart) < 2
        assert columns["osi"][0] > 0.5
        assert columns["orthogonal_index"][0] > 0.95


@pytest.mark.slow
def test_round_units_have_no_orientation():
    kernels = np.stack([coloured(gaussian(1.5), GREY), coloured(gaussian(1.5) - gaussian(4.0), GREY)])
    columns = measured(linear_network(kernels))
    assert columns["osi"] == pytest.approx([0, 0], abs=1e-3)
    assert columns["orthogonal_index"] == pytest.approx([0, 0], abs=1e-2)
    # the Gaussian has its greatest answers at the lowest frequency, centre and surround has not
    assert columns["frequency"][0] == FREQUENCIES[0]
    assert columns["frequency"][1] > FREQUENCIES[0]


@pytest.mark.slow
def test_turning_the_kernel_by_90_degrees_turns_the_preference():
    kernel = coloured(gabor(30, 1 / 8), GREY)
    both = np.stack([kernel, np.rot90(kernel, axes=(1, 2))])
    columns = measured(linear_network(both))
    assert (columns["orientation"][1] - columns["orientation"][0]) % 180 == pytest.approx(90, abs=0.1)
    assert columns["osi"][0] == pytest.approx(columns["osi"][1], abs=1e-4)


@pytest.mark.slow
def test_kernels_and_rectified_responses_agree():
    generator = np.random.default_rng(3)
    kernels = gaussian(4.0) * generator.normal(size=(6, 3, SIDE, SIDE))
    by_kernel, by_response = measures(SHOWN, kernel_strength(kernels, SHOWN, 0.5)), measured(linear_network(kernels))
    for name in ("osi", "orientation", "frequency", "colour_index", "colour_frequency", "colour_uniform"):
        assert by_response[name] == pytest.approx(by_kernel[name], rel=2e-3, abs=1e-3), name
    assert (by_response["colour_axis"] == by_kernel["colour_axis"]).all()
    # half of the amplitude is what a rectifier leaves of a linear unit's first harmonic
    images = gratings(SHOWN, 8, SIDE, 0.5)
    responses = centre_responses(linear_network(kernels), images.flatten(0, 1), ["1"])["1"]
    cycle = over_phases(responses.reshape(-1, 8, 6).numpy())
    assert 2 * cycle.first == pytest.approx(kernel_strength(kernels, SHOWN, 0.5), abs=2e-5)


@pytest.mark.slow
def test_kernel_strength_is_the_amplitude_that_a_slow_loop_finds():
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(1, 3, 5, 5))
    shown = [Condition("L-M", 22.5, 0.2), Condition("S", 0.0, 0.0), Condition("luminance", 135.0, 0.33)]
    for number, (axis, orientation, frequency) in enumerate(shown):
        best, a = 0, np.deg2rad(orientation)
        for phase in np.linspace(0, 2 * np.pi, 181):
            total = 0
            for q in range(3):
                for y in range(5):
                    for x in range(5):
                        wave = np.cos(2 * np.pi * frequency * (x * np.sin(a) + y * np.cos(a)) + phase)
                        total += kernel[0, q, y, x] * 0.5 * colour_axes()[axis][q] * wave
            best = max(best, total)
        assert kernel_strength(kernel, shown, 0.5)[number, 0] == pytest.approx(best, rel=2e-4)


def test_kernels_in_pixels_see_through_the_normalisation():
    generator = np.random.default_rng(1)
    matrix, kernels = generator.normal(size=(3, 3)), generator.normal(size=(4, 3, 2, 2))
    pixels, shift = generator.normal(size=(3, 2, 2)), generator.normal(size=(3, 1, 1))
    normalised = np.einsum("dc,cyx->dyx", matrix, pixels - shift)
    at_zero = np.einsum("dc,cyx->dyx", matrix, np.zeros((3, 2, 2)) - shift)
    change = (kernels * (normalised - at_zero)).sum((1, 2, 3))
    assert (in_pixels(kernels, matrix) * pixels).sum((1, 2, 3)) == pytest.approx(change)


# ---------------------------------------------------------------- colour

RED_GREEN = [1.0, -1.0, 0.0]
BLUE_YELLOW = [-0.5, -0.5, 1.0]
OPPONENT = {"colour_index": 1.7, "modulation": 0.5, "uniform": 0.5}


@pytest.mark.slow
def test_single_double_and_no_opponency():
    surround = gaussian(2.0) - gaussian(5.0)
    kernels = np.stack(
        [
            coloured(gaussian(3.0), RED_GREEN),  # one sign everywhere: answers uniform colour
            coloured(surround, RED_GREEN),  # the surround has the other sign
            coloured(surround, BLUE_YELLOW),
            coloured(gabor(60, 1 / 8), RED_GREEN),  # a colour edge
            coloured(gaussian(3.0), GREY),
            coloured(surround, GREY),
            coloured(gabor(60, 1 / 8), LUMINANCE_WEIGHTS),
            coloured(gabor(60, 1 / 8), [0.0, 0.0, 1.0]),  # sees blue alone: no opponency
            coloured(gaussian(3.0), [1.0, 0.0, 0.0]),
        ]
    )
    for columns in (measured(linear_network(kernels)), measures(SHOWN, kernel_strength(kernels, SHOWN, 0.5))):
        single, double = opponent(columns, **OPPONENT)
        assert single.tolist() == [True] + 8 * [False]
        assert double.tolist() == [False, True, True, True] + 5 * [False]
        assert columns["colour_axis"][[1, 2]].tolist() == ["L-M", "S"]
        assert columns["colour_frequency"][0] == 0
        assert columns["colour_frequency"][3] == 1 / 8
        assert (columns["colour_uniform"][1:4] < 0.05).all()


def test_a_unit_that_luminance_alone_moves_and_one_that_colour_alone_moves():
    axes = colour_axes()
    # orthogonal to both chromatic axes, and to grey and S
    light = np.cross(axes["L-M"], axes["S"])
    colour = np.cross(axes["luminance"], axes["S"])
    kernels = np.stack([coloured(gabor(0, 1 / 8), light), coloured(gabor(0, 1 / 8), colour)])
    columns = measures(SHOWN, kernel_strength(kernels, SHOWN, 0.5))
    assert columns["colour_index"].tolist() == [0, np.inf]
    assert columns["colour_axis"].tolist() == [None, "L-M"]
    assert np.isnan(columns["osi"][1])  # no luminance grating moves it
    assert np.isfinite(columns["osi"][0])
    assert columns["responds"].all()
    assert opponent(columns, **OPPONENT)[1].tolist() == [False, True]


def test_no_unit_whose_channels_act_alike_prefers_colour():
    """The bound in the docstring, against random non-negative weights of the channels on random profiles."""
    generator = np.random.default_rng(5)
    profiles, weights = generator.normal(size=(200, 1, 7, 7)), generator.uniform(size=(200, 3, 1, 1))
    index = measures(SHOWN, kernel_strength(profiles * weights, SHOWN, 0.5))["colour_index"]
    assert index.max() < unopposed_index() < 1.7
    # and blue alone reaches it
    blue = measures(SHOWN, kernel_strength(profiles * [[[0]], [[0]], [[1]]], SHOWN, 0.5))["colour_index"]
    assert blue == pytest.approx(np.full(200, unopposed_index()), rel=1e-6)


def test_a_unit_that_answers_both_ends_of_an_axis_alike_is_not_opponent():
    columns = {name: np.array([5.0]) for name in ("colour_index",)}
    columns |= {"colour_modulation": np.array([0.1]), "colour_uniform": np.array([0.1])}
    assert not opponent(columns, **OPPONENT)[1].any()
    assert not opponent(columns, **OPPONENT)[0].any()


def test_grey_images_have_no_colour_columns():
    shown = conditions(8, FREQUENCIES, 4, channels=1)
    kernel = gabor(45, 1 / 8)[None, None]
    columns = measured(linear_network(kernel), channels=1, shown=shown)
    assert columns["orientation"][0] == pytest.approx(45, abs=2)
    assert np.isnan(columns["colour_index"]).all()
    assert columns["colour_axis"].tolist() == [None]


@pytest.mark.slow
def test_silent_and_barely_moved_units():
    kernels = np.stack([0 * coloured(gaussian(3.0), GREY), coloured(gabor(0, 1 / 8), GREY)])
    columns = measured(linear_network(kernels))
    assert columns["responds"].tolist() == [False, True]
    for name in ("osi", "orthogonal_index", "orientation", "frequency", "modulation", "colour_index"):
        assert np.isnan(columns[name][0]), name
    strengths = np.array([[0.05], [0.0], [1.0]])
    shown = [Condition("luminance", 0.0, 0.1), Condition("luminance", 90.0, 0.1), Condition("S", 0.0, 0.1)]
    assert measures(shown, strengths)["osi"][0] == 1
    assert np.isnan(measures(shown, strengths, weakest=0.1)["osi"][0])
    assert np.isfinite(measures(shown, strengths, weakest=0.04)["osi"][0])


# ---------------------------------------------------------------- responses and kernels


def test_centre_responses_are_the_middle_of_the_map_and_leave_no_hook():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()).eval()
    images = torch.rand(5, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole = network[:2](images)
    together = centre_responses(network, images, ["1"])["1"]
    assert torch.equal(together, whole[:, :, 2, 2])  # a map of 5 x 4: of two middle columns the later
    alone = torch.cat([centre_responses(network, one[None], ["1"])["1"] for one in images])
    torch.testing.assert_close(alone, together)
    with pytest.raises(RuntimeError):
        centre_responses(network, images[:, :0], ["1"])
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not together.requires_grad


def test_shuffled_pixels_keep_each_pixels_channels_and_every_filters_weights():
    kernels = torch.arange(4 * 3 * 5 * 5).reshape(4, 3, 5, 5).float()
    mixed = shuffled_pixels(kernels, torch.Generator().manual_seed(0))
    again = shuffled_pixels(kernels, torch.Generator().manual_seed(0))
    assert torch.equal(mixed, again)
    assert not torch.equal(mixed, shuffled_pixels(kernels, torch.Generator().manual_seed(1)))
    orders = []
    for old, new in zip(kernels.flatten(2), mixed.flatten(2), strict=True):
        columns = [tuple(column.tolist()) for column in old.T]
        order = [columns.index(tuple(column.tolist())) for column in new.T]
        assert sorted(order) == list(range(25))
        orders.append(order)
    assert orders[0] != orders[1]
    assert orders[0] != list(range(25))


def test_uniform_colour_is_compared_with_gratings_of_its_own_axis():
    shown = [Condition("L-M", 0.0, 0.0), Condition("L-M", 0.0, 0.1), Condition("S", 0.0, 0.0), Condition("S", 0.0, 0.1)]
    light = [Condition("luminance", 0.0, 0.1), Condition("luminance", 90.0, 0.1)]
    # uniform red to green moves the unit most, and its grating half as much; the S grating is no part of that
    strengths = np.array([[4.0], [2.0], [1.0], [3.0], [1.0], [1.0]])
    columns = measures(shown + light, strengths)
    assert columns["colour_axis"].tolist() == ["L-M"]
    assert columns["colour_uniform"][0] == 4 / 2
