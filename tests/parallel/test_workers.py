"""Two processes against one: the same tables, the same statistics, the same losses; and what a lost one leaves."""

import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from two_workers import EXTRACTIONS, TRAININGS, ZEROS, extracted, given, trained, zeros

from receptive.errors import ReceptiveError
from receptive.loading import Batches
from receptive.methods.unit_statistics import UnitStatistics
from receptive.parallel.workers import ALONE, WorkerDefect, Workers, launch, working
from receptive.params.schema import Scale

TWO = Scale(devices=2, nodes=1, compile=False, resident=False)


@pytest.fixture(autouse=True)
def _modules_for_workers(monkeypatch):
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here.parent / "src"), str(here)]))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", os.pathsep.join([str(here.parent / "src"), str(here)]))
        assert launch(TWO, "cpu", "two_workers", "compare", str(folder))
    return torch.load(folder / "found.pt", weights_only=True) | {"turns": (folder / "turns").read_text()}


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


@pytest.mark.parametrize("case", range(len(ZEROS)), ids=[str(first) for first in ZEROS])
def test_two_count_zeros_as_one(found, case):
    one, two = zeros(ZEROS[case], ALONE), found["zeros"][case]
    assert list(one) == list(two)
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())
    assert one["1/zero_fractions/numbers"].tolist() == list(range(1, ZEROS[case] + 1))
    assert one["1/zero_fractions/counts"].sum() > 0


def test_two_measure_given_weights_as_one(found):
    for alone, together in zip(given(ALONE), found["given"], strict=True):
        assert alone.keys() == together.keys()
        for name in alone.keys() - {"images_per_s"}:
            expected = pytest.approx(alone[name], rel=1e-12) if name == "loss" else alone[name]
            assert together[name] == expected, name


def test_the_first_fetches_and_the_others_find(found):
    assert found["turns"] == "01"
    with ALONE.first_before_others():
        pass


def test_a_lost_worker_ends_the_job_and_one_process_goes_on(tmp_path):
    began = time.monotonic()
    with pytest.raises(ReceptiveError) as lost:
        launch(TWO, "cpu", "two_workers", "lose", str(tmp_path))
    assert time.monotonic() - began < 60  # it does not hang
    assert str(lost.value) == (
        "worker 2 of 2 was lost (SIGKILL, often for want of memory): run the same command again (a training goes on "
        "from its last epoch), or lower train.devices"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["0"]  # only the first writes
    kept = torch.load(tmp_path / "0" / "fivecnn.pt", weights_only=True)
    # two go on, each with a folder of its own, and only the second finds the checkpoint
    (tmp_path / "two" / "1").mkdir(parents=True)
    shutil.copy(tmp_path / "0" / "fivecnn.pt", tmp_path / "two" / "1")
    epochs = len(kept["history"]) // 2
    assert epochs in (1, 2)  # the first worker may have saved before it noticed
    seen = []
    resumed = trained("fivecnn", ALONE, tmp_path / "0", seen.append)
    assert [rows[0]["epoch"] for rows in seen] == list(range(epochs + 1, 4))
    whole = trained("fivecnn", ALONE)
    assert resumed["history"][-1]["loss"] == pytest.approx(whole["history"][-1]["loss"], rel=1e-6)
    launch(TWO, "cpu", "two_workers", "resume", str(tmp_path / "two"))
    together = torch.load(tmp_path / "two" / "found.pt", weights_only=True)
    assert together["history"][: 2 * epochs] == kept["history"]
    assert [row["epoch"] for row in together["history"]] == [row["epoch"] for row in whole["history"]]
    for key, value in whole["weights"].items():
        torch.testing.assert_close(together["weights"][key], value, rtol=1e-5, atol=1e-7)


def test_the_first_cause_is_told_once(tmp_path, capfd):
    with pytest.raises(ReceptiveError, match=r"^no more images: buy some$"):
        launch(TWO, "cpu", "two_workers", "user", str(tmp_path))
    # the other worker's broken connection is no cause
    with pytest.raises(WorkerDefect, match=r"(?s)in a worker:.*ValueError: seven is not prime"):
        launch(TWO, "cpu", "two_workers", "defect", str(tmp_path))
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


# Without other processes


def test_alone_nothing_is_launched():
    assert launch(Scale(devices=1, nodes=1, compile=False, resident=False), "cpu", "nonsense") is False
    with working() as workers:
        assert workers is ALONE
    numbers = torch.ones(2)
    assert ALONE.sum(numbers) is numbers
    assert list(ALONE.gather({"a": numbers})) == []
    network = nn.BatchNorm1d(2)
    assert ALONE.parallel(network, torch.device("cpu")) is network


@pytest.mark.parametrize(
    ("changes", "device", "gpus", "cause"),
    [
        ({"devices": 4}, "auto", 2, "train.devices is 4, but there are 2 GPUs here: set it to 2"),
        ({"devices": 2}, "cuda", 0, "train.devices is 2, but there are 0 GPUs here: set it to 1"),
        ({"devices": 2}, "cuda:1", 2, "device: cuda:1 is one GPU, but train.devices is 2: set device: auto"),
        ({"nodes": 2}, "cpu", 0, "train.nodes is 2, but the machines do not know where to meet: set RECEPTIVE_RENDE"),
    ],
)
def test_what_is_not_there_is_refused(monkeypatch, changes, device, gpus, cause):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ReceptiveError, match=f"^{cause}"):
        launch(TWO.model_copy(update={"devices": 1} | changes), device, "nonsense")


@pytest.mark.parametrize(("rows", "size"), [(10, 2), (7, 2), (7, 3), (2, 2), (256, 8), (5, 4)])
def test_parts_are_all_of_it_and_none_twice(rows, size):
    parts = [range(rows)[Workers(rank, size).part(rows)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("size", [2, 3, 5])
def test_shares_of_batches_are_the_batches(size):
    import pandas as pd

    from receptive.datasets.prepared import prepare

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
            halves[n % 2].add(batches[n], batches[n].amax(2))
        halves[0].merge(halves[1])
        results.append(halves[0])
    plain = {tuple((r.total).tolist()) for r in results}
    assert len(plain) > 1  # else the test tests nothing
    for result in results:
        np.testing.assert_array_equal(result.columns()["mean"], (exact / 600).float())
        assert [float(a + b) for a, b in zip(result.total, result.rest, strict=True)] == [float(x) for x in exact]
