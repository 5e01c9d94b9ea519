"""Streaming top responses against one full sort; planted patches found where they were planted."""

import numpy as np
import pytest
import torch
from oracles import one_hot_conv
from torch import nn

from receptive.methods.preferred_stimuli import TopResponses, cut_patches
from receptive.methods.receptive_field.graph import receptive_fields

NOBODY = np.iinfo(np.int64).max


def full_sort(responses, numbers, top, hits_per_image):
    """All positions of all images in one list, sorted; image x unit x position in, three unit x top out."""
    units = responses.shape[1]
    value, image = np.full((units, top), -np.inf, np.float32), np.full((units, top), NOBODY)
    position = np.zeros((units, top), np.int64)
    for unit in range(units):
        ranked = []
        for row, number in enumerate(numbers):
            hits = sorted((-float(r), int(number), p) for p, r in enumerate(responses[row, unit]))
            ranked += hits[: hits_per_image or None]
        for rank, (negative, number, p) in enumerate(sorted(ranked)[:top]):
            value[unit, rank], image[unit, rank], position[unit, rank] = -negative, number, p
    return value, image, position


def largest_of(rows):
    """Of each map the greatest response and its first position."""
    largest = rows.amax(2)
    first = (rows == largest[..., None]).cpu().numpy().argmax(2)
    return largest, torch.from_numpy(first).int().to(rows.device)


def stream(responses, numbers, top, hits_per_image, batch, device="cpu"):
    found = TopResponses(responses.shape[1], top, hits_per_image, device)
    for i in range(0, len(responses), batch):
        rows = torch.from_numpy(responses[i : i + batch]).to(device)
        found.add(rows, *largest_of(rows), torch.from_numpy(numbers[i : i + batch]).to(device))
    return found


def assert_found(found, expected):
    value, image, position = expected
    np.testing.assert_array_equal(found.value.cpu().numpy(), value)
    np.testing.assert_array_equal(found.image.cpu().numpy(), image)
    seen = image != NOBODY  # where nothing was seen, the position says nothing
    np.testing.assert_array_equal(found.position.cpu().numpy()[seen], position[seen])


def some_responses(kind, images=19, units=4, positions=9, seed=0):
    rng = np.random.default_rng(seed)
    shape = (images, units, positions)
    responses = {
        "random": lambda: rng.normal(size=shape),
        "ties": lambda: rng.integers(0, 4, shape),
        "negative": lambda: -np.exp(rng.normal(size=shape)),
        "negative ties": lambda: -1.0 - rng.integers(0, 3, shape),
        "dead": lambda: np.zeros(shape),
        "signed zeros": lambda: np.where(rng.random(shape) < 0.5, 0.0, -0.0),
        "seldom": lambda: np.where(rng.random(shape) < 0.03, rng.integers(1, 3, shape), 0),
        "close": lambda: 1 + rng.integers(0, 5, shape) * 2.0**-23,  # differ in the last bit only
    }[kind]()
    return responses.astype(np.float32), rng.permutation(1000)[:images]


KINDS = ["random", "ties", "negative", "negative ties", "dead", "signed zeros", "seldom", "close"]


@pytest.mark.parametrize("batch", [1, 7, 19])
@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_streaming_equals_one_full_sort(kind, hits_per_image, batch):
    responses, numbers = some_responses(kind)
    expected = full_sort(responses, numbers, 6, hits_per_image)
    assert_found(stream(responses, numbers, 6, hits_per_image, batch), expected)


