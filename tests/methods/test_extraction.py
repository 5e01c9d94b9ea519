"""One pass over the images against a loop that looks at every image, layer, unit and position."""

import gc
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch
from oracles import sliding_conv, with_integers
from torch import nn

from receptive.methods.extraction import Extraction
from receptive.methods.response_histogram import histogram_edges

LAYERS = {"relu1": 4, "pool": 4, "conv2": 3, "mean": 3, "relu3": 6, "fc": 5}
IMAGES, TOP = 13, 4


def small_network():
    """Weights and images of whole numbers: float32 makes no rounding errors, and ties abound."""
    parts = OrderedDict(
        conv1=nn.Conv2d(2, 4, 3, stride=2, padding=1),
        relu1=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(4, 3, (2, 1)),
        mean=nn.AdaptiveAvgPool2d((1, 2)),
        flat=nn.Flatten(),
        fc1=nn.Linear(6, 6),
        relu3=nn.ReLU(inplace=True),
        fc=nn.Linear(6, 5),
    )
    return with_integers(nn.Sequential(parts), seed=3)


def some_images(count=IMAGES):
    return torch.randint(-3, 4, (count, 2, 11, 15), generator=torch.Generator().manual_seed(1)).float()


def literal(network, image):
    """Responses of every layer to one image, unit x position, by loops in float64."""
    conv1 = sliding_conv(image, network.conv1)
    relu1 = np.maximum(conv1, 0)
    pool = np.zeros((4, 3, 4))
    for y, x in np.ndindex(3, 4):
        pool[:, y, x] = relu1[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max((1, 2))
    conv2 = sliding_conv(pool, network.conv2)  # 2 x 4
    mean = np.stack([conv2[:, :, :2].mean((1, 2)), conv2[:, :, 2:].mean((1, 2))], 1)
    fc1 = network.fc1.weight.detach().double().numpy() @ mean.ravel() + network.fc1.bias.detach().double().numpy()
    relu3 = np.maximum(fc1, 0)
    fc = network.fc.weight.detach().double().numpy() @ relu3 + network.fc.bias.detach().double().numpy()
    found = {"relu1": relu1, "pool": pool, "conv2": conv2, "mean": mean, "relu3": relu3, "fc": fc}
    return {layer: found[layer].reshape(units, -1) for layer, units in LAYERS.items()}


def batches(images, size, order=None, numbers=None):
    """Pairs of numbers and images; image n of the set has the number 7 n + 2, unless told otherwise."""
    order = np.arange(len(images)) if order is None else order
    numbers = 7 * np.arange(len(images)) + 2 if numbers is None else numbers
    for i in range(0, len(order), size):
        rows = order[i : i + size]
        yield torch.from_numpy(numbers[rows]), images[rows]


def extract(network, images, size, hits_per_image=1, order=None):
    extraction = Extraction(network, LAYERS, TOP, hits_per_image)
    extraction.run(batches(images, size, order))
    return extraction


def state(extraction):
    """Every tensor that the pass leaves behind, by name."""
    parts = {f"statistics {layer}": part for layer, part in extraction.statistics.items()}
    parts |= {f"top {layer}": part for layer, part in extraction.top.items()}
    return {
        f"{name} {key}": value
        for name, part in parts.items()
        for key, value in vars(part).items()
        if isinstance(value, torch.Tensor)
    }


def assert_same(a, b):
    tensors, others = state(a), state(b)
    assert list(tensors) == list(others)
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name
    for layer in LAYERS:
        assert a.statistics[layer].images == b.statistics[layer].images
        assert a.statistics[layer].positions == b.statistics[layer].positions
        for mine, other in zip(a.zeros[layer].result(), b.zeros[layer].result(), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
def test_against_a_loop_over_images(hits_per_image):
    network, images = small_network(), some_images()
    extraction = extract(network, images, 4, hits_per_image)
    by_image = [literal(network, image) for image in images.numpy()]
    edges, ties = histogram_edges(), 0
    for layer, units in LAYERS.items():
        statistics, top = extraction.statistics[layer], extraction.top[layer]
        columns = statistics.columns()
        numbers, zeros = extraction.zeros[layer].result()
        assert numbers.tolist() == [7 * n + 2 for n in range(IMAGES)]
        assert zeros.tolist() == [(found[layer] == 0).mean() for found in by_image]
        for unit in range(units):
            responses = np.stack([found[layer][unit] for found in by_image])  # image x position
            assert columns["unit"][unit] == unit
            assert (columns["images"][unit], columns["positions"][unit]) == responses.shape
            assert statistics.total[unit] == responses.sum()
            assert columns["mean"][unit] == np.float32(responses.mean())
            assert columns["max"][unit] == responses.max()
            assert columns["zero_fraction"][unit] == pytest.approx((responses == 0).mean(), rel=1e-15)
            assert columns["positive_images"][unit] == (responses > 0).any(1).sum()
            # numbers that are not zero and lie on no edge go where numpy puts them
            plain = responses[~np.isin(responses, edges)]
            rest = statistics.histogram[unit].numpy() - np.histogram(plain, edges)[0]
            assert (rest >= 0).all()
            assert rest.sum() == responses.size - plain.size

            ranked = []
            for n, row in enumerate(responses):
                hits = sorted((-value, 7 * n + 2, position) for position, value in enumerate(row))
                ranked += hits[: hits_per_image or None]
            ranked = sorted(ranked)[:TOP]
            got = zip(-top.value[unit], top.image[unit], top.position[unit], strict=True)
            assert [(float(v), int(i), int(p)) for v, i, p in got] == ranked
            ties += len({value for value, *_ in ranked}) < TOP
    assert ties > 3  # the order among equals was put to the test


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("hits_per_image", [1, 0])
def test_the_batch_size_does_not_matter(size, hits_per_image):
    network, images = small_network(), some_images()
    whole = extract(network, images, IMAGES, hits_per_image)
    assert_same(extract(network, images, size, hits_per_image), whole)


def test_the_order_of_images_does_not_matter():
    network, images = small_network(), some_images()
    order = np.random.default_rng(0).permutation(IMAGES)
    assert_same(extract(network, images, 3, order=order), extract(network, images, IMAGES))


def test_two_runs_go_on_where_the_first_ended():
    network, images = small_network(), some_images()
    rows = np.arange(IMAGES)
    extraction = extract(network, images, 4, order=rows[:6])
    extraction.run(batches(images, 4, rows[6:]))
    assert_same(extraction, extract(network, images, 4))


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("cut", [0, 1, 6])
def test_merged_halves_equal_the_whole(cut, hits_per_image):
    network, images = small_network(), some_images()
    rows = np.random.default_rng(1).permutation(IMAGES)
    first = extract(network, images, 4, hits_per_image, rows[:cut])
    second = extract(network, images, 3, hits_per_image, rows[cut:])
    first.merge(second)
    assert_same(first, extract(network, images, IMAGES, hits_per_image))


def test_channels_last_and_plain_images_give_the_same():
    network, images = small_network(), some_images()
    last = images.contiguous(memory_format=torch.channels_last)
    assert_same(extract(network, last, 4), extract(network, images, 4))


@pytest.mark.slow
def test_no_map_outlives_its_batch():
    network, images = small_network(), some_images(24)
    outputs = []
    for module in network:
        module.register_forward_hook(lambda module, inputs, output: outputs.append(weakref.ref(output)))
    alive, done = [], []

    def watched(rows):
        for batch in batches(images[:rows], 4):
            gc.collect()
            done.append(len(outputs))
            alive.append(sum(output() is not None for output in outputs))
            yield batch

    sizes = []
    for rows in (4, 24):
        extraction = Extraction(network, LAYERS, TOP, 1)
        extraction.run(watched(rows))
        sizes.append({name: tensor.untyped_storage().nbytes() for name, tensor in state(extraction).items()})
    assert alive == [0] * 7
    assert done == [n * len(network) for n in (0, 1, 2, 3, 4, 5, 6)]  # each batch before the next is asked for
    assert sizes[0] == sizes[1]
    # nothing is a view of something larger
    for name, tensor in state(extraction).items():
        assert sizes[1][name] == tensor.numel() * tensor.element_size(), name


def test_the_network_is_left_as_it_was():
    network, images = small_network(), some_images()
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def broken():
        yield from batches(images[:4], 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Extraction(network, LAYERS, TOP, 1).run(broken())
    extract(network, images, 4)
    for module in network.modules():
        assert not module._forward_hooks
        assert "forward" not in module.__dict__
        assert not module.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.is_grad_enabled()
    assert not any(tensor.requires_grad for tensor in state(extract(network, images, 4)).values())


@pytest.mark.parametrize("hits_per_image", [1, 0])
def test_one_graph_gives_what_hooks_give(monkeypatch, hits_per_image):
    """With ``torch.compile`` standing aside: it may round otherwise, the graph that it is given may not."""
    given = []
    monkeypatch.setattr(torch, "compile", lambda module, **options: given.append(options) or module)
    network = with_integers(small_network())
    for module in network:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    compiled = Extraction(network, LAYERS, TOP, hits_per_image, compiled=True)
    compiled.run(batches(some_images(), 4))
    assert given == [{"dynamic": False}]
    assert_same(compiled, extract(network, some_images(), 4, hits_per_image))


def test_a_network_that_cannot_be_traced_is_read_by_hooks(monkeypatch):
    class Branching(nn.Sequential):
        def forward(self, x):
            return super().forward(x) if x.sum() > -1e9 else x

    network = small_network()
    branching = Branching(OrderedDict(network.named_children()))
    monkeypatch.setattr(torch, "compile", None)
    for module in (branching, network):  # and what works in place would spoil a response that was already made
        extraction = Extraction(module, LAYERS, TOP, 1, compiled=True)
        extraction.run(batches(some_images(), 4))
        assert_same(extraction, extract(network, some_images(), 4))


@pytest.mark.parametrize("cut", [1, 6])
def test_a_state_carries_everything(cut):
    """As it travels between processes: only tensors by name."""
    network, images = small_network(), some_images()
    rows = np.arange(IMAGES)
    first, second = extract(network, images, 4, order=rows[:cut]), extract(network, images, 4, order=rows[cut:])
    first.merge_state({name: tensor.clone() for name, tensor in second.state().items()})
    assert_same(first, extract(network, images, IMAGES))
    assert Extraction(network, LAYERS, TOP, 1).state() == {}


def test_a_fresh_pass_is_empty_and_not_compiled_anew(monkeypatch):
    compiled, called = [], []
    monkeypatch.setattr(
        torch, "compile", lambda module, **_: compiled.append(1) or (lambda *given: called.append(1) or module(*given))
    )
    network, images = with_integers(small_network()), some_images()
    for module in network:
        if isinstance(module, nn.ReLU):
            module.inplace = False
    first = Extraction(network, LAYERS, TOP, 2, compiled=True)
    first.run(batches(images, 4))
    before = {name: tensor.clone() for name, tensor in first.state().items()}
    second = first.fresh()
    assert second.state() == {}
    called.clear()
    second.run(batches(images, 4))
    assert (len(compiled), len(called)) == (1, 4)
    assert_same(second, first)
    assert all(torch.equal(first.state()[name], tensor) for name, tensor in before.items())
