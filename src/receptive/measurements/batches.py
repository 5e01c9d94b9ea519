"""One pass over a split, batch by batch: what the responses of a network are measured on."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from receptive.datasets.prepared import Prepared
from receptive.loading import prefetched, to_device
from receptive.networks.parts.normalisation import Normalisation, pixels
from receptive.parallel.workers import ALONE, Workers


class Batches:
    """One pass over a split, in order: ``(numbers, pixels)`` per batch, on the device.

    Args:
        prepared: The prepared set; only one batch of it is in memory at a time.
        split: "train" or "validation".
        batch_size: Images per batch; the last batch may hold fewer.
        device: The device of the pixels.
        first: Number of images of the split, from its first on; None: all.
        workers: The processes that share the pass. Of n processes each takes every n-th batch; the batches are the
            same as of one process.

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
        """The first row of each batch of this process; worked out anew, for ``numbers`` may be reduced."""
        return range(self.workers.rank * self.batch_size, len(self.numbers), self.workers.size * self.batch_size)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        read = map(self._read, self._starts)
        for numbers, images in prefetched(read) if self.device.type == "cuda" else read:
            yield numbers, pixels(images)

    def _read(self, start: int) -> tuple[Tensor, Tensor]:
        numbers = self.numbers[start : start + self.batch_size]
        images = torch.from_numpy(np.ascontiguousarray(self.images[numbers]))
        return torch.from_numpy(numbers.copy()), to_device(images, self.device)


def normalised(
    batches: Iterable[tuple[Tensor, Tensor]], normalisation: Normalisation
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches as the network sees them: (numbers, normalised images)."""
    for numbers, images in batches:
        yield numbers, normalisation(images)