@pytest.mark.parametrize("device", ["cpu"] + ["cuda"] * torch.cuda.is_available())
@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("kind", ["ties", "dead", "seldom"])
def test_ties_in_large_maps(kind, hits_per_image, device):
    # sorting and searching without a promise about ties goes wrong here first, on a GPU more than elsewhere
    responses, numbers = some_responses(kind, images=3, units=2, positions=5000)
    expected = full_sort(responses, numbers, 8, hits_per_image)
    assert_found(stream(responses, numbers, 8, hits_per_image, 2, device), expected)


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("kind", ["random", "negative", "dead"])
def test_fewer_responses_than_asked_for(kind, hits_per_image):
    responses, numbers = some_responses(kind, images=3)
    expected = full_sort(responses, numbers, 40, hits_per_image)
    assert (expected[1] == NOBODY).any()
    for batch in (1, 3):
        assert_found(stream(responses, numbers, 40, hits_per_image, batch), expected)


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
def test_a_layer_without_a_map(hits_per_image):
    responses, numbers = some_responses("ties", positions=1)
    expected = full_sort(responses, numbers, 6, hits_per_image)
    assert_found(stream(responses, numbers, 6, hits_per_image, 4), expected)


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_images_does_not_matter(kind, hits_per_image):
    responses, numbers = some_responses(kind)
    expected = full_sort(responses, numbers, 6, hits_per_image)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(numbers))
        assert_found(stream(responses[order], numbers[order], 6, hits_per_image, 4), expected)


@pytest.mark.parametrize("hits_per_image", [1, 2, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_merged_shards_equal_the_whole(kind, hits_per_image):
    responses, numbers = some_responses(kind)
    expected = full_sort(responses, numbers, 6, hits_per_image)
    for seed, cuts in enumerate([(9,), (1, 2, 12), (5, 5, 18)]):  # the last has an empty shard
        order = np.random.default_rng(seed).permutation(len(numbers))
        shards = [stream(responses[rows], numbers[rows], 6, hits_per_image, 3) for rows in np.split(order, cuts)]
        kept = [(s.value.clone(), s.image.clone(), s.position.clone()) for s in shards]
        merged = TopResponses(responses.shape[1], 6, hits_per_image)
        for shard in shards:
            merged.merge(shard)
        assert_found(merged, expected)
        for shard, before in zip(shards, kept, strict=True):
            assert all(map(torch.equal, (shard.value, shard.image, shard.position), before))


def test_one_hit_an_image_is_the_default():
    responses, numbers = some_responses("random")
    found = TopResponses(4, 6)
    rows = torch.from_numpy(responses)
    found.add(rows, *largest_of(rows), torch.from_numpy(numbers))
    assert_found(found, full_sort(responses, numbers, 6, 1))
    assert all(len(set(images)) == 6 for images in found.image.tolist())


# Planted patches


def planted_images(places, channel, height, width, seed=0):
    """uint8 noise up to 100, image x y x x x channel; image n has one pixel of 250 - n at places[n]."""
    images = np.random.default_rng(seed).integers(0, 101, (len(places), height, width, 2)).astype(np.uint8)
    for n, (y, x) in enumerate(places):
        images[n, y, x, channel] = 250 - n
    return images


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "tap"),
    [(3, 1, 0, (1, 2)), (3, 1, 1, (0, 2)), (4, 2, 1, (3, 0)), (5, 2, 2, (2, 2)), (6, 3, 2, (5, 1))],
)
def test_planted_pixels_are_found_through_a_convolution(kernel, stride, padding, tap):
    height, width, channel = 13, 16, 1
    conv = one_hot_conv([(channel, *tap)], 2, kernel)
    conv.stride, conv.padding = (stride, stride), (padding, padding)
    network = nn.Sequential(conv)
    (node,) = (n for n in receptive_fields(network, (height, width), channels=2).values() if n.kind == "conv")
    rows, columns = node.map_size
    # the pixels that some position's tap falls on, from the definition of a convolution
    taps = {
        (y * stride - padding + tap[0], x * stride - padding + tap[1]): y * columns + x
        for y, x in np.ndindex(rows, columns)
    }
    taps = {pixel: at for pixel, at in taps.items() if 0 <= pixel[0] < height and 0 <= pixel[1] < width}
    places = sorted(taps)
    places = [places[i] for i in np.random.default_rng(1).permutation(len(places))[:10]] + [places[0], places[-1]]
    images = planted_images(places, channel, height, width)
    with torch.no_grad():
        responses = network(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    assert responses.shape[2:] == node.map_size

    found = TopResponses(1, len(places))
    flat = responses.flatten(2)
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(2))
    for part in order.split(5):
        found.add(flat[part], *largest_of(flat[part]), part)
    assert found.value[0].tolist() == [250.0 - n for n in range(len(places))]
    assert found.image[0].tolist() == list(range(len(places)))
    assert found.position[0].tolist() == [taps[place] for place in places]

    y, x = np.divmod(found.position[0].numpy(), columns)
    boxes = np.stack(node.field.box(y, x), 1)
    patches = cut_patches(images[found.image[0].numpy()], boxes, (node.field.y.size, node.field.x.size), outside=128)
    assert patches.shape == (len(places), kernel, kernel, 2)
    canvas = np.pad(images, ((0, 0), (9, 9), (9, 9), (0, 0)), constant_values=128)
    for n, (row, column) in enumerate(places):
        assert patches[n, tap[0], tap[1], channel] == 250 - n
        top, left = row - tap[0] + 9, column - tap[1] + 9
        np.testing.assert_array_equal(patches[n], canvas[n, top : top + kernel, left : left + kernel])


