"""The reading of responses on a CPU, in one pass, by loops that numba compiles at their first call.

A row of the channels-last response holds one position of all units, so each loop runs over units and is vectorised.
Where a layer has few units, several positions make one row. Rows are read in fours, which saves three of four writes of
what is kept. The loops are compiled once per machine and kept in ``__pycache__`` (or in the user's cache folder). numba
notices a change of this file only, so everything that other files decide is an argument.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any, no_type_check

import numba
import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from numba import float32, int32, uint32
from torch import Tensor

from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.response_histogram import HALF, OFFSET, ZERO, bins
from receptive.methods.response_pass.reading import Kernels, Reading
from receptive.methods.unit_statistics import UnitStatistics

_SHIFT = int32(21)
"""``response_histogram.SHIFT``; a shift by a constant takes half the time, and stands here for numba to notice."""
_ROW = 128
"""Responses that a row has at least, where the layer is large enough."""
_TASK = 200_000
"""Responses that are worth a thread: about 0.1 ms."""


def _compiled(function: Callable) -> Any:
    """``function``, compiled when it is first called, and kept on the disk where there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder can be written to: each process compiles for itself
        return numba.njit(nogil=True)(function)


@_compiled
@no_type_check
def _count(bits, places, counts, units, offset, half, bins):
    """Adds a row to the histograms, as ``bin_numbers`` says, in 32 bits.

    Args:
        bits: of the responses, as int32.
        places: room for as many numbers.
        counts: of bin x unit, flat.
        units: of the layer; offset, half: of the histogram, the first less two and the second and one.
        bins: where in ``counts`` the zeros of each response of the row are counted.
    """
    for i in range(len(bits)):
        size = int32(bits[i] & int32(0x7FFFFFFF))
        step = int32(int32(size >> _SHIFT) - offset)
        step = step if step > int32(1) else int32(1)
        step = step if step < half else half
        step = int32(0) if size == int32(0) else step
        sign = int32(bits[i] >> int32(31))
        places[i] = uint32(int32(int32(int32(step ^ sign) - sign) * units) + bins[i])
    for i in range(len(bits)):
        counts[places[i]] += 1


@_compiled
@no_type_check
def _read(responses, words, block, fold, offset, half, zero, counts, largest, first, total, zeros):
    """Reads ``block`` of ``responses``: images and units from two numbers to two others.

    Args:
        responses: image x position x unit, float32.
        words: their bits, as int32.
        fold: positions in one row; 1 unless the block has all units.
        offset, half, zero: of the histogram.
        counts: of bin x unit, flat; the histograms are added.
        largest, first, total: image x unit, filled.
        zeros: of each image, filled.
    """
    image_from, image_to, unit_from, unit_to = block
    positions, units = responses.shape[1:]
    width = (unit_to - unit_from) * fold
    rows = positions // fold
    rest = (positions - rows * fold) * units  # of a last row that is not full
    greatest, row_of, sums = np.empty(width, np.float32), np.empty(width, np.int32), np.empty(width)
    bins, places = np.empty(width, np.int32), np.empty(width, np.uint32)
    for i in range(width):
        bins[i] = zero * units + unit_from + i % (unit_to - unit_from)
    offset, half, units32 = int32(offset - 2), int32(half + 1), int32(units)
    of_zeros = counts[zero * units + unit_from : zero * units + unit_to]
    before = of_zeros.sum()
    for image in range(image_from, image_to):
        flat, bits = responses[image].reshape(-1), words[image].reshape(-1)
        if fold == 1:
            greatest = largest[image, unit_from:unit_to]
            row_of = first[image, unit_from:unit_to]
            sums = total[image, unit_from:unit_to]
        for i in range(width):
            greatest[i], row_of[i], sums[i] = -np.inf, 0, 0.0
        for row in range(0, rows + (rest > 0), 4):
            start, step = row * fold * units + unit_from, fold * units
            row32 = int32(row)
            if row + 4 <= rows:
                a = flat[start : start + width]
                b = flat[start + step : start + step + width]
                c = flat[start + 2 * step : start + 2 * step + width]
                d = flat[start + 3 * step : start + 3 * step + width]
                for i in range(width):
                    ab = b[i] if b[i] > a[i] else a[i]
                    at_ab = int32(1) if b[i] > a[i] else int32(0)
                    cd = d[i] if d[i] > c[i] else c[i]
                    at_cd = int32(3) if d[i] > c[i] else int32(2)
                    top = cd if cd > ab else ab
                    at = at_cd if cd > ab else at_ab
                    more = top > greatest[i]
                    greatest[i] = top if more else greatest[i]
                    row_of[i] = int32(row32 + at) if more else row_of[i]
                    sums[i] += (np.float64(a[i]) + np.float64(b[i])) + (np.float64(c[i]) + np.float64(d[i]))
            for part in range(min(4, rows + (rest > 0) - row)):
                begin = start + part * step
                end = begin + (width if row + part < rows else rest)
                if row + 4 > rows:
                    a = flat[begin:end]
                    at_row = int32(row32 + int32(part))
                    for i in range(len(a)):
                        more = a[i] > greatest[i]
                        greatest[i] = a[i] if more else greatest[i]
                        row_of[i] = at_row if more else row_of[i]
                        sums[i] += np.float64(a[i])
                _count(bits[begin:end], places, counts, units32, offset, half, bins)
        zeros[image] = of_zeros.sum() - before
        before += zeros[image]
        if fold > 1:
            _unfold(fold, greatest, row_of, sums, largest[image], first[image], total[image])
        _finish(responses[image], unit_from, unit_to, largest[image], first[image], total[image])


