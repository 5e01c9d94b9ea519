"""The MLflow store, looked at through MLflow's own client after real logging of a small made-up project.

Making a database takes seconds, so one is made (by two processes at once, which is a test of its own) and
every test gets a copy in its own folder.
"""

import json
import os
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from receptive.errors import ReceptiveError
from receptive.io import artifacts
from receptive.params.reading import compose, load_params
from receptive.tracking import runs as tracking

HERE = Path(__file__).resolve().parents[2]
NETWORKS = ("resnet34", "plainnet34")
GRAPH = """
stages:
  prepare: {matrix: {dataset: "${datasets}"}, cmd: x}
  train: {foreach: "${replicas}", do: {cmd: x}}
  sparsity: {foreach: "${replicas}", do: {cmd: x}}
  report: {cmd: x}
  track: {cmd: x}
"""
CHILDREN = {f"{stage}@{name}" for stage in ("train", "sparsity") for name in NETWORKS}
CHILDREN |= {"prepare@collages", "prepare@digits", "report"}


def history(epochs: int, network: str = "resnet34") -> list[dict]:
    return [
        {
            "epoch": epoch,
            "split": split,
            "loss": 2.0 / epoch + (split == "train"),
            "top1": 0.1 * epoch + 0.01 * NETWORKS.index(network),
            "top5": 0.2 * epoch,
            "lr": 0.5**epoch,
            "images_per_s": 1234.5,
        }
        for epoch in range(1, epochs + 1)
        for split in ("train", "validation")
    ]


def write_lock(folder: Path, **changed: str) -> None:
    entries = {}
    for name in sorted(CHILDREN | {"train@vggcnn", "gone@resnet34", "track"}):
        stage, _, item = name.partition("@")
        kind = {"prepare": "prepared", "train": "networks"}.get(stage, stage)
        outs = [{"path": f"data/{kind}/{item}", "md5": changed.get(name.replace("@", "_"), "0")}]
        entries[name] = {"cmd": f"x {item}", "outs": outs if item else []}
    YAML().dump({"schema": "2.0", "stages": entries}, folder / "dvc.lock")


def write_data(folder: Path) -> None:
    for network in NETWORKS:
        trained = folder / artifacts.NETWORKS / network
        artifacts.write_table(trained / "history.parquet", pd.DataFrame(history(3, network)))
        artifacts.write_json(trained / "metrics.json", {"validation": {"top1": 0.3}, "parameters": 12})
        table = pd.DataFrame({"network": network, "layer": ["a", "b"], "zero_fraction": [0.25, 0.75]})
        artifacts.write_table(folder / artifacts.SPARSITY / network / "layers.parquet", table)
    (folder / "reports/figures").mkdir(parents=True)
    (folder / "reports/index.html").write_text("<p>")
    (folder / "reports/figures/one.svg").write_text("<svg/>")
    artifacts.write_json(folder / "reports/metrics.json", {n: {"top1": 0.3, "note": "x"} for n in NETWORKS})


def set_params(folder: Path, *overrides: str) -> None:
    compose(folder, ("model=residual", "profile=smoke", *overrides))


@pytest.fixture(scope="module")
def blank(tmp_path_factory) -> Path:
    """A project that has everything but the store."""
    folder = tmp_path_factory.mktemp("blank")
    shutil.copytree(HERE / "conf", folder / "conf")
    set_params(folder)
    (folder / "dvc.yaml").write_text(GRAPH)
    write_lock(folder)
    write_data(folder)
    return folder


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    return kept | {"PYTHONPATH": str(HERE / "src"), "GIT_CEILING_DIRECTORIES": "/"}


