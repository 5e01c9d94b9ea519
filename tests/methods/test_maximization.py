"""Ascent against closed forms, torch's own Adam and one unit at a time; crops against the whole image."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import BasicBlock, linear_unit, with_random_statistics
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.maximization import (
    PRESETS,
    Preset,
    maximize,
    receptive_field_crop,
    redirected_gradients,
    transformed,
)
from receptive.methods.maximization_parametrisation import Fourier, colour_basis
from receptive.methods.receptive_field.graph import receptive_fields
from receptive.networks import build
from receptive.networks.layers import find_layer, layers

ASCENT = Preset("zero", "ascent", 0.1, 1)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def small_network(seed=0):
    """Convolutions, a strided one, an overlapping pool and batch norm, all in float64."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(8 * 16, 5),
    )
    return with_random_statistics(network).double().eval()


# Closed forms


@pytest.mark.parametrize("steps", [1, 2, 7, 31])
def test_a_linear_unit_with_l2_follows_the_closed_form(steps):
    weight, rate, decay = noise(2, 4, 5), 0.1, 0.7
    preset = replace(ASCENT, rate=rate, iterations=steps, l2=decay)
    result = maximize(linear_unit(weight), "1", [0], "class", preset, torch.zeros(1, 2, 4, 5, dtype=torch.float64))
    expected = (1 - (1 - rate * decay) ** steps) * weight / decay
    torch.testing.assert_close(result.images[0], expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(result.activation[0], (weight * expected).sum(), rtol=1e-12, atol=1e-12)
    assert result.status == ("ok",)


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_a_linear_unit_with_l1_follows_the_closed_form(steps):
    alpha, rate = 0.1, 0.5
    weight = noise(2, 4, 5)
    weight = weight + 2 * alpha * weight.sign()  # no weight is so small that the penalty would turn it back
    preset = replace(ASCENT, rate=rate, iterations=steps, l1=alpha)
    # at zero the penalty has no gradient: the first step is the weight's alone
    result = maximize(linear_unit(weight), "1", [0], "class", preset, torch.zeros(1, 2, 4, 5, dtype=torch.float64))
    expected = rate * weight + (steps - 1) * rate * (weight - alpha * weight.sign())
    torch.testing.assert_close(result.images[0], expected, rtol=1e-12, atol=1e-12)


def test_l1_carries_idle_pixels_towards_zero():
    preset = replace(ASCENT, rate=0.5, iterations=4, l1=0.1)
    weight = torch.zeros(1, 2, 2, dtype=torch.float64)
    weight[0, 0, 0] = 1.0
    start = torch.tensor([[[[0.0, 1.0], [-1.0, 0.5]]]], dtype=torch.float64)
    image = maximize(linear_unit(weight), "1", [0], "class", preset, start).images[0, 0]
    # 0 + 0.5 + 3 * 0.5 * 0.9; the others move by 4 * 0.5 * 0.1
    expected = torch.tensor([[1.85, 0.8], [-0.8, 0.3]], dtype=torch.float64)
    torch.testing.assert_close(image, expected, rtol=1e-12, atol=1e-12)


def test_unit_gradient_has_root_mean_square_one_before_the_penalties():
    weight = noise(3, 6, 6)
    preset = replace(ASCENT, rate=2.0, unit_gradient=True, l2=0.5)
    start = noise(1, 3, 6, 6, seed=1)
    image = maximize(linear_unit(weight), "1", [0], "class", preset, start).images
    expected = start + 2.0 * (weight / math.sqrt((weight**2).mean()) - 0.5 * start)
    torch.testing.assert_close(image, expected, rtol=1e-12, atol=1e-12)


def test_the_papers_presets_say_what_the_papers_say():
    assert PRESETS["ks"] == Preset("zero", "adam", 0.1, 31, l2=1e-6)
    tg = PRESETS["tg_channel"]
    assert (tg.initialisation, tg.iterations, tg.l1, tg.l2) == ("noise", 20, 0, 0)
    tg = PRESETS["tg_class"]
    assert (tg.rate, tg.l1, tg.optimiser) == (0.5, 0.1, "ascent")


# The optimiser


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 1e-6, 0.3])
def test_adam_is_torchs(decay):
    network, units = small_network(), [0, 3, 4]
    start = noise(3, 3, 16, 16)
    preset = Preset("zero", "adam", 0.1, 31, l2=decay)
    ours = maximize(network, "7", units, "class", preset, start)
    for i, unit in enumerate(units):
        image = start[i : i + 1].clone().requires_grad_()
        optimiser = torch.optim.Adam([image], lr=0.1, weight_decay=decay)
        for _ in range(31):
            optimiser.zero_grad()
            (-network(image)[0, unit]).backward()
            optimiser.step()
        torch.testing.assert_close(ours.images[i : i + 1], image.detach(), rtol=1e-9, atol=1e-9)


