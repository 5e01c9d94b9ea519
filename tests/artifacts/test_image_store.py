"""Decoded images kept as JPEGs: made in any order, interrupted, damaged; then as a prepared set that stages read."""

import hashlib
import io
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from damages import BINARY, files, message_of_damage
from PIL import Image

from receptive import loading
from receptive.artifacts import prepared as prepared_artifact
from receptive.artifacts.image_store import ImageStore, JpegStore, open_store
from receptive.artifacts.prepared import prepared_digest, read_images, read_prepared, write_prepared
from receptive.datasets.decoding import BLOCK_IMAGES, decode, read_image
from receptive.datasets.files import listing, prepare_files
from receptive.errors import ReceptiveError
from receptive.loading import Feed, RowsOnDisk, read_split
from receptive.measurements.batches import Batches

SIDE, VIEW, COUNT, DAMAGED = 16, 12, 150, (3, 140)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """150 smooth pictures, two of them damaged: two whole blocks and a part of one."""
    root = tmp_path_factory.mktemp("tree")
    random = np.random.default_rng(0)
    for i in range(COUNT):
        coarse = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        coarse.resize((24, 18), Image.Resampling.BICUBIC).save(root / f"{i:03d}.png")
    for i in DAMAGED:
        (root / f"{i:03d}.png").write_bytes(b"no image")
    return root


NAMES = [f"{i:03d}.png" for i in range(COUNT)]


@pytest.fixture(scope="module")
def decoded(tree):
    """What is stored of each picture, before it is a JPEG; black where it is damaged."""
    rows = np.zeros((COUNT, SIDE, SIDE, 3), np.uint8)
    for i, name in enumerate(NAMES):
        if i not in DAMAGED:
            rows[i] = read_image(tree / name, SIDE)
    return rows


def store_in(folder, quality=90, images=COUNT, kind=JpegStore):
    return kind(folder, images, SIDE, quality)


def by_pillow(file, index):
    """Every image of a file of JPEGs, as another library cuts and decodes it."""
    content, offsets = file.read_bytes(), index["offsets"].tolist()
    jpegs = [content[first:stop] for first, stop in pairwise(offsets)]
    return np.stack([np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in jpegs])


def results(folder):
    return {name: content for name, content in files(folder).items() if name.startswith("images.")}


class Counting(JpegStore):
    """Notes which blocks are written; stops, as by Ctrl-C, before the one after ``stop``."""

    def __init__(self, *arguments, stop=99):
        super().__init__(*arguments)
        self.written, self.stop = [], stop

    def write(self, first, images):
        if len(self.written) == self.stop:
            raise KeyboardInterrupt
        self.written.append(first)
        super().write(first, images)


def test_the_parameter_chooses_the_store(tmp_path):
    assert type(open_store(tmp_path / "raw", 2, 8, "raw", 90)) is ImageStore
    assert type(open_store(tmp_path / "jpeg", 2, 8, "jpeg", 90)) is JpegStore


def test_rows_are_the_files(tmp_path, tree, decoded):
    store = store_in(tmp_path / "store")
    decode(tree, NAMES, SIDE, store, workers=1)
    images = store.images()
    assert list(store.problems()) == list(DAMAGED)
    np.testing.assert_array_equal(images[:], by_pillow(store.file, np.load(store.file.with_suffix(".npz"))))
    error = images[:].astype(float) - decoded
    assert np.abs(error).mean() < 3
    assert not images[list(DAMAGED)].any()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_bytes_are_the_same_whatever_the_number_of_processes(tmp_path, tree, workers):
    for folder, count in (("one", 1), ("more", workers)):
        store = store_in(tmp_path / folder)
        decode(tree, NAMES, SIDE, store, workers=count)
        store.images()
    assert results(tmp_path / "one") == results(tmp_path / "more")
    assert set(results(tmp_path / "one")) == {"images.jpegs", "images.npz"}


def test_the_order_of_the_blocks_changes_no_byte(tmp_path, decoded):
    for folder, step in (("one", 1), ("other", -1)):
        store = store_in(tmp_path / folder)
        for first in range(0, COUNT, BLOCK_IMAGES)[::step]:
            store.write(first, decoded[first : first + BLOCK_IMAGES])
            store.finish(first, "x", {})
        store.images()
    assert results(tmp_path / "one") == results(tmp_path / "other")


