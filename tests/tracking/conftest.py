"""Projects to log, with and without a store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tracked import GRAPH, HERE, clean_environment, set_params, under_dvc, write_data, write_lock

from receptive.params.reading import load_params


@pytest.fixture(scope="session")
def blank(tmp_path_factory) -> Path:
    """A project that has everything but the store."""
    folder = tmp_path_factory.mktemp("blank")
    shutil.copytree(HERE / "conf", folder / "conf")
    set_params(folder)
    (folder / "dvc.yaml").write_text(GRAPH)
    write_lock(folder)
    write_data(folder)
    return folder


@pytest.fixture(scope="session")
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


@pytest.fixture
def live(project, monkeypatch):
    set_params(project, "track.live=true")
    under_dvc(monkeypatch, project, "train@resnet34")
    return load_params()
