"""The share of zero responses of a layer to each single image, gathered while images stream past.

``methods.sparsity`` has one number per layer (YU 5, figure 6). An interval over images needs one per image.
"""

from array import array
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Shaped
from torch import Tensor, nn

from receptive.methods.capture import capture
from receptive.methods.response_pass.choice import pick
from receptive.methods.response_pass.overwriting import overwriting
from receptive.methods.response_pass.reading import by_position


class ZeroFractions:
    """Counts of the exact zeros of one layer, image by image.

    Counts are whole numbers, so they are exact, and neither batches nor the order of images change them. Memory is two
    whole numbers per image.
    """

    def __init__(self) -> None:
        self.responses = 0
        """Responses of the layer to one image."""
        # not a small tensor for every batch: between the maps these would keep the heap from being given back
        self._numbers, self._zeros = array("q"), array("q")

    def add(self, numbers: Int64[Tensor, "image"], zeros: Int64[Tensor, "image"], responses: int) -> None:
        """Takes one batch in.

        Args:
            numbers: of the images; each image once.
            zeros: how many responses to each image are exactly zero.
            responses: of the layer to one image.
        """
        self.responses = responses
        self._numbers.frombytes(numbers.cpu().numpy().tobytes())
        self._zeros.frombytes(zeros.cpu().numpy().tobytes())

    def merge(self, other: "ZeroFractions") -> None:
        """Takes in what another pass over other images has counted."""
        self.responses = self.responses or other.responses
        self._numbers += other._numbers
        self._zeros += other._zeros

    def result(self) -> tuple[Int64[np.ndarray, "image"], Float64[np.ndarray, "image"]]:
        """The images' numbers, rising, and of each the share of responses that are exactly zero, in [0, 1]."""
        if not self._numbers:
            return np.zeros(0, np.int64), np.zeros(0)
        state = self.state()
        return state["numbers"].numpy(), state["counts"].numpy() / self.responses

    def state(self) -> dict[str, Int64[Tensor, "..."]]:
        """What was counted so far, as tensors by name (``responses, numbers, counts``), in the order of the images."""
        numbers, zeros = (torch.tensor(kept, dtype=torch.int64) for kept in (self._numbers, self._zeros))
        order = numbers.argsort()
        return {"responses": torch.tensor(self.responses), "numbers": numbers[order], "counts": zeros[order]}

    def merge_state(self, state: dict[str, Int64[Tensor, "..."]]) -> None:
        """Takes in the ``state`` of another pass over other images."""
        other = ZeroFractions()
        other.responses = int(state["responses"])
        for kept, name in ((other._numbers, "numbers"), (other._zeros, "counts")):
            kept.frombytes(state[name].cpu().numpy().tobytes())
        self.merge(other)


def counts_state(counts: dict[str, ZeroFractions]) -> dict[str, Int64[Tensor, "..."]]:
    """The counts of all layers, as tensors by name that processes can exchange; empty before the first image."""
    if not any(counted.responses for counted in counts.values()):
        return {}
    return {
        f"{layer}/zero_fractions/{name}": tensor
        for layer, counted in counts.items()
        for name, tensor in counted.state().items()
    }


def merge_counts(counts: dict[str, ZeroFractions], state: dict[str, Shaped[Tensor, "..."]]) -> None:
    """Takes in the ``counts_state`` of another pass over other images."""
    for layer, counted in counts.items():
        names = ("responses", "numbers", "counts")
        counted.merge_state({name: state[f"{layer}/zero_fractions/{name}"] for name in names})


@torch.no_grad()
def zero_fractions(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layers: Iterable[str],
    kernels: str | None = None,
) -> dict[str, ZeroFractions]:
    """By layer the share of zero responses to each image: 0 where all are positive, 1 where none is.

    Args:
        network: in evaluation mode, on the device of the images.
        batches: pairs of the images' numbers (int64) and the normalised images (image, channel, y, x).
        layers: modules whose output is (image, unit, y, x) or (image, unit).
        kernels: of ``Extraction``.

    Raises:
        ReceptiveError: the network has no such layer.
    """
    counts = {layer: ZeroFractions() for layer in layers}
    numbers = torch.zeros(0, dtype=torch.int64)

    def read(layer: str, response: Float[Tensor, "image unit ..."]) -> None:
        responses = by_position(response)
        zeros = pick(response.device, kernels).zeros(responses)
        counts[layer].add(numbers, zeros, responses.shape[1] * responses.shape[2])

    with overwriting(network), capture(network, counts, read, stop=True):
        for batch, images in batches:
            numbers = batch
            network(images.contiguous(memory_format=torch.channels_last))
    return counts
