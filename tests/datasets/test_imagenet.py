"""The layouts of ILSVRC 2012, against torchvision's ImageNet."""

import shutil
import tarfile

import numpy as np
import pytest
import torch
from scipy.io import savemat
from trees import InMemory, save_image

from receptive.datasets import imagenet, imagenet_labels
from receptive.datasets.imagenet_classes import class_names
from receptive.datasets.prepared import select_classes
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision

torchvision = import_torchvision()

WNIDS = ["n01443537", "n01518878", "n02012849", "n02110185"]
NAMES = ("goldfish", "ostrich", "crane bird", "Siberian husky")
# class of each validation image, in the order of their numbers
TRUTH = [2, 0, 0, 3, 1, 2, 3, 1, 0]


def validation_name(i):
    return f"ILSVRC2012_val_{i + 1:08d}"


@pytest.fixture
def root(tmp_path):
    """Four classes as torchvision lays them out, the validation images in folders by class."""
    root = tmp_path / "set"
    for k, wnid in enumerate(WNIDS):
        for i in range(2 + k):
            save_image(root / "train" / wnid / f"{wnid}_{i}.JPEG", 10 * k + i, 30, 40)
    for i, k in enumerate(TRUTH):
        save_image(root / "val" / WNIDS[k] / f"{validation_name(i)}.JPEG", 100 + i, 40, 30)
    return root


def flatten(root):
    for path in sorted((root / "val").rglob("*.JPEG")):
        path.rename(root / "val" / path.name)
    for wnid in WNIDS:
        (root / "val" / wnid).rmdir()


def devkit(root):
    """The development kit: its own numbers of classes are not the order of the WordNet ids."""
    data = root / imagenet_labels.DEVKIT / "data"
    data.mkdir(parents=True)
    numbers = {wnid: 7 * (3 - k) + 1 for k, wnid in enumerate(WNIDS)}
    synsets = np.zeros(5, dtype=[("ILSVRC2012_ID", object), ("WNID", object), ("num_children", object)])
    for row, (wnid, number) in zip(synsets, [*numbers.items(), ("n00001740", 1001)], strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["num_children"] = number, wnid, 0
    savemat(data / "meta.mat", {"synsets": synsets})
    (data / imagenet_labels.GROUND_TRUTH).write_text("".join(f"{numbers[WNIDS[k]]}\n" for k in TRUTH))


def solution(root):
    lines = [f"{validation_name(i)},{WNIDS[k]} 1 2 30 40 {WNIDS[k]} 5 6 7 8\n" for i, k in enumerate(TRUTH)]
    (root / imagenet_labels.SOLUTION).write_text("ImageId,PredictionString\n" + "".join(reversed(lines)))


def as_kit(root):
    flatten(root)
    devkit(root)


def as_packed_kit(root):
    as_kit(root)
    with tarfile.open(root / f"{imagenet_labels.DEVKIT}.tar.gz", "w:gz") as archive:
        archive.add(root / imagenet_labels.DEVKIT, imagenet_labels.DEVKIT)
    shutil.rmtree(root / imagenet_labels.DEVKIT)


def as_solution(root):
    flatten(root)
    solution(root)


def as_kaggle(root):
    as_solution(root)
    below = root / "ILSVRC" / "Data" / "CLS-LOC"
    below.mkdir(parents=True)
    for name in ("train", "val"):
        (root / name).rename(below / name)


LAYOUTS = {
    "folders": lambda root: None,
    "validation": lambda root: (root / "val").rename(root / "validation"),
    "kit": as_kit,
    "packed kit": as_packed_kit,
    "solution": as_solution,
    "kaggle": as_kaggle,
}


@pytest.fixture
def theirs(root):
    """torchvision's view; it wants to know all classes by a file of its own."""
    torch.save(
        ({wnid: (name,) for wnid, name in zip(WNIDS, NAMES, strict=True)}, [WNIDS[k] for k in TRUTH]),
        root / "meta.bin",
    )
    return {
        split: [(np.asarray(picture), label) for picture, label in torchvision.datasets.ImageNet(str(root), split=name)]
        for split, name in (("train", "train"), ("validation", "val"))
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_torchvisions_set(root, theirs, layout):
    LAYOUTS[layout](root)
    found = imagenet.find(root, WNIDS)
    assert found.classes == NAMES
    assert found.folders == tuple(WNIDS)
    for split, expected in theirs.items():
        rows = np.flatnonzero(found.splits == split)
        assert [int(found.labels[i]) for i in rows] == [label for _, label in expected]
        for i, (picture, _) in zip(rows, expected, strict=True):
            from PIL import Image

            with Image.open(found.root / found.files[i]) as opened:
                np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), picture)


