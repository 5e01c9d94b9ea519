"""Two processes against one: the same tables, the same statistics, the same losses."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from readings import take_in
from torch import nn
from two_workers import EXTRACTIONS, TRAININGS, ZEROS, extracted, given, trained, zeros

from receptive.datasets.prepared import prepare
from receptive.measurements.batches import Batches
from receptive.methods.unit_statistics import UnitStatistics
from receptive.parallel.workers import ALONE, Workers
from receptive.params.sections import Workers as Asked
from receptive.processes.launch import launch

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What two processes found together."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]))
        assert launch(Asked(devices=2, nodes=1), "cpu", "two_workers", "compare", str(folder))
    return torch.load(folder / "found.pt", weights_only=True) | {"turns": (folder / "turns").read_text()}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAININGS)
def test_two_train_as_one(found, name):
    one, two = trained(name, ALONE), found["trained"][name]
    assert len(one["history"]) == len(two["history"])
    for alone, together in zip(one["history"], two["history"], strict=True):
        assert (alone["epoch"], alone["split"]) == (together["epoch"], together["split"])
        for value in ("loss", "top1", "top5", "lr"):
            assert together[value] == pytest.approx(alone[value], rel=1e-6), (alone["epoch"], alone["split"], value)
    assert list(one["weights"]) == list(two["weights"])
    for key, value in one["weights"].items():
        torch.testing.assert_close(two["weights"][key], value, rtol=1e-5, atol=1e-7)
    # the comparison is one of training, not of standing still
    assert abs(one["history"][0]["loss"] - one["history"][-2]["loss"]) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(EXTRACTIONS)), ids=[str(case) for case in EXTRACTIONS])
def test_two_extract_as_one(found, case):
    """To the last bit: top responses, counts and histograms, and sums with their rounding."""
    one, two = extracted(*EXTRACTIONS[case], ALONE), found["extracted"][case]
    assert list(one.state()) == list(two)
    for name, tensor in one.state().items():
        if name.endswith(("/total", "/rest")):
            continue
        assert torch.equal(two[name], tensor), name
    for layer, statistics in one.statistics.items():
        sums = [statistics.total + statistics.rest, two[f"{layer}/total"] + two[f"{layer}/rest"]]
        assert torch.equal(*sums)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(ZEROS)), ids=[str(first) for first in ZEROS])
def test_two_count_zeros_as_one(found, case):
    one, two = zeros(ZEROS[case], ALONE), found["zeros"][case]
    assert list(one) == list(two)
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())
    assert one["1/zero_fractions/numbers"].tolist() == list(range(1, ZEROS[case] + 1))
    assert one["1/zero_fractions/counts"].sum() > 0


@pytest.mark.slow
def test_two_measure_given_weights_as_one(found):
    for alone, together in zip(given(ALONE), found["given"], strict=True):
        assert alone.keys() == together.keys()
        for name in alone.keys() - {"images_per_s"}:
            expected = pytest.approx(alone[name], rel=1e-12) if name == "loss" else alone[name]
            assert together[name] == expected, name


@pytest.mark.slow
def test_the_first_fetches_and_the_others_find(found):
    assert found["turns"] == "01"


@pytest.mark.slow
def test_all_get_the_content_of_the_furthest(found):
    """Contents of several lengths, the first of two equals, and nothing at all."""
    assert found["furthest"] == [["second" * 1000, "first", ""]] * 2


# Without other processes


def test_alone_nothing_is_exchanged():
    numbers = torch.ones(2)
    assert ALONE.sum(numbers) is numbers
    assert list(ALONE.gather({"a": numbers})) == []
    network = nn.BatchNorm1d(2)
    assert ALONE.parallel(network, torch.device("cpu")) is network
    assert ALONE.furthest(b"own", 3) == b"own"
    with ALONE.first_before_others(), ALONE.whole_batch_norms(network):
        pass


@pytest.mark.parametrize(("rows", "size"), [(10, 2), (7, 2), (7, 3), (2, 2), (256, 8), (5, 4)])
def test_parts_are_all_of_it_and_none_twice(rows, size):
    parts = [range(rows)[Workers(rank, size).part(rows)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("size", [2, 3, 5])
def test_shares_of_batches_are_the_batches(size):
    rows = {"image": np.arange(12), "split": ["train"] + ["validation"] * 11, "label": 0, "class_name": "a"}
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1)).astype(np.uint8)
    prepared = prepare("toy", images, pd.DataFrame(rows), ("a",))
    whole = [numbers.tolist() for numbers, _ in Batches(prepared, "validation", 3)]
    shares = [Batches(prepared, "validation", 3, workers=Workers(rank, size)) for rank in range(size)]
    shared = [[numbers.tolist() for numbers, _ in share] for share in shares]
    assert sorted(batch for share in shared for batch in share) == whole
    assert [len(share) for share in shares] == [len(share) for share in shared]


def test_sums_do_not_depend_on_the_order_of_batches():
    """Numbers whose plain sum would: the mean is that of Python's exact sum, correctly rounded."""
    generator = torch.Generator().manual_seed(0)
    scales = 10.0 ** torch.randint(-6, 7, (200, 1, 3), generator=generator)
    batches = list((torch.randn(200, 4, 3, generator=generator) * scales).split(1))
    exact = torch.tensor(
        [math.fsum(float(r.double().sum(2)[0, unit]) for r in batches) for unit in range(4)], dtype=torch.float64
    )
    results = []
    for order in (range(200), range(199, -1, -1), torch.randperm(200, generator=generator).tolist()):
        halves = [UnitStatistics(), UnitStatistics()]
        for n in order:
            take_in(halves[n % 2], batches[n])
        halves[0].merge(halves[1])
        results.append(halves[0])
    plain = {tuple((r.total).tolist()) for r in results}
    assert len(plain) > 1  # else the test tests nothing
    for result in results:
        np.testing.assert_array_equal(result.columns()["mean"], (exact / 600).float())
        assert [float(a + b) for a, b in zip(result.total, result.rest, strict=True)] == [float(x) for x in exact]
