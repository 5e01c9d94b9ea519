"""The layers as the papers name and count them, against their published tables."""

import itertools

import pytest
import torch
from torch import nn

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.networks.layers import comparable_layers, field_rows, find_layer, layers, overview_layers, select_layers

# Receptive fields: (size, stride, start). Sizes and strides of the chains are the tables of Yu et al.; the starts
# follow from the paddings, by hand.
VGGCNN = {
    "c1_1": (3, 1, -1),
    "c1_2": (5, 1, -2),
    "p1": (6, 2, -2),
    "c2_1": (10, 2, -4),
    "c2_2": (14, 2, -6),
    "p2": (16, 4, -6),
    "c3_1": (24, 4, -10),
    "c3_2": (32, 4, -14),
    "c3_3": (40, 4, -18),
    "p3": (44, 8, -18),
    "c4_1": (60, 8, -26),
    "c4_2": (76, 8, -34),
    "c4_3": (92, 8, -42),
    "p4": (100, 16, -42),
    "c5_1": (132, 16, -58),
    "c5_2": (164, 16, -74),
    "c5_3": (196, 16, -90),
    "p5": (212, 32, -90),
}
ALEXCNN = {
    "c1": (11, 4, -2),
    "p1": (15, 8, -2),
    "c2": (47, 8, -2 - 8),
    "p2": (55, 16, -2 - 8),
    "c3": (87, 16, -2 - 8 - 16),
    "c4": (119, 16, -2 - 8 - 2 * 16),
    "c5": (151, 16, -2 - 8 - 3 * 16),
    "p5": (167, 32, -2 - 8 - 3 * 16),
}
# conv1, max pool, then the outputs of the blocks; the first convolution of a block sees 2 strides less.
STAGES = {4: (27, 43, 59), 8: (83, 115, 147, 179), 16: (227, 291, 355, 419, 483, 547), 32: (643, 771, 899)}
# torchvision's AlexNet, with its 3x3 pools
ALEXNET = {
    "c1": (11, 4, -2),
    "p1": (19, 8, -2),
    "c2": (51, 8, -18),
    "p2": (67, 16, -18),
    "c3": (99, 16, -34),
    "c4": (131, 16, -50),
    "c5": (163, 16, -66),
    "p5": (195, 32, -66),
}


