"""Deconvolution is the transposed network with the positive part taken at every rectification, and touches nothing."""

import copy
import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracles import BasicBlock, Branches, with_random_statistics
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import for_inference
from receptive.methods.deconvolution import (
    OutsideOthers,
    deconvolve,
    deconvolve_units,
    energy_outside,
    whole_representation,
)
from receptive.methods.receptive_field.graph import receptive_fields
from receptive.networks import build
from receptive.networks.torchvision_loader import import_torchvision

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random(network: nn.Module, seed: int = 0) -> nn.Module:
    """Evaluation mode, float64, every weight and bias drawn anew, batch norms far from the identity."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.double().parameters():
        parameter.data.normal_(generator=generator).div_(math.sqrt(max(1, parameter[0].numel())))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.normal_(generator=generator)  # negative scales, too
    return network.eval()


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


# ---------------------------------------------------------------- linear networks: the transposed Jacobian

LINEAR = {
    "stride, padding, dilation": [nn.Conv2d(2, 3, 3, 2, 1), nn.Conv2d(3, 4, 3, 1, 2, dilation=2)],
    "unread pixels": [nn.Conv2d(2, 3, 2, 3), nn.Conv2d(3, 2, (1, 2), (1, 2), groups=1)],
    "groups and norm": [nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)],
    "overlapping max pool": [nn.Conv2d(2, 3, 3, 1, 1), nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(3, 2, 1)],
    "max pool with ceil mode": [nn.MaxPool2d(2, 2, ceil_mode=True), nn.MaxPool2d(3, 2, dilation=2), nn.Conv2d(2, 2, 1)],
    "average pools": [nn.AvgPool2d(3, 2, 1), nn.Conv2d(2, 3, 2), nn.AvgPool2d(2, 1, count_include_pad=False)],
    "global pools": [nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool2d(1)],
    "adaptive max pool": [nn.Conv2d(2, 3, 3), nn.AdaptiveMaxPool2d(4)],
    "identity skip": [Branches(nn.Identity(), nn.Sequential(nn.Conv2d(2, 2, 3, 1, 1), nn.BatchNorm2d(2)))],
    "projection": [
        Branches(
            nn.Sequential(nn.Conv2d(2, 3, 1, 2), nn.BatchNorm2d(3)),
            nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.Conv2d(3, 3, 3, 1, 1)),
        )
    ],
    "joined channels": [Branches(nn.Conv2d(2, 2, 1), nn.MaxPool2d(3, 1, 1), merge="cat"), nn.Conv2d(4, 2, 3)],
    "fully connected": [nn.Conv2d(2, 2, 3, 3), nn.Flatten(), nn.Linear(18, 5), nn.Dropout(), nn.Linear(5, 4)],
    "arithmetic": [Call(lambda x: F.pad(3 * x / 2 - 1, (1, 0, 2, 1))), nn.Conv2d(2, 2, 3), Call(lambda x: -x)],
}


@pytest.mark.parametrize("name", LINEAR)
def test_without_rectification_it_is_the_transposed_jacobian(name):
    network = random(nn.Sequential(*copy.deepcopy(LINEAR[name]))).eval()
    last = str(len(network) - 1)
    image = noise(1, 2, 11, 10, seed=1)
    with torch.no_grad():
        # piecewise linear: a difference over a small step is the derivative, and knows nothing of autograd
        steps = 1e-4 * torch.eye(image.numel(), dtype=torch.float64).reshape(-1, *image.shape[1:])
        jacobian = (network(image + steps) - network(image - steps)) / 2e-4
    given = noise(1, *jacobian.shape[1:], seed=2)
    found = deconvolve(network, image, [last], lambda _, response: given)[last]
    assert found.flatten().tolist() == pytest.approx((jacobian * given).flatten(1).sum(1).tolist(), abs=1e-8)
    # the adjoint identity <J x, v> = <x, J' v>
    x = noise(*image.shape, seed=3)
    pushed = (jacobian * x.flatten().reshape(-1, *[1] * (jacobian.dim() - 1))).sum(0)
    assert (pushed * given[0]).sum().item() == pytest.approx((x * found).sum().item(), abs=1e-8)


# ---------------------------------------------------------------- the literal chain of the papers


class Literal:
    """Zeiler & Fergus' chain, layer by layer, for a list of modules: convolutions, pools, norms, ReLUs, fc."""

    def __init__(self, modules):
        self.modules = list(modules)

    def up(self, x: Tensor) -> Tensor:
        self.seen = []
        for module in self.modules:
            if isinstance(module, nn.MaxPool2d):
                y, switches = F.max_pool2d(
                    x, module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode,
                    return_indices=True,
                )  # fmt: skip
            else:
                y, switches = module(x), None
            self.seen.append((x.shape, y, switches))
            x = y
        return x

    def down(self, last: int) -> Tensor:
        """From the rectified response of module ``last``."""
        r = self.seen[last][1].clamp(min=0)
        for module, (shape, _, switches) in zip(self.modules[last::-1], self.seen[last::-1], strict=True):
            if isinstance(module, nn.ReLU):
                r = r.clamp(min=0)
            elif isinstance(module, nn.MaxPool2d):
                places = torch.zeros(shape, dtype=r.dtype).flatten(2)
                r = places.scatter_add(2, switches.flatten(2), r.flatten(2)).reshape(shape)
            elif isinstance(module, nn.Conv2d):
                extra = [
                    size - ((n - 1) * s - 2 * p + k)
                    for size, n, s, p, k in zip(
                        shape[2:], r.shape[2:], module.stride, module.padding, module.kernel_size, strict=True
                    )
                ]
                r = F.conv_transpose2d(r, module.weight, None, module.stride, module.padding, extra)
            elif isinstance(module, nn.BatchNorm2d):
                r = r * (module.weight / (module.running_var + module.eps).sqrt())[:, None, None]
            elif isinstance(module, nn.Linear):
                r = r @ module.weight
            elif isinstance(module, nn.Flatten):
                r = r.reshape(shape)
        return r


