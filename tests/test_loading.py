"""Splits, views and batches of prepared sets, in memory and on the disk, and their way to the device."""

import threading
import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from recipes import recipe
from torch import nn
from toys import shuffled

from receptive import loading
from receptive.artifacts.prepared import read_prepared, write_prepared
from receptive.datasets.prepared import Origin, prepare
from receptive.datasets.statistics import pixel_statistics
from receptive.loading import Feed, RowsOnDisk, Split, prefetched, read_split
from receptive.measurements.batches import Batches
from receptive.networks.parts.normalisation import Normalisation
from receptive.training import loop as training
from receptive.training.augmentation import augment, centre, resized_crops

CPU = torch.device("cpu")


def prepared_set(folder, images=24, side=12, view=8):
    """A written set with surround; every third image is validation, one is missing in the labels."""
    stored = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    labels = pd.DataFrame({"image": np.arange(images, dtype=np.int64), "label": np.arange(images) % 2})
    labels["split"] = np.where(labels["image"] % 3 == 2, "validation", "train")
    labels["class_name"] = np.array(["a", "b"], dtype=object)[labels["label"]]
    margin = (side - view) // 2
    views = stored[:, margin : side - margin, margin : side - margin]
    made = replace(prepare("toy", views, labels.drop(3), ("a", "b")), surround=stored if margin else None)
    write_prepared(made, folder / "toy")
    return read_prepared("toy", folder / "toy"), stored


def test_views_are_the_centres_of_what_is_stored(tmp_path):
    prepared, stored = prepared_set(tmp_path)
    np.testing.assert_array_equal(prepared.images, stored[:, 2:10, 2:10])
    np.testing.assert_array_equal(prepared.surround, stored)
    assert isinstance(prepared.surround, np.memmap)
    assert prepared.mean_image.shape == (8, 8, 3)
    seen = [pixels for _, pixels in Batches(prepared, "validation", 5)]
    np.testing.assert_allclose(torch.cat(seen).permute(0, 2, 3, 1), stored[2::3, 2:10, 2:10] / 255, atol=1e-6)


@pytest.mark.parametrize("most", [0, 2**30])
def test_splits_are_the_same_on_the_disk_and_in_memory(tmp_path, monkeypatch, most):
    prepared, stored = prepared_set(tmp_path)
    monkeypatch.setattr(loading, "MOST_IN_MEMORY", most)
    rows = [i for i in range(24) if i % 3 != 2 and i != 3]
    for surround, expected, size in ((True, stored, 8), (False, stored[:, 2:10, 2:10], None)):
        split = read_split(prepared, "train", surround)
        assert isinstance(split.images, RowsOnDisk) == (most == 0)
        assert split.size == size
        assert split.numbers.tolist() == rows
        assert split.labels.tolist() == [i % 2 for i in rows]
        assert split.images.shape == (len(rows), *expected.shape[1:])
        assert split.images.numel() == len(rows) * expected[0].size
        some = torch.tensor([5, 0, 5, 14])
        np.testing.assert_array_equal(split.images[some], expected[[rows[i] for i in some]])
        np.testing.assert_array_equal(split.images[3:7], expected[rows[3:7]])
        np.testing.assert_array_equal(split.images.to("cpu")[:], expected[rows])


def test_a_set_without_surround_has_none(tmp_path):
    prepared, _ = prepared_set(tmp_path, view=12)
    assert prepared.surround is None
    split = read_split(prepared, "train", surround=True)
    assert split.size is None
    assert split.images.shape[1:] == (12, 12, 3)


# Crops of what lies around the view


def literal(image, box, size):
    """A box of one image (channel x y x x) resized to ``size`` px, pixel by pixel; see test_augmentation."""
    top, left, h, w = (float(number) for number in box)
    _, height, width = image.shape
    out = np.zeros((len(image), size, size))
    for i in range(size):
        for j in range(size):
            y = min(max(top + (i + 0.5) * h / size - 0.5, 0), height - 1)
            x = min(max(left + (j + 0.5) * w / size - 0.5, 0), width - 1)
            y0, x0 = min(int(y), height - 2), min(int(x), width - 2)
            weights = np.outer([1 - (y - y0), y - y0], [1 - (x - x0), x - x0])
            out[:, i, j] = (image[:, y0 : y0 + 2, x0 : x0 + 2] * weights).sum((1, 2))
    return out


