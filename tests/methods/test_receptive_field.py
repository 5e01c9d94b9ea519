"""Receptive fields against published tables and against what positions measurably see."""

import threading
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import (
    BasicBlock,
    Branches,
    SqueezeExcitation,
    gradient_boxes,
    impulse_boxes,
    linear_unit,
    made_positive,
)
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.fields import Axis, Field
from receptive.methods.receptive_field.graph import _walk, receptive_fields
from receptive.methods.receptive_field.sites import response_sites
from receptive.networks import build
from receptive.networks.torchvision_loader import import_torchvision


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def from_torchvision(name, **options):
    with torch.device("meta"):  # no weights are needed
        return getattr(import_torchvision().models, name)(weights=None, **options)


def numbers(field):
    return field.size, field.stride, field.start


# Published tables: (size, stride, start)

ALEXNET = {
    "features.0": (11, 4, -2),
    "features.2": (19, 8, -2),
    "features.3": (51, 8, -18),
    "features.5": (67, 16, -18),
    "features.6": (99, 16, -34),
    "features.8": (131, 16, -50),
    "features.10": (163, 16, -66),
    "features.12": (195, 32, -66),
}
VGG16 = {
    "features.0": (3, 1, -1),
    "features.2": (5, 1, -2),
    "features.4": (6, 2, -2),
    "features.5": (10, 2, -4),
    "features.7": (14, 2, -6),
    "features.9": (16, 4, -6),
    "features.10": (24, 4, -10),
    "features.12": (32, 4, -14),
    "features.14": (40, 4, -18),
    "features.16": (44, 8, -18),
    "features.17": (60, 8, -26),
    "features.19": (76, 8, -34),
    "features.21": (92, 8, -42),
    "features.23": (100, 16, -42),
    "features.24": (132, 16, -58),
    "features.26": (164, 16, -74),
    "features.28": (196, 16, -90),
    "features.30": (212, 32, -90),
}
RESNET34_GROUPS = {
    "layer1": ((27, 43, 59), 4),
    "layer2": ((83, 115, 147, 179), 8),
    "layer3": ((227, 291, 355, 419, 483, 547), 16),
    "layer4": ((643, 771, 899), 32),
}
RESNET34 = {"conv1": (7, 2), "maxpool": (11, 4)} | {
    f"{group}.{block}.conv{conv}": (size - 2 * stride * (conv == 1), stride)
    for group, (sizes, stride) in RESNET34_GROUPS.items()
    for block, size in enumerate(sizes)
    for conv in (1, 2)
}
VGGCNN = {
    "c1_1": (3, 1),
    "c1_2": (5, 1),
    "p1": (6, 2),
    "c2_1": (10, 2),
    "c2_2": (14, 2),
    "p2": (16, 4),
    "c3_1": (24, 4),
    "c3_2": (32, 4),
    "c3_3": (40, 4),
    "p3": (44, 8),
    "c4_1": (60, 8),
    "c4_2": (76, 8),
    "c4_3": (92, 8),
    "p4": (100, 16),
    "c5_1": (132, 16),
    "c5_2": (164, 16),
    "c5_3": (196, 16),
    "p5": (212, 32),
}
ALEXCNN = {
    "c1": (11, 4),
    "p1": (15, 8),
    "c2": (47, 8),
    "p2": (55, 16),
    "c3": (87, 16),
    "c4": (119, 16),
    "c5": (151, 16),
    "p5": (167, 32),
}


@pytest.mark.parametrize(("name", "table"), [("alexnet", ALEXNET), ("vgg16", VGG16)])
def test_published_table_of_a_torchvision_chain(name, table):
    sites = response_sites(receptive_fields(from_torchvision(name), 224))
    local = {site.module: numbers(site.node.field) for site in sites if not site.node.field.whole_image}
    assert local == table
    assert [site.kind for site in sites if site.node.field.whole_image] == ["linear"] * 3


