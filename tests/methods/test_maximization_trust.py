"""Planted fooling circuits are flagged and honest units are not; contributions are those of the paths."""

import math

import pytest
import torch
from torch import nn

from receptive.methods.maximization_trust import FLAGGED, contributions, path_similarity

HIDDEN, FOOLING, UNITS = 4, 20, 120


class Circuits(nn.Module):
    """Units that natural images excite through three of 12 filters; the first ``FOOLING`` have a hidden path too.

    The hidden path is a filter for a fine pattern of great contrast, which no natural image has. Where the pattern is
    there it outweighs the natural path (Geirhos et al. 2024, figure 2).
    """

    def __init__(self, seed: int):
        super().__init__()
        chance = torch.Generator().manual_seed(seed)
        self.first, self.seen = nn.Conv2d(1, 12 + HIDDEN, 5), nn.ReLU()
        self.second, self.unit = nn.Conv2d(12 + HIDDEN, UNITS, 3), nn.ReLU()
        first, second = torch.randn(self.first.weight.shape, generator=chance), torch.zeros(self.second.weight.shape)
        first -= first.mean((1, 2, 3), keepdim=True)
        board = torch.tensor([[(-1.0) ** (y + x) for x in range(5)] for y in range(5)])
        for hidden in range(HIDDEN):
            first[12 + hidden, 0] = board if hidden % 2 else -board
        for unit in range(UNITS):
            second[unit, torch.randperm(12, generator=chance)[:3]] = torch.rand(3, 3, 3, generator=chance)
        for unit in range(FOOLING):
            second[unit, 12 + unit % HIDDEN] = 20.0
        self.first.weight, self.second.weight = nn.Parameter(first), nn.Parameter(second)
        self.first.bias = nn.Parameter(torch.tensor([0.0] * 12 + [-5.0] * HIDDEN))
        self.second.bias = nn.Parameter(torch.zeros(UNITS))
        self.requires_grad_(False)

    def forward(self, images):
        return self.unit(self.second(self.seen(self.first(images))))


def natural(count: int, seed: int) -> torch.Tensor:
    """Smooth noise of contrast 0.3."""
    noise = torch.randn(count, 1, 15, 15, generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.avg_pool2d(noise, 5, 1)
    return 0.3 * smooth / smooth.std()


def ascend(network: Circuits, steps: int = 30) -> torch.Tensor:
    """A picture of every unit by plain gradient ascent on the sum of its map, from noise, within -2 and 2."""
    images = torch.randn(UNITS, 1, 11, 11, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        images.requires_grad_()
        (gradient,) = torch.autograd.grad(network(images).sum((2, 3)).diagonal().sum(), images)
        length = gradient.flatten(1).norm(dim=1).clamp_min(1e-9)[:, None, None, None]
        images = (images + 0.2 * gradient / length).clamp(-2, 2).detach()
    return images


def path(network: Circuits, images: torch.Tensor, unit: int) -> torch.Tensor:
    return contributions(network, images, ["seen"], "unit", lambda maps: maps[:, unit].sum((1, 2)))["seen"]


@pytest.mark.slow
def test_planted_fooling_circuits_are_flagged_and_honest_units_are_not():
    network, images = Circuits(seed=0), natural(300, seed=1)
    assert network.seen(network.first(images))[:, 12:].max() == 0  # no natural image enters the hidden path
    responses, pictures = network(images).sum((2, 3)), ascend(network)
    flagged = []
    for unit in range(UNITS):
        tops = images[responses[:, unit].argsort(descending=True)[:8]]
        similarity = path_similarity([path(network, pictures[[unit]], unit)], [path(network, tops, unit)])
        flagged.append(float(similarity) < FLAGGED)
    assert sum(flagged[:FOOLING]) == 20
    assert sum(flagged[FOOLING:]) <= 5  # 5% of 100


def test_contributions_of_a_layer_add_up_to_the_response():
    """The second layer has no bias; each channel's part is what remains when all other channels are cut."""
    network, images = Circuits(seed=2), natural(4, seed=3)
    found = path(network, images, 7)
    maps = network.seen(network.first(images))
    torch.testing.assert_close(found.sum(1), network(images)[:, 7].sum((1, 2)))
    open_ = (network.second(maps)[:, [7]] > 0).float()  # positions whose rectifier is open
    for channel in range(16):
        alone = torch.zeros_like(maps)
        alone[:, channel] = maps[:, channel]
        torch.testing.assert_close(found[:, channel], (network.second(alone)[:, [7]] * open_).sum((1, 2, 3)))


def test_similarity_by_hand():
    tops = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])  # 45 degrees apart
    pictures = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    half = 1 / math.sqrt(2)
    expected = torch.tensor([(1 + half) / 2 / half, 0, 0, -(1 + half) / 2 / half])
    torch.testing.assert_close(path_similarity([pictures], [tops]), expected)
    # a layer in which the top images have nothing in common says nothing
    torch.testing.assert_close(path_similarity([pictures, pictures], [tops, torch.eye(3)[:2]]), expected)
    assert path_similarity([pictures], [torch.eye(3)]).isnan().all()
    # the mean over two layers
    other = torch.tensor([[0.0, 1.0, 0.0]]).expand(4, 3)
    both = path_similarity([pictures, other], [tops, torch.tensor([[0.0, 1.0, 0.0], [0.0, 3.0, 0.0]])])
    torch.testing.assert_close(both, (expected + 1) / 2)


def test_a_layer_that_does_not_lead_to_the_unit_contributes_nothing():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.aside, self.last = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 1), nn.Conv2d(2, 2, 1)

        def forward(self, images):
            self.aside(images)
            return self.last(self.first(images))

    images = torch.ones(2, 1, 3, 3)
    found = contributions(Branches(), images, ["first", "aside"], "last", lambda maps: maps[:, 0].sum((1, 2)))
    assert found["aside"].tolist() == [[0.0] * 3] * 2
    assert found["first"].abs().sum() > 0
