"""The networks by name: against torchvision's, against literal forward passes, and against published counts."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.networks import torchvision_loader
from receptive.networks.parts.blocks import initialise, map_side, thin

# One image size that every network accepts, kept small; the chains' full layers depend on it.
SIZE = 64


def count(network):
    return sum(p.numel() for p in network.parameters())


def weightless(name, classes=1000, **options):
    with torch.device("meta"):
        return networks.build(name, classes, **options)


def shapes(network):
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def models():
    return torchvision_loader.import_torchvision().models


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


# Residual networks


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_resnets_have_the_weights_of_torchvision(models, depth):
    with torch.device("meta"):
        theirs = models.get_model(f"resnet{depth}", weights=None)
    ours = weightless(f"resnet{depth}")
    assert shapes(ours) == shapes(theirs)
    assert count(ours) == count(theirs)


def test_published_counts_of_parameters():
    assert count(weightless("resnet34")) == 21_797_672
    assert count(weightless("plainnet34")) == 21_623_848
    # VGG-16 of Simonyan & Zisserman, "138 million parameters"
    assert count(weightless("vggcnn")) == 138_357_544
    # the usual small digit network: 320 + 18,496 + 401,536 + 1,290
    assert count(weightless("digitcnn", 10, image_size=28, channels=1)) == 421_642


@pytest.mark.slow
@pytest.mark.parametrize("depth", [18, 34, 50])
def test_resnets_answer_as_torchvision_does(models, depth):
    theirs = models.get_model(f"resnet{depth}", weights=None, num_classes=7)
    initialise(theirs, torch.Generator().manual_seed(depth))
    ours = networks.build(f"resnet{depth}", 7)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, SIZE, SIZE)
    # training first: it moves the running means that the evaluation then uses
    for mode in (True, False):
        with torch.no_grad():
            assert torch.equal(ours.train(mode)(images), theirs.train(mode)(images))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def plain_forward(state, depth, images):
    """PlainNet written out: every convolution, its batch norm, a ReLU; nothing goes around them."""

    def conv(name, norm, x, stride, padding):
        x = F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)
        mean, var = (state[f"{norm}.running_{n}"][:, None, None] for n in ("mean", "var"))
        weight, bias = (state[f"{norm}.{n}"][:, None, None] for n in ("weight", "bias"))
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    x = F.max_pool2d(conv("conv1", "bn1", images, 2, 3), 3, 2, 1)
    for group, blocks in enumerate({18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}[depth], 1):
        for block in range(blocks):
            for i, stride in ((1, 2 if group > 1 and block == 0 else 1), (2, 1)):
                x = conv(f"layer{group}.{block}.conv{i}", f"layer{group}.{block}.bn{i}", x, stride, 1)
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("depth", [18, 34])
def test_plainnet_is_the_chain_without_skips(depth):
    network = networks.build(f"plainnet{depth}", 5, width=0.25).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.1)
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), plain_forward(network.state_dict(), depth, images))
    assert not any("downsample" in name for name in network.state_dict())


# Chains

CONVS = {  # name: (channels out, kernel, stride, padding), as the papers give them
    "alexcnn": {
        "c1": (96, 11, 4, 2),
        "c2": (256, 5, 1, 1),
        "c3": (384, 3, 1, 1),
        "c4": (384, 3, 1, 1),
        "c5": (256, 3, 1, 1),
    },
    "vggcnn": {
        f"c{group}_{i + 1}": (channels, 3, 1, 1)
        for group, (channels, convs) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1)
        for i in range(convs)
    },
    "digitcnn": {"c1": (32, 3, 1, 1), "c2": (64, 3, 1, 1)},
    "fivecnn": {"c1": (32, 3, 1, 1), "c2": (64, 3, 1, 1), "c3": (128, 3, 1, 1), "c4": (128, 3, 1, 1)},
}
FULL = {  # name: (features in, out), for the papers' image sizes
    # 224 -> 55 -> 27 -> 25 -> 12 -> 12 -> 12 -> 12 -> 6
    "alexcnn": {"fc6.linear": (256 * 6 * 6, 4096), "fc7.linear": (4096, 4096), "fc8": (4096, 1000)},
    "vggcnn": {"fc6.linear": (512 * 7 * 7, 4096), "fc7.linear": (4096, 4096), "fc8": (4096, 1000)},
    "digitcnn": {"fc1.linear": (64 * 7 * 7, 128), "fc2": (128, 10)},
    "fivecnn": {"fc1.linear": (128 * 14 * 14, 128), "fc2": (128, 5)},
}
POOLS = {"alexcnn": "125", "vggcnn": "12345", "digitcnn": "12", "fivecnn": "1234"}
CLASSES = {"alexcnn": 1000, "vggcnn": 1000, "digitcnn": 10, "fivecnn": 5}


def of_type(network, *kinds):
    return {name: module for name, module in network.named_modules() if isinstance(module, kinds)}


@pytest.mark.parametrize("name", CONVS)
def test_layers_of_the_chains(name):
    size, channels = networks.default_image(name)
    network = weightless(name, CLASSES[name], image_size=size, channels=channels)
    before = channels
    convs = of_type(network, nn.Conv2d)
    assert list(convs) == [f"{layer}.conv" for layer in CONVS[name]]
    for conv, (out, kernel, stride, padding) in zip(convs.values(), CONVS[name].values(), strict=True):
        assert (conv.in_channels, conv.out_channels) == (before, out)
        assert (conv.kernel_size, conv.stride, conv.padding) == ((kernel,) * 2, (stride,) * 2, (padding,) * 2)
        assert conv.bias is not None
        before = out
    assert {n: (m.in_features, m.out_features) for n, m in of_type(network, nn.Linear).items()} == FULL[name]
    pools = of_type(network, nn.MaxPool2d)
    assert list(pools) == [f"p{group}" for group in POOLS[name]]
    assert {(m.kernel_size, m.stride, m.padding) for m in pools.values()} == {(2, 2, 0)}


def chain_forward(name, network, images, batch_norm):
    """The chains written out in evaluation mode, pools and batch norm where the papers put them."""
    state, x = network.state_dict(), images

    def norm(x, where):
        mean, var = (state[f"{where}.running_{n}"][:, None, None] for n in ("mean", "var"))
        return (x - mean) / (var + 1e-5).sqrt() * state[f"{where}.weight"][:, None, None] + state[f"{where}.bias"][
            :, None, None
        ]

    groups = [(group, list(layers)) for group, layers in itertools.groupby(CONVS[name], key=lambda layer: layer[1])]
    for group, layers in groups:
        for layer in layers:
            _, _, stride, padding = CONVS[name][layer]
            x = F.conv2d(x, state[f"{layer}.conv.weight"], state.get(f"{layer}.conv.bias"), stride, padding)
            x = (norm(x, f"{layer}.bn") if batch_norm else x).clamp(min=0)
        if group in POOLS[name]:
            rows, columns = x.shape[2] // 2, x.shape[3] // 2
            x = x[..., : 2 * rows, : 2 * columns].unflatten(3, (columns, 2)).unflatten(2, (rows, 2)).amax((3, 5))
        if name == "fivecnn":
            x = norm(x, f"n{group}")
    x = x.reshape(len(x), -1)
    *hidden, scores = FULL[name]
    for layer in hidden:
        x = (x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]).clamp(min=0)
    return x @ state[f"{scores}.weight"].T + state[f"{scores}.bias"]


@pytest.mark.parametrize(
    ("name", "batch_norm"),
    [
        ("alexcnn", False),
        ("alexcnn", True),
        ("vggcnn", False),
        ("vggcnn", True),
        ("digitcnn", False),
        ("fivecnn", False),
    ],
)
def test_chains_compute_what_the_papers_say(name, batch_norm):
    options = {"batch_norm": batch_norm} if name in ("alexcnn", "vggcnn") else {}
    network = networks.build(name, 6, SIZE, width=0.125, **options).double()
    initialise(network, torch.Generator().manual_seed(1))
    images = torch.randn(4, 3, SIZE, SIZE, dtype=torch.float64)
    network.train()(images)  # so that the running statistics differ from 0 and 1
    with torch.no_grad():
        expected = chain_forward(name, network.eval(), images, batch_norm)
        torch.testing.assert_close(network(images), expected)
    assert expected.std() > 1e-3
    # a bias before batch norm would have no effect
    assert {conv.bias is None for conv in of_type(network, nn.Conv2d).values()} == {batch_norm}
    norms = of_type(network, nn.BatchNorm2d)
    assert len(norms) == (len(CONVS[name]) if batch_norm or name == "fivecnn" else 0)


@pytest.mark.slow
def test_vggcnn_sees_what_vgg16_of_torchvision_sees(models):
    theirs = models.vgg16(weights=None, num_classes=2).features.eval()
    ours = networks.build("vggcnn", 2, 32)
    convs = [m for m in theirs if isinstance(m, nn.Conv2d)]
    for mine, other in zip(of_type(ours, nn.Conv2d).values(), convs, strict=True):
        mine.load_state_dict(other.state_dict())
    seen = []
    with torch.no_grad(), ours.p5.register_forward_hook(lambda m, i, o: seen.append(o)):
        images = torch.randn(2, 3, 32, 32)
        ours.eval()(images)
        assert torch.equal(seen[0], theirs(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "share"), [("digitcnn", "fc2", 0.3), ("fivecnn", "fc2", 0.3), ("vggcnn", "fc8", 0.5)]
)
def test_dropout_acts_between_the_full_layers(name, layer, share):
    network = networks.build(name, 4, 32, 1, width=0.5 if name == "vggcnn" else 4)
    seen = []
    images = torch.randn(1, 1, 32, 32).expand(200, -1, -1, -1).clone()
    for module in of_type(network, nn.BatchNorm2d).values():
        module.eval()
    with network.get_submodule(layer).register_forward_pre_hook(lambda m, i: seen.append(i[0])), torch.no_grad():
        network.eval()(images[:1])
        network.train()
        for module in of_type(network, nn.BatchNorm2d, nn.Dropout).values():
            module.train(isinstance(module, nn.Dropout) and module is list(of_type(network, nn.Dropout).values())[-1])
        network(images)
    whole, dropped = seen
    alive = (whole > 0)[0]
    zero = dropped[:, alive] == 0
    values = zero.numel()
    # five standard deviations of a binomial share
    assert abs(zero.double().mean() - share) < 5 * math.sqrt(share * (1 - share) / values)
    scaled = torch.where(zero, dropped[:, alive], whole[:, alive].expand(200, -1) / (1 - share))
    torch.testing.assert_close(dropped[:, alive], scaled)
    assert {module.p for module in of_type(network, nn.Dropout).values()} == {share}


def test_dropout_and_stride_are_parameters():
    network = networks.build("digitcnn", 10, 28, 1, dropout=0.1, conv_stride=2)
    assert network.fc1.dropout.p == 0.1
    # 28 -> 14 -> 7 -> 4 -> 2
    assert network.fc1.linear.in_features == 64 * 2 * 2
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    # 224 -> 112 -> 56 -> 28 -> 14 -> 7 -> 3 -> 2 -> 1
    assert networks.build("fivecnn", conv_stride=2).fc1.linear.in_features == 128


# All of them


def test_names_are_the_studied_ones_and_the_families():
    assert networks.names()[:6] == ["resnet34", "plainnet34", "alexcnn", "vggcnn", "digitcnn", "fivecnn"]
    family = {f"{kind}{depth}" for kind in ("resnet", "plainnet") for depth in (18, 34, 50, 101, 152)}
    assert set(networks.names()) == family | set(networks.STUDIED)
    assert len(networks.names()) == len(set(networks.names())) == 14
    assert set(networks.DESCRIPTIONS) == set(networks.STUDIED)


@pytest.mark.parametrize("name", networks.names())
def test_width_thins_channels_alone(name):
    whole, half = weightless(name, 7), weightless(name, 7, width=0.5)
    geometry = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.BatchNorm2d, nn.Linear, nn.ReLU, nn.Dropout)
    first = True
    last = list(of_type(whole, nn.Linear))[-1]
    for (path, a), (other, b) in zip(of_type(whole, *kinds).items(), of_type(half, *kinds).items(), strict=True):
        assert path == other
        assert type(a) is type(b)
        for field in geometry:
            assert getattr(a, field, None) == getattr(b, field, None)
        if isinstance(a, nn.Conv2d):
            assert b.out_channels == a.out_channels / 2
            assert b.in_channels == (3 if first else a.in_channels / 2)
            first = False
        elif isinstance(a, nn.BatchNorm2d):
            assert b.num_features == a.num_features / 2
        elif isinstance(a, nn.Linear):
            assert b.in_features == a.in_features / 2
            assert b.out_features == (7 if path == last else a.out_features / 2)


@pytest.mark.parametrize("name", networks.names())
@pytest.mark.parametrize("training", [True, False])
def test_every_rectifier_is_its_own_module(name, training):
    network = networks.build(name, 3, SIZE, width=0.05).train(training)
    calls = dict.fromkeys(of_type(network, nn.ReLU), 0)
    changed = []

    def look(path):
        def hook(module, inputs, output):
            calls[path] += 1
            changed.append(torch.equal(output, inputs[0].clamp(min=0)) and output.data_ptr() == inputs[0].data_ptr())

        return hook

    handles = [m.register_forward_hook(look(path)) for path, m in of_type(network, nn.ReLU).items()]
    with torch.no_grad():
        assert network(torch.randn(2, 3, SIZE, SIZE)).shape == (2, 3)
    for handle in handles:
        handle.remove()
    weight_layers = of_type(network, nn.Conv2d, nn.Linear)
    # each but the scores and the projections is rectified, and nothing else
    assert len(calls) == len([n for n in weight_layers if "downsample" not in n]) - 1
    assert set(calls.values()) == {1}
    assert not any(module.inplace for module in of_type(network, nn.ReLU).values())
    assert not any(changed)


def test_channels_of_the_input():
    for name in ("resnet18", "alexcnn", "vggcnn", "fivecnn", "digitcnn"):
        network = networks.build(name, 2, SIZE, 1, width=0.05)
        assert network(torch.zeros(2, 1, SIZE, SIZE)).shape == (2, 2)


def test_options_at_none_keep_the_default():
    options = {"width": 0.1, "batch_norm": None, "dropout": None, "conv_stride": None}
    assert shapes(networks.build("vggcnn", 3, 32, **options)) == shapes(networks.build("vggcnn", 3, 32, width=0.1))
    assert networks.build("vggcnn", 3, 32, **options).fc6.dropout.p == 0.5


def test_default_images():
    assert networks.default_image("digitcnn") == (28, 1)
    assert networks.default_image("vggcnn") == networks.default_image("torchvision:alexnet") == (224, 3)


@pytest.mark.parametrize(
    ("name", "options", "cause"),
    [
        ("resnet344", {}, r"unknown network 'resnet344': did you mean resnet34\? choose one of resnet34, plainnet34, "),
        ("zebra", {}, "unknown network 'zebra': choose one of resnet34, .*, or torchvision:<name>"),
        ("resnet34", {"batch_norm": True}, "resnet34 has no option 'batch_norm': it takes width$"),
        ("resnet34", {"residual": False}, "resnet34 has no option 'residual'"),
        ("resnet34", {"depth": 18}, "resnet34 has no option 'depth'"),
        ("vggcnn", {"conv_stride": 2}, "vggcnn has no option 'conv_stride': it takes width, batch_norm, dropout$"),
        ("vggcnn", {"image_size": 31}, "vggcnn cannot see images of 31 px"),
        ("alexcnn", {"image_size": 50}, "alexcnn cannot see images of 50 px"),
        ("digitcnn", {"image_size": 3}, "digitcnn cannot see images of 3 px"),
        ("fivecnn", {"image_size": 15}, "fivecnn cannot see images of 15 px"),
        ("torchvision:alexnett", {}, "torchvision has no classification network 'alexnett': did you mean alexnet?"),
        ("torchvision:", {}, "torchvision has no classification network ''"),
        ("torchvision:fasterrcnn_resnet50_fpn", {}, "torchvision has no classification network 'fasterrcnn"),
        ("torchvision:alexnet", {"width": 0.5}, "torchvision:alexnet takes no option 'width'"),
    ],
)
def test_refusals_name_the_cause(name, options, cause):
    with pytest.raises(ReceptiveError, match=cause) as caught:
        networks.build(name, **options)
    assert "\n" not in str(caught.value)


# AlexCNN: 51 -> 12 -> 6 -> 4 -> 2 -> 2 -> 2 -> 2 -> 1
@pytest.mark.parametrize(("name", "least"), [("vggcnn", 32), ("alexcnn", 51), ("digitcnn", 4), ("fivecnn", 16)])
def test_least_image(name, least):
    accepted = []
    for size in range(1, least + 3):
        try:
            network = networks.build(name, 2, size, width=0.02)
        except ReceptiveError:
            continue
        accepted.append(size)
        assert network.eval()(torch.zeros(1, 3, size, size)).shape == (1, 2)
    assert accepted == [least, least + 1, least + 2]
    assert [_fits(name, least - 1), _fits(name, least)] == [False, True]


def _fits(name, size):
    """Whether torch itself finds a position in every map."""
    x = torch.zeros(1, 1, size, size)
    for group, layers in itertools.groupby(CONVS[name], key=lambda layer: layer[1]):
        try:
            for layer in layers:
                _, kernel, stride, padding = CONVS[name][layer]
                x = F.conv2d(x, torch.zeros(1, 1, kernel, kernel), None, stride, padding)
            x = F.max_pool2d(x, 2, 2) if group in POOLS[name] else x
        except RuntimeError:
            return False
    return True


def test_map_side_and_thin():
    for size, kernel, stride, padding in itertools.product((7, 28, 64), (1, 2, 3, 5), (1, 2, 4), (0, 1)):
        expected = F.conv2d(torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel), None, stride, padding)
        assert map_side(size, (kernel, stride, padding)) == expected.shape[2]
    # two windows: 224 -> 112 -> 56
    assert map_side(224, (7, 2, 3), (3, 2, 1)) == 56
    assert [thin(64, w) for w in (1, 0.5, 0.25, 0.001, 2)] == [64, 32, 16, 1, 128]


# How weights begin


def deviations(network):
    """Weight layers with (their weights, the He-normal standard deviation, worked out from the shapes)."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            yield name, module.weight.detach(), math.sqrt(2 / fan_out)
        elif isinstance(module, nn.Linear):
            yield name, module.weight.detach(), math.sqrt(2 / module.in_features)