def test_the_layout_leaves_no_trace(root, tmp_path):
    digests, names = set(), set()
    for layout, change in LAYOUTS.items():
        copy = tmp_path / layout
        shutil.copytree(root, copy)
        change(copy)
        found = imagenet.find(copy, WNIDS)
        digests.add(found.digest())
        names.add(tuple(found.names))
    assert len(digests) == len(names) == 1
    assert names.pop()[-1] == f"validation/{WNIDS[3]}/{validation_name(6)}.JPEG"


def test_some_classes_of_a_flat_layout(root):
    as_kit(root)
    found = imagenet.find(root, [WNIDS[3], WNIDS[0]])
    assert found.classes == ("goldfish", "Siberian husky")
    assert [int(label) for label in found.labels[found.splits == "validation"]] == [0, 0, 0, 1, 1]


def test_five_classes_go_by_their_ids_and_have_names(root):
    prepared = imagenet.load(root, 8, 12, "stop", InMemory, WNIDS)
    view = select_classes(prepared, [WNIDS[3], "ostrich"])
    assert view.classes == ("Siberian husky", "ostrich")
    assert view.folders == (WNIDS[3], WNIDS[1])
    assert view.surround is prepared.surround
    assert set(view.labels["class_name"]) == {"Siberian husky", "ostrich"}
    assert set(view.labels.loc[view.labels["label"] == 0, "class_name"]) == {"Siberian husky"}


def test_names_are_torchvisions():
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    names = class_names()
    assert len(names) == len(set(names.values())) == 1000
    assert list(names) == sorted(names)
    differ = {i: ours for i, ours in enumerate(names.values()) if ours != _IMAGENET_CATEGORIES[i]}
    # two names that torchvision gives to two classes each; by Stanford's list 134 is the bird, 517 the machine
    assert set(differ.values()) <= {"crane bird", "maillot tank suit", "maillot"}, differ
    assert list(names)[134] == "n02012849"
    published = {
        "goldfish": "n01443537", "Siberian husky": "n02110185", "lemon": "n07749582", "ostrich": "n01518878",
        "green snake": "n01729977",
    }  # fmt: skip
    assert all(names[wnid] == name for name, wnid in published.items())


def drop_label(root):
    as_solution(root)
    text = (root / imagenet_labels.SOLUTION).read_text().splitlines(keepends=True)
    (root / imagenet_labels.SOLUTION).write_text("".join(text[:-1]))


def drop_image(root):
    as_kit(root)
    (root / "val" / f"{validation_name(4)}.JPEG").unlink()


def damage_kit(root):
    as_kit(root)
    (root / imagenet_labels.DEVKIT / "data" / "meta.mat").write_bytes(b"nothing")


def damage_archive(root):
    as_packed_kit(root)
    (root / f"{imagenet_labels.DEVKIT}.tar.gz").write_bytes(b"nothing")


def empty_kit(root):
    flatten(root)
    (root / imagenet_labels.DEVKIT).mkdir()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (shutil.rmtree, r"the folder of ImageNet .* is missing: get ILSVRC 2012 from https://image-net.org .*"
         "prepare.imagenet.path or RECEPTIVE_IMAGENET"),
        (lambda root: shutil.rmtree(root / "train"), "set has no folder train: get"),
        (lambda root: shutil.rmtree(root / "val"), "set has no folder val: get"),
        (lambda root: shutil.rmtree(root / "train" / WNIDS[2]), f"train has no folder of the class {WNIDS[2]}"),
        (lambda root: shutil.rmtree(root / "val" / WNIDS[2]), f"val has no folder of the class {WNIDS[2]}"),
        (flatten, "val have no labels: put ILSVRC2012_devkit_t12.tar.gz .* or Kaggle's LOC_val_solution.csv beside"),
        (drop_label, f"{validation_name(0)}.JPEG is not in the list of validation labels"),
        (drop_image, f"val lacks 1 of 9 validation images, for instance {validation_name(4)}: get"),
        (damage_kit, "data cannot be read .*: get it again"),
        (damage_archive, r"devkit_t12.tar.gz cannot be read \(ReadError"),
        (empty_kit, r"data cannot be read \(FileNotFoundError"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(root, change, cause):
    change(root)
    with pytest.raises(ReceptiveError, match=cause) as caught:
        imagenet.find(root, WNIDS)
    assert "\n" not in str(caught.value)


def test_all_thousand_are_expected(root):
    with pytest.raises(ReceptiveError, match=r"lacks 996 of 1000 class folders: n01440764 \(tench\), .*, \.\.\.: unp"):
        imagenet.find(root)
    with pytest.raises(ReceptiveError, match="goldfish is no WordNet id of ImageNet's classes"):
        imagenet.find(root, ["goldfish", WNIDS[0]])
