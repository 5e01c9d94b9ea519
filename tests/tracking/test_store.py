"""The store: who may write, what is closed, and errors in one line."""

import platform
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from tracked import CHILDREN, Store, set_params, start, under_dvc

from receptive.errors import ReceptiveError
from receptive.params.reading import load_params
from receptive.tracking import store as store_module
from receptive.tracking.pipeline import record
from receptive.tracking.runs import log_pipeline

pytestmark = pytest.mark.slow


def test_runs_of_dead_processes_are_closed(project, live):
    code = """
        import sys, time
        from receptive.tracking.live import live_training
        from receptive.params.reading import load_params
        with live_training(sys.argv[1] if sys.argv[1:] else "plainnet34", load_params()) as on_epoch:
            print("running", flush=True)
            time.sleep(60)
    """
    both = [start(project, code, DVC_EXP_NAME=name) for name in ("dead", "alive")]
    try:
        for process in both:
            assert process.stdout.readline() == "running\n"
        both[0].kill()
        both[0].wait()
        log_pipeline(live)
        store = Store(project)
        for name, status in (("dead", "KILLED"), ("alive", "RUNNING")):
            [parent] = store.parents(name)
            [child] = store.children(parent).values()
            assert (parent.info.status, child.info.status) == (status, status)
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_runs_of_other_hosts_and_of_other_programs_are_left_alone(project):
    log_pipeline(load_params())
    store = Store(project)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()  # its number is free again
    gone = {"pid": str(done.pid)}
    other = store.client.create_run(store.experiment, tags={"host": "elsewhere", **gone}).info.run_id
    theirs = store.client.create_run(store.experiment).info.run_id
    dead = store.client.create_run(store.experiment, tags={"host": platform.node(), **gone}).info.run_id
    log_pipeline(load_params())
    statuses = [store.client.get_run(run).info.status for run in (other, theirs, dead)]
    assert statuses == ["RUNNING", "RUNNING", "KILLED"]


# Errors and repairs


def test_a_moved_project_goes_on_in_an_experiment_of_its_own(project, tmp_path, monkeypatch):
    """MLflow keeps absolute paths: what was logged before stays, under a name that says where its files were."""
    log_pipeline(load_params())
    moved = tmp_path / "moved"
    monkeypatch.chdir(tmp_path)
    project.rename(moved)
    monkeypatch.chdir(moved)
    set_params(moved, "seed=3")
    log_pipeline(load_params())
    assert not project.exists()
    store = Store(moved)
    [parent] = store.parents()
    assert parent.data.params["seed"] == "3"
    assert "reports/figures/one.svg" in store.files(parent)
    [before] = [e for e in store.client.search_experiments() if e.name.endswith(f" in {project}/mlruns")]
    assert re.fullmatch(r"receptive until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d in .*", before.name)
    assert len(store.client.search_runs([before.experiment_id])) == 1 + len(CHILDREN)


def test_deleted_experiment_is_restored(project):
    log_pipeline(load_params())
    store = Store(project)
    store.client.delete_experiment(store.experiment)
    set_params(project, "seed=3")
    log_pipeline(load_params())
    assert {parent.data.params["seed"] for parent in store.parents()} == {"0", "3"}


@pytest.mark.parametrize(
    ("damage", "cure"),
    [
        (lambda db: db.write_bytes(b"no database" * 1000), "damaged: move mlflow.db and mlruns elsewhere"),
        (lambda db: db.write_bytes(db.read_bytes()[:20000]), "damaged: move mlflow.db and mlruns elsewhere"),
        (lambda db: (db.unlink(), db.mkdir()), "make mlflow.db, mlruns and their folder writable"),
    ],
    ids=["foreign", "cut off", "folder"],
)
def test_damaged_store_is_one_line(project, damage, cure):
    damage(project / "mlflow.db")
    with pytest.raises(ReceptiveError, match=cure) as caught:
        log_pipeline(load_params())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the results are complete, but ")


def test_locked_store_is_one_line_and_waits(project, monkeypatch):
    monkeypatch.setattr(store_module, "PATIENCE_S", 0.2)
    connection = sqlite3.connect(project / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ReceptiveError, match=r"database is locked.*close what is using it"):
        log_pipeline(load_params())
    connection.execute("ROLLBACK")
    connection.close()
    log_pipeline(load_params())


def test_full_disk_is_one_line_and_the_next_attempt_completes(project, monkeypatch):
    under_dvc(monkeypatch, project)
    record("report", "", 1.0)
    original = shutil.copy2

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", args[1])

    monkeypatch.setattr(shutil, "copy2", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ReceptiveError, match="free some disk space"):
        log_pipeline(load_params())
    assert Store(project).parents()[0].info.status == "FAILED"
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert shutil.copy2 is original
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    assert log_pipeline(load_params())[1] == 0  # the children were logged before
    [parent] = Store(project).parents()
    assert parent.info.status == "FINISHED"
    assert "reports/index.html" in Store(project).files(parent)
