"""The reading of responses with torch's own operations, quantity by quantity, on any device."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.response_histogram import bin_numbers, bins
from receptive.methods.response_pass.reading import Kernels, Reading
from receptive.methods.unit_statistics import UnitStatistics


def read(responses: Float[Tensor, "image unit position"], counts: Int64[Tensor, "bin unit"]) -> Reading:
    """The ``Reading`` of a batch, whose histograms are added to ``counts``."""
    responses = responses.float()
    units, positions = responses.shape[1:]
    largest = responses.amax(2) + 0.0  # -0 and 0 are equal, and amax may return either
    # the first of equal positions; argmax may return any of them
    places = torch.arange(positions, dtype=torch.int32, device=responses.device)
    first = torch.where(responses == largest[..., None], places, positions).amin(2)
    numbers = bin_numbers(responses) * units + torch.arange(units, device=responses.device)[:, None]
    counts += torch.bincount(numbers.flatten(), minlength=bins() * units).view(bins(), units)
    return Reading(
        largest=largest,
        first=torch.where(largest.isnan(), 0, first).int(),
        total=responses.sum(2, dtype=torch.float64),
        zeros=zeros(responses),
    )


def zeros(responses: Float[Tensor, "image unit position"]) -> Int64[Tensor, "image"]:
    """How many responses to each image are exactly zero."""
    return (responses == 0).flatten(1).sum(1)


def take(
    responses: Float[Tensor, "image unit position"],
    images: Int64[Tensor, "image"],
    statistics: UnitStatistics,
    top: TopResponses,
    read: Callable[[Tensor, Tensor], Reading] = read,
) -> Int64[Tensor, "image"]:
    """Takes one batch in, and returns how many responses to each image are zero (``Kernels.take``)."""
    statistics.begin(responses)
    reading = read(responses, statistics.counts)
    statistics.add(reading)
    top.add(responses, reading.largest, reading.first, images)
    return reading.zeros


KERNELS = Kernels("reference", read, take, zeros)
