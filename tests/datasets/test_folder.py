"""Class-per-folder trees, against torchvision's ImageFolder."""

import os

import numpy as np
import pytest
from trees import InMemory, save_image

from receptive.datasets import folder
from receptive.datasets.files import EXTENSIONS
from receptive.datasets.prepared import check
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision

import_torchvision()
from torchvision.datasets import ImageFolder  # noqa: E402
from torchvision.datasets.folder import IMG_EXTENSIONS  # noqa: E402
from torchvision.transforms import CenterCrop, Compose, Resize  # noqa: E402


@pytest.fixture
def tree(tmp_path):
    """Three classes of 10, 6 and 2 images, in folders of folders too, beside what is no image."""
    root = tmp_path / "pictures"
    for i in range(10):
        save_image(root / "dog" / f"{i}.png", i)
    for i in range(6):
        save_image(root / "ape" / ("deep/er" if i % 2 else "") / f"{i}.JPEG", 50 + i)
    for i in range(2):
        save_image(root / "cow" / f"Ü {i}.bmp", 90 + i)
    (root / "dog" / "notes.txt").write_text("no image")
    (root / "dog" / "._0.png").write_text("what some file managers leave")
    (root / ".hidden").mkdir()
    return root


@pytest.fixture
def divided(tmp_path):
    for part, first in (("train", 0), ("val", 100)):
        for k, name in enumerate(("ape", "dog")):
            for i in range(3 - k):
                save_image(tmp_path / "set" / part / name / f"{i}.png", first + 10 * k + i)
    return tmp_path / "set"


def test_extensions_are_torchvisions():
    assert set(EXTENSIONS) == set(IMG_EXTENSIONS)


def visible(path):
    return not os.path.basename(path).startswith(".") and path.lower().endswith(IMG_EXTENSIONS)


def test_files_and_labels_are_torchvisions(tree):
    found = folder.find(tree)
    (tree / ".hidden").rmdir()  # torchvision would take it for a class
    theirs = ImageFolder(tree, is_valid_file=visible)
    assert list(found.classes) == list(found.folders) == theirs.classes == ["ape", "cow", "dog"]
    ours = {os.path.join(tree, file): label for file, label in zip(found.files, found.labels, strict=True)}
    assert ours == dict(theirs.samples)
    assert len(found.files) == 18


