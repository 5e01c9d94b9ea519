"""Images on their way to the device: from its own memory, or gathered and copied while it works on others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from receptive.loading import RowsOnDisk, Split

Item = TypeVar("Item")

_AHEAD = 3  # batches: one in work, one on its way, one being gathered
_RESIDENT_SHARE = 0.5  # of the free memory; the rest is for the network and its maps


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
        # on the CPU images that lie in a file stay there (loading.RowsOnDisk): only batches are read
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
