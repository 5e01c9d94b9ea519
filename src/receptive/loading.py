"""Images of a prepared set as tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from receptive.datasets.prepared import Prepared
from receptive.distributed import ALONE, Workers
from receptive.feeding import ahead, to_device
from receptive.networks.normalisation import Normalisation, pixels


@dataclass(frozen=True)
class Split:
    """Images of one split: numbers in the prepared set (int64), bytes (image x y x x x channel), labels (int64)."""

    numbers: Tensor
    images: Tensor
    labels: Tensor


def read_split(prepared: Prepared, name: str) -> Split:
    """The split ("train" or "validation") in memory, in the order of the labels."""
    rows = prepared.labels[prepared.labels["split"] == name]
    numbers = rows["image"].to_numpy()
    return Split(
        torch.from_numpy(numbers.copy()),
        torch.from_numpy(np.ascontiguousarray(prepared.images[numbers])),
        torch.from_numpy(rows["label"].to_numpy().copy()),
    )


class Batches:
    """One pass over a split, in order: ``(numbers, pixels)`` a batch, on the device.

    Args:
        prepared: the prepared set; only one batch of it is in memory at a time.
        split: "train" or "validation".
        batch_size: images a batch; the last one may hold fewer.
        device: where the pixels go.
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
        workers: Workers = ALONE,
    ):
        self.images = prepared.images
        labels = prepared.labels
        self.numbers = labels.loc[labels["split"] == split, "image"].to_numpy()
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