def vgg_like():
    return [
        nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 5, 3, 1, 1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.BatchNorm2d(6),
        nn.Flatten(), nn.Linear(6 * 16, 7), nn.ReLU(), nn.Dropout(0.5), nn.Linear(7, 4),
    ]  # fmt: skip


def alex_like():
    return [
        nn.Conv2d(3, 5, 5, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(5, 6, 3, 1, 1), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(),
    ]  # fmt: skip


@pytest.mark.parametrize(("modules", "size"), [(vgg_like, 16), (alex_like, 33), (alex_like, 35)])
def test_it_equals_the_literal_chain_of_the_papers(modules, size):
    network = random(nn.Sequential(*modules()))
    images = noise(3, 3, size, size, seed=1)
    literal = Literal(copy.deepcopy(network))
    for module in literal.modules:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    with torch.no_grad():
        literal.up(images)
        # the responses that a later in-place ReLU changes are none of the papers' layers
        names = [str(i) for i, m in enumerate(network) if not isinstance(m, nn.Flatten | nn.Dropout)]
        found = deconvolve(network, images, names)
        for name in names:
            torch.testing.assert_close(found[name], literal.down(int(name)), **EXACT)
            assert found[name].flatten(1).any(1).all()


def test_winners_shared_by_overlapping_windows_add():
    """One bright pixel wins all four windows that see it; filling in one value would give 5."""
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[0, 0, 2, 2] = 5
    found = deconvolve(nn.Sequential(nn.MaxPool2d(3, 2)), image, ["0"])["0"]
    assert found[0, 0, 2, 2] == 4 * 5
    assert found.sum() == 20


def test_the_rule_is_neither_the_gradient_nor_the_guided_one():
    """Two hidden units relu(x), relu(-x), read by 2 a + 5 b and by 2 a - 5 b; worked out on paper.

    At x = 3 the hidden units are 3 and 0 and both readers answer 6. Down from the first come 12 and 30, both
    positive, so 12 - 30 = -18 (the gradient drops the 30, whose unit was silent: 12). Down from the second come 12
    and -30, of which the positive part leaves 12.
    """
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False), nn.ReLU())
    network[0].weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    network[2].weight.data = torch.tensor([[2.0, 5.0], [2.0, -5.0]]).reshape(2, 2, 1, 1)
    images = torch.full((2, 1, 1, 1), 3.0)
    found, responses = deconvolve_units(network, images, "3", torch.tensor([0, 1]))
    assert responses.tolist() == [6, 6]
    assert found.flatten().tolist() == [-18, 12]
    # and all of the representation at once: 24 and 0
    assert deconvolve(network, images[:1], ["3"])["3"].item() == 24
    # at x = -3 the first reader answers 15; down come 30 and 75: -45 (guided: 0 and 75)
    found, _ = deconvolve_units(network, -images, "3", torch.tensor([0, 0]))
    assert found.flatten().tolist() == [-45, -45]


