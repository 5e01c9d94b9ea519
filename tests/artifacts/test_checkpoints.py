"""What a stage keeps between two attempts: found again by the same work only, whatever else changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from receptive.artifacts.checkpoints import keep, read_kept, scratch, source_files
from receptive.artifacts.root import project_root

SOURCE = Path(__file__).parents[2] / "src"
CODE = ("receptive.errors",)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def test_the_folder_is_found_again_by_the_same_work_only(project):
    first = scratch("train-a", "recipe", "data", "0", code=CODE)
    assert first == scratch("train-a", "recipe", "data", "0", code=CODE)
    assert first.parent == project.resolve() / "scratch"
    assert first.name.startswith("train-a-")
    assert not first.exists()
    others = [
        scratch("train-b", "recipe", "data", "0", code=CODE),
        scratch("train-a", "recip", "edata", "0", code=CODE),
        scratch("train-a", "recipe", "data", "1", code=CODE),
        scratch("train-a", "Recipe", "data", "0", code=CODE),
        scratch("train-a", "recipe", "data", code=CODE),
        scratch("train-a", "recipe", "data", "0", "", code=CODE),
        scratch("train-a", "data", "recipe", "0", code=CODE),
        scratch("train-a", "recipe", "data", "0", code=("receptive.seeds",)),
        scratch("train-a", "recipe", "data", "0", code=()),
    ]
    assert len({first, *others}) == 10


def test_it_lies_in_the_project_also_in_an_experiment(project, monkeypatch):
    first = scratch("train", "x", code=CODE)
    copy = project / "temporary copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    assert scratch("train", "x", code=CODE).parent == copy.resolve() / "scratch"
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert project_root() == project.resolve()
    assert scratch("train", "x", code=CODE) == first


def test_a_package_is_all_its_modules_and_a_module_is_itself():
    files = {str(path.relative_to(SOURCE)) for path in source_files(["receptive.training", "receptive.loading"])}
    assert {"receptive/training/loop.py", "receptive/training/augmentation.py", "receptive/loading.py"} <= files
    assert not any("tracking" in file or "claims" in file for file in files)
    with pytest.raises(ModuleNotFoundError, match=r"receptive\.nothing"):
        source_files(["receptive.nothing"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The keys of a ResNet34's training after a comment in one file, by that file; "" without one."""
    source = tmp_path_factory.mktemp("source") / "receptive"
    shutil.copytree(SOURCE / "receptive", source, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "from receptive.artifacts.checkpoints import scratch; from receptive.training import CODE;"
        "print(scratch('train-resnet34', 'recipe', code=(*CODE, 'receptive.networks.families.resnet')).name)"
    )

    def key() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(source.parent)},
            cwd=source.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    found = {"": key()}
    for file in (*DECIDES, *DECIDES_NOT):
        text = (source / file).read_text()
        (source / file).write_text(f"{text}# a comment\n")
        found[file] = key()
        (source / file).write_text(text)
    return found


DECIDES = ("training/loop.py", "training/augmentation.py", "networks/families/resnet.py", "networks/parts/blocks.py",
           "parallel/workers.py", "loading.py")  # fmt: skip
DECIDES_NOT = ("tracking/runs.py", "tracking/pipeline.py", "artifacts/files.py", "params/schema.py",
               "networks/families/vggcnn.py", "processes/launch.py", "stages/train.py")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("file", DECIDES)
def test_other_code_of_the_training_is_other_work(keys, file):
    assert keys[file] != keys[""]


@pytest.mark.slow
@pytest.mark.parametrize("file", DECIDES_NOT)
def test_a_comment_elsewhere_costs_no_checkpoint(keys, file):
    assert keys[file] == keys[""]


def test_what_is_kept_is_read_back(tmp_path):
    path = tmp_path / "deep" / "1.npz"
    assert read_kept(path) is None
    keep(path, {"a": np.arange(3), "b": np.ones((2, 2), np.uint8)})
    kept = read_kept(path)
    assert {name: array.tolist() for name, array in kept.items()} == {"a": [0, 1, 2], "b": [[1, 1], [1, 1]]}
    assert [file.name for file in path.parent.iterdir()] == ["1.npz"]
    path.write_bytes(path.read_bytes()[:100])
    assert read_kept(path) is None


def test_two_processes_may_keep_the_same_file_at_once(tmp_path, monkeypatch):
    path, save = tmp_path / "1.npz", np.savez

    def interrupted(file, **arrays):
        """Half of the first file is written when another process writes the same file."""
        file.write(b"half")
        monkeypatch.setattr(np, "savez", save)
        with monkeypatch.context() as other:
            other.setattr(os, "getpid", lambda: -1)
            keep(path, arrays)
        file.seek(0)
        save(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    keep(path, {"a": np.arange(3)})
    assert read_kept(path)["a"].tolist() == [0, 1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["1.npz"]
