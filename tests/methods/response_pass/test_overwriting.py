"""Rectifications work in place only where nobody else reads what they write over."""

import copy

import pytest
import torch
from torch import nn

from receptive import networks
from receptive.methods.capture import capture, for_inference
from receptive.methods.extraction import Extraction
from receptive.methods.receptive_field.sites import Sum
from receptive.methods.response_pass.overwriting import overwriting
from receptive.networks.layers import layers


class Forked(nn.Module):
    """One rectification of each kind: of a map of its own, of a forked one, of the image, after a max pool, shared."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.skip = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Identity()
        self.sum, self.pool, self.linear = Sum(), nn.MaxPool2d(2), nn.Linear(3, 3)
        self.of_image, self.of_conv, self.of_fork, self.of_sum = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.of_pool, self.of_plus, self.shared, self.of_alias = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.conv2, self.conv3, self.conv4 = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, image):
        x = self.norm(self.conv(self.of_image(image)))
        x = self.of_conv(x)
        fork = self.conv2(x)
        y = self.of_fork(fork)
        x = self.of_sum(self.sum(fork, y))
        x = self.of_pool(self.pool(x))
        aliased = self.conv3(x)
        x = self.of_alias(self.skip(aliased)) + aliased
        x = self.of_plus(x + 1)
        x = self.shared(self.conv4(x)) + self.shared(x)
        return self.linear(x.mean((2, 3)))


def works_in_place(network):
    return {name for name, module in network.named_modules() if isinstance(module, nn.ReLU) and module.inplace}


def test_only_maps_of_their_own_are_written_over():
    network = for_inference(Forked())
    with overwriting(network):
        assert works_in_place(network) == {"of_conv", "of_sum", "of_plus"}
    assert works_in_place(network) == set()


def test_an_exception_ends_it_and_other_networks_stay_as_they_are():
    network = for_inference(Forked())
    with pytest.raises(KeyboardInterrupt), overwriting(network):
        raise KeyboardInterrupt
    assert works_in_place(network) == set()
    untraced = Forked().eval()
    with overwriting(untraced):
        assert works_in_place(untraced) == set()
    given = copy.deepcopy(network)
    given.of_conv.inplace = True
    with overwriting(given):
        pass
    assert works_in_place(given) == {"of_conv"}


@pytest.mark.parametrize("name", ["forked", "resnet34", "vggcnn"])
def test_responses_stay_the_same_to_the_bit(name):
    size = {"forked": 8}.get(name, 32)
    plain = Forked() if name == "forked" else networks.build(name, 10, size, 3, width=0.125)
    network = for_inference(plain)
    images = torch.randn(2, 2 if name == "forked" else 3, size, size, generator=torch.Generator().manual_seed(0))
    names = [name for name, module in network.named_modules() if not list(module.children())]
    kept = images.clone()
    with torch.no_grad():
        with capture(network, names) as before:
            scores = network(images)
        with overwriting(network), capture(network, names) as after:
            assert torch.equal(network(images), scores)
    assert torch.equal(images, kept)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_extraction_rectifies_in_place_while_it_runs(monkeypatch):
    network = for_inference(networks.build("vggcnn", 10, 32, 3, width=0.125))
    units = {layer.name: layer.units for layer in layers(network, 32, 3)}
    seen = []

    def batches():
        yield torch.arange(2), torch.randn(2, 3, 32, 32)
        seen.append(works_in_place(network))

    Extraction(network, units, 4, 1).run(batches())
    assert len(seen[0]) > 10
    assert works_in_place(network) == set()