def start(folder: Path, code: str, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=clean_environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def created(blank, tmp_path_factory):
    """A project whose pipeline two processes logged at once, without a store before; and what they said."""
    folder = tmp_path_factory.mktemp("created") / "project"
    shutil.copytree(blank, folder)
    command = [sys.executable, "-m", "receptive.stages.track"]
    both = [
        subprocess.Popen(
            command, cwd=folder, env=clean_environment() | {"DVC_EXP_NAME": name}, stdout=-1, stderr=-1, text=True
        )
        for name in ("one", "two")
    ]
    return folder, [(process.communicate(timeout=60), process.returncode) for process in both]


@pytest.fixture
def project(blank, created, tmp_path, monkeypatch) -> Path:
    """A project in the working folder, with a store that holds nothing of it, outside DVC and git."""
    folder = tmp_path / "a project"
    shutil.copytree(blank, folder)
    shutil.copy(created[0] / "mlflow.db", folder)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


def under_dvc(monkeypatch, project: Path, stage: str = "track", **variables: str) -> None:
    for name, value in {"DVC_STAGE": stage, "DVC_ROOT": str(project), **variables}.items():
        monkeypatch.setenv(name, value)


class Store:
    """What MLflow itself reads in a project's store."""

    def __init__(self, folder: Path):
        self.client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        self.experiment = self.client.get_experiment_by_name("receptive").experiment_id

    def runs(self, condition: str = "") -> list:
        return self.client.search_runs([self.experiment], condition, max_results=1000)

    def parents(self, name: str = "repro-workspace") -> list:
        return self.runs(f"attributes.run_name = '{name}'")

    def children(self, parent=None) -> dict:
        parent = parent or self.parents()[0]
        found = self.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert len({run.info.run_name for run in found}) == len(found)
        return {run.info.run_name: run for run in found}

    def steps(self, run, metric: str) -> list[tuple[int, float]]:
        found = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((metric.step, metric.value) for metric in found)

    def files(self, run, folder: str | None = None) -> set[str]:
        found = set()
        for file in self.client.list_artifacts(run.info.run_id, folder):
            found |= self.files(run, file.path) if file.is_dir else {file.path}
        return found

    def everything(self) -> set:
        """All that is logged, without the times of the runs."""
        found = set()
        for run in self.runs():
            name = run.info.run_id
            found |= {(name, "status", run.info.status), *((name, "file", f) for f in self.files(run))}
            found |= {(name, "tag", *tag) for tag in run.data.tags.items() if tag[0] != "process_started"}
            found |= {(name, "param", *param) for param in run.data.params.items()}
            for metric in run.data.metrics:
                logged = self.client.get_metric_history(name, metric)
                found |= {(name, "metric", metric, m.step, m.value, m.timestamp) for m in logged}
        return found


def test_two_processes_make_one_store(created):
    folder, processes = created
    for (said, complained), code in processes:
        assert (complained, code) == ("", 0)
        assert re.fullmatch(r"7 new runs logged under '(one|two)': see them with 'make mlflow'\n", said)
    store = Store(folder)
    assert [e.name for e in store.client.search_experiments()] == ["receptive"]
    assert len(store.runs()) == 2 * (1 + len(CHILDREN))
    assert all(run.info.status == "FINISHED" for run in store.runs())
    left = {path.name for path in folder.iterdir()}
    assert left == {"conf", "data", "dvc.lock", "dvc.yaml", "mlflow.db", "mlruns", "params.yaml", "reports", "scratch"}
    assert {path.name for path in (folder / "scratch").iterdir()} == {"mlflow.lock"}


def test_parent_has_parameters_numbers_and_report(project):
    params = load_params()
    assert tracking.log_pipeline(params) == ("repro-workspace", len(CHILDREN))
    store = Store(project)
    [parent] = store.parents()
    tags = parent.data.tags
    assert {k: tags[k] for k in ("model", "dataset", "profile", "commit")} == {
        "model": "residual",
        "dataset": "collages",
        "profile": "smoke",
        "commit": "none",
    }
    assert parent.data.params["train.resnet34.learning_rate"] == "0.02"
    assert parent.data.params["models"] == '["resnet34", "plainnet34"]'
    assert parent.data.params["track.live"] == "false"
    assert "train.resnet34.warmup_epochs" not in parent.data.params  # not in params.yaml
    assert parent.data.metrics == {"resnet34.top1": 0.3, "plainnet34.top1": 0.3}
    expected = {"reports/index.html", "reports/metrics.json", "reports/figures/one.svg"}
    assert store.files(parent) == expected
    assert parent.info.artifact_uri.startswith(str(project / "mlruns"))


def test_children_have_their_stage_numbers_and_curves(project, monkeypatch):
    under_dvc(monkeypatch, project, "train@plainnet34")
    before = time.time()
    tracking.record("train", "plainnet34", 7.5)
    tracking.record("report", "", 1.5)
    tracking.log_pipeline(load_params())
    store = Store(project)
    children = store.children()
    assert set(children) == CHILDREN
    for name, run in children.items():
        stage, _, item = name.partition("@")
        assert (run.data.tags["stage"], run.data.tags["item"], run.info.status) == (stage, item, "FINISHED")
        assert run.data.tags.get("network") == (item if item in NETWORKS else None)
        ran = name in ("train@plainnet34", "report")
        assert run.data.tags["source"] == ("run" if ran else "restored")
        assert ("seconds" in run.data.metrics) == ran
    assert len({run.data.tags["lock_hash"] for run in children.values()}) == len(children)

    trained = children["train@plainnet34"]
    assert trained.data.metrics["seconds"] == 7.5
    assert trained.info.end_time - trained.info.start_time == pytest.approx(7500, abs=1)
    assert trained.info.end_time == pytest.approx(before * 1000, abs=2000)
    assert (trained.data.metrics["validation.top1"], trained.data.metrics["parameters"]) == (0.3, 12)
    for split in ("train", "validation"):
        rows = [row for row in history(3, "plainnet34") if row["split"] == split]
        for measure in ("loss", "top1", "top5"):
            expected = [(row["epoch"], row[measure]) for row in rows]
            assert store.steps(trained, f"{split}_{measure}") == expected
    assert store.steps(trained, "lr") == [(1, 0.5), (2, 0.25), (3, 0.125)]
    assert trained.data.params["epochs"] == "2"
    assert trained.data.params == children["sparsity@plainnet34"].data.params
    assert children["sparsity@plainnet34"].data.metrics == {"zero_fraction": 0.5}
    assert children["prepare@digits"].data.metrics == children["prepare@digits"].data.params == {}


def test_logging_again_adds_nothing(project, monkeypatch):
    under_dvc(monkeypatch, project)
    tracking.record("train", "resnet34", 1.0)
    params = load_params()
    tracking.log_pipeline(params)
    before = Store(project).everything()
    assert tracking.log_pipeline(params) == ("repro-workspace", 0)
    tracking.record("track", "", 1.0)
    assert not (project / "scratch/executed").exists() or not any((project / "scratch/executed").iterdir())
    assert Store(project).everything() == before


def test_what_changed_is_logged_again_under_the_same_parent(project, monkeypatch):
    under_dvc(monkeypatch, project)
    params = load_params()
    tracking.record("train", "resnet34", 1.0)
    tracking.log_pipeline(params)
    write_lock(project, train_resnet34="1")
    (project / "reports/figures/one.svg").rename(project / "reports/figures/two.svg")
    artifacts.write_json(project / "reports/metrics.json", {n: {"top1": 0.4} for n in NETWORKS})
    assert tracking.log_pipeline(params)[1] == 1
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and tags.stage = 'train'")
    sources = [run.data.tags["source"] for run in found if run.data.tags["item"] == "resnet34"]
    assert sources == ["restored", "run"]  # newest first; the first note does not speak for the second
    assert store.steps(parent, "resnet34.top1") == [(0, 0.3), (0, 0.4)]
    assert store.files(parent) == {"reports/index.html", "reports/metrics.json", "reports/figures/two.svg"}


def test_other_parameters_or_experiments_are_other_parents(project, monkeypatch):
    tracking.log_pipeline(load_params())
    set_params(project, "seed=1")
    tracking.log_pipeline(load_params())
    monkeypatch.setenv("DVC_EXP_NAME", "puffy/daks")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "a" * 40)
    assert tracking.log_pipeline(load_params()) == ("puffy/daks", len(CHILDREN))
    store = Store(project)
    assert {run.data.params["seed"] for run in store.parents()} == {"0", "1"}
    [parent] = store.parents("puffy/daks")
    for run in (parent, *store.children(parent).values()):
        assert run.data.tags["commit"] == run.data.tags["mlflow.source.git.commit"] == "a" * 40