def test_pixels_and_splits_are_torchvisions(divided):
    prepared = folder.load(divided, size=12, stored_size=16, damaged="stop", open_store=InMemory)
    check(prepared)
    view = Compose([Resize(16), CenterCrop(12)])
    for split, part in (("train", "train"), ("validation", "val")):
        theirs = ImageFolder(divided / part)
        rows = prepared.labels[prepared.labels["split"] == split]
        assert rows["label"].tolist() == theirs.targets
        assert rows["class_name"].tolist() == [theirs.classes[label] for label in theirs.targets]
        for image, (picture, _) in zip(rows["image"], theirs, strict=True):
            np.testing.assert_array_equal(prepared.images[image], np.asarray(view(picture)))
            np.testing.assert_array_equal(prepared.surround[image], np.asarray(CenterCrop(16)(Resize(16)(picture))))
    assert prepared.origin.files["file"].tolist()[:2] == ["train/ape/0.png", "train/ape/1.png"]
    assert prepared.origin.damaged.empty
    training = prepared.images[prepared.labels.loc[prepared.labels["split"] == "train", "image"]] / 255
    np.testing.assert_allclose(prepared.mean, training.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(prepared.mean_image, training.mean(0), rtol=1e-6)


def held_back(root, **parameters):
    found = folder.find(root, **parameters)
    return {file for file, split in zip(found.files, found.splits, strict=True) if split == "validation"}


def counts(files):
    return {name: sum(file.startswith(name) for file in files) for name in ("ape", "cow", "dog")}


def test_a_tree_without_splits_is_split_by_class(tree):
    assert counts(held_back(tree)) == {"ape": 1, "cow": 1, "dog": 2}
    assert counts(held_back(tree, validation_share=0.5)) == {"ape": 3, "cow": 1, "dog": 5}
    assert counts(held_back(tree, validation_share=0.01)) == {"ape": 1, "cow": 1, "dog": 1}
    assert counts(held_back(tree, validation_share=0.99)) == {"ape": 5, "cow": 1, "dog": 9}
    found = folder.find(tree)
    assert sorted(found.files) == sorted(set(found.files))


def test_the_seed_decides_the_split_and_a_place_or_an_order_does_not(tree):
    first = held_back(tree, seed=1, validation_share=0.5)
    assert held_back(tree, seed=1, validation_share=0.5) == first
    assert any(held_back(tree, seed=seed, validation_share=0.5) != first for seed in (2, 3))
    tree.rename(tree.with_name("elsewhere"))
    assert held_back(tree.with_name("elsewhere"), seed=1, validation_share=0.5) == first


def test_other_files_move_few_from_one_split_to_the_other(tree):
    before = held_back(tree, validation_share=0.5)
    (tree / "dog" / "3.png").unlink()
    after = held_back(tree, validation_share=0.5)
    assert len(before - after - {"dog/3.png"}) <= 1
    assert len(after - before) <= 1


def test_some_classes(tree, divided):
    assert folder.find(tree, ["dog", "cow"]).classes == ("cow", "dog")
    assert counts(folder.find(tree, ["dog", "cow"]).files) == {"ape": 0, "cow": 2, "dog": 10}
    save_image(divided / "train" / "new" / "a.png", 1)
    assert folder.find(divided, ["dog", "ape"]).classes == ("ape", "dog")


def test_the_digest_is_that_of_names_sizes_and_splits(tree):
    before = folder.find(tree).digest()
    os.utime(tree / "dog" / "0.png", (1, 1))
    assert folder.find(tree).digest() == before
    assert folder.find(tree, validation_share=0.5).digest() != before
    with (tree / "dog" / "0.png").open("ab") as file:
        file.write(b"more")
    assert folder.find(tree).digest() != before


def test_damaged_files_are_left_out_and_listed(tree):
    (tree / "dog" / "4.png").write_bytes(b"nothing")
    prepared = folder.load(tree, 8, 8, "skip", InMemory)
    check(prepared)
    assert len(prepared.labels) == 17
    assert len(prepared.images) == 18
    assert prepared.surround is None
    lost = prepared.origin.damaged
    assert list(lost) == ["file", "split", "class_name", "problem"]
    assert lost["file"].tolist() == ["dog/4.png"]
    assert lost["class_name"].tolist() == ["dog"]
    row = (set(range(18)) - set(prepared.labels["image"])).pop()
    assert row not in prepared.origin.files["image"].tolist()
    assert len(prepared.origin.files) == 17


def test_damaged_files_stop_where_that_is_wanted(tree):
    for i in range(7):
        (tree / "dog" / f"{i}.png").write_bytes(b"nothing")
    with pytest.raises(ReceptiveError, match=r"^7 of 18 files in .* are damaged: .*dog/") as caught:
        folder.load(tree, 8, 8, "stop", InMemory)
    assert str(caught.value).endswith("and 2 more: replace or remove them, or set prepare.folder.damaged to skip")
    assert "\n" not in str(caught.value)


def test_a_split_whose_files_are_all_damaged(divided):
    for file in (divided / "val").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(ReceptiveError) as caught:
        folder.load(divided, 8, 8, "skip", InMemory)
    assert str(caught.value) == (
        f"2 of 2 classes in {divided} have nothing but damaged files in a split: ape (all 3 of validation); "
        "dog (all 2 of validation): replace the files, or remove the class's folder or leave it out of "
        "prepare.folder.classes"
    )


def test_a_class_whose_files_are_all_damaged(tree):
    for file in (tree / "cow").iterdir():
        file.write_bytes(b"nothing")
    (tree / "dog" / "0.png").write_bytes(b"nothing")
    with pytest.raises(ReceptiveError, match=r"^1 of 3 classes in .* cow \(all 1 of train, all 1 of validation\): rep"):
        folder.load(tree, 8, 8, "skip", InMemory)
    remove(tree / "cow")
    assert folder.load(tree, 8, 8, "skip", InMemory).classes == ("ape", "dog")


def test_of_many_damaged_classes_the_first_are_named(tmp_path):
    for k in range(8):
        for i in range(2):
            save_image(tmp_path / f"c{k}" / f"{i}.png", 10 * k + i)
            if k:
                (tmp_path / f"c{k}" / f"{i}.png").write_bytes(b"nothing")
    with pytest.raises(ReceptiveError, match=r"^7 of 8 classes .*: c1 .*; c5 \([^)]*\) and 2 more: replace"):
        folder.load(tmp_path, 8, 8, "skip", InMemory)


@pytest.mark.parametrize("damaged", ["skip", "stop"])
def test_when_everything_is_damaged_the_line_says_so(divided, damaged):
    for file in divided.rglob("*.png"):
        file.write_bytes(b"nothing")
    with pytest.raises(ReceptiveError, match=r"^10 of 10 files .* cannot be decoded: train/ape/0.png \(Unid") as caught:
        folder.load(divided, 8, 8, damaged, InMemory)
    assert str(caught.value).endswith("and 5 more: replace them, or name another folder with prepare.folder.path")


def test_links_to_nothing_are_damaged_files(tree):
    whole = folder.find(tree).digest()
    saved = (tree / "dog" / "4.png").read_bytes()
    (tree / "dog" / "4.png").unlink()
    (tree / "dog" / "4.png").symlink_to(tree / "nowhere.png")
    found = folder.find(tree)
    (row,) = found.unreadable()
    assert found.files[row] == "dog/4.png"
    assert found.unreadable()[row] == "FileNotFoundError: No such file or directory"
    prepared = folder.load(tree, 8, 8, "skip", InMemory)
    assert prepared.origin.damaged["file"].tolist() == ["dog/4.png"]
    assert prepared.origin.digest == found.digest() != whole
    with pytest.raises(ReceptiveError, match=r"^1 of 18 files in .* are damaged: dog/4.png \(FileNotFoundError: "):
        folder.load(tree, 8, 8, "stop", InMemory)
    (tree / "nowhere.png").write_bytes(saved)
    assert folder.find(tree).digest() == whole


@pytest.mark.parametrize("stored_size", [7, 9])
def test_sizes_that_do_not_fit(tree, stored_size):
    with pytest.raises(ReceptiveError, match=rf"stored_size {stored_size} .* set prepare.folder.stored_size to 8, 10"):
        folder.load(tree, 8, stored_size, "skip", InMemory)


def remove(path):
    import shutil

    shutil.rmtree(path)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda root: remove(root), "the folder of images .* is missing: put images into <class>/<image>"),
        (lambda root: remove(root / "val"), r"has no subfolder validation \(or val\) beside train"),
        (lambda root: remove(root / "train"), "has no subfolder train beside val"),
        (lambda root: remove(root / "val" / "dog"), "val has no folder of the class dog, .*train has: add it"),
        (lambda root: remove(root / "train" / "dog"), "train has no folder of the class dog, .*val has: add it"),
        (lambda root: [remove(root / part / "dog") for part in ("train", "val")], "has 1 folders of classes, two"),
        (lambda root: [p.unlink() for p in (root / "val/dog").iterdir()], r"val/dog holds no image \(.jpg, .jpeg"),
    ],
)
def test_what_is_missing_is_said(divided, change, cause):
    change(divided)
    with pytest.raises(ReceptiveError, match=cause) as caught:
        folder.find(divided)
    assert "\n" not in str(caught.value)


def test_classes_that_cannot_be(tree):
    with pytest.raises(ReceptiveError, match=r"no folder of the class emu: choose prepare.folder.classes among its 3"):
        folder.find(tree, ["ape", "emu"])
    (tree / "cow" / "Ü 0.bmp").unlink()
    with pytest.raises(ReceptiveError, match="class cow has a single image and cannot be split"):
        folder.find(tree)
