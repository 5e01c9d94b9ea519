"""The stage prepare and the command check on the user's own files, as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trees import save_image

from receptive.io import artifacts, params

PROJECT = Path(__file__).parents[1]


class Workplace:
    """A folder with params.yaml, and pictures elsewhere."""

    def __init__(self, folder: Path):
        self.folder, self.pictures = folder / "project", folder / "pictures"
        self.folder.mkdir()
        (self.folder / "conf").symlink_to(PROJECT / "conf")
        for k, name in enumerate(("ape", "dog")):
            for i in range(40):
                save_image(self.pictures / name / f"{i:02d}.jpg", 100 * k + i, 50, 40 + i)
        self.choose()

    def choose(self, *overrides):
        small = ("prepare.folder.size=32", "prepare.folder.stored_size=36")
        params.compose(self.folder, ("dataset=folder", "model=resnet34", "profile=smoke", *small, *overrides))

    def run(self, *command, **variables):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "RECEPTIVE_"))}
        environment = clean | {"PYTHONPATH": str(PROJECT / "src"), "RECEPTIVE_FOLDER": str(self.pictures)} | variables
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def prepare(self, **variables):
        return self.run("receptive.stages.prepare", "folder", **variables)

    def files(self):
        where = self.folder / "data"
        return {str(p.relative_to(where)): p.read_bytes() for p in sorted(where.rglob("*")) if p.is_file()}


@pytest.fixture
def work(tmp_path):
    return Workplace(tmp_path)


def fails(done, cause):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert cause in line


def test_prepared_folder(work):
    """Damaged files are fatal or left out; an interrupted preparation goes on; the same files give the same bytes."""
    (work.pictures / "dog" / "07.jpg").write_bytes(b"nothing")
    work.choose("prepare.folder.damaged=stop")
    fails(work.prepare(), "1 of 80 files in")
    assert work.files() == {}
    (kept,) = (work.folder / "scratch").iterdir()
    journal = (kept / "blocks.jsonl").read_text().splitlines()
    assert len(journal) == 2
    # what was decoded is not decoded again: a mark in its row survives
    stored = np.lib.format.open_memmap(kept / "images.npy")
    marked = stored[1].copy()
    stored[1] = 17
    stored.flush()

    work.choose()
    done = work.prepare()
    assert done.returncode == 0, done.stderr
    assert "1 files are damaged and left out: data/prepared/folder/damaged.parquet lists them" in done.stdout
    assert "data/prepared/folder: 79 images of 2 classes" in done.stdout
    assert list((work.folder / "scratch").iterdir()) == []
    where = work.folder / "data/prepared/folder"
    prepared = artifacts.read_prepared("folder", where)
    assert (prepared.surround[1] == 17).all()
    assert prepared.images.shape == (80, 32, 32, 3)
    assert prepared.surround.shape == (80, 36, 36, 3)
    damaged = pd.read_parquet(where / "damaged.parquet")
    assert damaged["file"].tolist() == ["dog/07.jpg"]
    assert damaged["problem"].tolist() == ["UnidentifiedImageError: cannot identify image file 'dog/07.jpg'"]
    files = pd.read_parquet(where / "files.parquet")
    assert files["image"].tolist() == prepared.labels["image"].tolist()
    assert [Path(file).parent.name for file in files["file"]] == prepared.labels["class_name"].tolist()

    # from scratch, elsewhere, the pictures named by the parameter: the same but for the mark
    work.pictures.rename(work.pictures.with_name("moved"))
    work.choose("prepare.folder.path=../moved")
    first = work.files()
    assert work.prepare(RECEPTIVE_FOLDER="nowhere").returncode == 0
    second = work.files()
    assert list(first) == list(second)
    assert not (artifacts.read_prepared("folder", where).surround[1] != marked).any()
    same = {name for name in first if first[name] == second[name]}
    assert {
        "prepared/folder/files.parquet",
        "prepared/folder/labels.parquet",
        "prepared/folder/damaged.parquet",
    } <= same
    assert work.prepare().returncode == 0
    assert work.files() == second


def test_checking(work):
    done = work.run("receptive", "check", "folder")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{work.pictures}: 64 training and 16 validation images of 2 classes\n"
    assert work.prepare().returncode == 0
    assert work.run("receptive", "check", "folder").returncode == 0
    save_image(work.pictures / "dog" / "new.jpg", 5)
    fails(work.run("receptive", "check", "folder"), "was made of other files, or of another split: run 'dvc repro --f")
    fails(work.run("receptive", "check", "imagenet"), "the folder of ImageNet")
    fails(work.run("receptive", "check", "mnist"), "MNIST lacks train-images-idx3-ubyte, ")
    fails(work.run("receptive", "check", "digits"), "digits has no files of yours to check: check one of folder, im")


def test_what_is_missing_ends_in_one_line(work):
    done = work.prepare(RECEPTIVE_FOLDER=str(work.folder / "nowhere"))
    fails(done, "nowhere is missing: put images into <class>/<image>")
    assert done.stderr.count("\n") == 1
    fails(work.run("receptive.stages.prepare", "mnist"), "params.yaml has no section prepare.mnist")
    assert not (work.folder / "data").exists()
