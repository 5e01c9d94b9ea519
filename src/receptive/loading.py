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

Item = TypeVar("Item")

MOST_IN_MEMORY = 2**30
"""Bytes of a split that are read into memory; a larger split stays on the disk."""
_PREFETCHED = 3  # batches: one in work, one on its way, one being gathered
_RESIDENT_SHARE = 0.5  # of the free memory; the rest is for the network and its maps


class RowsOnDisk:
    """Images that stay in their file and are read where they are asked for, like a tensor of bytes.

    Args:
        stored: Image x y x x x channel, a memory map.
        numbers: The rows of ``stored`` that are the images, int64.
    """

    def __init__(self, stored: np.ndarray, numbers: np.ndarray):
        self._stored, self._numbers = stored, numbers
        self.shape = torch.Size((len(numbers), *stored.shape[1:]))

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Copies of the rows that a tensor of numbers or a slice names."""
        numbers = self._numbers[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        return torch.from_numpy(np.ascontiguousarray(self._stored[numbers]))

    def numel(self) -> int:
        """The number of bytes of all images."""
        return self.shape.numel()

    def to(self, device: torch.device | str) -> "Tensor | RowsOnDisk":
        """All images on a device; for the CPU they stay in their file."""
        return self if torch.device(device).type == "cpu" else self[:].to(device)


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes:
        numbers: Of the images in the prepared set, int64.
        images: Bytes, image x y x x x channel.
        labels: int64.
        size: Side of the images' centre view, px, which is what a network sees; None: the whole image.
    """

    numbers: Tensor
    images: Tensor | RowsOnDisk
    labels: Tensor
    size: int | None = None


def read_split(prepared: Prepared, name: str, surround: bool = False) -> Split:
    """The split ("train" or "validation") in the order of the labels, in memory unless it is large.

    Args:
        prepared: The prepared set.
        name: The split.
        surround: Reads all that is stored around the views, where there is more, for random crops.
    """
    rows = prepared.labels[prepared.labels["split"] == name]
    numbers = rows["image"].to_numpy()
    size = None
    stored = prepared.images
    if surround and prepared.surround is not None:
        stored, size = prepared.surround, prepared.images.shape[1]
    images = RowsOnDisk(stored, numbers)
    return Split(
        torch.from_numpy(numbers.copy()),
        images if images.numel() > MOST_IN_MEMORY else images[:],
        torch.from_numpy(rows["label"].to_numpy().copy()),
        size,
    )


def prefetched(items: Iterable[Item], depth: int = _PREFETCHED) -> Iterator[Item]:
    """The same items, made in a thread of their own, up to ``depth`` of them before they are asked for.

    An exception of ``items`` is raised where its item would have come. When the reader stops early, so does
    the thread.
    """
    made: queue.Queue = queue.Queue(depth)
    enough = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None]) -> bool:
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

    thread = threading.Thread(target=make, daemon=True, name="prefetch")
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
    """A copy on the device; for a GPU through pinned memory, so that the host does not wait."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Feed:
    """The images and labels of a split on a device, batch by batch; ``size`` as in the split.

    Args:
        split: Its images are bytes in the host's memory, or in a file that is mapped there.
        device: The device of the batches.
        resident: Keeps the whole split on the device; "auto": where it fills at most half of a GPU's free memory.
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
        return prefetched(self._moved(batch) for batch in rows)

    def _gathered(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.images[rows], self.labels[rows]

    def _moved(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = self._gathered(rows)
        return to_device(images, self.device), to_device(labels, self.device)
