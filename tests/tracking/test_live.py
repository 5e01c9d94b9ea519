"""Trainings that are shown while they go on."""

import sqlite3

import pytest
from tracked import CHILDREN, Store, history

from receptive.tracking.live import live_training
from receptive.tracking.pipeline import record
from receptive.tracking.runs import log_pipeline

pytestmark = pytest.mark.slow


def epochs(first: int, last: int) -> list[list[dict]]:
    rows = history(last)
    return [rows[2 * e - 2 : 2 * e] for e in range(first, last + 1)]


def test_live_training_is_completed_and_not_doubled(project, live):
    with live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
        store = Store(project)
        [parent] = store.parents()
        running = store.children()["train@resnet34"]
        assert (running.info.status, parent.info.status) == ("RUNNING", "RUNNING")
        assert store.steps(running, "train_loss") == [(1, 3.0)]
        assert running.data.params["epochs"] == "2"
        on_epoch(epochs(2, 2)[0])
    assert store.children()["train@resnet34"].info.status == "FINISHED"
    record("train", "resnet34", 3.0)
    assert log_pipeline(live)[1] == len(CHILDREN)
    children = store.children()
    assert set(children) == CHILDREN
    trained = children["train@resnet34"]
    assert trained.info.run_id == running.info.run_id
    assert trained.info.status == "FINISHED"
    assert (trained.data.tags["source"], trained.data.metrics["seconds"]) == ("run", 3.0)
    assert "lock_hash" in trained.data.tags
    # The third epoch was not shown (as after a resumption the first ones): it comes from the history.
    assert store.steps(trained, "train_loss") == [(1, 3.0), (2, 2.0), (3, pytest.approx(5 / 3))]
    assert log_pipeline(live)[1] == 0


def test_restored_training_does_not_take_a_live_run(project, live):
    with live_training("resnet34", live):
        pass
    log_pipeline(live)
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.item = 'resnet34' and tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    found = [run for run in found if run.data.tags["stage"] == "train"]
    assert [run.data.tags.get("source") for run in found] == ["restored", None]


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_failed_live_training_says_so(project, live, error, status):
    with pytest.raises(error), live_training("resnet34", live):
        raise error
    store = Store(project)
    assert store.children()["train@resnet34"].info.status == status
    # The next attempt is a run of its own, and it is the one that is completed.
    with live_training("resnet34", live):
        pass
    record("train", "resnet34", 1.0)
    log_pipeline(live)
    found = [run for run in store.runs("tags.live = 'true'") if run.data.tags["item"] == "resnet34"]
    assert [run.info.status for run in found] == ["FINISHED", status]
    assert ["lock_hash" in run.data.tags for run in found] == [True, False]


def test_training_goes_on_without_the_store(project, live, capsys):
    (project / "mlflow.db").write_bytes(b"no database" * 1000)
    with live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: training goes on without live logging: ")


def test_training_goes_on_when_the_store_breaks(project, live, capsys):
    with live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
        with sqlite3.connect(project / "mlflow.db") as connection:
            connection.execute("DROP TABLE metrics")
        connection.close()
        on_epoch(epochs(2, 2)[0])
        on_epoch(epochs(3, 3)[0])
    assert len(capsys.readouterr().err.splitlines()) == 1