def test_published_table_of_resnet34():
    nodes = receptive_fields(from_torchvision("resnet34"), 224)
    expected = {name: (size, stride, -(size - 1) // 2) for name, (size, stride) in RESNET34.items()}
    sites = response_sites(nodes)
    assert {s.module: numbers(s.node.field) for s in sites if s.module not in ("avgpool", "fc")} == expected
    for site in sites:  # normalisation, addition and ReLU change nothing
        assert nodes[site.layer].field == site.node.field


@pytest.mark.parametrize(
    ("name", "table"),
    [("resnet34", RESNET34), ("plainnet34", RESNET34), ("vggcnn", VGGCNN), ("alexcnn", ALEXCNN)],
)
def test_published_table_of_the_papers_networks(name, table):
    sites = response_sites(receptive_fields(build(name, classes=5, width=1 / 32), 224))
    found = {
        s.module.removesuffix(".conv"): (s.node.field.size, s.node.field.stride)
        for s in sites
        if not s.node.field.whole_image
    }
    assert found == table


def test_stride_placement_of_bottlenecks():
    """torchvision strides in the 3x3 (v1.5): the first 1x1 of a group still has the old stride."""
    sites = {s.module: s.node.field for s in response_sites(receptive_fields(from_torchvision("resnet50"), 224))}
    assert numbers(sites["layer2.0.conv1"]) == (35, 4, -17)
    assert numbers(sites["layer2.0.conv2"]) == (43, 8, -21)
    assert numbers(sites["layer4.2.conv3"]) == (427, 32, -213)


# Measured support


def identity_block():
    return Branches(nn.Identity(), nn.Conv2d(2, 2, 3, padding=1))


class Functional(nn.Module):
    """Every functional form that has a window, and reshaping that only regroups channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.conv(F.pad(x, (1, 0, 2, 1))), inplace=True)
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, -1, height, width)
        first, second = x.chunk(2, dim=1)
        x = torch.cat([first, F.max_pool2d(second, 3, stride=1, padding=1)], dim=1)
        x = F.avg_pool2d(x[:, 1:], kernel_size=(2, 1))
        x = F.lp_pool2d(F.dropout(x, training=self.training), 2, 2, stride=1).clamp(min=0)
        return F.adaptive_max_pool2d(x * 2, (x.shape[-2] // 2, x.shape[-1]))


# Every layer here overlaps or touches its neighbours and reads its input to the end, so that the box cut
# to the image must equal the support at every position, borders included.
DENSE = {
    "3x3": ((9, 7), nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))),
    "valid": ((9, 8), nn.Sequential(nn.Conv2d(1, 2, 3, padding="valid"), nn.Conv2d(2, 1, (4, 2)))),
    "strides": ((17, 19), nn.Sequential(nn.Conv2d(1, 2, 5, 2, 2), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3, 2, 1))),
    "not square": (
        (13, 15),
        nn.Sequential(nn.Conv2d(1, 1, (2, 5), (1, 2), (0, 2)), nn.GELU(), nn.Conv2d(1, 1, (5, 1), (2, 1), (2, 0))),
    ),
    "same": ((9, 11), nn.Sequential(nn.Conv2d(1, 1, (5, 4), padding="same"), nn.Conv2d(1, 1, 2, padding="same"))),
    "explicit padding": ((9, 9), nn.Sequential(nn.ZeroPad2d((2, 0, 1, 3)), nn.Conv2d(1, 1, 4))),
    "max pools": (
        (18, 15),
        nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(3, 2, 1), nn.Conv2d(2, 2, 3), nn.MaxPool2d(2)),
    ),
    "ceil mode": (
        (16, 14),
        nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(1, 1, 2)),
    ),
    "other pools": ((12, 16), nn.Sequential(nn.LPPool2d(2, 2), nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(2))),
    "adaptive pool that changes nothing": ((6, 6), nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(4))),
    "one-sided adaptive pool": ((6, 8), nn.Sequential(nn.AdaptiveAvgPool2d((None, 4)), nn.Conv2d(1, 1, 3, padding=1))),
    "inception": (
        (12, 9),
        nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1),
            Branches(
                nn.Conv2d(2, 1, 1),
                nn.Sequential(nn.Conv2d(2, 1, 1), nn.Conv2d(1, 1, (3, 5), padding=(1, 2))),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(2, 1, 1)),
                merge="cat",
            ),
            nn.Conv2d(3, 1, 3, padding=1),
        ),
    ),
    "lopsided branches": (
        (8, 10),
        Branches(
            nn.Sequential(nn.ZeroPad2d((2, 0, 0, 1)), nn.Conv2d(1, 1, (2, 3))),
            nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(1, 1, (3, 2))),
        ),
    ),
    "identity skip": ((9, 9), nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), identity_block(), identity_block())),
    "projection": ((16, 16), nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), BasicBlock(2, 2), BasicBlock(2, 3, stride=2))),
    "functional": ((12, 10), Functional()),
    "resnet18": ((32, 32), build("resnet18", classes=2, channels=1, width=1 / 32)),
}


def within_image(node):
    """The node's boxes cut to the image, position y x position x x 4; zeros where nothing is left."""
    height, width = node.field.image_size
    rows, columns = np.mgrid[: node.map_size[0], : node.map_size[1]]
    boxes = np.stack(np.broadcast_arrays(*node.field.box(rows, columns)), axis=-1)
    boxes = np.clip(boxes, 0, [height, width, height, width])
    nothing = (boxes[..., 0] >= boxes[..., 2]) | (boxes[..., 1] >= boxes[..., 3])
    return np.where(nothing[..., None], 0, boxes)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", DENSE)
def test_box_within_the_image_is_what_every_position_sees(case):
    (height, width), network = DENSE[case]
    nodes = receptive_fields(network, (height, width), channels=1)
    measured = impulse_boxes(made_positive(network), height, width)
    assert len(measured) > 2
    for name, boxes in measured.items():
        if nodes[name].map_size:
            np.testing.assert_array_equal(within_image(nodes[name]), boxes, err_msg=name)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", DENSE)
def test_no_images_and_no_values_give_the_same_nodes(case):
    """Shapes are read off an empty batch where that works; torch's own shape functions are the other way."""
    (height, width), network = DENSE[case]
    shapes = _walk(network, torch.empty(1, 1, height, width, device="meta"))
    assert receptive_fields(network, (height, width), channels=1) == shapes
    if case == "functional":  # it reshapes to -1, which nothing has
        with pytest.raises(ReceptiveError, match="reshape"):
            _walk(network, torch.empty(0, 1, height, width))
    else:
        assert _walk(network, torch.empty(0, 1, height, width)) == shapes


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", ["3x3", "strides", "not square", "same", "inception", "projection"])
def test_box_within_the_image_is_the_gradients_support(case):
    (height, width), network = DENSE[case]
    for module in network.modules():  # the gradient of a maximum shows its winner only
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    nodes = receptive_fields(network, (height, width), channels=1)
    for name, boxes in gradient_boxes(made_positive(network), height, width).items():
        np.testing.assert_array_equal(within_image(nodes[name]), boxes, err_msg=name)


@st.composite
def window_layers(draw):
    """A convolution or pooling layer of any geometry that torch accepts."""

    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    kernel, stride = pair(1, 5), pair(1, 3)
    kind = draw(st.sampled_from(["conv", "max", "average", "lp"]))
    if kind == "conv":
        return nn.Conv2d(1, 1, kernel, stride, pair(0, 3), pair(1, 3))
    ceil_mode = draw(st.booleans())
    if kind == "lp":
        return nn.LPPool2d(2, kernel, stride, ceil_mode=ceil_mode)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    if kind == "average":
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode)
    return nn.MaxPool2d(kernel, stride, padding, pair(1, 2), ceil_mode=ceil_mode)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(window_layers(), min_size=1, max_size=3))
