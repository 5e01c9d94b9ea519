"""Images of a prepared set as tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from receptive.datasets.prepared import Prepared
from receptive.feeding import ahead, to_device
from receptive.networks.parts.normalisation import Normalisation, pixels
from receptive.parallel.workers import ALONE, Workers


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