def residual_table():
    table = {"layer 1": (7, 2, -3), "max pool": (11, 4, -5)}
    layer = 1
    for stride, sizes in STAGES.items():
        for size in sizes:
            for seen in (size - 2 * stride, size):
                layer += 1
                table[f"layer {layer}"] = (seen, stride, -(seen - 1) // 2)
    return table


TABLES = {"vggcnn": VGGCNN, "alexcnn": ALEXCNN, "resnet34": residual_table(), "plainnet34": residual_table()}


@pytest.fixture(scope="module")
def found():
    """The layers of a network by name, each traced once."""
    cache = {}

    def look(name, size=None, **options):
        side, channels = networks.default_image(name)
        key = (name, size, *sorted(options.items()))
        if key not in cache:
            network = networks.build(name, 10, size or side, channels, **options)
            cache[key] = layers(network, size or side, channels)
        return cache[key]

    return look


def numbers(known):
    return {layer.alias: (layer.field.size, layer.field.stride, layer.field.start) for layer in known}


@pytest.mark.parametrize("name", TABLES)
def test_published_receptive_fields(found, name):
    mapped = [layer for layer in found(name, width=0.125) if not layer.field.whole_image]
    assert numbers(mapped) == TABLES[name]


@pytest.mark.parametrize("name", ["resnet34", "plainnet34"])
def test_fields_of_ks_figure_4(found, name):
    sizes = {alias: size for alias, (size, _, _) in numbers(found(name, width=0.125)).items()}
    assert [sizes[alias] for alias in ("max pool", "layer 3", "layer 7")] == [11, 27, 59]
    # layer 3 is the output of the first block, layer 7 that of the third
    named = {layer.alias: layer.name for layer in found(name, width=0.125)}
    assert named["layer 3"] == "layer1.0.relu2"
    assert named["layer 7"] == "layer1.2.relu2"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("options", [{"width": 0.5}, {"width": 0.125, "size": 64}])
def test_neither_width_nor_image_changes_a_field(found, name, options):
    mapped = [layer for layer in found(name, **options) if not layer.field.whole_image]
    assert numbers(mapped) == TABLES[name]


def test_batch_norm_changes_no_layer(found):
    for name in ("vggcnn", "alexcnn"):
        with_norm, without = (found(name, width=0.125, batch_norm=flag) for flag in (True, False))
        assert with_norm == without


def test_small_networks(found):
    # 3x3 convolutions with padding 1 and 2x2 pools, by hand
    assert numbers(found("digitcnn"))["c1"] == (3, 1, -1)
    expected = {"c1": (3, 1, -1), "p1": (4, 2, -1), "c2": (8, 2, -3), "p2": (10, 4, -3)}
    deeper = {"c3": (18, 4, -7), "p3": (22, 8, -7), "c4": (38, 8, -15), "p4": (46, 16, -15)}
    for name, table in (("digitcnn", expected), ("fivecnn", expected | deeper)):
        whole = dict.fromkeys(("fc1", "fc2"), (None, None, None))
        assert numbers(found(name)) == table | whole


# How they are counted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth"),
    [
        *((f"{kind}{depth}", depth) for kind in ("resnet", "plainnet") for depth in (18, 34, 50, 101, 152)),
        ("vggcnn", 16),
        ("alexcnn", 8),
        ("digitcnn", 4),
        ("fivecnn", 6),
    ],
)
def test_depth_counts_weight_layers(found, name, depth):
    known = found(name, size=64, width=0.05)
    assert known[-1].depth == depth
    assert known[-1].kind == "fc"
    assert known[-1].units == 10
    weight_layers = [layer for layer in known if layer.kind in ("conv", "fc")]
    # every weight layer has one site, in order; a projection has none
    assert [layer.depth for layer in weight_layers] == list(range(1, depth + 1))
    for before, layer in itertools.pairwise(known):
        if "pool" in layer.kind:
            assert layer.depth == before.depth
    if name.startswith(("resnet", "plainnet")):
        aliases = {f"layer {number}": number for number in range(1, depth)}
        assert {layer.alias: layer.depth for layer in known if layer.kind == "conv"} == aliases
        assert known[-1].alias == "scores"
        assert known[-2].alias == "average pool"
        assert known[-2].kind == "global_pool"
    assert len({layer.alias for layer in known}) == len(known) == len({layer.name for layer in known})


def test_kinds_units_and_maps(found):
    known = {layer.alias: layer for layer in found("alexcnn", width=0.5)}
    assert {alias: layer.kind for alias, layer in known.items()} == dict.fromkeys(ALEXCNN, "conv") | {
        "p1": "pool",
        "p2": "pool",
        "p5": "pool",
        "fc6": "fc",
        "fc7": "fc",
        "fc8": "fc",
    }
    units = {"c1": 48, "p1": 48, "c2": 128, "c3": 192, "c4": 192, "c5": 128, "fc6": 2048, "fc7": 2048, "fc8": 10}
    assert {alias: known[alias].units for alias in units} == units
    sides = {"c1": 55, "p1": 27, "c2": 25, "p2": 12, "c3": 12, "c4": 12, "c5": 12, "p5": 6, "fc6": 1, "fc8": 1}
    assert {alias: known[alias].map_size for alias in sides} == {alias: (n, n) for alias, n in sides.items()}
    assert known["c1"].name == "c1.relu"
    assert known["fc8"].name == "fc8"


