"""One pass over a set of images that gathers the statistics and greatest responses of every layer at once."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from receptive.methods.capture import capture, outputs_of
from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.response_pass.choice import pick
from receptive.methods.response_pass.overwriting import overwriting
from receptive.methods.response_pass.reading import by_position
from receptive.methods.unit_statistics import UnitStatistics
from receptive.methods.zero_fractions import ZeroFractions, counts_state, merge_counts

_STATISTICS = tuple(field.name for field in fields(UnitStatistics))
_TOP = ("value", "image", "position")


class Extraction:
    """The running state of a pass: for each layer a ``UnitStatistics``, a ``TopResponses`` and ``ZeroFractions``.

    Each response is reduced while the network runs, layer by layer. So memory holds one layer's map at a time, and
    grows with the number of images only by two whole numbers per image and layer.

    Args:
        network: in evaluation mode, on the device where it is to run.
        layers: of each layer's name the number of its units.
        top, hits_per_image: of ``TopResponses``.
        compiled: whether the network runs through ``torch.compile``, if it can be traced. Memory then holds the maps of
            all layers of one batch.
        kernels: who reads the responses: "reference", "compiled" or "triton"; None takes the fastest that is there.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: dict[str, int],
        top: int,
        hits_per_image: int,
        compiled: bool = False,
        kernels: str | None = None,
    ):
        device = next(network.parameters()).device
        self.kernels = pick(device, kernels)
        self.network = network
        traced = outputs_of(network, layers) if compiled else None
        self._compiled = torch.compile(traced, dynamic=False) if traced else None
        self.statistics = {name: UnitStatistics() for name in layers}
        self.top = {name: TopResponses(units, top, hits_per_image, device) for name, units in layers.items()}
        self.zeros = {name: ZeroFractions() for name in layers}

    @torch.no_grad()
    def run(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Takes all ``batches`` in.

        Args:
            batches: pairs of the images' numbers (int64) and the normalised images (image, channel, y, x).
        """
        numbers = torch.zeros(0, dtype=torch.int64)

        def read(layer: str, response: Float[Tensor, "image unit ..."]) -> None:
            responses = by_position(response)
            zeros = self.kernels.take(responses, numbers, self.statistics[layer], self.top[layer])
            self.zeros[layer].add(numbers, zeros, responses.shape[1] * responses.shape[2])

        if self._compiled:
            for batch, images in batches:
                numbers = batch.to(images.device)
                responses = self._compiled(images.contiguous(memory_format=torch.channels_last))
                for layer, response in zip(self.statistics, responses, strict=True):
                    read(layer, response)
            return
        with overwriting(self.network), capture(self.network, self.statistics, read, stop=True):
            for batch, images in batches:
                numbers = batch.to(images.device)
                self.network(images.contiguous(memory_format=torch.channels_last))

    def state(self) -> dict[str, Shaped[Tensor, "..."]]:
        """Everything that the passes so far have gathered, as tensors by name; empty before the first image."""
        if not any(statistics.images for statistics in self.statistics.values()):
            return {}
        return {
            f"{layer}/{name}": torch.as_tensor(getattr(part, name))
            for parts, names in ((self.statistics, _STATISTICS), (self.top, _TOP))
            for layer, part in parts.items()
            for name in names
        } | counts_state(self.zeros)

    def merge_state(self, state: dict[str, Shaped[Tensor, "..."]]) -> None:
        """Takes in the ``state`` of another pass over other images, for instance of another process."""
        for layer, own in self.top.items():
            device = own.value.device
            other = TopResponses(own.units, own.top, own.hits_per_image, device)
            for name in _TOP:
                setattr(other, name, state[f"{layer}/{name}"].to(device))
            own.merge(other)
            values: dict[str, Any] = {name: state[f"{layer}/{name}"].to(device) for name in _STATISTICS}
            values |= {name: int(values[name]) for name in ("images", "positions")}
            gathered = UnitStatistics(**values)
            self.statistics[layer].merge(gathered)
        merge_counts(self.zeros, state)

    def merge(self, other: "Extraction") -> None:
        """Takes in what another pass over other images has gathered."""
        for layer in self.statistics:
            self.statistics[layer].merge(other.statistics[layer])
            self.top[layer].merge(other.top[layer])
            self.zeros[layer].merge(other.zeros[layer])

    def fresh(self) -> "Extraction":
        """Another, empty pass through the same network, which is not compiled anew."""
        layers = {name: top.units for name, top in self.top.items()}
        some = next(iter(self.top.values()))
        other = Extraction(self.network, layers, some.top, some.hits_per_image)
        other._compiled = self._compiled
        return other