def test_fully_connected_is_a_convolution_as_large_as_its_map():
    shared = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)]
    full = nn.Sequential(*shared, nn.Flatten(), nn.Linear(27, 5), nn.ReLU(), nn.Linear(5, 4))
    random(full)
    conv5, conv4 = nn.Conv2d(3, 5, 3).double(), nn.Conv2d(5, 4, 1).double()
    conv5.load_state_dict({"weight": full[4].weight.reshape(5, 3, 3, 3), "bias": full[4].bias})
    conv4.load_state_dict({"weight": full[6].weight.reshape(4, 5, 1, 1), "bias": full[6].bias})
    convolutional = nn.Sequential(*shared, conv5, nn.ReLU(), conv4)
    images = noise(3, 2, 8, 8)
    by_full, by_conv = deconvolve(full, images, ["5", "6"]), deconvolve(convolutional, images, ["4", "5"])
    torch.testing.assert_close(by_full["5"], by_conv["4"], **EXACT)
    torch.testing.assert_close(by_full["6"], by_conv["5"], **EXACT)


def test_both_branches_of_a_skip_receive_the_signal():
    """relu(x + w x) with w = 2 at x = 1 answers 3; 3 comes back by the skip, and 2 times 3 by the branch."""
    branch = nn.Conv2d(1, 1, 1, bias=False)
    branch.weight.data.fill_(2.0)
    network = nn.Sequential(Branches(nn.Identity(), branch), nn.ReLU())
    assert deconvolve(network, torch.ones(1, 1, 1, 1), ["1"])["1"].item() == 9


# ---------------------------------------------------------------- single units


def test_one_response_comes_from_nowhere_outside_its_receptive_field():
    network = random(nn.Sequential(OrderedDict((f"m{i}", m) for i, m in enumerate(alex_like()))))
    image = noise(1, 3, 35, 35, seed=1).abs()
    nodes = receptive_fields(network, 35)
    reached = 0
    for name in ("m1", "m2", "m4", "m8"):
        node = nodes[name]
        y, x = (at.flatten() for at in torch.meshgrid(*map(torch.arange, node.map_size), indexing="ij"))
        units = torch.arange(len(y)) % node.channels
        found, responses = deconvolve_units(network, image.expand(len(y), -1, -1, -1), name, units, y, x)
        with torch.no_grad():
            actual = network[: int(name[1:]) + 1](image)[0, units, y, x].clamp(min=0)
        torch.testing.assert_close(responses, actual, **EXACT)
        for one, top, left, bottom, right in zip(found, *node.field.box(y.numpy(), x.numpy()), strict=True):
            inside = torch.zeros(35, 35, dtype=torch.bool)
            inside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
            assert (one[:, ~inside] == 0).all()
            reached += one.any().item()
    assert reached > 50


