"""The reading of responses on a GPU, in one pass, by a Triton kernel; Triton comes with torch where torch has CUDA.

A program reads eight units, which are one sector of the channels-last response, of a few images. It keeps their
histograms to itself and adds them to the others' at its end, so few programs write to one place.
"""

from functools import partial
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64
from torch import Tensor

from receptive.methods.response_histogram import HALF, OFFSET, SHIFT, ZERO, bins
from receptive.methods.response_pass import reference
from receptive.methods.response_pass.reading import Kernels, Reading

_UNITS = 8
_POSITIONS = 128
"""Positions that are read at once."""
_EACH = 2048
"""Positions of each unit that a program reads at least, in as many images as it takes."""
_BINS = triton.next_power_of_2(bins() + 1)
"""Bins of one unit within a program; the last one takes what lies outside the map."""


@triton.jit
@no_type_check
def _read(
    responses,
    counts,
    largest,
    first,
    total,
    zeros,
    images,
    positions,
    units,
    group,
    shift: tl.constexpr,
    offset: tl.constexpr,
    half: tl.constexpr,
    zero: tl.constexpr,
    bins: tl.constexpr,
    UNITS: tl.constexpr,
    POSITIONS: tl.constexpr,
):
    lane = tl.arange(0, UNITS)
    unit = tl.program_id(0) * UNITS + lane
    begin = tl.program_id(1) * group
    histogram = tl.zeros([UNITS * bins], dtype=tl.int32)
    real = unit < units
    for member in range(tl.minimum(group, images - begin)):
        image = (begin + member).to(tl.int64)
        greatest = tl.full([UNITS], float("-inf"), dtype=tl.float32)
        place = tl.zeros([UNITS], dtype=tl.int32)
        plus = tl.zeros([UNITS], dtype=tl.float64)
        broken = tl.zeros([UNITS], dtype=tl.int32)
        none = tl.zeros([UNITS], dtype=tl.int32)
        map_of = responses + image * positions * units
        for start in range(0, positions, POSITIONS):
            position = start + tl.arange(0, POSITIONS)
            inside = (position < positions)[:, None] & real[None, :]
            at = position[:, None].to(tl.int64) * units + unit[None, :]
            value = tl.load(map_of + at, mask=inside, other=0.0)
            nan = value != value
            compared = tl.where(inside & ~nan, value, float("-inf"))
            top = tl.max(compared, 0)
            here = tl.min(tl.where(compared == top[None, :], position[:, None], positions), 0)
            place = tl.where(top > greatest, here, place)
            greatest = tl.maximum(top, greatest)
            broken += tl.sum(nan.to(tl.int32), 0)
            none += tl.sum((inside & (value == 0)).to(tl.int32), 0)
            plus += tl.sum(value.to(tl.float64), 0)
            bits = value.to(tl.int32, bitcast=True)  # as in response_histogram.bin_numbers
            step = ((bits & 0x7FFFFFFF) >> shift) - offset + 1
            step = tl.minimum(tl.maximum(step, 0), half)
            distance = tl.where(value == 0, 0, step + 1)
            number = tl.where(inside, zero + tl.where(bits < 0, -distance, distance), bins - 1)
            histogram += tl.histogram(tl.reshape(lane[None, :] * bins + number, [POSITIONS * UNITS]), UNITS * bins)
        to = image * units + unit
        greatest = tl.where(greatest == 0, 0.0, greatest)  # never -0
        tl.store(largest + to, tl.where(broken > 0, float("nan"), greatest), mask=real)
        tl.store(first + to, tl.where(broken > 0, 0, place), mask=real)
        tl.store(total + to, plus, mask=real)
        tl.atomic_add(zeros + image, tl.sum(none, 0).to(tl.int64))
    number = tl.arange(0, UNITS * bins)
    own, of = number % bins, tl.program_id(0) * UNITS + number // bins
    used = (own <= 2 * zero) & (of < units) & (histogram > 0)
    tl.atomic_add(counts + own.to(tl.int64) * units + of, histogram.to(tl.int64), mask=used)


def read(responses: Float[Tensor, "image unit position"], counts: Int64[Tensor, "bin unit"]) -> Reading:
    """The ``Reading`` of a batch on a GPU, whose histograms are added to ``counts``, which is contiguous.

    Histograms are whole numbers, and each sum is made by one program in one order: so results do not depend on which
    program comes first.
    """
    rows = responses.detach().float().transpose(1, 2).contiguous()
    images, positions, units = rows.shape
    found = (
        torch.empty(images, units, dtype=torch.float32, device=rows.device),
        torch.empty(images, units, dtype=torch.int32, device=rows.device),
        torch.empty(images, units, dtype=torch.float64, device=rows.device),
        torch.zeros(images, dtype=torch.int64, device=rows.device),
    )
    group = max(1, min(images, _EACH // positions))
    grid = (triton.cdiv(units, _UNITS), triton.cdiv(images, group))
    with torch.cuda.device_of(rows):  # else the kernel starts on the first GPU
        _read[grid](
            *(rows, counts, *found, images, positions, units, group),
            *(SHIFT, OFFSET, HALF, ZERO, _BINS, _UNITS, _POSITIONS),
        )
    return Reading(*found)


KERNELS = Kernels("triton", read, partial(reference.take, read=read), reference.zeros)