def calls(network, size, wanted):
    """How often each module runs in one pass, and the shape of its last output."""
    seen = {}

    def look(name):
        def hook(module, inputs, output):
            seen[name] = (seen.get(name, (0, None))[0] + 1, tuple(output.shape))

        return hook

    modules = dict(network.named_modules())
    handles = [modules[name].register_forward_hook(look(name)) for name in wanted if name in modules]
    with torch.no_grad():
        network.eval()(torch.randn(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["resnet34", "plainnet50", "alexcnn", "vggcnn", "fivecnn", "torchvision:alexnet", "torchvision:resnet18",
     "torchvision:vgg11", "torchvision:googlenet", "torchvision:mobilenet_v2", "torchvision:densenet121"],
)  # fmt: skip
def test_readable_layers_are_modules_called_once(name):
    size = 64
    ours = not name.startswith("torchvision:")
    network = networks.build(name, 10, size, **({"width": 0.05} if ours else {}))
    known = layers(network, size)
    seen = calls(network, size, [layer.name for layer in known])
    for layer in known:
        times, shape = seen[layer.name]
        assert times == 1
        assert shape[1] == layer.units
        assert (shape[2:] or (1, 1)) == layer.map_size
    assert all(layer.readable for layer in known)


def test_layers_of_torchvision_networks(found):
    known = found("torchvision:alexnet")
    assert all(layer.readable for layer in known)
    mapped = [layer for layer in known if not layer.field.whole_image]
    assert numbers(mapped) == ALEXNET
    assert [layer.alias for layer in known] == [*ALEXNET, "fc6", "fc7", "fc8"]
    assert [layer.name for layer in known][:4] == ["features.1", "features.2", "features.4", "features.5"]
    assert known[-1].name == "classifier.6"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_layers_of_torchvisions_resnets_are_those_of_ours(found, name):
    """Its blocks call one ReLU several times; each call has a module now, called as ours are."""
    assert found(f"torchvision:{name}", size=64) == found(name, size=64)


@pytest.mark.slow
def test_layers_of_torchvisions_vgg_have_the_names_of_yu(found):
    known = found("torchvision:vgg16")
    assert numbers([layer for layer in known if not layer.field.whole_image]) == VGGCNN
    assert [layer.alias for layer in known] == [*VGGCNN, "fc6", "fc7", "fc8"]


def test_aliases_of_branches_are_told_apart(found):
    known = found("torchvision:googlenet", size=64)
    assert len({layer.alias for layer in known}) == len(known)
    named = {layer.alias: layer.name for layer in known}
    assert named["c1"] == "conv1.relu"
    assert named["inception3a.branch2.1.conv"] == "inception3a.branch2.1.relu"


@pytest.mark.slow
def test_a_refusal_names_the_module():
    with pytest.raises(ReceptiveError, match=r"\(permute\) in module 'features\.0\.1'"):
        layers(networks.build("torchvision:convnext_tiny"), 64)


@pytest.mark.slow
def test_unreadable_torch_networks_are_refused():
    with pytest.raises(ReceptiveError, match=r"node 'conv1'.*fails on one image of 64x64 px"):
        layers(networks.build("resnet18", width=0.05), 64, channels=1)
    with pytest.raises(ReceptiveError) as caught:
        layers(networks.build("torchvision:swin_t"), 224)
    assert "\n" not in str(caught.value)


# How they are found


@pytest.mark.parametrize("wanted", ["c5_3", "c5.3", "c5_3.relu"])
def test_spellings_of_a_chain(found, wanted):
    assert find_layer(found("vggcnn", width=0.125), wanted).field.size == 196


@pytest.mark.parametrize(
    ("wanted", "size"), [("layer 3", 27), ("layer1.0.relu2", 27), ("max pool", 11), ("maxpool", 11), ("scores", None)]
)
def test_spellings_of_a_residual_network(found, wanted, size):
    assert find_layer(found("resnet34", width=0.125), wanted).field.size == size


@pytest.mark.parametrize("wanted", ["c6_1", "c5", "layer 3", "", "C5_3", "c1_1.conv"])
def test_an_unknown_layer_is_refused(found, wanted):
    known = found("vggcnn", width=0.125)
    with pytest.raises(ReceptiveError) as caught:
        find_layer(known, wanted)
    choices = ", ".join([*VGGCNN, "fc6", "fc7", "fc8"])
    assert str(caught.value) == f"no layer '{wanted}': choose one of {choices}"


# The table


def test_rows_leave_out_what_sees_the_whole_image(found):
    rows = field_rows(found("vggcnn", width=0.125))
    assert [tuple(row) for row in rows] == [("layer", "alias", "kind", "size", "stride", "start", "whole_from")] * 18
    assert {row["alias"]: (row["size"], row["stride"], row["start"]) for row in rows} == VGGCNN
    assert [row["kind"] for row in rows] == ["pool" if row["alias"][0] == "p" else "conv" for row in rows]
    assert rows[0]["layer"] == "c1_1.relu"
    assert rows[2]["layer"] == "p1"


def test_rows_of_unequal_sides():
    network = nn.Sequential(nn.Conv2d(3, 2, (3, 5), (1, 2), (1, 0)), nn.ReLU(), nn.AvgPool2d(2, 1))
    rows = field_rows(layers(network, (20, 30)))
    same = {"stride": "1x2", "start": "-1x0", "whole_from": ""}
    assert rows[0] == {"layer": "1", "alias": "c1", "kind": "conv", "size": "3x5", **same}
    # one more position down is one px, across two
    assert rows[1] == {"layer": "2", "alias": "p1", "kind": "pool", "size": "4x7", **same}
    tall = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((1, None)))
    assert field_rows(layers(tall, (20, 30)))[1]["size"] == "wholex3"