def test_crops_reach_the_whole_of_a_larger_image():
    images = torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    boxes = torch.tensor([[0.0, 0, 12, 12], [1, 5, 6, 7], [4, 0, 8, 8]], dtype=torch.float64)
    seen = resized_crops(images, boxes, torch.zeros(3, dtype=torch.bool), 8)
    for out, image, box in zip(seen, images, boxes, strict=True):
        np.testing.assert_allclose(out, literal(image.numpy(), box, 8), atol=1e-12)


def test_boxes_are_drawn_in_the_larger_image():
    """A ramp tells where a crop came from: over many draws both edges of the stored image are seen."""
    ramp = torch.arange(12.0).expand(400, 1, 12, 12)
    seen = augment(ramp, torch.Generator().manual_seed(0), (0.08, 1.0), flip=False, size=8)
    assert seen.shape == (400, 1, 8, 8)
    assert seen.min() < 0.3
    assert seen.max() > 10.7


def test_without_crops_the_centre_view_is_seen():
    images = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert augment(images, torch.Generator().manual_seed(0), None, flip=False, size=8).equal(images[:, :, 2:10, 2:10])
    assert centre(images, None) is images
    flipped = augment(images, torch.Generator().manual_seed(0), None, flip=True, size=8)
    for out, view in zip(flipped, images[:, :, 2:10, 2:10], strict=True):
        assert out.equal(view) or out.equal(view.flip(2))


@pytest.mark.parametrize("area", [None, [0.3, 1.0]])
def test_training_is_the_same_on_the_disk_and_in_memory(tmp_path, monkeypatch, area):
    prepared, _ = prepared_set(tmp_path)
    normalisation = Normalisation.fit(
        "subtract_mean_image", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image
    )
    histories = []
    for most in (0, 2**30):
        monkeypatch.setattr(loading, "MOST_IN_MEMORY", most)
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))  # fits images of 8 px and no others
        train, validation = read_split(prepared, "train", True), read_split(prepared, "validation")
        before = training.before_training(net, normalisation, train, 4, torch.Generator().manual_seed(0))
        assert all(before[name].equal(value) for name, value in net.state_dict().items())
        chosen = recipe(epochs=2, flip=True, crop_area=area)
        history = training.train(net, normalisation, train, validation, chosen, 0, CPU)
        histories.append([(row["loss"], row["top1"]) for row in history])
    assert histories[0] == histories[1]


