"""The second layer of every network, found by the names of its weights, against the traced graph."""

import pytest
import torch

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.graph import receptive_fields
from receptive.networks import STUDIED, build, default_image
from receptive.networks.first_layers import first_batch_norm, second_filters


def shapes_of(network):
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def first_of(network):
    return next(name for name, value in network.state_dict().items() if value.dim() == 4)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("resnet34", "layer2.0.downsample.0.weight"),
        ("resnet18", "layer2.0.downsample.0.weight"),
        ("resnet50", "layer1.0.downsample.0.weight"),
        ("plainnet34", "layer1.0.conv1.weight"),
        ("alexcnn", "c2.conv.weight"),
        ("vggcnn", "c1_2.conv.weight"),
        ("digitcnn", "c2.conv.weight"),
        ("fivecnn", "c2.conv.weight"),
    ],
)
def test_the_second_layer(name, second):
    network = build(name, classes=5, width=0.125, image_size=64, channels=default_image(name)[1])
    shapes = shapes_of(network)
    found = second_filters(first_of(network), dict(sorted(shapes.items())))
    assert found == second
    assert shapes[found][1] == shapes[first_of(network)][0]


@pytest.mark.parametrize("name", [n for n in STUDIED if n != "resnet34"])
def test_without_skips_it_is_the_second_convolution_of_the_graph(name):
    channels = default_image(name)[1]
    network = build(name, classes=5, width=0.125, image_size=64, channels=channels)
    kinds = {m: module for m, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)}
    order = [node.module for node in receptive_fields(network, 64, channels).values() if node.module in kinds]
    assert second_filters(f"{order[0]}.weight", shapes_of(network)) == f"{order[1]}.weight"


def test_numbers_count_as_numbers():
    shapes = {"features.0.weight": (4, 3, 3, 3), "features.10.weight": (8, 9, 3, 3), "features.2.weight": (6, 4, 3, 3)}
    assert second_filters("features.0.weight", shapes) == "features.2.weight"


def test_what_does_not_follow_is_refused():
    with pytest.raises(ReceptiveError, match="no virtual filters"):
        second_filters("a.weight", {"a.weight": (4, 3, 3, 3)})
    with pytest.raises(ReceptiveError, match="no virtual filters"):
        second_filters("a.weight", {"a.weight": (4, 3, 3, 3), "b.weight": (4, 1, 3, 3)})  # grouped


@pytest.mark.parametrize(
    ("name", "options", "norm"),
    [
        ("resnet34", {}, "bn1"),
        ("alexcnn", {"batch_norm": True}, "c1.bn"),
        ("alexcnn", {}, None),
        ("vggcnn", {"batch_norm": True}, "c1_1.bn"),
        ("digitcnn", {}, None),
        ("fivecnn", {}, "n1"),
    ],
)
def test_the_batch_norm_behind_the_first_convolution(name, options, norm):
    network = build(name, classes=5, width=0.125, image_size=64, channels=default_image(name)[1], **options)
    found = first_batch_norm(first_of(network), shapes_of(network))
    assert found == norm
    if norm is not None:
        assert network.get_submodule(norm).num_features == network.state_dict()[first_of(network)].shape[0]