# Objectives and batches


@pytest.mark.parametrize("preset", ["ks", "tg_channel"])
def test_a_diverged_image_stays_where_it_was_last_finite_and_the_others_go_on(preset):
    """The response of unit 1 jumps to infinity where the pixels' sum exceeds 3; that of unit 0 is the sum itself."""

    class Cliff(nn.Module):
        def forward(self, x):
            total = x.sum((1, 2, 3))
            return torch.stack([total, total + torch.where(total.detach() > 3, torch.inf, 0.0)], 1)

    network, start = nn.Sequential(Cliff(), nn.Identity()), torch.zeros(2, 1, 4, 4)
    rate = replace(PRESETS[preset], rate=0.01, iterations=40)
    result = maximize(network, "1", [0, 1], "class", rate, start)
    assert result.status == ("ok", "diverged")
    assert 3 < result.images[1].sum() < 3.2  # one step of 0.16 beyond 3, where no further step is finite
    assert result.images[0].sum() == pytest.approx(40 * 16 * 0.01, rel=1e-3)


def literal(network, layer, unit, objective, image):
    response = network[: layer + 1](image)[0, unit]
    if objective == "channel":
        return response.sum() / response.numel()
    return response[response.shape[0] // 2, response.shape[1] // 2] if objective == "neuron" else response


@pytest.mark.parametrize(("layer", "objective"), [(2, "neuron"), (3, "neuron"), (5, "channel"), (7, "class")])
def test_objectives_one_step_is_the_gradient_of_the_literal_objective(layer, objective):
    network, image = small_network(), noise(1, 3, 16, 16)
    driven = 0
    for unit in range(5):
        wanted = image.clone().requires_grad_()
        value = literal(network, layer, unit, objective, wanted)
        (gradient,) = torch.autograd.grad(value, wanted)
        driven += bool(gradient.any())
        result = maximize(network, str(layer), [unit], objective, replace(ASCENT, rate=0.25), image)
        torch.testing.assert_close(result.images, image + 0.25 * gradient, rtol=1e-12, atol=1e-14)
        after = literal(network, layer, unit, objective, result.images)
        torch.testing.assert_close(result.activation[0], after.detach(), rtol=1e-12, atol=1e-14)
    assert driven >= 2  # the others are silent


def test_the_centre_of_an_even_map_is_the_later_of_the_two_middle_positions():
    pixel = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False)).double()
    result = maximize(pixel, "0", [0], "neuron", ASCENT, torch.zeros(1, 1, 6, 7, dtype=torch.float64))
    assert result.images[0, 0].nonzero().tolist() == [[3, 3]]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_batched_equals_one_by_one(name):
    preset, network = replace(PRESETS[name], iterations=12), small_network()
    units = [4, 0, 2, 3, 1]
    parametrise, shape = None, (3, 16, 16)
    if preset.fourier:
        parametrise = Fourier((16, 16), colour_basis(torch.eye(3, dtype=torch.float64)))
        shape = parametrise.coefficients
    start = torch.stack([noise(*shape, seed=unit) for unit in units])
    draws = torch.rand(12, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 2 - 1

    def run(chosen, batch_size):
        pick = torch.tensor([units.index(unit) for unit in chosen])
        options = {"parametrise": parametrise, "draws": draws, "batch_size": batch_size}
        return maximize(network, "5", chosen, "channel", preset, start[pick], **options)

    together = run(units, 32)
    for batch_size, order in ((1, units), (2, units), (3, units[::-1])):
        again = run(order, batch_size)
        pick = torch.tensor([units.index(unit) for unit in order])
        torch.testing.assert_close(again.images, together.images[pick], rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(again.activation, together.activation[pick], rtol=1e-8, atol=1e-8)
        assert again.status == tuple(together.status[i] for i in pick)


def test_the_network_does_not_run_past_the_layer():
    network = small_network()
    start = noise(1, 3, 16, 16)
    expected = maximize(network, "5", [0], "channel", PRESETS["ks"], start)
    network[6].forward = lambda x: pytest.fail("ran past the layer")
    assert torch.equal(maximize(network, "5", [0], "channel", PRESETS["ks"], start).images, expected.images)


@pytest.mark.slow
def test_training_mode_does_not_couple_images_and_comes_back():
    network = small_network()
    start = noise(3, 3, 16, 16)
    expected = maximize(network, "7", [0, 1, 2], "class", PRESETS["ks"], start)
    network.train()
    network[1].eval()
    result = maximize(network, "7", [0, 1, 2], "class", PRESETS["ks"], start)
    assert torch.equal(result.images, expected.images)
    assert [m.training for m in network] == [i != 1 for i in range(8)]
    assert network.training


# Statuses


def gated():
    """Unit 0 is dead, unit 1 linear, unit 2 leaves the numbers at once, though its gradient does not."""

    class Gates(nn.Module):
        def forward(self, x):
            total = x.sum((2, 3))[:, 0]
            return torch.stack([torch.relu(total - 1e9), total, (total + 99) * 1e37], 1)

    return nn.Sequential(Gates(), nn.Identity())


@pytest.mark.parametrize("preset", ["ks", "tg_class"])
def test_dead_and_diverging_units_are_named_and_leave_the_others_alone(preset):
    start = noise(3, 1, 4, 4, dtype=torch.float32).abs()
    result = maximize(gated(), "1", [0, 1, 2], "class", PRESETS[preset], start)
    assert result.status == ("zero_gradient", "ok", "diverged")
    assert result.images.isfinite().all()
    assert torch.equal(result.images[2], start[2])
    assert result.activation[0] == 0
    assert result.activation.isnan().tolist() == [False, False, True]
    alone = maximize(gated(), "1", [1], "class", PRESETS[preset], start[1:2])
    torch.testing.assert_close(result.images[1], alone.images[0])


def test_a_unit_that_falls_silent_on_the_way_is_named():
    """Below 0.5 the response rises with the pixel; one step carries the pixel far beyond the hat's foot at 1."""

    class Hat(nn.Module):
        def forward(self, x):
            return torch.relu(0.5 - (x.flatten(1)[:, :1] - 0.5).abs())

    result = maximize(
        nn.Sequential(Hat(), nn.Identity()), "1", [0], "class", replace(ASCENT, rate=9.0), torch.full((1, 1, 1, 1), 0.3)
    )
    assert result.activation == 0
    assert result.status == ("zero_gradient",)


def test_a_unit_that_saturates_above_its_start_is_ok():
    unit = nn.Sequential(nn.Flatten(), nn.Hardtanh(0.0, 1.0))
    result = maximize(unit, "1", [0], "class", replace(ASCENT, rate=9.0), torch.full((1, 1, 1, 1), 0.3))
    assert result.activation == 1
    assert result.status == ("ok",)


def closed_pair(inplace=False):
    """Two rectified units: channel 0 is closed on dark images, channel 1 open; the sum of both is read."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace), nn.Conv2d(2, 1, 1, bias=False), nn.ReLU(inplace))
    network[0].weight.data[:] = 1.0
    network[0].bias.data[:] = torch.tensor([-1.0, 1.0])
    network[2].weight.data[:] = torch.tensor([2.0, 3.0]).view(1, 2, 1, 1)
    return network


def test_redirected_gradients_open_only_what_is_wholly_closed():
    network, images = closed_pair(), torch.tensor([0.0, -5.0, 4.0]).view(3, 1, 1, 1).requires_grad_()

    def gradient(sign=1.0):
        (found,) = torch.autograd.grad(sign * network(images).sum(), images)
        return found.flatten().tolist()

    assert gradient() == [3.0, 0.0, 5.0]
    plain = network(images)
    with redirected_gradients(network):
        # one channel open: as ever; both closed: both let the way up through; both open: as ever
        assert gradient() == [3.0, 5.0, 5.0]
        assert gradient(-1.0) == [-3.0, 0.0, -5.0]  # nothing closed is pushed further down
        assert torch.equal(network(images), plain)
    assert gradient() == [3.0, 0.0, 5.0]
    in_place = closed_pair(inplace=True)
    with redirected_gradients(in_place):
        assert torch.equal(in_place(images), plain)


@pytest.mark.slow
def test_redirected_gradients_wake_a_silent_unit():
    network = closed_pair()
    start = torch.full((1, 1, 2, 2), -5.0)
    assert maximize(network, "3", [0], "channel", PRESETS["ks"], start).status == ("zero_gradient",)
    preset = replace(PRESETS["ks_redirected"], iterations=60)
    woken = maximize(network, "3", [0], "channel", preset, start)
    assert woken.status == ("ok",)
    assert woken.activation > 0
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.slow
def test_a_unit_that_wakes_up_is_ok():
    unit = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    unit[0].weight.data.fill_(1.0)
    unit[0].bias.data.fill_(0.5)
    awake = maximize(unit, "1", [0], "channel", PRESETS["ks"], torch.zeros(1, 1, 4, 4))
    assert awake.status == ("ok",)
    unit[0].bias.data.fill_(-0.5)
    dead = maximize(unit, "1", [0], "channel", PRESETS["ks"], torch.zeros(1, 1, 4, 4))
    assert dead.status == ("zero_gradient",)
    assert torch.equal(dead.images, torch.zeros(1, 1, 4, 4))


# The receptive field's crop


def crop_networks():
    torch.manual_seed(3)
    yield "chain", small_network()[:6], (19, 24), ["2", "3", "5"]
    uneven = nn.Sequential(
        nn.Conv2d(3, 4, (5, 3), (3, 2), (2, 0)), nn.ReLU(), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(4, 5, 2, 1, 1)
    )
    yield "uneven", uneven.double().eval(), (41, 30), ["1", "2", "3"]
    dilated = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 2, dilation=2), nn.AvgPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
    yield "dilated", dilated.double().eval(), (33, 33), ["0", "1", "2"]
    skips = with_random_statistics(nn.Sequential(BasicBlock(3, 4), BasicBlock(4, 4, 2), BasicBlock(4, 6, 2)))
    yield "skips", skips.double().eval(), (37, 37), ["0", "1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "size", "names"), [pytest.param(*c[1:], id=c[0]) for c in crop_networks()])
def test_a_crop_answers_as_the_whole_image_at_every_position(network, size, names):
    nodes = list(receptive_fields(network, size).values())
    image = noise(1, 3, *size, seed=2)
    for name in names:
        node = [n for n in nodes if n.module.split(".")[0] == name][-1]  # of a block the node that ends it
        part = network[: int(name) + 1]
        whole = part(image).detach()
        for y, x in np.ndindex(*whole.shape[2:]):
            crop = receptive_field_crop(node.field, (y, x))
            cut = part(image[:, :, crop.top : crop.bottom, crop.left : crop.right])
            at = cut[:, :, crop.position[0], crop.position[1]]
            assert (at - whole[:, :, y, x]).abs().max() < 1e-12, (name, y, x, crop)


def test_a_crop_is_no_larger_than_the_field_and_a_stride():
    node = next(n for n in receptive_fields(small_network()[:6], 96).values() if n.module == "5")
    for y in range(24):
        crop = receptive_field_crop(node.field, (y, 0))
        assert crop.bottom - crop.top < node.field.y.size + node.field.y.stride
        assert crop.left == 0
    assert receptive_field_crop(node.field, (12, 12)).bottom < 96


@pytest.mark.slow
@pytest.mark.parametrize("alias", ["max pool", "layer 3", "layer 6", "layer 9"])
def test_optimising_the_crop_is_optimising_the_image_on_a_residual_network(alias):
    torch.manual_seed(4)
    network = with_random_statistics(build("resnet18", classes=4, width=0.125)).double().eval()
    size, preset = 96, replace(PRESETS["ks"], iterations=6)
    layer = find_layer(layers(network, size), alias)
    last = layer.map_size[0] - 1
    start = noise(1, 3, size, size, seed=6)
    moved = []
    for position in ((0, 0), (0, last), (last, last), (last // 2, last // 2), (1, last - 1), (last, 0)):
        whole = maximize(network, layer.name, [1], "neuron", preset, start, position=position)
        crop = receptive_field_crop(layer.field, position)
        region = (..., slice(crop.top, crop.bottom), slice(crop.left, crop.right))
        cut = maximize(network, layer.name, [1], "neuron", preset, start[region], position=crop.position)
        assert (cut.images - whole.images[region]).abs().max() < 1e-10
        torch.testing.assert_close(cut.activation, whole.activation, rtol=1e-10, atol=1e-10)
        assert cut.status == whole.status
        moved.append(cut.status == ("ok",))
    assert any(moved)


def test_a_whole_image_field_is_the_whole_image():
    network = small_network()
    node = next(n for n in receptive_fields(network, 16).values() if n.module == "7")
    crop = receptive_field_crop(node.field, (0, 0))
    assert (crop.top, crop.left, crop.bottom, crop.right) == (0, 0, 16, 16)


# Fourier, colours, transforms


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5)])
def test_fourier_pictures_are_the_real_inverse_transform(size):
    height, width = size
    fourier = Fourier(size, torch.eye(2, dtype=torch.float64))
    picture = noise(3, 2, height, width)
    spectrum = torch.from_numpy(np.fft.fft2(picture.numpy()))[..., : width // 2 + 1]
    down = np.minimum(np.arange(height), height - np.arange(height)) / height
    across = np.arange(width // 2 + 1) / width
    frequency = np.maximum(np.hypot(down[:, None], across[None, :]), 1 / max(size))
    weights = torch.from_numpy(math.sqrt(height * width) / 4 / frequency)
    coefficients = torch.view_as_real(spectrum / weights)
    assert coefficients.shape[1:] == fourier.coefficients
    again = fourier.picture(coefficients)
    assert again.dtype == torch.float64
    torch.testing.assert_close(again, picture, rtol=1e-10, atol=1e-10)


def test_fourier_images_have_the_colours_of_the_covariance():
    covariance = torch.tensor([[0.05, 0.04, 0.02], [0.04, 0.06, 0.03], [0.02, 0.03, 0.08]], dtype=torch.float64)
    basis = colour_basis(covariance)
    torch.testing.assert_close(basis @ basis.T, covariance, rtol=1e-12, atol=1e-14)
    fourier = Fourier((32, 32), basis, to_input=lambda pixels: torch.logit(pixels) * basis.norm(dim=0).max())
    coefficients = noise(60, *fourier.coefficients)
    picture, image = fourier.picture(coefficients), fourier(coefficients)
    torch.testing.assert_close(image, torch.einsum("dc,nchw->ndhw", basis, picture), rtol=1e-8, atol=1e-8)
    samples = image.movedim(1, 0).flatten(1) / picture.std()
    torch.testing.assert_close(torch.cov(samples), covariance, rtol=0.25, atol=0.003)


def test_colour_basis_takes_a_flat_channel():
    covariance = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64)  # of rank one
    basis = colour_basis(covariance)
    torch.testing.assert_close(basis @ basis.T, covariance, rtol=1e-12, atol=1e-12)


def test_fourier_pixels_lie_between_zero_and_one():
    fourier = Fourier((8, 8), torch.eye(3))
    pixels = fourier(100 * noise(4, *fourier.coefficients, dtype=torch.float32))
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_transforms_move_the_image_as_they_say():
    image = noise(2, 3, 16, 16)
    preset = Preset("noise", "adam", 0.1, 1, shift=0.25, zoom=0.5, turn=90.0)
    still = transformed(image, torch.zeros(4), preset)
    torch.testing.assert_close(still, image, rtol=1e-12, atol=1e-12)
    # a quarter of 16 px: what was 4 px further down is seen
    down = transformed(image, torch.tensor([1.0, 0.0, 0.0, 0.0]), preset)
    torch.testing.assert_close(down[:, :, :12], image[:, :, 4:], rtol=1e-9, atol=1e-9)
    across = transformed(image, torch.tensor([0.0, -1.0, 0.0, 0.0]), preset)
    torch.testing.assert_close(across[..., 4:], image[..., :12], rtol=1e-9, atol=1e-9)
    turned = transformed(image, torch.tensor([0.0, 0.0, 0.0, 1.0]), preset)
    assert any(torch.allclose(turned, image.rot90(k, (2, 3)), atol=1e-9) for k in (1, 3))
    ramp = torch.linspace(-1, 1, 16, dtype=torch.float64).expand(1, 1, 16, 16)
    wider = transformed(ramp, torch.tensor([0.0, 0.0, -1.0, 0.0]), preset)
    torch.testing.assert_close(wider, ramp / 2, rtol=1e-9, atol=1e-9)


def test_transforms_need_their_draws():
    start = noise(1, 3, 2, 2)
    with pytest.raises(ValueError, match="draws"):
        maximize(nn.Identity(), "", [0], "channel", PRESETS["robust"], start)


# What is refused, and what stays as it was


@pytest.mark.parametrize(
    ("layer", "unit", "objective", "words"),
    [
        ("5", 0, "pixel", "unknown objective 'pixel'"),
        ("nowhere", 0, "channel", "no layer 'nowhere'"),
        ("5", 8, "channel", "no unit 8: choose from 0 to 7"),
        ("5", -1, "channel", "no unit -1"),
        ("5", 0, "class", "is a map"),
        ("7", 0, "channel", "has no map"),
        ("7", 0, "neuron", "has no map"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(layer, unit, objective, words):
    with pytest.raises(ReceptiveError, match=words) as error:
        maximize(small_network(), layer, [unit], objective, PRESETS["ks"], noise(1, 3, 16, 16))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("preset", ["ks", "ks_redirected"])
def test_hooks_weights_gradients_and_mode_are_as_before(preset, fails):
    network = small_network()
    network[0].weight.requires_grad_(False)
    network.train()
    network[3].eval()
    before = copy.deepcopy(network.state_dict())
    modes = [m.training for m in network.modules()]
    wanted = [p.requires_grad for p in network.parameters()]

    def stop(images):
        if fails:
            raise KeyboardInterrupt

    try:
        maximize(network, "5", [0, 1], "channel", PRESETS[preset], noise(2, 3, 16, 16), on_step=stop)
    except KeyboardInterrupt:
        assert fails
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert "forward" not in module.__dict__
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == wanted
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