def test_a_planted_patch_is_found_by_its_matched_filter():
    rng = np.random.default_rng(0)
    template = rng.permutation(25).reshape(5, 5).astype(np.float32)
    template -= template.mean()
    images = rng.normal(size=(8, 1, 20, 22)).astype(np.float32)
    places = [(0, 0), (15, 17), (3, 12), (7, 7)]
    for n, (y, x) in enumerate(places):  # weaker in every further image
        images[n, 0, y : y + 5, x : x + 5] = template * (4 - 0.5 * n)
    conv = nn.Conv2d(1, 1, 5, bias=False)
    conv.weight.data[0, 0] = torch.from_numpy(template)
    with torch.no_grad():
        flat = conv(torch.from_numpy(images)).flatten(2)
    found = TopResponses(1, 4)
    found.add(flat, *largest_of(flat), torch.arange(8))
    assert found.image[0].tolist() == [0, 1, 2, 3]
    assert [divmod(p, 18) for p in found.position[0].tolist()] == places


# Cutting


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("outside", [0, 128, 255])
def test_patches_are_cut_as_from_a_padded_image(outside, channels):
    rng = np.random.default_rng(0)
    height, width, side = 9, 12, (4, 7)
    corners = [(y, x) for y in range(-6, 12) for x in range(-9, 15)]  # wholly inside to wholly outside
    images = rng.integers(0, 256, (len(corners), height, width, channels)).astype(np.uint8)
    boxes = np.array([(y, x, y + side[0], x + side[1]) for y, x in corners])
    patches = cut_patches(images, boxes, side, outside)
    assert patches.dtype == np.uint8
    canvas = np.pad(images, ((0, 0), (20, 20), (20, 20), (0, 0)), constant_values=outside)
    expected = [canvas[n, y + 20 : y + 24, x + 20 : x + 27] for n, (y, x) in enumerate(corners)]
    np.testing.assert_array_equal(patches, np.stack(expected))


def test_a_box_larger_than_the_image():
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1)
    (patch,) = cut_patches(image, np.array([(-1, -2, 4, 4)], np.int16), (5, 6), outside=9)
    expected = [
        [9, 9, 9, 9, 9, 9],
        [9, 9, 0, 1, 2, 9],
        [9, 9, 3, 4, 5, 9],
        [9, 9, 9, 9, 9, 9],
        [9, 9, 9, 9, 9, 9],
    ]
    assert patch[..., 0].tolist() == expected


def test_outside_is_grey_unless_told_otherwise():
    image = np.zeros((1, 2, 2, 3), np.uint8)
    (patch,) = cut_patches(image, np.array([(-1, 0, 1, 2)]), (2, 2))
    assert patch[0].tolist() == [[128] * 3] * 2
    assert patch[1].tolist() == [[0] * 3] * 2


def test_no_patches():
    patches = cut_patches(np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 4), int), (2, 3))
    assert patches.shape == (0, 2, 3, 3)