def test_a_unit_alone_is_carried_as_the_literal_chain_does():
    network = random(nn.Sequential(*vgg_like()))
    images = noise(4, 3, 16, 16, seed=3)
    literal = Literal(copy.deepcopy(network))
    units, y, x = torch.tensor([0, 3, 5, 5]), torch.tensor([0, 1, 3, 6]), torch.tensor([7, 2, 0, 5])
    with torch.no_grad():
        literal.up(images)
        alone = torch.zeros_like(literal.seen[7][1])
        for row in range(4):
            alone[row, units[row], y[row], x[row]] = literal.seen[7][1][row, units[row], y[row], x[row]]
        literal.seen[7] = (literal.seen[7][0], alone, None)
        expected = literal.down(7)
    found, _ = deconvolve_units(network, images, "7", units, y, x)
    torch.testing.assert_close(found, expected, **EXACT)
    assert found.flatten(1).any(1).sum() >= 2


def test_negative_responses_carry_nothing():
    network = random(nn.Sequential(nn.Conv2d(2, 3, 3)))
    images = noise(6, 2, 5, 5)
    units = torch.arange(6) % 3
    found, responses = deconvolve_units(network, images, "0", units, torch.zeros(6, dtype=int), torch.ones(6).long())
    actual = network(images)[torch.arange(6), units, 0, 1]
    assert (actual < 0).any()
    assert (actual > 0).any()
    assert ((responses > 0) == (actual > 0)).all()
    assert (found.flatten(1).any(1) == (actual > 0)).all()
    assert (whole_representation("0", actual.detach()) == responses).all()


# ---------------------------------------------------------------- batches, and the ways to write a network


def test_batched_is_one_by_one_and_layers_do_not_disturb_one_another():
    network = random(build("resnet18", classes=5, width=0.0625, image_size=32))
    images = noise(4, 3, 32, 32)
    names = ["relu", "maxpool", "layer1.1.relu2", "layer3.0.relu1", "avgpool", "fc"]
    together = deconvolve(network, images, names)
    assert list(together) == names
    for name in names:
        for row, image in enumerate(images):
            torch.testing.assert_close(deconvolve(network, image[None], [name])[name][0], together[name][row], **EXACT)


@pytest.mark.slow
def test_torchvisions_shared_in_place_rectifier_gives_the_same():
    """Our ResNet has a ReLU of its own at every site; torchvision's calls one in-place module twice a block."""
    ours = random(build("resnet18", classes=5))
    theirs = import_torchvision().models.resnet18(num_classes=5).double().eval()
    theirs.load_state_dict(ours.state_dict())
    images = noise(2, 3, 48, 48)
    mine = deconvolve(ours, images, ["relu", "layer1.0.bn2", "layer1.1.relu2", "layer2.0.relu2", "fc"])
    other = deconvolve(theirs, images, ["relu", "layer1.0.bn2", "layer1.1", "layer2.0", "fc"])
    for a, b in zip(mine.values(), other.values(), strict=True):
        torch.testing.assert_close(a, b, **EXACT)
    with pytest.raises(ReceptiveError, match=r"layer 'layer1\.0\.relu' is called 2 times"):
        deconvolve(theirs, images, ["layer1.0.relu"])


def test_modules_functions_methods_and_in_place_are_the_same():
    kinds = (
        lambda: nn.ReLU(), lambda: nn.ReLU(inplace=True), lambda: Call(F.relu), lambda: Call(torch.relu_),
        lambda: Call(lambda x: x.relu()), lambda: Call(lambda x: F.relu(x, inplace=True)),
    )  # fmt: skip
    images, results = noise(2, 2, 8, 8), []
    for kind in kinds:
        network = nn.Sequential(nn.Conv2d(2, 4, 3), kind(), BasicBlock(4, 6, 2), nn.Conv2d(6, 3, 3), kind())
        results.append(deconvolve(random(network), images, ["2", "4"]))
    assert results[0]["4"].any()
    for result in results[1:]:
        for name in result:
            assert torch.equal(result[name], results[0][name])