@pytest.mark.parametrize(("name", "scale"), [("resnet34", 1.0), ("resnet50", 0.15), ("vggcnn", 0.3), ("digitcnn", 1.0)])
def test_initialise_is_he_normal(name, scale):
    network = networks.build(name, 10, 32, width=0.5)
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            value.fill_(3)  # whatever was there before is gone
    initialise(network, torch.Generator().manual_seed(2), scale)
    for i, (layer, weight, deviation) in enumerate(deviations(network)):
        expected = deviation * (scale if i == 0 else 1)
        numbers = weight.numel()
        # five standard errors of a deviation and of a mean
        assert abs(weight.std().item() / expected - 1) < 5 / math.sqrt(2 * numbers), layer
        assert abs(weight.mean().item()) < 5 * expected / math.sqrt(numbers), layer
        if numbers > 5000:  # a normal law has kurtosis 3, a uniform one 1.8
            kurtosis = ((weight - weight.mean()) ** 4).mean() / weight.var() ** 2
            assert abs(kurtosis.item() - 3) < 5 * math.sqrt(24 / numbers), layer
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.running_var == 1).all()
            assert (module.running_mean == 0).all()
            assert module.num_batches_tracked == 0
        if getattr(module, "bias", None) is not None:
            assert (module.bias == 0).all()