def test_an_interrupted_decoding_goes_on_where_it_stopped(tmp_path, tree):
    whole = store_in(tmp_path / "whole")
    decode(tree, NAMES, SIDE, whole, workers=1)
    whole.images()
    first = Counting(tmp_path / "store", COUNT, SIDE, 90, stop=1)
    with pytest.raises(KeyboardInterrupt):
        decode(tree, NAMES, SIDE, first, workers=1)
    second = Counting(tmp_path / "store", COUNT, SIDE, 90)
    decode(tree, NAMES, SIDE, second, workers=1)
    assert (first.written, second.written) == ([0], [64, 128])
    assert list(second.problems()) == list(DAMAGED)
    second.images()
    assert results(tmp_path / "store") == results(tmp_path / "whole")
    # whatever fails after that costs no decoding
    third = Counting(tmp_path / "store", COUNT, SIDE, 90)
    decode(tree, NAMES, SIDE, third, workers=1)
    assert third.written == []
    third.images()
    assert results(tmp_path / "store") == results(tmp_path / "whole")


@pytest.mark.parametrize("damage", BINARY)
def test_a_block_that_was_damaged_meanwhile_is_made_anew(tmp_path, tree, damage):
    store = Counting(tmp_path / "store", COUNT, SIDE, 90)
    decode(tree, NAMES, SIDE, store, workers=1)
    damage(tmp_path / "store" / "block-64.npz")
    with pytest.raises(ReceptiveError, match=r"block-64.npz was damaged and is removed: run again, it is made anew$"):
        store.images()
    again = Counting(tmp_path / "store", COUNT, SIDE, 90)
    decode(tree, NAMES, SIDE, again, workers=1)
    assert again.written == [64]
    assert len(again.images()) == COUNT


@pytest.mark.parametrize("other", [{"quality": 91}, {"images": COUNT - 1}])
def test_another_quality_or_number_begins_anew(tmp_path, tree, other):
    decode(tree, NAMES, SIDE, store_in(tmp_path / "store"), workers=1)
    count = other.get("images", COUNT)
    again = Counting(tmp_path / "store", count, SIDE, other.get("quality", 90))
    decode(tree, NAMES[:count], SIDE, again, workers=1)
    assert again.written == [0, 64, 128]


def test_no_room_is_said_beforehand(tmp_path):
    with pytest.raises(ReceptiveError, match=r"images of 256 px need 7864\.3 GB, and .* GB are free"):
        JpegStore(tmp_path / "store", 10**8, 256, 90)


# As a prepared set


def prepare_set(tree, scratch, store="jpeg"):
    halves = {"train": {"a": NAMES[:50], "b": NAMES[50:100]}, "validation": {"a": NAMES[100:120], "b": NAMES[120:]}}

    def opened(images, side):
        return open_store(scratch, images, side, store, 90)

    return prepare_files(listing("toy", tree, halves, ["a", "b"]), VIEW, SIDE, "skip", opened, workers=1)


@pytest.fixture
def project(tmp_path, monkeypatch, tree):
    """A folder with the prepared set, to be in."""
    monkeypatch.chdir(tmp_path)
    write_prepared(prepare_set(tree, tmp_path / "scratch"))
    return tmp_path


FOLDER = prepared_artifact.FOLDER / "toy"