@_compiled
@no_type_check
def _unfold(fold, greatest, row_of, sums, largest, first, total):
    """Joins the parts of a row that belong to one unit."""
    units = len(largest)
    for unit in range(units):
        top, at, plus = greatest[unit], row_of[unit] * fold, sums[unit]
        for part in range(1, fold):
            i = part * units + unit
            place = row_of[i] * fold + part
            if greatest[i] > top or (greatest[i] == top and place < at):
                top, at = greatest[i], place
            plus += sums[i]
        largest[unit], first[unit], total[unit] = top, at, plus


@_compiled
@no_type_check
def _finish(responses, unit_from, unit_to, largest, first, total):
    """Makes -0 to 0, and finds NaN, which a comparison overlooks."""
    strange = int32(0)
    for unit in range(unit_from, unit_to):
        largest[unit] += float32(0)
        strange = int32(strange + int32(np.isnan(total[unit])))
    if strange > 0:  # also for inf - inf
        for unit in range(unit_from, unit_to):
            for position in range(len(responses)):
                if np.isnan(responses[position, unit]):
                    largest[unit], first[unit] = np.nan, 0


@_compiled
@no_type_check
def _zeros(words, zeros):
    """How many of each row are zero."""
    for image in range(len(words)):
        count = 0
        for i in range(words.shape[1]):
            count += words[image, i] & int32(0x7FFFFFFF) == 0
        zeros[image] = count


@_compiled
@no_type_check
def _gather(largest, total, maximum, positive_images, sums, rests):
    """Takes what was read into the running numbers of the units, as ``UnitStatistics.add``."""
    units = len(sums)
    more = np.zeros(units)
    for image in range(len(largest)):
        for unit in range(units):
            new = largest[image, unit]
            more[unit] += total[image, unit]
            positive_images[unit] += new > 0
            maximum[unit] = new if new > maximum[unit] or new != new else maximum[unit]
    for unit in range(units):  # the exact sum
        before = sums[unit]
        after = before + more[unit]
        taken = after - before
        rests[unit] += (before - (after - taken)) + (more[unit] - taken)
        sums[unit] = after


@_compiled
@no_type_check
def _insert(largest, first, numbers, value, image, position):
    """Puts one hit of each image into the lists, as ``TopResponses.add``."""
    last = value.shape[1] - 1
    for unit in range(len(value)):
        values, images, positions = value[unit], image[unit], position[unit]
        least = values[last]
        for row in range(len(largest)):
            new, number = largest[row, unit], numbers[row]
            if not (new > least or (new == least and number < images[last])):
                continue
            rank = last
            while rank > 0 and (values[rank - 1] < new or (values[rank - 1] == new and images[rank - 1] > number)):
                values[rank], images[rank], positions[rank] = values[rank - 1], images[rank - 1], positions[rank - 1]
                rank -= 1
            values[rank], images[rank], positions[rank] = new, number, first[row, unit]
            least = values[last]


