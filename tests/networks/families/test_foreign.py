"""Networks rewritten so that every response has a module, against the networks as their authors wrote them."""

import copy

import pytest
import torch
import torch.nn.functional as F
from oracles import with_random_statistics
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture, for_inference, responses_to
from receptive.methods.receptive_field.sites import Sum
from receptive.networks.families.foreign import separate_sites
from receptive.networks.layers import layers
from receptive.networks.torchvision_loader import import_torchvision

NAMES = [
    "alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50", "googlenet", "mobilenet_v2",
    "mobilenet_v3_small", "efficientnet_b0", "densenet121", "squeezenet1_1", "shufflenet_v2_x0_5", "regnet_x_400mf",
]  # fmt: skip


def torchvisions(name):
    extra = {"init_weights": False} if name == "googlenet" else {}
    return import_torchvision().models.get_model(name, weights=None, num_classes=3, **extra)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_weights_are_torchvisions(name):
    theirs = with_random_statistics(torchvisions(name)).eval()
    state, images = copy.deepcopy(theirs.state_dict()), noise(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(images)
        ours = separate_sites(torchvisions(name))
        unused = [key for key in state if key not in ours.state_dict()]
        assert all(key.startswith("aux") for key in unused)
        ours.load_state_dict({key: value for key, value in state.items() if key not in unused})
        assert torch.equal(ours(images), expected)
        assert expected.std() > 0
        fast = for_inference(ours)
        torch.testing.assert_close(fast(images), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    known = layers(ours, 64)
    assert all(layer.readable for layer in known)
    # the faster copy has the very same modules, so every layer is read there, too, and once
    calls = dict.fromkeys((layer.name for layer in known), 0)

    def count(layer, _):
        calls[layer] += 1

    with capture(fast, calls, count), torch.no_grad():
        fast(images)
    assert set(calls.values()) == {1}
    assert not any(getattr(module, "inplace", False) for module in ours.modules() if not list(module.parameters()))


def test_responses_are_those_of_the_places():
    """Against the block of a ResNet written out."""
    theirs = with_random_statistics(torchvisions("resnet18")).eval()
    images = noise(2, 3, 32, 32)
    block = theirs.layer2[0]
    with torch.no_grad():
        x = theirs.layer1(theirs.maxpool(F.relu(theirs.bn1(theirs.conv1(images)))))
        first = F.relu(block.bn1(block.conv1(x)))
        summed = block.bn2(block.conv2(first)) + block.downsample(x)
    found = responses_to(
        separate_sites(copy.deepcopy(theirs)), images, ["layer2.0.relu1", "layer2.0.sum", "layer2.0.relu2"]
    )
    torch.testing.assert_close(found["layer2.0.relu1"], first, rtol=0, atol=0)
    torch.testing.assert_close(found["layer2.0.sum"], summed, rtol=0, atol=0)
    torch.testing.assert_close(found["layer2.0.relu2"], F.relu(summed), rtol=0, atol=0)


class Own(nn.Module):
    """A forward pass of one's own around a convolution."""

    def __init__(self, forward):
        super().__init__()
        self.conv, self.relu, self.act = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.ReLU()
        self.body = forward

    def forward(self, x):
        return self.body(self, x)


FORWARDS = {
    "in place, read later": lambda self, x: (lambda y: self.relu(y) * 2 + y)(self.conv(x)),
    "function in place": lambda self, x: (lambda y: F.relu(y, inplace=True) - y * 3)(self.conv(x)),
    "method in place": lambda self, x: (lambda y: y.relu_() + y.sigmoid())(self.conv(x)),
    "sum in place": lambda self, x: (lambda y, z: y.__iadd__(z) * 2 + y)(self.conv(x), self.conv(x).tanh()),
    "functions": lambda self, x: F.silu(F.relu6(self.conv(x)) + torch.sigmoid(self.conv(x))),
    "settings": lambda self, x: F.elu(self.conv(x), 0.3) + F.leaky_relu(self.conv(x), 0.3),
    "pools": lambda self, x: F.avg_pool2d(F.max_pool2d(self.conv(x), 3, 2, 1), 2, stride=1),
    "global pools": lambda self, x: self.conv(x).mean([2, 3]) + F.adaptive_avg_pool2d(self.conv(x), 1).flatten(1),
    "kept axes": lambda self, x: self.conv(x) * self.conv(x).mean((-2, -1), keepdim=True),
    "another mean": lambda self, x: self.conv(x).mean([1, 2]),
    "ceil": lambda self, x: F.max_pool2d(self.conv(x), kernel_size=3, stride=2, ceil_mode=True),
    "a number added": lambda self, x: self.act(self.act(self.conv(x) + 1) - 0.1),
    "sizes": lambda self, x: self.conv(x).view(x.size(0), x.size(1) + x.shape[0] - 1, -1),  # 3 + 2 - 1 channels
}


@pytest.mark.parametrize("kind", FORWARDS)
def test_whatever_a_forward_pass_does(kind):
    network = Own(FORWARDS[kind]).eval()
    images = noise(2, 3, 10, 10, seed=3)
    with torch.no_grad():
        expected = network(images.clone())
        assert torch.equal(separate_sites(copy.deepcopy(network))(images.clone()), expected)


def test_functions_become_modules_by_name():
    network = separate_sites(Own(FORWARDS["functions"]))
    kinds = {name: type(module) for name, module in network.named_modules()}
    assert kinds["sum"] is Sum
    assert (kinds["silu"], kinds["relu6"], kinds["sigmoid"]) == (nn.SiLU, nn.ReLU6, nn.Sigmoid)
    numbered = separate_sites(Own(FORWARDS["a number added"]))
    assert {"act1", "act2"} <= {name for name, _ in numbered.named_modules()}
    assert not any(isinstance(module, Sum) for module in numbered.modules())


@pytest.mark.slow
def test_dropout_still_knows_the_mode_and_shared_weights_stay_shared():
    network = separate_sites(torchvisions("alexnet"))
    torch.manual_seed(0)
    images = noise(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), network(images))
        assert not torch.equal(network.train()(images), network(images))
    shared = separate_sites(Own(FORWARDS["sum in place"]))
    assert list(shared.state_dict()) == ["conv.weight", "conv.bias"]


def test_what_cannot_be_traced_is_refused():
    def decides(self, x):
        return self.conv(x) if x.sum() > 0 else x

    with pytest.raises(ReceptiveError, match=r"^cannot trace Own: [^\n]*choose another network$"):
        separate_sites(Own(decides))


def test_a_folded_batch_norm_is_still_read_by_its_name():
    """A place that is read at a batch norm (here: no activation follows) keeps its name in the faster copy."""
    network = with_random_statistics(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
    ).eval()
    images = noise(2, 3, 9, 9)
    names = [layer.name for layer in layers(network, 9)]
    assert names == ["1", "4"]
    expected, found = responses_to(network, images, names), responses_to(for_inference(network), images, names)
    for name in names:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5)


def test_a_convolution_called_twice_is_folded_not_at_all():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x):
            return self.bn(self.conv(self.conv(x)))

    network = with_random_statistics(Twice()).eval()
    images = noise(2, 3, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(for_inference(network)(images), network(images), rtol=1e-5, atol=1e-6)