def test_layers_leave_the_network_alone():
    network = networks.build("resnet18", 3, width=0.1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layers(network, 64)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


# The layers that the study shows


@pytest.mark.parametrize(
    ("name", "size", "aliases"),
    [
        ("resnet34", 64, ["max pool", "layer 3", "layer 7"]),
        ("plainnet34", 224, ["max pool", "layer 3", "layer 7"]),
        ("resnet34", 56, ["max pool", "layer 3"]),  # layer 7 sees 59 px
        ("vggcnn", 64, ["p1", "c4_1"]),
        ("alexcnn", 64, ["p1", "p2"]),
        ("fivecnn", 64, ["p1", "p4"]),
    ],
)
def test_overview_layers(name, size, aliases):
    known = layers(networks.build(name, classes=5, image_size=size, width=0.125), size)
    assert [layer.alias for layer in overview_layers(known, size)] == aliases


def test_layers_are_selected_by_word_and_by_name_each_once():
    known = layers(networks.build("vggcnn", classes=5, image_size=64, width=0.125), 64)
    wanted = ["first conv", "c1.1", "second conv", "last conv", "overview", "scores"]
    selected = [layer.alias for layer in select_layers(known, wanted, 64)]
    assert selected == ["c1_1", "c1_2", "c5_3", "p1", "c4_1", "fc8"]
    with pytest.raises(ReceptiveError, match="no layer 'third conv'"):
        select_layers(known, ["third conv"], 64)


@pytest.mark.parametrize("name", ["resnet34", "plainnet34"])
def test_comparable_layers_of_residual_networks_are_block_outputs(name):
    network = networks.build(name, 10, 64, 3)
    groups = comparable_layers(network, layers(network, 64))
    aliases = [[layer.alias for layer in group] for group in groups]
    # KS figure 2: 3, 4, 6 and 3 blocks of two layers each behind layer 1 and the pool
    assert aliases == [
        ["max pool", "layer 3", "layer 5", "layer 7"],
        [f"layer {k}" for k in range(9, 16, 2)],
        [f"layer {k}" for k in range(17, 28, 2)],
        [f"layer {k}" for k in range(29, 34, 2)],
    ]
    for group in groups:
        assert len({(layer.units, layer.map_size, layer.field.y.stride) for layer in group}) == 1


@pytest.mark.slow
def test_comparable_layers_of_chains_are_convolutions_without_a_pool_between():
    found = {}
    for name in ("vggcnn", "alexcnn", "digitcnn", "fivecnn"):
        size, channels = networks.default_image(name)
        network = networks.build(name, 10, size, channels)
        groups = comparable_layers(network, layers(network, size, channels))
        found[name] = [[layer.alias for layer in group] for group in groups]
    assert found["vggcnn"] == [
        ["c1_1", "c1_2"],
        ["c2_1", "c2_2"],
        ["c3_1", "c3_2", "c3_3"],
        ["c4_1", "c4_2", "c4_3"],
        ["c5_1", "c5_2", "c5_3"],
    ]
    assert found["alexcnn"] == [["c3", "c4"]]  # 384 units each; c5 has 256
    assert found["digitcnn"] == found["fivecnn"] == []
