"""What is logged to MLflow, read back through MLflow's own client."""

import re
import shutil
import time

import pytest
from tracked import CHILDREN, NETWORKS, Store, history, set_params, under_dvc, write_lock

from receptive.artifacts.files import write_json
from receptive.errors import ReceptiveError
from receptive.params.reading import load_params
from receptive.tracking.pipeline import record
from receptive.tracking.runs import log_pipeline

pytestmark = pytest.mark.slow


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
    assert log_pipeline(params) == ("repro-workspace", len(CHILDREN))
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
    assert parent.data.metrics == {"resnet34.top1": 0.3, "plainnet34.top1": 0.3}
    expected = {"reports/index.html", "reports/metrics.json", "reports/figures/one.svg"}
    assert store.files(parent) == expected
    assert parent.info.artifact_uri.startswith(str(project / "mlruns"))


def test_children_have_their_stage_numbers_and_curves(project, monkeypatch):
    under_dvc(monkeypatch, project, "train@plainnet34")
    before = time.time()
    record("train", "plainnet34", 7.5)
    record("report", "", 1.5)
    log_pipeline(load_params())
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
    record("train", "resnet34", 1.0)
    params = load_params()
    log_pipeline(params)
    before = Store(project).everything()
    assert log_pipeline(params) == ("repro-workspace", 0)
    record("track", "", 1.0)
    assert not (project / "scratch/executed").exists() or not any((project / "scratch/executed").iterdir())
    assert Store(project).everything() == before


def test_what_changed_is_logged_again_under_the_same_parent(project, monkeypatch):
    under_dvc(monkeypatch, project)
    params = load_params()
    record("train", "resnet34", 1.0)
    log_pipeline(params)
    write_lock(project, train_resnet34="1")
    (project / "reports/figures/one.svg").rename(project / "reports/figures/two.svg")
    write_json(project / "reports/metrics.json", {n: {"top1": 0.4} for n in NETWORKS})
    assert log_pipeline(params)[1] == 1
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and tags.stage = 'train'")
    sources = [run.data.tags["source"] for run in found if run.data.tags["item"] == "resnet34"]
    assert sources == ["restored", "run"]  # newest first; the first note does not speak for the second
    assert store.steps(parent, "resnet34.top1") == [(0, 0.3), (0, 0.4)]
    assert store.files(parent) == {"reports/index.html", "reports/metrics.json", "reports/figures/two.svg"}


def test_other_parameters_or_experiments_are_other_parents(project, monkeypatch):
    log_pipeline(load_params())
    set_params(project, "seed=1")
    log_pipeline(load_params())
    monkeypatch.setenv("DVC_EXP_NAME", "puffy/daks")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "a" * 40)
    assert log_pipeline(load_params()) == ("puffy/daks", len(CHILDREN))
    store = Store(project)
    assert {run.data.params["seed"] for run in store.parents()} == {"0", "1"}
    [parent] = store.parents("puffy/daks")
    for run in (parent, *store.children(parent).values()):
        assert run.data.tags["commit"] == run.data.tags["mlflow.source.git.commit"] == "a" * 40


def test_temporary_experiment_logs_into_the_project(project, blank, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(blank, copy)
    set_params(copy, "seed=5")
    under_dvc(monkeypatch, project, "train@resnet34", DVC_EXP_NAME="temporary")
    monkeypatch.chdir(copy)
    record("train", "resnet34", 2.0)
    assert len(list(project.glob("scratch/executed/temporary-*/train@resnet34.json"))) == 1
    log_pipeline(load_params())
    assert not (copy / "mlflow.db").exists()
    assert not (copy / "mlruns").exists()
    store = Store(project)
    [parent] = store.parents("temporary")
    assert parent.data.params["seed"] == "5"
    assert store.children(parent)["train@resnet34"].data.tags["source"] == "run"


def test_damaged_note_counts_as_none(project, monkeypatch):
    under_dvc(monkeypatch, project)
    record("train", "resnet34", 1.0)
    [note] = project.glob("scratch/executed/*/train@resnet34.json")
    note.write_text('{"sec')
    log_pipeline(load_params())
    assert Store(project).children()["train@resnet34"].data.tags["source"] == "restored"


def test_missing_results_leave_nothing_that_counts_as_logged(project):
    table = project / "data/sparsity/resnet34/layers.parquet"
    kept = table.read_bytes()
    table.unlink()
    with pytest.raises(ReceptiveError, match=r"layers\.parquet is missing: run 'dvc repro sparsity@resnet34'"):
        log_pipeline(load_params())
    table.write_bytes(kept)
    log_pipeline(load_params())
    store = Store(project)
    [parent] = store.parents()
    found = store.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and attributes.status = 'FINISHED'")
    assert {run.info.run_name for run in found} == CHILDREN
    assert len(found) == len(CHILDREN)
    assert parent.info.status == "FINISHED"


def test_only_a_finished_run_counts_as_logged(project):
    params = load_params()
    log_pipeline(params)
    store = Store(project)
    store.client.set_terminated(store.children()["report"].info.run_id, "KILLED")
    assert log_pipeline(params)[1] == 1