def test_the_folded_copy_of_a_network_gives_the_same():
    network = with_random_statistics(build("vggcnn", classes=5, image_size=32, width=0.0625, batch_norm=True)).eval()
    images = noise(3, 3, 32, 32).float()
    names = ["c1_1.relu", "c3_3.relu", "p4", "c5_3.relu", "fc8"]
    plain, folded = deconvolve(network, images, names), deconvolve(for_inference(network), images, names)
    for name in names:
        torch.testing.assert_close(folded[name], plain[name], rtol=1e-3, atol=1e-4 * plain[name].abs().max().item())


def test_the_pass_ends_at_the_deepest_layer():
    sizes = []
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), Call(lambda x: sizes.append(len(x)) or x))
    deconvolve(network, torch.rand(5, 2, 8, 8), ["1"])
    assert sizes == [1]  # one image, to see that no layer is called twice


def test_gradients_may_be_switched_off_outside():
    network = random(nn.Sequential(*vgg_like()))
    images = noise(2, 3, 16, 16)
    expected = deconvolve(network, images, ["12"])["12"]
    for off in (torch.no_grad(), torch.inference_mode()):
        with off:
            assert torch.equal(deconvolve(network, images, ["12"])["12"], expected)
    assert not expected.requires_grad


# ---------------------------------------------------------------- what has no rule


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (nn.Sigmoid(), r"module '1\.part' \(Sigmoid\)"),
        (nn.GELU(), r"module '1\.part' \(GELU\)"),
        (nn.LeakyReLU(0.1), r"module '1\.part' \(LeakyReLU\)"),
        (nn.ReLU6(), r"module '1\.part' \(ReLU6\)"),
        (nn.Softmax(1), r"module '1\.part' \(Softmax\)"),
        (nn.LocalResponseNorm(3), r"module '1\.part' \(LocalResponseNorm\)"),
        (nn.GroupNorm(2, 4), r"module '1\.part' \(GroupNorm\)"),
        (Call(lambda x: x * x), r"module '1\.part' \(Call\)"),
        (Call(lambda x: x / (1 + x.mean())), r"module '1\.part' \(Call\)"),
        (Call(lambda x: torch.tanh(x) + 1), r"function 'Tanh' in or before module '1\.part' \(Call\)"),
        (Call(lambda x: x.detach()), "layer '2' does not depend on the image"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(part, words):
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(OrderedDict(part=part)), nn.Conv2d(4, 4, 3), nn.ReLU())
    with pytest.raises(ReceptiveError, match=words) as error:
        deconvolve(network, torch.rand(2, 2, 8, 8), ["2"])
    assert "\n" not in str(error.value)
    # what lies behind the layer is no obstacle
    assert deconvolve(network, torch.rand(2, 2, 8, 8), ["0"])["0"].any()


def test_impossible_layers_are_refused():
    images = torch.rand(1, 2, 8, 8)
    shared = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(2, 2, 3), shared, nn.Conv2d(2, 2, 3), shared)
    with pytest.raises(ReceptiveError, match="layer '1' is called 2 times"):
        deconvolve(network, images, ["1"])
    with pytest.raises(ReceptiveError, match="no layer 'c9'"):
        deconvolve(network, images, ["c9"])
    pair = nn.Sequential(nn.Conv2d(2, 2, 3), Call(lambda x: (x, x)), Call(lambda x: x[0]))
    with pytest.raises(ReceptiveError, match="layer '1' puts out a tuple"):
        deconvolve(pair, images, ["1"])


# ---------------------------------------------------------------- nothing stays behind


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.error: BaseException | None = None

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return x


def everything(network: nn.Module):
    hooks = [name for name in vars(network) if "hooks" in name]
    return [
        (
            name,
            type(module),
            module.__dict__.get("forward"),
            module.training,
            getattr(module, "inplace", None),
            sorted(vars(module)),
            [list(getattr(module, kind)) for kind in hooks],
            [(p.requires_grad, p.grad) for p in module.parameters(recurse=False)],
        )
        for name, module in network.named_modules()
    ]