def test_batch_norms_before_training_see_the_view(tmp_path):
    prepared, stored = prepared_set(tmp_path)
    normalisation = Normalisation.fit("scale", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    train = read_split(prepared, "train", True)
    state = training.before_training(nn.BatchNorm2d(3), normalisation, train, 15, torch.Generator().manual_seed(0))
    views = stored[train.numbers.numpy()][:, 2:10, 2:10] / 255
    np.testing.assert_allclose(state["running_mean"], views.mean((0, 1, 2)), rtol=1e-5)


# Memory


def write_large(folder, images, side=48):
    """A set of ``images`` black pictures without ever holding them."""
    stored = np.lib.format.open_memmap(folder / "decoded.npy", "w+", np.uint8, (images, side, side, 3))
    labels = pd.DataFrame({"image": np.arange(images, dtype=np.int64), "label": np.arange(images) % 2})
    labels["split"] = np.where(labels["image"] % 3 == 2, "validation", "train")
    labels["class_name"] = np.array(["a", "b"], dtype=object)[labels["label"]]
    files = pd.DataFrame({"image": labels["image"], "file": "x"})
    prepared = prepare("toy", stored, labels, ("a", "b"))
    return replace(prepared, origin=Origin(files, files.iloc[:0], "0", folder / "decoded.npy"))


def test_memory_does_not_grow_with_the_number_of_images(tmp_path, monkeypatch):
    """Preparing, writing, reading, and a pass over both splits: ten times the images, the same memory."""
    smaller = partial(pixel_statistics, chunk_values=2**18)  # images of this test would fit in one chunk
    monkeypatch.setattr("receptive.datasets.prepared.pixel_statistics", smaller)
    monkeypatch.setattr(loading, "MOST_IN_MEMORY", 2**20)
    peaks = []
    for images in (100, 400, 4000):  # the first warms up; then 2.8 MB and 28 MB of pixels
        folder = tmp_path / str(images)
        folder.mkdir()
        tracemalloc.start()
        write_prepared(write_large(folder, images), folder / "toy")
        prepared = read_prepared("toy", folder / "toy")
        split = read_split(prepared, "train", True)
        for start in range(0, len(split.labels), 20):
            split.images[torch.arange(start, min(start + 20, len(split.labels)))]
        for _, _pixels in Batches(prepared, "validation", 20):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 2**21, peaks  # labels and names grow: some hundred bytes an image


# Batches


@pytest.fixture(scope="module")
def toy():
    return shuffled()


def test_splits_follow_the_labels(toy):
    for name, numbers in (("train", [7, 9, 0, 8]), ("validation", [2, 4, 1, 3])):
        split = read_split(toy, name)
        assert split.numbers.tolist() == numbers
        assert split.labels.tolist() == [n % 2 for n in numbers]
        assert split.numbers.dtype == split.labels.dtype == torch.int64
        np.testing.assert_array_equal(split.images, toy.images[numbers])


# On the way to the device


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order(depth):
    assert list(prefetched(range(50), depth)) == list(range(50))
    assert list(prefetched([], depth)) == []
    assert threads() == []


def test_items_are_made_before_they_are_asked_for():
    made, third = [], threading.Event()

    def items():
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    reader = prefetched(items(), 2)
    assert next(reader) == 0
    assert third.wait(10)  # one given, two waiting, one in the hand: no more than that
    assert max(made) <= 3
    reader.close()
    assert threads() == []


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise OSError("gone")

    reader = prefetched(items())
    assert next(reader) == 1
    with pytest.raises(OSError, match="gone"):
        next(reader)
    assert threads() == []


def test_batches_are_the_rows():
    split = Split(torch.arange(9), torch.arange(9 * 12).view(9, 2, 2, 3).to(torch.uint8), torch.arange(9) % 4)
    rows = [torch.tensor(batch) for batch in ([3, 1], [8, 0, 5], [2])]
    feed = Feed(split, CPU, resident=True)
    assert not feed.resident  # the host's memory is the device's
    for batch, (images, labels) in zip(rows, feed.batches(rows), strict=True):
        assert torch.equal(images, split.images[batch])
        assert torch.equal(labels, split.labels[batch])


def test_on_the_cpu_images_that_lie_on_the_disk_stay_there(tmp_path):
    """Only the rows of each batch are read; the split's side of view goes with it."""
    stored = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (9, 2, 2, 3))
    stored[:] = np.arange(9 * 12).reshape(stored.shape)
    asked = []

    class Watched(RowsOnDisk):
        def __getitem__(self, rows):
            asked.append(rows)
            return super().__getitem__(rows)

    numbers = np.array([8, 6, 4, 2, 0])
    feed = Feed(Split(torch.from_numpy(numbers), Watched(stored, numbers), torch.arange(5), size=1), CPU)
    assert (feed.size, feed.resident, asked) == (1, False, [])
    rows = [torch.tensor([3, 1]), torch.tensor([4])]
    for batch, (images, labels) in zip(rows, feed.batches(rows), strict=True):
        assert torch.equal(images, torch.from_numpy(stored[numbers[batch]]).view_as(images))
        assert torch.equal(labels, batch)
    assert asked == rows


@pytest.mark.parametrize(("free", "fits"), [(99, False), (100, True)])
def test_what_fills_half_of_the_memory_is_kept_there(monkeypatch, free, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    feed = Feed.__new__(Feed)
    feed.device = torch.device("cuda")
    assert feed._fits(torch.zeros(50, dtype=torch.uint8)) is fits
