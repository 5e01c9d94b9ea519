"""Processes that are started together: what a lost one leaves, and which of their errors is told."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from two_workers import trained

from receptive.errors import ReceptiveError
from receptive.parallel.workers import ALONE
from receptive.params.sections import Workers as Asked
from receptive.processes.failures import WorkerDefect
from receptive.processes.launch import launch, working

TESTS = Path(__file__).parents[1]
TWO = Asked(devices=2, nodes=1)


@pytest.fixture(autouse=True)
def _modules_for_workers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]))


@pytest.mark.slow
def test_a_lost_worker_ends_the_job_and_one_process_goes_on(tmp_path):
    with pytest.raises(ReceptiveError) as lost:
        launch(TWO, "cpu", "two_workers", "lose", str(tmp_path))
    assert str(lost.value) == (
        "worker 2 of 2 was lost (SIGKILL, often for want of memory): run the same command again (a training goes on "
        "from its last epoch), or lower workers.devices"
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


@pytest.mark.slow
def test_the_first_cause_is_told_once(tmp_path, capfd):
    with pytest.raises(ReceptiveError, match=r"^no more images: buy some$"):
        launch(TWO, "cpu", "two_workers", "user", str(tmp_path))
    # the other worker's broken connection is no cause
    with pytest.raises(WorkerDefect, match=r"(?s)in a worker:.*ValueError: seven is not prime"):
        launch(TWO, "cpu", "two_workers", "defect", str(tmp_path))
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


def test_alone_nothing_is_launched():
    assert launch(Asked(devices=1, nodes=1), "cpu", "nonsense") is False
    with working() as workers:
        assert workers is ALONE


@pytest.mark.parametrize(
    ("changes", "device", "gpus", "cause"),
    [
        ({"devices": 4}, "auto", 2, "workers.devices is 4, but there are 2 GPUs here: set it to 2"),
        ({"devices": 2}, "cuda", 0, "workers.devices is 2, but there are 0 GPUs here: set it to 1"),
        ({"devices": 2}, "cuda:1", 2, "device: cuda:1 is one GPU, but workers.devices is 2: set device: auto"),
        ({"nodes": 2}, "cpu", 0, "workers.nodes is 2, but the machines do not know where to meet: set RECEPTIVE_RENDE"),
    ],
)
def test_what_is_not_there_is_refused(monkeypatch, changes, device, gpus, cause):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ReceptiveError, match=f"^{cause}"):
        launch(TWO.model_copy(update={"devices": 1} | changes), device, "nonsense")