def test_box_of_any_stack(layers):
    """Never smaller than what is seen, and exact where the box lies inside the image, gaps or not."""
    height, width = 17, 14
    network = made_positive(nn.Sequential(*layers))
    try:
        nodes = receptive_fields(network, (height, width), channels=1)
    except ReceptiveError as error:
        if "choose an image size" not in str(error):  # only an empty map is a reason
            raise
        assume(False)
    for name, seen in impulse_boxes(network, height, width).items():
        node, boxes = nodes[name], within_image(nodes[name])
        (top, bottom), (left, right) = node.interior
        np.testing.assert_array_equal(boxes[top:bottom, left:right], seen[top:bottom, left:right])
        something = seen.any(-1)
        assert (boxes[something][:, :2] <= seen[something][:, :2]).all()
        assert (boxes[something][:, 2:] >= seen[something][:, 2:]).all()


class MeanHead(nn.Module):
    def forward(self, x):
        return x.mean(3).mean(2)


WHOLE_IMAGE = {
    "global average": nn.AdaptiveAvgPool2d(1),
    "global maximum": nn.AdaptiveMaxPool2d((1, 1)),
    "unequal windows": nn.AdaptiveAvgPool2d(3),
    "mean": MeanHead(),
    "squeeze and excitation": SqueezeExcitation(2),
    "flatten": nn.Flatten(),
    "flattened pool": nn.Sequential(nn.AvgPool2d(5), nn.Flatten(), nn.Linear(2, 3), nn.ReLU()),
}


