"""Every fast reading of responses against the reference, to the bit, and the reference against a literal loop."""

import importlib
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from receptive.errors import ReceptiveError
from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.response_histogram import SHIFT, ZERO, bin_numbers, bins
from receptive.methods.response_pass import choice, compiled, reference
from receptive.methods.response_pass.choice import pick
from receptive.methods.response_pass.reading import Reading, by_position
from receptive.methods.unit_statistics import UnitStatistics

FAST = [compiled.KERNELS]
if choice.triton is not None and (torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1"):
    # without a GPU: pip install triton; TRITON_INTERPRET=1 python -m pytest tests/methods/response_pass
    FAST.append(choice.triton.KERNELS)
DEVICE = {"triton": "cuda" if torch.cuda.is_available() else "cpu"}
TINY = np.finfo(np.float32).smallest_subnormal
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, TINY, -TINY, 1e-38, -1e-38, 2.0**-12, -(2.0**-12), 4096.0, -4096.0, 3e38]
FORMATS = {
    "contiguous": lambda maps: maps.contiguous(),
    "channels-last": lambda maps: maps.contiguous(memory_format=torch.channels_last),
    "transposed": lambda maps: maps.transpose(2, 3).contiguous().transpose(2, 3),
    "every second unit": lambda maps: maps.repeat_interleave(2, 1)[:, ::2],
}


def empty(units):
    return torch.zeros(bins(), units, dtype=torch.int64)


def read_by(kernels, responses, counts=None):
    device = DEVICE.get(kernels.name, "cpu")
    counts = (empty(responses.shape[1]) if counts is None else counts).to(device)
    reading = kernels.read(responses.to(device), counts)
    return Reading(**{name: tensor.cpu() for name, tensor in vars(reading).items()}), counts.cpu()


def assert_alike(kernels, responses):
    """To the bit, but for sums; these to the rounding of float64."""
    before = torch.arange(bins() * responses.shape[1]).view(bins(), -1)  # what is there already stays
    (slow, slow_counts), (fast, fast_counts) = (
        read_by(some, responses, before.clone()) for some in (reference.KERNELS, kernels)
    )
    np.testing.assert_array_equal(fast.largest, slow.largest)
    known = ~slow.largest.isnan()
    np.testing.assert_array_equal(fast.largest[known].signbit(), slow.largest[known].signbit())
    np.testing.assert_array_equal(fast.first, slow.first)
    np.testing.assert_array_equal(fast.zeros, slow.zeros)
    np.testing.assert_array_equal(fast_counts, slow_counts)
    device = DEVICE.get(kernels.name, "cpu")
    np.testing.assert_array_equal(kernels.zeros(responses.to(device)).cpu(), slow.zeros)
    error = responses.shape[2] * 2.0**-52 * responses.double().abs().sum(2)
    same = (fast.total == slow.total) | (fast.total.isnan() & slow.total.isnan())
    assert (same | ((fast.total - slow.total).abs() <= error)).all()


def maps(rng, kind, shape):
    numbers = {
        "rectified": lambda: np.maximum(rng.normal(size=shape), 0),
        "signed": lambda: rng.normal(size=shape) * 10.0 ** rng.uniform(-6, 6, shape),
        "ties": lambda: rng.integers(-2, 3, shape),
        "special": lambda: np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), rng.normal(size=shape)),
        "infinite": lambda: np.full(shape, -np.inf),
        "signed zeros": lambda: rng.choice([0.0, -0.0], shape),
        "negative": lambda: -rng.exponential(size=shape) - 1e-3,
        "any bits": lambda: rng.integers(-(2**31), 2**31, shape).astype(np.int32).view(np.float32),
    }[kind]()
    return torch.from_numpy(np.asarray(numbers).astype(np.float32))


KINDS = ["rectified", "signed", "ties", "special", "infinite", "signed zeros", "negative", "any bits"]


@pytest.mark.parametrize("kernels", FAST, ids=lambda kernels: kernels.name)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 70), st.integers(1, 9), st.integers(1, 9)),
    kind=st.sampled_from(KINDS),
    form=st.sampled_from(list(FORMATS)),
    kept_in=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30, deadline=None)
def test_readings_are_alike_for_all_shapes_formats_types_and_values(kernels, shape, kind, form, kept_in, seed):
    with np.errstate(invalid="ignore"):
        responses = FORMATS[form](maps(np.random.default_rng(seed), kind, shape).to(kept_in))
    assert_alike(kernels, by_position(responses))


@pytest.mark.parametrize("kernels", FAST, ids=lambda kernels: kernels.name)
@pytest.mark.parametrize("units", [1, 3, 16, 63, 64, 127, 128, 129, 257, 600])
@pytest.mark.parametrize("positions", [1, 2, 3, 4, 5, 31, 49])
def test_readings_are_alike_at_the_edges_of_rows_and_fours(kernels, units, positions):
    if kernels.name == "triton" and units > 64 and not torch.cuda.is_available():
        pytest.skip("its interpreter takes half a minute")
    rng = np.random.default_rng(units * positions)
    for kind in ("rectified", "ties", "special"):
        assert_alike(kernels, maps(rng, kind, (3, units, positions)))


