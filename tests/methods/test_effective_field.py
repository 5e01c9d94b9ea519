"""Effective receptive fields against closed forms and a gradient for each unit."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from oracles import made_positive
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.effective_field import energies, random_signs, side, spread, visible
from receptive.methods.receptive_field.graph import receptive_fields


def one_unit(images, units, unit):
    signs = torch.zeros(images, units)
    signs[:, unit] = 1
    return signs


def test_of_one_convolution_it_is_the_squared_kernel():
    conv = nn.Conv2d(2, 3, (3, 5), padding=(1, 2))
    images = torch.rand(4, 2, 8, 10)
    for unit in range(3):
        energy = energies(nn.Sequential(conv), images, {"0": one_unit(4, 3, unit)})["0"]
        expected = torch.zeros(8, 10)  # the central position is (4, 5)
        expected[3:6, 3:8] = conv.weight[unit].detach().square().sum(0)
        torch.testing.assert_close(energy, expected)


def test_signs_of_all_units_give_the_sum_of_their_energies():
    """Over all patterns of signs the products of two units cancel exactly."""
    conv = nn.Conv2d(1, 3, 3)
    signs = torch.tensor(list(product((-1.0, 1.0), repeat=3)))
    energy = energies(nn.Sequential(conv), torch.rand(8, 1, 7, 7), {"0": signs})["0"]
    torch.testing.assert_close(energy[2:5, 2:5], conv.weight.detach().square().sum((0, 1)))
    assert energy.sum() == pytest.approx(float(conv.weight.detach().square().sum()))


def test_the_mean_over_images_of_what_each_units_gradient_gives():
    """A network with bends, one backward pass for each unit and image; each layer of it."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 2), nn.ReLU())
    images = torch.randn(8, 2, 10, 9, generator=generator)
    signs = {name: random_signs(8, units, generator) for name, units in (("1", 4), ("2", 4), ("4", 3))}
    found = energies(network, images, signs)
    assert list(found) == ["1", "2", "4"]
    for name, each in signs.items():
        depth, total = int(name) + 1, torch.zeros(10, 9)
        for image, row in zip(images, each, strict=True):
            pixel = image[None].clone().requires_grad_()
            response = network[:depth](pixel)[0]
            middle = response[:, response.shape[1] // 2, response.shape[2] // 2]
            slopes = [torch.autograd.grad(value, pixel, retain_graph=True)[0][0] for value in middle]
            signed = sum(sign * slope for sign, slope in zip(row, slopes, strict=True))
            total += signed.square().sum(0) / len(images)
        torch.testing.assert_close(found[name], total)


@pytest.mark.parametrize(("kernel", "depth"), [(2, 12), (3, 10), (5, 6)])
def test_of_uniform_kernels_it_is_a_power_of_their_polynomial(kernel, depth):
    """Luo et al. section 2: n convolutions of k ones are the coefficients of (1 + x + ... + x^(k-1))^n.

    With k = 2 these are the binomial coefficients. In the limit they are a Gaussian of variance n (k^2 - 1) / 12, and
    their squares one of half that variance, while the receptive field is n (k - 1) + 1 wide.
    """
    layers = [nn.Conv2d(1, 1, kernel, bias=False) for _ in range(depth)]
    for layer in layers:
        nn.init.ones_(layer.weight)
    length = depth * (kernel - 1) + 1
    network = nn.Sequential(*layers).double()
    energy = energies(network, torch.zeros(1, 1, length, length).double(), {str(depth - 1): torch.ones(1, 1).double()})
    row = np.array([1])
    for _ in range(depth):
        row = np.polymul(row, np.ones(kernel, int))
    if kernel == 2:
        assert row.tolist() == [math.comb(depth, i) for i in range(depth + 1)]
    found = energy[str(depth - 1)]
    torch.testing.assert_close(found, torch.from_numpy(np.outer(row, row).astype(float) ** 2))
    assert spread(found) == pytest.approx(math.sqrt(depth * (kernel**2 - 1) / 12 / 2), rel=0.03)  # n is not large


def gaussian(width: float, length: int = 121) -> torch.Tensor:
    at = torch.arange(length).double() - length // 2
    along = torch.exp(-at.square() / (2 * width**2))
    return along[:, None] * along


def test_sizes_of_a_gaussian():
    """A disc of radius r holds 1 - exp(-r^2 / 2 s^2) of a Gaussian."""
    width = 9.0
    energy = gaussian(width)
    assert spread(energy) == pytest.approx(width, rel=1e-6)
    radius = width * math.sqrt(-2 * math.log(1 - 0.9545))
    assert side(energy) == pytest.approx(math.sqrt(math.pi) * radius, rel=0.005)
    half = width * math.sqrt(-2 * math.log(0.5))
    assert side(energy, 0.5) == pytest.approx(math.sqrt(math.pi) * half, rel=0.01)
    # the gradient, the root of the energy, is a Gaussian of sqrt(2) times the width
    assert visible(7 * gaussian(width)) == pytest.approx(math.sqrt(2 * math.pi) * radius, rel=0.005)


def test_sizes_of_uniform_and_lopsided_energy():
    energy = torch.zeros(9, 9)
    energy[2:7, 1:6] = 3.0
    assert side(energy) == pytest.approx(math.sqrt(24))  # 24 of 25 pixels hold 0.96
    assert side(energy, 0.2) == math.sqrt(5)  # exactly a fifth
    assert side(energy, 1.0) == visible(energy) == 5
    assert spread(energy) == pytest.approx(math.sqrt(2))
    line = torch.zeros(9, 9)
    line[4] = 1.0
    assert spread(line) == pytest.approx(math.sqrt(60 / 9 / 2))  # the mean of both axes' variances
    assert side(torch.eye(1)) == visible(torch.eye(1)) == 1
    assert spread(torch.eye(1)) == 0


def test_without_energy_there_is_no_size():
    dead = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    nn.init.constant_(dead[0].bias, -9)
    energy = energies(dead, torch.rand(2, 1, 5, 5), {"1": torch.ones(2, 2)})["1"]
    assert energy.sum() == 0
    assert all(math.isnan(size(energy)) for size in (side, spread, visible))


def test_it_lies_within_what_the_position_sees():
    network = nn.Sequential(nn.Conv2d(1, 2, 5, 2, 2), nn.AvgPool2d(3, 2, 1), nn.Conv2d(2, 2, 3, padding=1))
    node = list(receptive_fields(network, (21, 17), 1).values())[-1]
    rows, columns = node.map_size
    top, left, bottom, right = node.seen(rows // 2, columns // 2)
    energy = energies(
        made_positive(network), torch.rand(1, 1, 21, 17).double(), {"2": torch.ones(1, 2).double()}
    )["2"]  # fmt: skip
    assert (energy[top:bottom, left:right] > 0).all()
    assert int((energy > 0).sum()) == (bottom - top) * (right - left)


def test_the_network_is_left_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)).eval()
    images = torch.rand(1, 1, 7, 7)
    with torch.no_grad():
        energies(network, images, {"0": torch.ones(1, 2)})
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not images.requires_grad
    assert not network[0]._forward_hooks
    with pytest.raises(ReceptiveError, match="no layer '7'"):
        energies(network, images, {"7": torch.ones(1, 2)})


def test_signs_are_ones():
    signs = random_signs(200, 50, torch.Generator().manual_seed(0))
    assert set(signs.unique().tolist()) == {-1, 1}
    assert abs(float(signs.mean())) < 0.03
