"""MNIST's IDX files, against torchvision's reader."""

import gzip
import shutil
import struct

import numpy as np
import pytest

from receptive.artifacts import downloading
from receptive.datasets import mnist
from receptive.datasets.prepared import check
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision

torchvision = import_torchvision()
NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def root(tmp_path):
    """Thirty training and twelve test digits of noise where torchvision looks for them."""
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 12)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.permutation(np.arange(count, dtype=np.uint8) % 10)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path / "mnist"


def pack(root):
    for name in NAMES:
        path = root / "MNIST" / "raw" / name
        path.with_name(f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def flat(root):
    for name in NAMES:
        (root / "MNIST" / "raw" / name).rename(root / name)


def only_raw(root):
    (root / "MNIST" / "raw").rename(root / "raw")


@pytest.mark.parametrize("place", [lambda root: None, pack, flat, only_raw])
def test_digits_are_torchvisions(root, place):
    theirs = {split: torchvision.datasets.MNIST(str(root), train=split == "train") for split in ("train", "validation")}
    place(root)
    prepared = mnist.load(root)
    check(prepared)
    assert prepared.name == "mnist"
    assert prepared.classes == tuple("0123456789")
    assert prepared.images.shape == (42, 28, 28, 1)
    for split, expected in theirs.items():
        rows = prepared.labels[prepared.labels["split"] == split]
        np.testing.assert_array_equal(prepared.images[rows["image"], ..., 0], expected.data.numpy())
        assert rows["label"].tolist() == expected.targets.tolist()
        assert rows["class_name"].tolist() == [str(digit) for digit in expected.targets.tolist()]


def test_what_is_missing_is_said(root):
    raw = root / "MNIST" / "raw"
    (raw / NAMES[0]).unlink()
    (raw / NAMES[3]).unlink()
    with pytest.raises(ReceptiveError) as caught:
        mnist.load(root)
    assert str(caught.value) == (
        f"MNIST lacks {NAMES[0]}, {NAMES[3]} (or .gz) in {raw}: set prepare.mnist.download to true, or name another "
        "folder with prepare.mnist.path or RECEPTIVE_MNIST"
    )
    shutil.rmtree(root)
    with pytest.raises(ReceptiveError, match=", ".join(NAMES)):
        mnist.load(root)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "no IDX file of bytes"),
        (b"PK\3\4", "no IDX file of bytes"),
        (bytes([0, 0, 13, 1]) + struct.pack(">I", 30) + bytes(30), "no IDX file of bytes"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 30) + bytes(29), r"37 bytes are not those of \(30,\) values"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 30) + bytes(31), r"39 bytes are not those of \(30,\) values"),
        (bytes([0, 0, 8, 3, 0]), "cannot be read"),
        (idx(np.zeros(29, dtype=np.uint8)), "do not fit together"),
        (idx(np.full(30, 10, dtype=np.uint8)), "do not fit together"),
    ],
)
def test_damaged_files_are_refused(root, content, cause):
    (root / "MNIST" / "raw" / NAMES[1]).write_bytes(content)
    with pytest.raises(ReceptiveError, match=cause) as caught:
        mnist.load(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage", [lambda data: b"nothing", lambda data: data[:40], lambda data: data[:-20] + b"x" * 20]
)
def test_damaged_archives_are_refused(root, damage):
    pack(root)
    path = root / "MNIST" / "raw" / f"{NAMES[2]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReceptiveError, match=f"{NAMES[2]} cannot be read .*: remove it and get it again"):
        mnist.load(root)


# Fetching


def test_only_what_is_missing_is_fetched(root, tmp_path, monkeypatch):
    fetched = []

    def fetch(where, download):
        fetched.append((where, download))

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    downloading.download_mnist(root)
    assert fetched == []
    (root / "MNIST" / "raw" / NAMES[0]).unlink()
    downloading.download_mnist(root)
    assert fetched == [(str(root), True)]


def test_without_a_network_it_says_so(tmp_path, monkeypatch):
    from urllib.error import URLError

    def refuse(*args, **kwargs):
        raise URLError("no route")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(ReceptiveError, match=r"MNIST could not be fetched to .*: connect .* four IDX files there"):
        downloading.download_mnist(tmp_path / "new")