@pytest.mark.parametrize("kernels", [reference.KERNELS, *FAST], ids=lambda kernels: kernels.name)
def test_a_reading_against_a_literal_loop(kernels):
    responses = maps(np.random.default_rng(0), "special", (4, 5, 11))
    reading, counts = read_by(kernels, responses)
    numbers, expected = bin_numbers(responses), np.zeros((bins(), 5), int)
    for image in range(4):
        assert reading.zeros[image] == sum(float(r) == 0 for r in responses[image].flatten())
        for unit in range(5):
            row = responses[image, unit].tolist()
            for position in range(11):
                expected[numbers[image, unit, position], unit] += 1
            broken = any(math.isnan(r) for r in row)
            largest = math.nan if broken else max(row)
            assert reading.largest[image, unit] == largest or (broken and reading.largest[image, unit].isnan())
            assert reading.first[image, unit] == (0 if broken else row.index(largest))
            finite = not broken and not {math.inf, -math.inf} <= set(row)
            total = math.fsum(row) if finite and not set(map(abs, row)) & {math.inf} else sum(row)
            np.testing.assert_allclose(reading.total[image, unit].item(), total, rtol=1e-12)
    np.testing.assert_array_equal(counts, expected)
    assert counts[ZERO].sum() == reading.zeros.sum()


@pytest.mark.parametrize("kernels", [reference.KERNELS, *FAST], ids=lambda kernels: kernels.name)
def test_nan_is_the_largest_and_no_zero(kernels):
    responses = torch.tensor([[[1.0, math.nan, 9.0, 0.0]], [[math.inf, -math.inf, 0.0, -0.0]]])
    reading, _ = read_by(kernels, responses)
    assert reading.largest.isnan().tolist() == [[True], [False]]
    assert reading.largest[1] == math.inf
    assert reading.total.isnan().all()
    assert reading.zeros.tolist() == [1, 2]


# Threads


@pytest.mark.parametrize("shape", [(7, 600, 196), (40, 8, 900), (9, 130, 1024), (3, 1, 200_000)])
def test_the_number_of_threads_changes_nothing(shape, monkeypatch):
    monkeypatch.setattr(compiled, "_TASK", 1000)  # else these are too few for threads
    responses = maps(np.random.default_rng(0), "signed", shape).relu()
    readings = []
    for threads in (1, 2, 3, 8):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        reading, counts = read_by(compiled.KERNELS, responses)
        readings.append([*vars(reading).values(), counts, compiled.zeros(responses)])
    for other in readings[1:]:
        for a, b in zip(readings[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 64])
@pytest.mark.parametrize(("images", "positions", "units"), [(100, 1024, 16), (2, 50_000, 3), (100, 49, 512), (5, 1, 9)])
def test_blocks_cover_everything_once(images, positions, units, threads):
    image_edges, unit_edges = compiled._edges(images, positions, units, threads)
    for edges, end in ((image_edges, images), (unit_edges, units)):
        assert edges[0] == 0
        assert edges[-1] == end
        assert (np.diff(edges) > 0).all()
    assert (len(image_edges) - 1) * (len(unit_edges) - 1) <= threads
    assert len(unit_edges) == 2 or min(np.diff(unit_edges)) >= 64
    assert len(compiled._edges(100, 1024, 16, 2)[0]) == 3  # two threads share the images of a layer of few units


def test_threads_of_torch_are_used_and_errors_come_through(monkeypatch):
    seen, gate = set(), threading.Barrier(3)

    def call():
        gate.wait(timeout=10)
        seen.add(threading.get_ident())

    compiled._together([call] * 3)
    assert len(seen) == 3
    with pytest.raises(ZeroDivisionError):
        compiled._together([lambda: None, lambda: 1 / 0])


# Running numbers


@pytest.mark.parametrize("kernels", FAST, ids=lambda kernels: kernels.name)
@given(
    top=st.integers(1, 6),
    hits_per_image=st.integers(0, 2),
    images=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=20, deadline=None)