@pytest.mark.parametrize("how", ["well", "refused", "failed", "interrupted", "bad signal"])
def test_the_network_is_as_before(how):
    network = random(nn.Sequential(*vgg_like()[:10], Fails(), nn.Sigmoid(), nn.Flatten(), nn.Linear(96, 3)))
    network.train()
    network[3].eval()  # a mode of its own, as a frozen norm has
    network[13].weight.requires_grad_(False)
    before, weights = everything(network), {k: v.clone() for k, v in network.state_dict().items()}
    images = noise(3, 3, 16, 16)
    given = images.clone()

    def bad_signal(layer, response):
        raise ValueError("bad signal")

    if how == "well":
        in_training = deconvolve(network, images, ["9"])["9"]
    elif how == "refused":
        with pytest.raises(ReceptiveError, match="Sigmoid"):
            deconvolve(network, images, ["9", "13"])
    elif how == "bad signal":
        with pytest.raises(ValueError, match="bad signal"):
            deconvolve(network, images, ["9"], bad_signal)
    else:
        network[10].error = KeyboardInterrupt() if how == "interrupted" else RuntimeError("failed")
        with pytest.raises(type(network[10].error)):
            deconvolve(network, images, ["13"])
        network[10].error = None
    assert everything(network) == before
    assert torch.equal(images, given)
    assert not images.requires_grad
    for key, value in network.state_dict().items():
        assert torch.equal(value, weights[key]), key
    if how == "well":
        assert torch.equal(deconvolve(network.eval(), images, ["9"])["9"], in_training)
    # an ordinary gradient afterwards is ordinary: no rule is left in the network
    network.eval()
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf).sum(), leaf)
    fresh = random(nn.Sequential(*vgg_like()[:10], Fails(), nn.Sigmoid(), nn.Flatten(), nn.Linear(96, 3)))
    (expected,) = torch.autograd.grad(fresh(leaf).sum(), leaf)
    assert torch.equal(gradient, expected)


# ---------------------------------------------------------------- energy


def test_energy_outside():
    subject = torch.tensor([[[True, False], [True, False]]]).repeat(4, 1, 1)
    pictures = torch.zeros(4, 2, 2, 2)
    pictures[0, 0] = torch.tensor([[1.0, -3.0], [0.0, 0.0]])  # 1 inside, 9 outside
    pictures[1, :, 1, 0] = 2.0  # all inside
    pictures[2, 1, :, 1] = -1e-30  # all outside, too small to be squared in float32
    shares = energy_outside(pictures, subject)
    assert shares[:3].tolist() == pytest.approx([0.9, 0.0, 1.0])
    assert shares[3].isnan()


def test_energy_outside_the_others_subjects_pair_by_pair():
    """Every reconstruction against every other image's subject, in batches of three and two; the fourth is blank."""
    chance = torch.Generator().manual_seed(0)
    pictures = torch.rand(5, 2, 6, 7, generator=chance) ** 3
    pictures[3] = 0
    masks = torch.rand(5, 6, 7, generator=chance) < torch.tensor([0.1, 0.3, 0.5, 0.6, 0.9])[:, None, None]
    pairs = np.array([[energy_outside(one[None], mask[None]).item() for mask in masks] for one in pictures])
    others = OutsideOthers(masks.double().sum(0), 5)
    shares = torch.cat([others.add(pictures[rows], masks[rows]) for rows in (slice(0, 3), slice(3, 5))])
    own = energy_outside(pictures, masks)
    reverse = others.of_others(own, masks)
    for i in range(5):
        rest = [j for j in range(5) if j != i]
        assert shares[i].item() == pytest.approx(np.mean(pairs[i, rest]), nan_ok=True)
        expected = np.nan if i == 3 else np.mean([pairs[j, i] for j in rest if j != 3])
        assert reverse[i].item() == pytest.approx(expected, nan_ok=True)
    alone = OutsideOthers(masks[:1].double().sum(0), 1)
    assert alone.add(pictures[:1], masks[:1]).isnan().all()
    assert alone.of_others(own[:1], masks[:1]).isnan().all()
