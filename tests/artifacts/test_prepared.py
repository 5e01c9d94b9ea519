"""``data/prepared/<dataset>``: round trips, the same bytes for the same inputs, and damage in one line."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from damages import BINARY, JSON, files, message_of_damage, poor_json, twice
from toys import noisy

from receptive.artifacts.files import write_table
from receptive.artifacts.prepared import (
    prepared_digest,
    prepared_sources,
    raw_folder,
    read_images,
    read_prepared,
    write_prepared,
)
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError

FOLDER = Path("data/prepared/toy")


@pytest.fixture(scope="module")
def prepared():
    return noisy()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def assert_same_prepared(one, other):
    assert (one.name, one.classes) == (other.name, other.classes)
    pd.testing.assert_frame_equal(one.labels, other.labels)
    for field in ("images", "mean", "std", "covariance", "mean_image"):
        a, b = getattr(one, field), getattr(other, field)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_prepared_images_are_read_back(project, prepared):
    folder = write_prepared(prepared)
    assert folder == Path("data/prepared/toy")
    assert set(files(folder)) == {"images.npy", "labels.parquet", "mean_image.npy", "subject_mask.npy", "stats.json"}
    read = read_prepared("toy")
    assert_same_prepared(read, prepared)
    np.testing.assert_array_equal(read.subject_mask, prepared.subject_mask)
    assert isinstance(read.images, np.memmap)  # large sets stay on the disk
    # as any other program reads them
    np.testing.assert_array_equal(np.load(folder / "images.npy"), prepared.images)
    labels = pd.read_parquet(folder / "labels.parquet")
    assert list(labels.columns) == ["image", "split", "label", "class_name"]
    stats = json.loads((folder / "stats.json").read_text())
    assert stats["mean"] == prepared.mean.tolist()
    expected = hashlib.sha256((folder / "images.npy").read_bytes() + (folder / "labels.parquet").read_bytes())
    assert prepared_digest("toy") == stats["digest"] == expected.hexdigest()


def test_masks_are_optional(project, prepared):
    bare = prepare("toy", prepared.images, prepared.labels, prepared.classes)
    write_prepared(prepared)
    write_prepared(bare)  # the masks of the set before are gone
    read = read_prepared("toy")
    assert read.subject_mask is None
    assert_same_prepared(read, bare)


def test_prepared_images_have_the_same_bytes(tmp_path, monkeypatch, prepared):
    one, other = twice(tmp_path, monkeypatch, lambda: write_prepared(prepared))
    assert one == other
    assert len(one) == 5


def test_the_digest_follows_images_and_labels(project, prepared):
    digests = set()
    for images, order in ((prepared.images, 1), (prepared.images[::-1].copy(), 1), (prepared.images, -1)):
        labels = prepared.labels.iloc[::order].reset_index(drop=True)
        write_prepared(prepare("toy", images, labels, prepared.classes))
        digests.add(prepared_digest("toy"))
    assert len(digests) == 3


def test_images_are_those_of_the_classes(project, prepared):
    write_prepared(prepared)
    assert_same_prepared(read_images("toy"), prepared)
    bees = read_images("toy", ["bee"])
    assert bees.classes == ("bee",)
    assert bees.labels["image"].tolist() == [1, 3, 5, 7, 9]
    with pytest.raises(ReceptiveError, match=r"^unknown class 'wasp' of 'toy': choose among ant, bee"):
        read_images("toy", ["ant", "wasp"])


def test_the_users_files_lie_where_they_say(project, monkeypatch):
    assert raw_folder("mnist", None) == project.resolve() / "data/raw/mnist"
    monkeypatch.setenv("RECEPTIVE_MNIST", "/elsewhere")
    assert raw_folder("mnist", None) == Path("/elsewhere")
    assert raw_folder("mnist", "mine") == project.resolve() / "mine"


def test_a_set_without_files_has_no_sources(project, prepared):
    assert prepared_sources("toy") is None
    write_prepared(prepared)
    assert prepared_sources("toy") is None


# Missing and damaged files

NAMES = ("images.npy", "mean_image.npy", "subject_mask.npy", "labels.parquet", "stats.json")


@pytest.fixture
def written(project, prepared):
    """A written set."""
    write_prepared(prepared)
    return project


@pytest.mark.parametrize("name", NAMES)
def test_missing_files_are_named_with_the_cure(written, name):
    (FOLDER / name).unlink()
    if name == "subject_mask.npy":
        assert read_prepared("toy").subject_mask is None
        return
    with pytest.raises(ReceptiveError) as caught:
        read_prepared("toy")
    assert str(caught.value) == f"{FOLDER}/{name} is missing: run 'dvc repro prepare@toy'"


@pytest.mark.parametrize(
    ("name", "damage"), [(name, damage) for name in NAMES for damage in (JSON if "json" in name else BINARY)]
)
def test_damaged_files_are_named_with_the_cure(written, name, damage):
    damage(FOLDER / name)
    with pytest.raises(ReceptiveError) as caught:
        read_prepared("toy")
    assert message_of_damage(FOLDER / name, "prepare@toy", str(caught.value))


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("subject_mask.npy", lambda mask: mask[:-1], r"subject mask is bool \(9, 8, 8\)"),
        ("mean_image.npy", lambda mean: mean[:-1], r"mean_image is float32 \(7, 8, 3\)"),
        ("images.npy", lambda images: images[:-1], "9 images where stats.json says 10"),
        ("images.npy", lambda images: images.astype(np.float32), "images are float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(written, name, change, cause):
    path = FOLDER / name
    np.save(path, change(np.load(path)))
    with pytest.raises(ReceptiveError, match=f"^data/prepared/toy is damaged .*{cause}.*'dvc repro prepare@toy'$"):
        read_prepared("toy")


def test_statistics_that_are_missing_are_refused(written):
    poor_json(FOLDER / "stats.json")
    with pytest.raises(ReceptiveError, match=r"^data/prepared/toy is damaged \('name'\).*'dvc repro prepare@toy'$"):
        read_prepared("toy")
    with pytest.raises(ReceptiveError, match=r"^data/prepared/toy/stats.json is damaged \(it lacks digest\)"):
        prepared_digest("toy")


def test_tables_of_other_columns_are_refused(written):
    path = FOLDER / "labels.parquet"
    write_table(path, pd.read_parquet(path).drop(columns="split"))
    with pytest.raises(ReceptiveError, match="lack the column 'split'"):
        read_prepared("toy")