def test_batches_are_taken_in_alike(kernels, top, hits_per_image, images, kind, seed):
    rng = np.random.default_rng(seed)
    responses, numbers = maps(rng, kind, (images, 3, 4)), torch.from_numpy(rng.permutation(100)[:images])
    states = []
    for some in (reference.KERNELS, kernels):
        device = DEVICE.get(some.name, "cpu")
        statistics, best, zeros = UnitStatistics(), TopResponses(3, top, hits_per_image, device), []
        for rows in torch.arange(images).split(7):
            zeros.append(some.take(responses[rows].to(device), numbers[rows].to(device), statistics, best))
        state = {**vars(statistics), **vars(best), "zeros": torch.cat(zeros)}
        del state["device"]
        states.append({name: part.cpu() if torch.is_tensor(part) else part for name, part in state.items()})
    for name, slow in states[0].items():
        fast = states[1][name]
        if name in ("total", "rest"):
            continue
        assert torch.equal(slow.nan_to_num(7.5), fast.nan_to_num(7.5)) if torch.is_tensor(slow) else slow == fast, name
    slow, fast = ((state["total"] + state["rest"]) for state in states)
    error = 2.0**-50 * responses.double().abs().sum((0, 2))
    assert ((slow == fast) | (slow.isnan() & fast.isnan()) | ((slow - fast).abs() <= error)).all()


def test_what_rounding_takes_from_a_sum_is_kept():
    """Large and small batches in turn: the plain sum of float64 would lose the small ones."""
    statistics, best = UnitStatistics(), TopResponses(1, 1)
    sizes = [1e30, 1.0, -1e30, 2.0**-20] * 3
    for number, size in enumerate(sizes):
        compiled.take(torch.full((1, 1, 1), size), torch.tensor([number]), statistics, best)
    plain = 0.0
    for size in sizes:
        plain += float(np.float32(size))
    exact = math.fsum(float(np.float32(size)) for size in sizes)
    assert plain != exact
    assert statistics.total.item() + statistics.rest.item() == exact


# What is chosen


def test_the_fastest_that_is_there_is_chosen(monkeypatch):
    cpu, theirs = torch.device("cpu"), replace(compiled.KERNELS, name="triton")
    assert pick(cpu) is compiled.KERNELS
    assert pick(cpu, "reference") is reference.KERNELS
    assert pick(torch.device("meta")) is reference.KERNELS
    monkeypatch.setattr(choice, "triton", None)
    assert pick(torch.device("cuda")) is reference.KERNELS
    monkeypatch.setattr(choice, "triton", SimpleNamespace(KERNELS=theirs))
    assert pick(torch.device("cuda")) is theirs
    monkeypatch.setattr(choice, "compiled", None)
    assert pick(cpu) is reference.KERNELS
    with pytest.raises(ReceptiveError, match="no kernels 'compiled' for device cpu: choose reference"):
        pick(cpu, "compiled")


def test_the_shift_that_is_compiled_in_is_that_of_the_bins():
    assert compiled._SHIFT == SHIFT


# Compiling

READ = """
import sys, torch
from receptive.methods.response_pass import compiled
from receptive.methods.response_histogram import bins
counts = torch.zeros(bins(), 5, dtype=torch.int64)
reading = compiled.read(torch.arange(-30.0, 30.0).view(2, 5, 6), counts)
print(reading.largest.tolist(), int(counts.sum()), sum(compiled._read.stats.cache_hits.values()))
"""


def run(cache, code=READ):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_processes_may_compile_at_the_same_time_and_the_next_one_need_not(tmp_path):
    together = [run(tmp_path) for _ in range(3)]
    answers = {process.communicate()[0].rpartition(" ")[0] for process in together}
    assert len(answers) == 1
    assert answers.pop().endswith(" 60")
    assert run(tmp_path).communicate()[0].endswith(" 60 1\n")


@pytest.mark.slow
def test_without_a_folder_for_the_cache_it_is_compiled_all_the_same():
    code = "import numba.core.caching as caching\ncaching.CacheImpl._locator_classes = []\n" + READ
    assert run("", code).communicate()[0].endswith(" 60 0\n")


FORK = """
import multiprocessing, torch
from receptive.methods.response_pass import compiled
from receptive.methods.response_histogram import bins

torch.set_num_threads(1)  # torch's own threads do not outlive a fork
torch.get_num_threads = lambda: 2
compiled._TASK = 1
responses = torch.randn(2, 256, 500, generator=torch.Generator().manual_seed(0)).relu()

def read(queue=None):
    total = compiled.read(responses, torch.zeros(bins(), 256, dtype=torch.int64)).total.tolist()
    return total if queue is None else queue.put(total)

here = read()
forks = multiprocessing.get_context("fork")
queue = forks.Queue()
child = forks.Process(target=read, args=(queue,), daemon=True)
child.start()
print(queue.get(timeout=100) == here)
"""


@pytest.mark.slow
def test_a_forked_process_has_threads_of_its_own(tmp_path):
    """In a process of its own: to fork one in which tests have left threads and locks of other libraries may hang."""
    assert run(tmp_path, FORK).communicate(timeout=150)[0] == "True\n"


def test_a_missing_numba_leaves_the_reference(monkeypatch):
    monkeypatch.setitem(sys.modules, "receptive.methods.response_pass.compiled", None)
    monkeypatch.delattr("receptive.methods.response_pass.compiled")
    try:
        assert importlib.reload(choice).pick(torch.device("cpu")).name == "reference"
    finally:
        monkeypatch.undo()
        importlib.reload(choice)