@pytest.mark.parametrize("case", WHOLE_IMAGE)
def test_whole_image(case):
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), WHOLE_IMAGE[case])
    nodes = list(receptive_fields(network, (5, 5), channels=1).values())
    assert numbers(nodes[1].field) == (3, 1, -1)
    assert nodes[-1].field.whole_image
    assert numbers(nodes[-1].field) == (None, None, None)
    assert nodes[-1].field.box(0, 0) == (0, 0, 5, 5)
    assert nodes[-1].interior == ((0, (nodes[-1].map_size or (1, 1))[0]), (0, (nodes[-1].map_size or (1, 1))[1]))


def test_one_linear_unit_sees_the_whole_image():
    node = receptive_fields(linear_unit(torch.ones(3, 4, 6)), (4, 6))["_1"]
    assert (node.kind, node.depth, node.map_size, node.channels) == ("linear", 1, None, 1)
    assert node.field.box(0, 0) == (0, 0, 4, 6)


# Positions whose box lies inside the image


@pytest.mark.parametrize(
    ("name", "module", "inside", "positions"),
    [
        ("resnet34", "layer1.2.conv2", 1681, 3136),
        ("resnet34", "layer2.3.conv2", 25, 784),
        ("resnet34", "layer3.0.conv2", 0, 196),
        ("alexnet", "features.10", 9, 169),
        ("vgg16", "features.28", 4, 196),
    ],
)
def test_positions_inside_at_224(name, module, inside, positions):
    sites = {site.module: site.node for site in response_sites(receptive_fields(from_torchvision(name), 224))}
    (top, bottom), (left, right) = sites[module].interior
    assert (bottom - top) * (right - left) == inside
    assert sites[module].map_size[0] * sites[module].map_size[1] == positions


def test_positions_inside_equal_a_count():
    for size, stride, start, length in np.ndindex(7, 4, 9, 11):
        axis = Axis(size + 1, stride + 1, 2 - start)  # cropping moves the start inwards
        held = [i for i in range(8) if axis.interval(i)[0] >= 0 and axis.interval(i)[1] <= length]
        assert list(range(*axis.inside(8, length))) == held


def test_boxes_of_many_positions():
    field = Field(Axis(59, 4, -29), Axis(11, 4, -2), (224, 200))
    assert field.size == (59, 11)
    assert field.stride == 4
    assert field.box(2, 50) == (-21, 198, 38, 209)
    y, x = np.array([2, 250], np.uint8), np.array([50, 0], np.uint8)  # 250 * 4 needs more than 8 bits
    top, left, bottom, right = field.box(y, x)
    assert top.tolist() == [-21, 971]
    assert left.tolist() == [198, -2]
    assert bottom.tolist() == [38, 1030]
    assert right.tolist() == [209, 9]
    assert field.inside((56, 50)) == ((8, 49), (1, 48))
    assert Field(field.y, Axis(201), (224, 200)).inside((56, 50)) == ((0, 0), (0, 0))


def test_centres():
    """A ResNet's are at i * stride, a VGG pool's at (stride - 1) / 2 + i * stride."""
    i = np.arange(7)
    resnet = receptive_fields(from_torchvision("resnet34"), 224)["layer4_2_relu_1"].field
    np.testing.assert_array_equal(resnet.centre(i, 0)[0], i * 32)
    vgg = receptive_fields(from_torchvision("vgg16"), 224)["features_30"].field
    np.testing.assert_array_equal(vgg.centre(0, i)[1], 15.5 + i * 32)


# The graph


def test_a_module_called_twice_is_two_nodes():
    nodes = receptive_fields(BasicBlock(3, 4, stride=2), 16)
    relus = [node for node in nodes.values() if node.module == "relu"]
    assert [(node.name, node.call, node.field.size, node.depth) for node in relus] == [
        ("relu", 0, 3, 1),
        ("relu_1", 1, 7, 2),
    ]