def test_parent_is_named_after_the_commit(project):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(project)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert tracking.this_pipeline().name == "repro-workspace"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    pipeline = tracking.this_pipeline()
    assert (pipeline.name, pipeline.commit) == (f"repro-{head[:7]}", head)
    assert re.fullmatch(rf"repro-{head[:7]}-[0-9a-f]{{12}}", pipeline.key)


def test_without_git_there_is_no_commit(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert tracking.this_pipeline().name == "repro-workspace"


def test_temporary_experiment_logs_into_the_project(project, blank, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(blank, copy)
    set_params(copy, "seed=5")
    under_dvc(monkeypatch, project, "train@resnet34", DVC_EXP_NAME="temporary")
    monkeypatch.chdir(copy)
    tracking.record("train", "resnet34", 2.0)
    assert len(list(project.glob("scratch/executed/temporary-*/train@resnet34.json"))) == 1
    tracking.log_pipeline(load_params())
    assert not (copy / "mlflow.db").exists()
    assert not (copy / "mlruns").exists()
    store = Store(project)
    [parent] = store.parents("temporary")
    assert parent.data.params["seed"] == "5"
    assert store.children(parent)["train@resnet34"].data.tags["source"] == "run"


def test_record_is_cheap_and_only_for_dvc(project, monkeypatch):
    tracking.record("train", "resnet34", 1.0)
    assert not (project / "scratch").exists()
    code = """
        import sys
        from receptive.tracking import runs as tracking
        tracking.record("train", "resnet34", 1.0)
        with tracking.live_training("resnet34", __import__("receptive.params.schema").io.params.load_params()) as log:
            log([])
        assert not {"mlflow", "torch", "pandas", "dvc"} & set(sys.modules)
    """
    process = start(project, code, DVC_STAGE="train@resnet34", DVC_EXP_NAME="e")
    assert process.communicate(timeout=30) == ("", "")
    [note] = project.glob("scratch/executed/e-*/train@resnet34.json")
    assert json.loads(note.read_text())["seconds"] == 1.0
    # A folder that cannot be made must not fail a stage that has done its work.
    shutil.rmtree(project / "scratch")
    (project / "scratch").write_text("a file")
    under_dvc(monkeypatch, project)
    tracking.record("train", "resnet34", 1.0)


def test_damaged_note_counts_as_none(project, monkeypatch):
    under_dvc(monkeypatch, project)
    tracking.record("train", "resnet34", 1.0)
    [note] = project.glob("scratch/executed/*/train@resnet34.json")
    note.write_text('{"sec')
    tracking.log_pipeline(load_params())
    assert Store(project).children()["train@resnet34"].data.tags["source"] == "restored"


# ---------------------------------------------------------------- live


@pytest.fixture
def live(project, monkeypatch):
    set_params(project, "track.live=true")
    under_dvc(monkeypatch, project, "train@resnet34")
    return load_params()


def epochs(first: int, last: int) -> list[list[dict]]:
    rows = history(last)
    return [rows[2 * e - 2 : 2 * e] for e in range(first, last + 1)]


def test_live_training_is_completed_and_not_doubled(project, live):
    with tracking.live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
        store = Store(project)
        [parent] = store.parents()
        running = store.children()["train@resnet34"]
        assert (running.info.status, parent.info.status) == ("RUNNING", "RUNNING")
        assert store.steps(running, "train_loss") == [(1, 3.0)]
        assert running.data.params["epochs"] == "2"
        on_epoch(epochs(2, 2)[0])
    assert store.children()["train@resnet34"].info.status == "FINISHED"
    tracking.record("train", "resnet34", 3.0)
    assert tracking.log_pipeline(live)[1] == len(CHILDREN)
    children = store.children()
    assert set(children) == CHILDREN
    trained = children["train@resnet34"]
    assert trained.info.run_id == running.info.run_id
    assert trained.info.status == "FINISHED"
    assert (trained.data.tags["source"], trained.data.metrics["seconds"]) == ("run", 3.0)
    assert "lock_hash" in trained.data.tags
    # The third epoch was not shown (as after a resumption the first ones): it comes from the history.
    assert store.steps(trained, "train_loss") == [(1, 3.0), (2, 2.0), (3, pytest.approx(5 / 3))]
    assert tracking.log_pipeline(live)[1] == 0


def test_restored_training_does_not_take_a_live_run(project, live):
    with tracking.live_training("resnet34", live):
        pass
    tracking.log_pipeline(live)
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.item = 'resnet34' and tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    found = [run for run in found if run.data.tags["stage"] == "train"]
    assert [run.data.tags.get("source") for run in found] == ["restored", None]


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_failed_live_training_says_so(project, live, error, status):
    with pytest.raises(error), tracking.live_training("resnet34", live):
        raise error
    store = Store(project)
    assert store.children()["train@resnet34"].info.status == status
    # The next attempt is a run of its own, and it is the one that is completed.
    with tracking.live_training("resnet34", live):
        pass
    tracking.record("train", "resnet34", 1.0)
    tracking.log_pipeline(live)
    found = [run for run in store.runs("tags.live = 'true'") if run.data.tags["item"] == "resnet34"]
    assert [run.info.status for run in found] == ["FINISHED", status]
    assert ["lock_hash" in run.data.tags for run in found] == [True, False]


def test_training_goes_on_without_the_store(project, live, capsys):
    (project / "mlflow.db").write_bytes(b"no database" * 1000)
    with tracking.live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: training goes on without live logging: ")


def test_training_goes_on_when_the_store_breaks(project, live, capsys):
    with tracking.live_training("resnet34", live) as on_epoch:
        on_epoch(epochs(1, 1)[0])
        with sqlite3.connect(project / "mlflow.db") as connection:
            connection.execute("DROP TABLE metrics")
        connection.close()
        on_epoch(epochs(2, 2)[0])
        on_epoch(epochs(3, 3)[0])
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_runs_of_dead_processes_are_closed(project, live):
    code = """
        import sys, time
        from receptive.tracking import runs as tracking
        from receptive.params.reading import load_params
        with tracking.live_training(sys.argv[1] if sys.argv[1:] else "plainnet34", load_params()) as on_epoch:
            print("running", flush=True)
            time.sleep(60)
    """
    both = [start(project, code, DVC_EXP_NAME=name) for name in ("dead", "alive")]
    try:
        for process in both:
            assert process.stdout.readline() == "running\n"
        both[0].send_signal(signal.SIGKILL)  # and not waited for: a zombie is dead, too
        time.sleep(0.2)
        tracking.log_pipeline(live)
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
    tracking.log_pipeline(load_params())
    store = Store(project)
    tags = {"pid": "999999999", "process_started": "1.00"}
    other = store.client.create_run(store.experiment, tags={"host": "elsewhere", **tags}).info.run_id
    theirs = store.client.create_run(store.experiment).info.run_id
    reused = {"host": platform.node(), "pid": str(os.getpid()), "process_started": "1.00"}
    dead = store.client.create_run(store.experiment, tags=reused).info.run_id
    tracking.log_pipeline(load_params())
    statuses = [store.client.get_run(run).info.status for run in (other, theirs, dead)]
    assert statuses == ["RUNNING", "RUNNING", "KILLED"]


# ---------------------------------------------------------------- errors and repairs


def test_moved_project_keeps_its_store(project, tmp_path, monkeypatch):
    tracking.log_pipeline(load_params())
    moved = tmp_path / "moved"
    monkeypatch.chdir(tmp_path)
    project.rename(moved)
    monkeypatch.chdir(moved)
    set_params(moved, "seed=3")
    tracking.log_pipeline(load_params())
    assert not project.exists()
    store = Store(moved)
    assert len(store.parents()) == 2
    for parent in store.parents():
        assert "reports/figures/one.svg" in store.files(parent)


def test_deleted_experiment_is_restored(project):
    store = Store(project)
    store.client.delete_experiment(store.experiment)
    tracking.log_pipeline(load_params())
    assert len(store.parents()) == 1


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
        tracking.log_pipeline(load_params())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the results are complete, but ")


def test_locked_store_is_one_line_and_waits(project, monkeypatch):
    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.2)
    connection = sqlite3.connect(project / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ReceptiveError, match=r"database is locked.*close what is using it"):
        tracking.log_pipeline(load_params())
    connection.execute("ROLLBACK")
    connection.close()
    tracking.log_pipeline(load_params())


def test_full_disk_is_one_line_and_the_next_attempt_completes(project, monkeypatch):
    under_dvc(monkeypatch, project)
    tracking.record("report", "", 1.0)
    original = shutil.copy2

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", args[1])

    monkeypatch.setattr(shutil, "copy2", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ReceptiveError, match="free some disk space"):
        tracking.log_pipeline(load_params())
    assert Store(project).parents()[0].info.status == "FAILED"
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert shutil.copy2 is original
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    assert tracking.log_pipeline(load_params())[1] == 0  # the children were logged before
    [parent] = Store(project).parents()
    assert parent.info.status == "FINISHED"
    assert "reports/index.html" in Store(project).files(parent)


def test_missing_results_leave_nothing_that_counts_as_logged(project):
    table = project / "data/sparsity/resnet34/layers.parquet"
    kept = table.read_bytes()
    table.unlink()
    with pytest.raises(ReceptiveError, match=r"layers\.parquet is missing: run 'dvc repro sparsity@resnet34'"):
        tracking.log_pipeline(load_params())
    table.write_bytes(kept)
    tracking.log_pipeline(load_params())
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and attributes.status = 'FINISHED'")
    assert {run.info.run_name for run in found} == CHILDREN
    assert len(found) == len(CHILDREN)
    assert parent.info.status == "FINISHED"


def test_only_a_finished_run_counts_as_logged(project):
    params = load_params()
    tracking.log_pipeline(params)
    store = Store(project)
    store.client.set_terminated(store.children()["report"].info.run_id, "KILLED")
    assert tracking.log_pipeline(params)[1] == 1


def test_missing_lock_file_is_one_line(project):
    (project / "dvc.lock").unlink()
    with pytest.raises(ReceptiveError, match=r"dvc\.lock is missing: run 'dvc repro'"):
        tracking.log_pipeline(load_params())


@pytest.mark.parametrize(
    ("stage", "items"),
    [
        ({"cmd": "x"}, {""}),
        ({"matrix": {"network": "${models}"}}, {"a", "b"}),
        ({"matrix": {"network": "${models}", "size": [1, 2]}}, {"a-1", "a-2", "b-1", "b-2"}),
        ({"matrix": {"layer": "${extract.layers}"}}, {"c5"}),
        ({"matrix": {"layer": "${somewhere.else}"}}, None),
        ({"foreach": "${models}", "do": {}}, {"a", "b"}),
        ({"foreach": "${replicas}", "do": {}}, {"a", "a-2"}),
        ({"foreach": "${model}", "do": {}}, None),
    ],
)
def test_items_of_a_stage(stage, items):
    values = {"model": "a", "models": ["a", "b"], "replicas": {"a": "a", "a-2": "a"}, "extract": {"layers": ["c5"]}}
    assert tracking._items(stage, values) == items
