"""One pass over a set of images that gathers, for every layer at once, statistics and top responses."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from receptive.methods.capture import capture
from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.unit_statistics import UnitStatistics
from receptive.methods.zero_fractions import ZeroFractions


class Extraction:
    """The running state of a pass: for each layer a ``UnitStatistics``, a ``TopResponses`` and ``ZeroFractions``.

    Everything is reduced while the network runs, layer by layer, so memory holds one layer's map at a
    time and does not grow with the number of images, but for two whole numbers an image and layer.

    Args:
        network: in evaluation mode, on the device where it is to run.
        layers: name to number of units.
        top, hits_per_image: as for ``TopResponses``.
    """

    def __init__(self, network: nn.Module, layers: dict[str, int], top: int, hits_per_image: int):
        device = next(network.parameters()).device
        self.network = network
        self.statistics = {name: UnitStatistics() for name in layers}
        self.top = {name: TopResponses(units, top, hits_per_image, device) for name, units in layers.items()}
        self.zeros = {name: ZeroFractions() for name in layers}

    @torch.no_grad()
    def run(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Takes all ``batches`` in.

        Args:
            batches: pairs of the images' numbers (int64) and the normalised images (image x channel x y x x).
        """
        numbers = None

        def read(layer: str, response: Tensor) -> None:
            # image x unit x position; a layer without a map has one position
            flat = response.float().contiguous().flatten(2) if response.dim() > 2 else response.float()[..., None]
            largest = flat.amax(2)
            self.statistics[layer].add(flat, largest)
            self.top[layer].add(flat, largest, numbers)
            self.zeros[layer].add(numbers, flat)

        with capture(self.network, self.statistics, read, stop=True):
            for batch, images in batches:
                numbers = batch.to(images.device)
                self.network(images.contiguous(memory_format=torch.channels_last))

    def merge(self, other: "Extraction") -> None:
        """Takes in what another pass over other images has gathered."""
        for layer in self.statistics:
            self.statistics[layer].merge(other.statistics[layer])
            self.top[layer].merge(other.top[layer])
            self.zeros[layer].merge(other.zeros[layer])