def test_node_description():
    nodes = receptive_fields(from_torchvision("resnet34"), (224, 160))
    block = nodes["layer2_0_relu_1"]
    assert (block.module, block.call, block.operation, block.kind) == ("layer2.0.relu", 1, "ReLU", "activation")
    assert (block.channels, block.map_size, block.inputs) == (128, (28, 20), ("add_3",))
    assert nodes["add_3"].kind == "add"
    assert nodes["add_3"].inputs == ("layer2_0_bn2", "layer2_0_downsample_1")
    assert (nodes["x"].kind, numbers(nodes["x"].field), nodes["x"].depth) == ("input", (1, 1, 0), 0)


def test_depth_counts_weight_layers_on_the_longest_path():
    """KS: conv1 is layer 1, the first block's output layer 3, the third's layer 7; projections add none."""
    nodes = receptive_fields(from_torchvision("resnet34"), 224)
    names = ("relu", "maxpool", "layer1_0_relu_1", "layer1_2_relu_1", "layer2_0_relu_1", "fc")
    assert [nodes[name].depth for name in names] == [1, 1, 3, 7, 9, 34]
    assert nodes["layer2_0_downsample_0"].depth == 8


# Sites


def site_list(network, size=224, channels=3):
    return [(s.name, s.kind, s.module) for s in response_sites(receptive_fields(network, size, channels))]


def test_sites_of_alexnet():
    assert site_list(from_torchvision("alexnet")) == [
        ("features_1", "conv", "features.0"),
        ("features_2", "pool", "features.2"),
        ("features_4", "conv", "features.3"),
        ("features_5", "pool", "features.5"),
        ("features_7", "conv", "features.6"),
        ("features_9", "conv", "features.8"),
        ("features_11", "conv", "features.10"),
        ("features_12", "pool", "features.12"),
        ("classifier_2", "linear", "classifier.1"),
        ("classifier_5", "linear", "classifier.4"),
        ("classifier_6", "linear", "classifier.6"),
    ]


@pytest.mark.parametrize(("name", "convs"), [("resnet34", 33), ("resnet50", 49), ("resnext50_32x4d", 49)])
def test_sites_of_residual_networks_leave_out_projections(name, convs):
    nodes = receptive_fields(from_torchvision(name), 224)
    sites = response_sites(nodes)
    assert [site.kind for site in sites].count("conv") == convs
    assert not [site for site in sites if "downsample" in site.module]
    assert {site.node.kind for site in sites if site.kind == "conv"} == {"activation"}
    # Every convolution on the longest path once, in order of depth.
    assert [site.node.depth for site in sites if site.kind in ("conv", "linear")] == list(range(1, convs + 2))
    assert [(s.name, s.kind) for s in sites[-2:]] == [("avgpool", "global_pool"), ("fc", "linear")]


def test_sites_of_branches():
    squeezenet = site_list(from_torchvision("squeezenet1_1"))
    assert [kind for _, kind, _ in squeezenet].count("conv") == 26
    assert squeezenet[-2:] == [
        ("classifier_2", "conv", "classifier.1"),
        ("classifier_3", "global_pool", "classifier.3"),
    ]
    googlenet = response_sites(receptive_fields(from_torchvision("googlenet", init_weights=False), 224))
    assert [site.kind for site in googlenet].count("conv") == 57
    assert [site.kind for site in googlenet].count("pool") == 13
    assert {site.node.operation for site in googlenet if site.kind == "conv"} == {"relu"}
    by_module = {site.module: site.node.field for site in googlenet}
    assert numbers(by_module["inception3a.branch1.conv"]) == (27, 8, -7)
    assert numbers(by_module["inception3a.branch3.1.conv"]) == (43, 8, -15)


