"""Images of a prepared set as tensors, and their way to the device."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from receptive.datasets.prepared import Prepared
from receptive.networks.parts.normalisation import Normalisation, pixels
from receptive.parallel.workers import ALONE, Workers

Item = TypeVar("Item")

_AHEAD = 3  # batches: one in work, one on its way, one being gathered
_RESIDENT_SHARE = 0.5  # of the free memory; the rest is for the network and its maps


class RowsOnDisk:
    """Images that stay in their file and are read where they are asked for, like a tensor of bytes.

    Args:
        stored: image x y x x x channel, a memory map.
        numbers: which of them, int64.
    """

    def __init__(self, stored: np.ndarray, numbers: np.ndarray):
        self._stored, self._numbers = stored, numbers
        self.shape = torch.Size((len(numbers), *stored.shape[1:]))

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Copies of the rows that a tensor of numbers or a slice names."""
        numbers = self._numbers[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        return torch.from_numpy(np.ascontiguousarray(self._stored[numbers]))

    def numel(self) -> int:
        """How many bytes all would take."""
        return self.shape.numel()

    def to(self, device: torch.device | str) -> "Tensor | RowsOnDisk":
        """All of them on a device; for the CPU they stay where they are."""
        return self if torch.device(device).type == "cpu" else self[:].to(device)


@dataclass(frozen=True)
class Split:
    """Images of one split: numbers in the prepared set (int64), bytes (image x y x x x channel), labels (int64).

    ``size`` is the side of what a network sees, px, the images' centre view; None is all of them.
    """

    numbers: Tensor
    images: Tensor | RowsOnDisk
    labels: Tensor
    size: int | None = None


MOST_IN_MEMORY = 2**30
"""Bytes of a split that are read at once; a larger one stays on the disk."""


def read_split(prepared: Prepared, name: str, surround: bool = False) -> Split:
    """The split ("train" or "validation") in the order of the labels, in memory unless it is large.

    Args:
        surround: with all that is stored around the views, where there is more, for random crops.
    """
    rows = prepared.labels[prepared.labels["split"] == name]
    numbers = rows["image"].to_numpy()
    more = surround and prepared.surround is not None
    images = RowsOnDisk(prepared.surround if more else prepared.images, numbers)
    return Split(
        torch.from_numpy(numbers.copy()),
        images if images.numel() > MOST_IN_MEMORY else images[:],
        torch.from_numpy(rows["label"].to_numpy().copy()),
        prepared.images.shape[1] if more else None,
    )


def ahead(items: Iterable[Item], depth: int = _AHEAD) -> Iterator[Item]:
    """The same items, made in a thread of their own up to ``depth`` before they are asked for.

    An exception of ``items`` is raised where its item would have come. When the reader stops early, so does
    the thread.
    """
    made: queue.Queue = queue.Queue(depth)
    enough = threading.Event()

    def put(entry) -> bool:
        while not enough.is_set():
            try:
                made.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except BaseException as error:  # handed to the reader, whatever it is
            put((None, error))

    thread = threading.Thread(target=make, daemon=True, name="feeding")
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        enough.set()
        thread.join()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on the device that does not stop the host: through pinned memory where the device is a GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Batches:
    """One pass over a split, in order: ``(numbers, pixels)`` a batch, on the device.

    Args:
        prepared: the prepared set; only one batch of it is in memory at a time.
        split: "train" or "validation".
        batch_size: images a batch; the last one may hold fewer.
        device: where the pixels go.
        first: how many images of the split, from its first on; None is all.
        workers: where several processes share the pass, each takes every so-manieth batch; the batches are the same.

    Yields:
        The images' numbers (int64) and their pixels in [0, 1], image x channel x y x x.
    """

    def __init__(
        self,
        prepared: Prepared,
        split: str,
        batch_size: int,
        device: torch.device | str = "cpu",
        first: int | None = None,
        workers: Workers = ALONE,
    ):
        self.images = prepared.images
        labels = prepared.labels
        self.numbers = labels.loc[labels["split"] == split, "image"].to_numpy()[:first]
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.workers = workers

    @property
    def _starts(self) -> range:
        """The first row of each of this process's batches; worked out anew, for ``numbers`` may be reduced."""
        return range(self.workers.rank * self.batch_size, len(self.numbers), self.workers.size * self.batch_size)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        read = map(self._read, self._starts)
        for numbers, images in ahead(read) if self.device.type == "cuda" else read:
            yield numbers, pixels(images)

    def _read(self, start: int) -> tuple[Tensor, Tensor]:
        numbers = self.numbers[start : start + self.batch_size]
        images = torch.from_numpy(np.ascontiguousarray(self.images[numbers]))
        return torch.from_numpy(numbers.copy()), to_device(images, self.device)


def normalised(batches, normalisation: Normalisation) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches as the network sees them."""
    for numbers, seen in batches:
        yield numbers, normalisation(seen)


class Feed:
    """The images and labels of a split on a device, batch by batch; ``size`` as in the split.

    Args:
        split: its images are bytes in the host's memory, or in a file that is mapped there.
        device: where batches are wanted.
        resident: keep the whole split there; "auto": where it fills at most half of the free memory of a GPU.
    """

    def __init__(self, split: Split, device: torch.device, resident: Literal["auto"] | bool = "auto"):
        self.device = device
        self.resident = device.type == "cuda" and (self._fits(split.images) if resident == "auto" else resident)
        home = device if self.resident else torch.device("cpu")
        # on the CPU images that lie in a file stay there (``RowsOnDisk``): only batches are read
        self.images, self.labels = split.images.to(home), split.labels.to(home)
        self.size = split.size

    def _fits(self, images: Tensor | RowsOnDisk) -> bool:
        free, _ = torch.cuda.mem_get_info(self.device)
        return images.numel() <= _RESIDENT_SHARE * free

    def batches(self, rows: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """For each tensor of row numbers the images (bytes, image x y x x x channel) and labels, on the device."""
        if self.device.type == "cpu":  # nothing to wait for
            return (self._gathered(batch) for batch in rows)
        if self.resident:
            return (self._gathered(to_device(batch, self.device)) for batch in rows)
        return ahead(tuple(to_device(part, self.device) for part in self._gathered(batch)) for batch in rows)

    def _gathered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], self.labels[rows]