def test_a_set_of_jpegs_is_read_back(project, tree):
    assert {name for name in files(FOLDER) if name.startswith("images")} == {"images.jpegs", "images.npz"}
    expected = by_pillow(FOLDER / "images.jpegs", np.load(FOLDER / "images.npz"))
    stats = json.loads((FOLDER / "stats.json").read_text())
    assert (stats["store"], stats["view_px"], stats["images"]) == ("jpeg", VIEW, COUNT)
    content = (FOLDER / "images.jpegs").read_bytes() + (FOLDER / "labels.parquet").read_bytes()
    assert prepared_digest("toy") == hashlib.sha256(content).hexdigest()
    read = read_prepared("toy")
    np.testing.assert_array_equal(read.surround[:], expected)
    np.testing.assert_array_equal(read.images[:], expected[:, 2:14, 2:14])
    # the statistics are those of the pixels that networks see
    rows = read.labels.loc[read.labels["split"] == "train", "image"]
    assert len(rows) == 99
    views = expected[rows][:, 2:14, 2:14] / 255
    np.testing.assert_allclose(read.mean, views.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(read.mean_image, views.mean(0), rtol=1e-6)
    classes = read_images("toy", ["b"])
    np.testing.assert_array_equal(classes.images[[60, 130]], expected[[60, 130], 2:14, 2:14])


def test_every_reader_sees_the_same_pixels(project, monkeypatch):
    """Training from memory or from the disk, extraction, and patches that are cut later."""
    expected = by_pillow(FOLDER / "images.jpegs", np.load(FOLDER / "images.npz"))
    prepared = read_prepared("toy")
    for most in (0, 2**30):
        monkeypatch.setattr(loading, "MOST_IN_MEMORY", most)
        split = read_split(prepared, "train", surround=True)
        assert isinstance(split.images, RowsOnDisk) == (most == 0)
        rows = [torch.tensor([5, 0, 98]), torch.tensor([3, 3])]
        for batch, (images, _) in zip(rows, Feed(split, torch.device("cpu")).batches(rows), strict=True):
            np.testing.assert_array_equal(images, expected[split.numbers[batch]])
        assert split.size == VIEW
    seen = dict.fromkeys(range(COUNT))
    for numbers, pixels in Batches(prepared, "validation", 20):
        for number, image in zip(numbers.tolist(), pixels, strict=True):
            seen[number] = image.permute(1, 2, 0).numpy()
    for number in prepared.labels.loc[prepared.labels["split"] == "validation", "image"]:
        np.testing.assert_array_equal(seen[number], torch.from_numpy(prepared.images[number]) / 255)
        np.testing.assert_array_equal(prepared.images[number], expected[number, 2:14, 2:14])


def test_jpegs_are_raw_pixels_but_for_what_a_jpeg_loses(project, tree, decoded):
    raw = prepare_set(tree, project / "raw", "raw")
    jpeg = read_prepared("toy")
    pd.testing.assert_frame_equal(raw.labels, jpeg.labels)
    np.testing.assert_array_equal(raw.surround, decoded)
    np.testing.assert_allclose(raw.mean, jpeg.mean, atol=0.01)
    np.testing.assert_allclose(raw.mean_image, jpeg.mean_image, atol=0.02)
    write_prepared(replace(raw, name="bytes"))
    stats = json.loads((FOLDER.with_name("bytes") / "stats.json").read_text())
    assert "store" not in stats  # raw sets have the files that they always had
    assert isinstance(read_prepared("bytes").surround, np.memmap)


@pytest.mark.parametrize("name", ["images.jpegs", "images.npz"])
def test_missing_files_are_named_with_the_cure(project, name):
    (FOLDER / name).unlink()
    with pytest.raises(ReceptiveError) as caught:
        read_prepared("toy")
    assert str(caught.value) == f"{FOLDER}/{name} is missing: run 'dvc repro prepare@toy'"


@pytest.mark.parametrize("name", ["images.jpegs", "images.npz"])
@pytest.mark.parametrize("damage", BINARY)
def test_damaged_files_are_named_with_the_cure(project, name, damage):
    damage(FOLDER / name)
    with pytest.raises(ReceptiveError) as caught:
        read_prepared("toy")
    assert message_of_damage(FOLDER / name, "prepare@toy", str(caught.value))


def test_a_damaged_image_is_named_with_the_cure(project):
    """Where it is read: a set is opened without reading all of it."""
    index, file = np.load(FOLDER / "images.npz"), FOLDER / "images.jpegs"
    content = bytearray(file.read_bytes())
    content[index["offsets"][70] + 50] ^= 255
    file.write_bytes(content)
    prepared = read_prepared("toy")
    with pytest.raises(ReceptiveError) as caught:
        prepared.images[60:80]
    assert message_of_damage(file, "prepare@toy", str(caught.value))
    assert "(image 70: its bytes have changed)" in str(caught.value)


def test_other_statistics_than_the_files_are_refused(project):
    stats = json.loads((FOLDER / "stats.json").read_text())
    (FOLDER / "stats.json").write_text(json.dumps(stats | {"images": COUNT + 1}))
    with pytest.raises(ReceptiveError, match=r"150 images where stats.json says 151"):
        read_prepared("toy")
