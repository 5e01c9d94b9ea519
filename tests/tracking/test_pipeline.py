"""Which run of the pipeline this is, and what ran in it: all without MLflow."""

import json
import os
import re
import shutil
import subprocess

import pytest
from tracked import CHILDREN, start, under_dvc

from receptive.errors import ReceptiveError
from receptive.params.reading import load_params
from receptive.tracking.pipeline import read_instances, read_note, record, this_pipeline


@pytest.fixture
def project(blank, tmp_path, monkeypatch):
    """A project in the working folder, without a store, outside DVC and git."""
    folder = tmp_path / "a project"
    shutil.copytree(blank, folder)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("DVC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


def test_parent_is_named_after_the_commit(project):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(project)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert this_pipeline().name == "repro-workspace"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    pipeline = this_pipeline()
    assert (pipeline.name, pipeline.commit) == (f"repro-{head[:7]}", head)
    assert re.fullmatch(rf"repro-{head[:7]}-[0-9a-f]{{12}}", pipeline.key)


def test_without_git_there_is_no_commit(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert this_pipeline().name == "repro-workspace"


def test_record_is_cheap_and_only_for_dvc(project, monkeypatch):
    record("train", "resnet34", 1.0)
    assert not (project / "scratch").exists()
    code = """
        import sys
        from receptive.params.reading import load_params
        from receptive.tracking.live import live_training
        from receptive.tracking.pipeline import record
        record("train", "resnet34", 1.0)
        with live_training("resnet34", load_params()) as log:
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
    record("train", "resnet34", 1.0)


def test_a_damaged_note_counts_as_none(project, monkeypatch):
    under_dvc(monkeypatch, project)
    record("train", "resnet34", 1.5)
    assert read_note(this_pipeline(), "train", "resnet34").seconds == 1.5
    assert read_note(this_pipeline(), "train", "plainnet34") is None
    [path] = project.glob("scratch/executed/*/train@resnet34.json")
    for text in ('{"sec', "[1]", '{"seconds": 1}'):
        path.write_text(text)
        assert read_note(this_pipeline(), "train", "resnet34") is None


def test_instances_are_those_of_this_study(project):
    """dvc.lock also has a network that is not trained now, a stage that is gone, and the stage that logs."""
    instances = read_instances(load_params())
    assert {instance.name for instance in instances} == CHILDREN
    assert len({instance.lock_hash for instance in instances}) == len(CHILDREN)
    [trained] = [instance for instance in instances if instance.name == "train@resnet34"]
    assert [str(out) for out in trained.outs] == ["data/networks/resnet34"]


def test_missing_lock_file_is_one_line(project):
    (project / "dvc.lock").unlink()
    with pytest.raises(ReceptiveError, match=r"dvc\.lock is missing: run 'dvc repro'"):
        read_instances(load_params())
