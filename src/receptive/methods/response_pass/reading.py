"""What one pass over the responses of a layer to a batch finds."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Float32, Float64, Int32, Int64
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """What one pass over the responses of a layer to a batch finds of every map, beside the histograms.

    Attributes:
        largest: the greatest response of each map; NaN where one is NaN, and never -0.
        first: the first position that has it, row by row; 0 where ``largest`` is NaN.
        total: the sum of each map.
        zeros: how many responses to each image are exactly zero.
    """

    largest: Float32[Tensor, "image unit"]
    first: Int32[Tensor, "image unit"]
    total: Float64[Tensor, "image unit"]
    zeros: Int64[Tensor, "image"]


@dataclass(frozen=True)
class Kernels:
    """Who reads the responses.

    Attributes:
        name: "reference", "compiled" or "triton".
        read: from responses (image, unit, position), of any type and memory format, to their ``Reading``. It adds the
            histograms of the batch to its second argument, which lies (bin, unit) in memory.
        take: takes responses and the images' numbers into a layer's ``UnitStatistics`` and ``TopResponses``; returns
            ``Reading.zeros``.
        zeros: of responses ``Reading.zeros`` alone.
    """

    name: str
    read: Callable[[Tensor, Tensor], Reading]
    take: Callable[..., Tensor]
    zeros: Callable[[Tensor], Tensor]


def by_position(response: Float[Tensor, "image unit ..."]) -> Float[Tensor, "image unit position"]:
    """The output of a layer with its positions row by row; a layer without a map has one. Nothing is copied.

    A map that is neither contiguous nor channels-last is the exception.
    """
    return response.flatten(2) if response.dim() > 2 else response[..., None]