@pytest.mark.slow
def test_sites_without_an_activation():
    """A convolution before a pool or a concatenation is read itself, a linear bottleneck after its addition."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1))
    assert site_list(network, 8, 1) == [("_1", "conv", "0"), ("_2", "pool", "2"), ("_4", "conv", "4")]
    assert ("add", "conv", "features.3.conv.2") in site_list(from_torchvision("mobilenet_v2"))
    dense = site_list(from_torchvision("densenet121"))
    name = "features.denseblock1.denselayer1.conv"
    assert (f"{name}1".replace("conv", "relu").replace(".", "_")[:-1] + "2", "conv", f"{name}1") in dense
    assert (f"{name}2".replace(".", "_"), "conv", f"{name}2") in dense


def test_class_scores_are_read_before_any_squashing():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
    assert site_list(network, 4, 1) == [("_3", "linear", "1"), ("_4", "linear", "4")]


class Shifted(nn.Module):
    def forward(self, x):
        return (x + 1) + x


def test_only_a_sum_of_two_branches_is_an_addition():
    nodes = receptive_fields(Shifted(), 4)
    assert [(node.operation, node.kind) for node in nodes.values()] == [
        ("x", "input"),
        ("add", "other"),
        ("add", "add"),
    ]


class PreActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.relu = nn.ReLU()
        self.conv1, self.conv2 = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(self.relu(self.norm2(self.conv1(self.relu(self.norm1(x))))))


def test_sites_of_preactivation_blocks():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), PreActivation(), PreActivation(), nn.ReLU())
    assert site_list(network, 8, 1) == [
        ("_1_relu", "conv", "0"),
        ("_1_relu_1", "conv", "1.conv1"),
        ("_2_relu", "conv", "1.conv2"),
        ("_2_relu_1", "conv", "2.conv1"),
        ("_3", "conv", "2.conv2"),
    ]


# Refusals


class DataDependent(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Rotated(nn.Module):
    def forward(self, x):
        return x.transpose(2, 3)


class Cut(nn.Module):
    def forward(self, x):
        return x[:, :, 1:]


class Hypernetwork(nn.Module):
    def forward(self, x):
        return F.conv2d(x, x.mean((2, 3), keepdim=True))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 1)

    def forward(self, x):
        out, _ = self.attention(x, x, x, need_weights=False)
        return out


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (nn.ConvTranspose2d(3, 3, 2, 2), r"'odd' \(ConvTranspose2d\)"),
        (nn.Upsample(scale_factor=2), r"'odd' \(Upsample\)"),
        (nn.Linear(8, 4), r"'odd' \(Linear\).*flatten"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), r"'odd' \(Conv2d\): circular.*position 0"),
        (nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(3, 3, 3)), r"'odd_1' \(Conv2d\): reflect.*position 0"),
        (nn.Sequential(nn.ReplicationPad2d(4), nn.Conv2d(3, 3, 3)), r"'odd_1' \(Conv2d\): replicate.*position 0"),
        (Hypernetwork(), r"'conv2d'.*kernel depends on the image"),
        (nn.Softmax(-1), r"'odd' \(Softmax\).*only channels"),
        (nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (8, 8))), r"'odd_1' \(Unflatten\).*makes a map of a sequence"),
        (Branches(nn.Conv2d(3, 3, 1, 2), nn.AvgPool2d((2, 5), (2, 1))), r"'add'.*unequal strides \(.*x: .*2.*1\)"),
        (Rotated(), r"'transpose'"),
        (Cut(), r"'getitem'.*cuts the map"),
        (Tokens(), r"'odd_attention' \(MultiheadAttention\)"),
        (DataDependent(), r"cannot trace Sequential: .*control flow"),
        (nn.Conv2d(4, 1, 1), r"'odd' \(Conv2d\) fails on one image of 8x8 px"),
        (nn.Conv2d(3, 1, 9), r"'odd' \(Conv2d\) fails on one image of 8x8 px"),
    ],
)
def test_refusals_name_the_node(layer, named):
    network = nn.Sequential()
    network.add_module("first", nn.Conv2d(3, 3, 1))
    network.add_module("odd", layer)
    with pytest.raises(ReceptiveError, match=named) as caught:
        receptive_fields(network, 8)
    assert "\n" not in str(caught.value)


def test_two_images_are_refused():
    with pytest.raises(ReceptiveError, match="'y'"):
        receptive_fields(TwoInputs(), 8)


# The network stays as it was


def test_network_is_left_alone():
    network = build("resnet18", classes=2, width=1 / 32)
    network.layer1.eval()
    lock = threading.Lock()  # cannot be copied, like much that hooks hold on to
    fired = []

    def hook(module, args, output, held=lock):
        fired.append(module)

    network.conv1.register_forward_hook(hook)
    network.conv1.register_forward_pre_hook(partial(hook, output=None))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]

    response_sites(receptive_fields(network, 32))
    with pytest.raises(ReceptiveError):
        receptive_fields(network, 32, channels=5)

    assert not fired
    assert [module.training for module in network.modules()] == modes
    assert len(network.conv1._forward_hooks) == len(network.conv1._forward_pre_hooks) == 1
    for name, value in network.state_dict().items():
        assert value.device.type == "cpu"
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