def test_initialise_depends_on_its_generator_alone():
    network = networks.build("fivecnn", 5, 16, width=0.5)
    drawn = []
    for glob, own in ((1, 7), (2, 7), (2, 8)):
        torch.manual_seed(glob)
        before = torch.get_rng_state()
        initialise(network, torch.Generator().manual_seed(own))
        assert torch.equal(torch.get_rng_state(), before)
        drawn.append([p.detach().clone() for p in network.parameters()])
    assert all(map(torch.equal, drawn[0], drawn[1]))
    assert not torch.equal(drawn[1][0], drawn[2][0])


def test_first_scale_touches_the_first_convolution_alone():
    one, other = (networks.build("resnet18", 5, width=0.25) for _ in range(2))
    initialise(one, torch.Generator().manual_seed(3))
    initialise(other, torch.Generator().manual_seed(3), first_scale=0.15)
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(b, 0.15 * a if name == "conv1.weight" else a, rtol=1e-6, atol=0)


# Importing


def test_importing_loads_neither_torch_nor_torchvision():
    code = (
        "import sys, receptive.networks as n; n.check_name('torchvision:alexnet'); n.names(); "
        "print({'torch', 'torchvision', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_building_ours_does_not_load_torchvision():
    code = (
        "import sys, receptive.networks as n; n.build('vggcnn', 2, 32, width=0.1); n.build('resnet18', width=0.1); "
        "print('torch' in sys.modules, 'torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_torchvision_loads_beside_any_torch_and_once(models):
    first = torchvision_loader.import_torchvision()
    declared = list(torchvision_loader._declared)
    assert torchvision_loader.import_torchvision() is first is sys.modules["torchvision"]
    assert torchvision_loader._declared == declared
    assert len(declared) <= 1
    # its operators have schemas, whether or not its compiled library loads
    assert torch.ops.torchvision.nms.default._schema.name == "torchvision::nms"


@pytest.mark.parametrize(("name", "parameters"), [("alexnet", 61_100_840), ("vgg16_bn", 138_365_992)])
def test_torchvision_networks_are_built_by_name(name, parameters):
    # counts as torchvision documents them
    assert count(weightless(f"torchvision:{name}")) == parameters


def test_torchvision_networks_take_the_classes():
    for name in ("squeezenet1_0", "googlenet"):
        network = networks.build(f"torchvision:{name}", 3).eval()
        with torch.no_grad():
            assert network(torch.zeros(1, 3, 96, 96)).shape == (1, 3)


def test_pixels_of_channels_last_give_the_same_scores():
    network = networks.build("resnet18", 4, width=0.25).double().eval()
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    with torch.no_grad():
        plain = network(images).numpy()
        network.to(memory_format=torch.channels_last)
        np.testing.assert_allclose(network(images.contiguous(memory_format=torch.channels_last)), plain, rtol=1e-9)