def take(
    responses: Float[Tensor, "image unit position"],
    images: Int64[Tensor, "image"],
    statistics: UnitStatistics,
    top: TopResponses,
) -> Int64[Tensor, "image"]:
    """Takes one batch in, and returns how many responses to each image are zero (``Kernels.take``)."""
    statistics.begin(responses)
    largest, first, total, zeros = _read_in_blocks(responses, statistics.counts)
    _gather(largest, total, *(tensor.numpy() for tensor in statistics.running()))
    statistics.images += len(largest)
    if top.hits(responses.shape[2]) == 1:
        lists = (top.value.numpy(), top.image.numpy(), top.position.numpy())
        _insert(largest, first, np.ascontiguousarray(images.numpy()), *lists)
    else:
        top.add(responses, torch.from_numpy(largest), torch.from_numpy(first), images)
    return torch.from_numpy(zeros)


def read(responses: Float[Tensor, "image unit position"], counts: Int64[Tensor, "bin unit"]) -> Reading:
    """The ``Reading`` of a batch on the CPU, whose histograms are added to ``counts``, which is contiguous."""
    return Reading(*map(torch.from_numpy, _read_in_blocks(responses, counts)))


def _read_in_blocks(
    responses: Float[Tensor, "image unit position"], counts: Int64[Tensor, "bin unit"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of a ``Reading``.

    As many threads as torch has share the images and units. Each sum is made by one of them, in one order, so their
    number changes nothing.
    """
    rows = _rows(responses)
    words = rows.view(np.int32)
    images, positions, units = rows.shape
    fold = max(1, min(_ROW // units, positions))
    found = np.empty((images, units), np.float32), np.empty((images, units), np.int32), np.empty((images, units))
    image_edges, unit_edges = _edges(images, positions, units, torch.get_num_threads())
    histograms = [counts.numpy().reshape(-1)] + [np.zeros(counts.numel(), np.int64) for _ in image_edges[2:]]
    zeros = np.empty((len(unit_edges) - 1, images), np.int64)
    _together(
        [
            partial(_read, rows, words, (*part, *block), fold, OFFSET, HALF, ZERO, histogram, *found, of_block)
            for part, histogram in zip(pairwise(image_edges), histograms, strict=True)
            for block, of_block in zip(pairwise(unit_edges), zeros, strict=True)
        ]
    )
    for histogram in histograms[1:]:
        histograms[0] += histogram
    return *found, zeros[0] if len(zeros) == 1 else zeros.sum(0)


def zeros(responses: Float[Tensor, "image unit position"]) -> Int64[Tensor, "image"]:
    """How many responses to each image are exactly zero."""
    rows = _rows(responses)
    words, found = rows.view(np.int32).reshape(len(rows), -1), np.empty(len(rows), np.int64)
    edges, _ = _edges(*rows.shape, torch.get_num_threads())
    _together([partial(_zeros, words[a:b], found[a:b]) for a, b in pairwise(edges)])
    return torch.from_numpy(found)


def _rows(responses: Float[Tensor, "image unit position"]) -> Float32[np.ndarray, "image position unit"]:
    """Image x position x unit; the memory of the responses themselves where they are float32 and channels-last."""
    plain = responses.detach() if responses.requires_grad else responses
    plain = plain if plain.dtype == torch.float32 else plain.float()
    return np.ascontiguousarray(plain.numpy().transpose(0, 2, 1))


@cache
def _edges(images: int, positions: int, units: int, threads: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where the blocks of images and units begin that threads take, and where the last one ends.

    Units are shared first, because their histograms lie apart; images only where there are many responses of each.
    """
    threads = max(1, min(threads, images * positions * units // _TASK))
    across = max(1, min(threads, units // _ROW))
    down = max(1, min(threads // across, images, images * positions // (4 * bins())))
    begin = [units * block // across // 16 * 16 for block in range(across)]  # 16 make a line of the cache
    return tuple(images * block // down for block in range(down + 1)), (*begin, units)


def _together(calls: list[Callable[[], None]]) -> None:
    """Makes the calls at the same time, the first one in this thread."""
    first, *others = calls
    waiting = [_pool(len(others), threading.main_thread().native_id).submit(call) for call in others]
    first()
    for call in waiting:
        call.result()


@cache
def _pool(threads: int, process: int | None) -> ThreadPoolExecutor:
    """Threads that stay; a process that was forked has none of its parent's, and another main thread."""
    return ThreadPoolExecutor(threads)


KERNELS = Kernels("compiled", read, take, zeros)
