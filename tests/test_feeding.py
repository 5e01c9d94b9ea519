"""Images on their way to the device: the same rows whichever way they go, and no thread left behind."""

import threading

import numpy as np
import pytest
import torch

from receptive.loading import Feed, RowsOnDisk, Split, ahead
from receptive.parallel.device import wants_compiling

CPU = torch.device("cpu")


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "feeding"]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order(depth):
    assert list(ahead(range(50), depth)) == list(range(50))
    assert list(ahead([], depth)) == []
    assert threads() == []


def test_items_are_made_before_they_are_asked_for():
    made, third = [], threading.Event()

    def items():
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    reader = ahead(items(), 2)
    assert next(reader) == 0
    assert third.wait(10)  # one given, two waiting, one in the hand: no more than that
    assert max(made) <= 3
    reader.close()
    assert threads() == []


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise OSError("gone")

    reader = ahead(items())
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


def test_compiling_is_for_gpus_unless_chosen():
    assert wants_compiling("auto", torch.device("cuda"))
    assert not wants_compiling("auto", CPU)
    assert wants_compiling(True, CPU)
    assert not wants_compiling(False, torch.device("cuda"))
