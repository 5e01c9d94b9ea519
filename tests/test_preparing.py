"""The stage prepare and the command check on the user's own files, as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from trees import save_image

from receptive import datasets, networks
from receptive.artifacts.image_store import ImageStore
from receptive.artifacts.prepared import read_prepared, write_prepared
from receptive.loading import read_split
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.networks.torchvision_loader import import_torchvision
from receptive.params.reading import compose, load_params
from receptive.params.recipe import Recipe
from receptive.training.loop import train

pytestmark = pytest.mark.slow  # stages and commands, each in a process of its own

import_torchvision()
from torchvision.transforms import CenterCrop, Compose, Resize  # noqa: E402

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
        compose(self.folder, ("dataset=folder", "model=resnet34", "profile=smoke", *small, *overrides))

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
    prepared = read_prepared("folder", where)
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
    assert not (read_prepared("folder", where).surround[1] != marked).any()
    same = {name for name in first if first[name] == second[name]}
    assert {
        "prepared/folder/files.parquet",
        "prepared/folder/labels.parquet",
        "prepared/folder/damaged.parquet",
    } <= same
    assert work.prepare().returncode == 0
    assert work.files() == second


def test_prepared_folder_of_jpegs(work):
    """The same with JPEGs: an interruption changes no byte; the images are those of the raw set but for the loss."""
    (work.pictures / "dog" / "07.jpg").write_bytes(b"nothing")
    where = work.folder / "data/prepared/folder"
    assert work.prepare().returncode == 0
    raw = read_prepared("folder", where)
    raw_rows = raw.surround[:]
    work.choose("prepare.folder.store=jpeg", "prepare.folder.damaged=stop", "prepare.folder.quality=95")
    fails(work.prepare(), "1 of 80 files in")
    (kept,) = (work.folder / "scratch").iterdir()
    (kept / "block-64.npz").unlink()  # as if it had stopped before
    work.choose("prepare.folder.store=jpeg", "prepare.folder.quality=95")
    done = work.prepare()
    assert done.returncode == 0, done.stderr
    assert list((work.folder / "scratch").iterdir()) == []
    first = work.files()
    prepared = read_prepared("folder", where)
    assert (prepared.images.shape, prepared.surround.shape) == ((80, 32, 32, 3), (80, 36, 36, 3))
    pd.testing.assert_frame_equal(prepared.labels, raw.labels)
    assert np.abs(prepared.surround[:].astype(float) - raw_rows).mean() < 6  # noise, at quality 95
    assert work.prepare().returncode == 0
    assert work.files() == first


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


def test_a_link_to_nothing_is_a_damaged_file(work):
    """Left out and listed, or fatal, as ``damaged`` says; also by ``check``."""
    file = work.pictures / "dog" / "07.jpg"
    saved = file.read_bytes()
    file.unlink()
    file.symlink_to(work.pictures / "nowhere.jpg")
    done = work.run("receptive", "check", "folder")
    assert (done.returncode, done.stderr) == (0, "")
    listed = "damaged, to be left out: dog/07.jpg (FileNotFoundError: No such file or directory)"
    assert done.stdout.splitlines()[1:] == [listed]
    done = work.prepare()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    where = work.folder / "data/prepared/folder"
    assert pd.read_parquet(where / "damaged.parquet")["file"].tolist() == ["dog/07.jpg"]
    assert work.run("receptive", "check", "folder").returncode == 0

    work.choose("prepare.folder.damaged=stop")
    before = work.files()
    for done in (work.prepare(), work.run("receptive", "check", "folder")):
        fails(done, "1 of 80 files in")
        assert "dog/07.jpg (FileNotFoundError: " in done.stderr
    assert work.files() == before
    file.unlink()
    file.write_bytes(saved)
    fails(work.run("receptive", "check", "folder"), "was made of other files")


def test_a_class_of_damaged_files_is_refused(work):
    for file in (work.pictures / "dog").iterdir():
        file.write_bytes(b"nothing")
    fails(work.prepare(), "1 of 2 classes in")
    for file in (work.pictures / "ape").iterdir():
        file.write_bytes(b"nothing")
    fails(work.prepare(), "80 of 80 files in")
    assert work.files() == {}


def test_what_is_missing_ends_in_one_line(work):
    done = work.prepare(RECEPTIVE_FOLDER=str(work.folder / "nowhere"))
    fails(done, "nowhere is missing: put images into <class>/<image>")
    assert done.stderr.count("\n") == 1
    fails(work.run("receptive.stages.prepare", "mnist"), "params.yaml has no section prepare.mnist")
    assert not (work.folder / "data").exists()


# The papers' own sizes


def photograph(path, seed, width, height):
    """A smooth picture without red in its centre square, nine tenths of the shorter side, and red around."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    coarse[..., 0] = 0
    side = round(0.9 * min(width, height))
    picture = Image.new("RGB", (width, height), "red")
    centre = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    picture.paste(centre, ((width - side) // 2, (height - side) // 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95, subsampling=0)


def reds(seen):
    """Of pixels in [0, 1], image x channel x y x x: which images have red ones."""
    return ((seen[:, 0] > 0.8) & (seen[:, 1] < 0.2) & (seen[:, 2] < 0.2)).flatten(1).any(1)


def test_an_epoch_at_the_papers_sizes(tmp_path):
    """JPEGs of ordinary sizes by the paper profile: crops come from all of the 256 px, validation sees 224 px."""
    pictures = tmp_path / "pictures"
    for k, name in enumerate(("ape", "dog")):
        for i in range(6):
            photograph(pictures / name / f"{i}.jpg", 10 * k + i, *((500, 375), (300, 400))[i % 2])
    (tmp_path / "conf").symlink_to(PROJECT / "conf")
    chosen = load_params(compose(tmp_path, ("profile=paper", "dataset=folder", "model=resnet34")))
    parameters = chosen.preparation("folder")
    for not_of_the_reader in ("path", "store", "quality"):
        parameters.pop(not_of_the_reader)
    assert (parameters["size"], parameters["stored_size"]) == (224, 256)

    def open_store(images, side):
        return ImageStore(tmp_path / "store", images, side)

    made = datasets.load("folder", parameters, 0, root=pictures, open_store=open_store)
    prepared = read_prepared("folder", write_prepared(made, tmp_path / "prepared"))
    split, validation = read_split(prepared, "train", surround=True), read_split(prepared, "validation")
    assert (split.images.shape, split.size) == ((10, 256, 256, 3), 224)
    assert validation.images.shape == (2, 224, 224, 3)

    recipe = Recipe(**chosen.recipe("resnet34").model_dump() | {"width": 0.25, "batch_size": 4, "epochs": 1})
    assert (recipe.crop_area, recipe.normalisation) == ([0.08, 1.0], "standardise")
    network = networks.build("resnet34", 2, 224, **recipe.options())
    initialise(network, torch.Generator().manual_seed(0), recipe.first_scale)
    normalisation = Normalisation.fit(
        recipe.normalisation, prepared.mean, prepared.std, prepared.covariance, prepared.mean_image
    )
    seen = {True: [], False: []}
    normalisation.register_forward_pre_hook(lambda _, inputs: seen[network.training].append(inputs[0].clone()))
    history = train(network, normalisation, split, validation, recipe, 0, torch.device("cpu"))
    assert [row["split"] for row in history] == ["train", "validation"]
    assert all(np.isfinite(row["loss"]) for row in history)

    trained, (validated,) = torch.cat(seen[True]), seen[False]
    assert trained.shape == (8, 3, 224, 224)
    # nine tenths of 256 px hold the view: what is red lies outside of it, and crops reach it
    assert not reds(torch.from_numpy(prepared.images[:].copy()).permute(0, 3, 1, 2) / 255).any()
    assert reds(trained).any()
    files = made.origin.files.set_index("image")["file"]
    view = Compose([Resize(256), CenterCrop(224)])
    for pixels, number in zip(validated, validation.numbers.tolist(), strict=True):
        with Image.open(pictures / files[number]) as opened:
            expected = np.asarray(view(opened))
        np.testing.assert_allclose(pixels.permute(1, 2, 0), expected / 255, atol=1e-6)
