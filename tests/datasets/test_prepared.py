"""The prepared form and the data sets by name."""

import os
import sys
from dataclasses import replace
from subprocess import run

import numpy as np
import pandas as pd
import pytest

import receptive.datasets
from receptive.datasets.prepared import centre_view, check, prepare, select_classes
from receptive.datasets.statistics import Statistics
from receptive.errors import ReceptiveError

# A fresh Python finds the package as this one does.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

CLASSES = ("ant", "bee", "cow")


def table(labels, splits):
    return pd.DataFrame(
        {
            "image": np.arange(len(labels), dtype=np.int64),
            "split": splits,
            "label": np.array(labels, dtype=np.int64),
            "class_name": [CLASSES[label] for label in labels],
        }
    )


@pytest.fixture
def parts():
    """Correlated random colours: 24 training images, then 6 darker validation images."""
    generator = np.random.default_rng(3)
    grey = generator.integers(0, 128, (30, 7, 5, 1))
    images = (grey + generator.integers(0, 128, (30, 7, 5, 3))).astype(np.uint8)
    images[24:] //= 8
    labels = table(np.arange(30) % 3, ["train"] * 24 + ["validation"] * 6)
    return images, labels, CLASSES, generator.random((30, 7, 5)) < 0.3


def plain_statistics(images):
    pixels = images.reshape(-1, images.shape[-1]) / 255
    covariance = np.cov(pixels.T, bias=True).reshape(images.shape[-1], images.shape[-1])
    return pixels.mean(0), pixels.std(0), covariance, (images / 255).mean(0)


def assert_statistics(prepared, images):
    mean, std, covariance, mean_image = plain_statistics(images)
    np.testing.assert_allclose(prepared.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(prepared.std, std, rtol=1e-12)
    np.testing.assert_allclose(prepared.covariance, covariance, rtol=1e-10)
    np.testing.assert_allclose(prepared.mean_image, mean_image, rtol=1e-6)
    assert prepared.mean_image.dtype == np.float32


def test_statistics_are_those_of_the_training_pixels(parts):
    images, labels, classes, mask = parts
    prepared = prepare("toy", images, labels, classes, mask)
    assert_statistics(prepared, images[:24])
    assert prepared.classes == classes
    assert prepared.images is images
    assert prepared.subject_mask is mask
    check(prepared)


def test_statistics_of_one_channel(parts):
    images, labels, classes, _ = parts
    prepared = prepare("toy", images[..., :1], labels, classes)
    assert prepared.covariance.shape == (1, 1)
    assert_statistics(prepared, images[:24, ..., :1])


def test_statistics_do_not_depend_on_row_order_or_memory_map(parts, tmp_path):
    images, labels, classes, _ = parts
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    whole = prepare("toy", images, labels, classes)
    for state in range(3):
        shuffled = prepare("toy", mapped, labels.sample(frac=1, random_state=state), classes)
        for field in Statistics._fields:
            assert getattr(shuffled, field).tobytes() == getattr(whole, field).tobytes()


def test_class_view_shares_pixels_and_measures_its_own_statistics(parts):
    images, labels, classes, mask = parts
    labels = labels.sample(frac=1, random_state=0)
    whole = prepare("toy", images, labels, classes, mask)
    view = select_classes(whole, ["cow", "ant"])
    assert view.images is images
    assert view.subject_mask is mask
    assert view.classes == ("cow", "ant")
    assert len(view.labels) == 20
    assert set(view.labels["class_name"]) == {"cow", "ant"}
    for row in view.labels.itertuples():
        assert row.label == ("cow", "ant").index(row.class_name)
        assert row.class_name == CLASSES[row.image % 3]
        assert row.split == ("train" if row.image < 24 else "validation")
    assert_statistics(view, images[[image for image in range(24) if image % 3 != 1]])
    assert list(whole.labels["class_name"]) == [CLASSES[label] for label in whole.labels["label"]]
    check(view)
    check(select_classes(view, ["ant"]))


def test_class_view_by_folders(parts):
    images, labels, classes, _ = parts
    whole = replace(prepare("toy", images, labels, classes), folders=("n1", "n2", "n3"), surround=images)
    view = select_classes(whole, ["n3", "ant"])
    assert view.classes == ("cow", "ant")
    assert view.folders == ("n3", "n1")
    assert view.surround is images
    assert view.labels.equals(select_classes(whole, ["cow", "ant"]).labels)
    check(view)
    with pytest.raises(ReceptiveError, match="'ant' of 'toy' is chosen twice"):
        select_classes(whole, ["n1", "ant"])
    with pytest.raises(ReceptiveError, match="unknown class 'n4'"):
        select_classes(whole, ["n4", "ant"])


def test_centre_view():
    images = np.arange(2 * 6 * 6 * 3, dtype=np.uint8).reshape(2, 6, 6, 3)
    assert centre_view(images, 6).shape == images.shape
    np.testing.assert_array_equal(centre_view(images, 2), images[:, 2:4, 2:4])
    assert np.shares_memory(centre_view(images, 4), images)
    for wrong, side in ((images, 3), (images, 8), (images[:, 1:-1], 2), (images[0], 2)):
        with pytest.raises(ReceptiveError, match=f"have no centre view of {side} px: prepare them anew"):
            centre_view(wrong, side)


@pytest.mark.parametrize(
    ("classes", "cause"),
    [
        (["ant", "dog"], "unknown class 'dog' of 'toy': choose among ant, bee, cow"),
        (["ant", "ant"], "'ant' of 'toy' is chosen twice"),
        ([], "no class of 'toy' is chosen"),
    ],
)
def test_class_view_refuses(parts, classes, cause):
    with pytest.raises(ReceptiveError, match=cause):
        select_classes(prepare("toy", *parts), classes)


def test_class_view_refuses_a_class_without_validation_images(parts):
    images, labels, classes, _ = parts
    labels = labels[(labels["split"] == "train") | (labels["class_name"] != "bee")]
    with pytest.raises(ReceptiveError, match="no image belongs to the split 'validation'"):
        select_classes(prepare("toy", images, labels, classes), ["bee"])


def with_labels(**columns):
    return lambda prepared: replace(prepared, labels=prepared.labels.assign(**columns))


DAMAGES = {
    "images are float32": lambda p: replace(p, images=p.images.astype(np.float32)),
    r"images are uint8 \(30, 7, 5\), not": lambda p: replace(p, images=p.images[..., 0]),
    r"images are uint8 \(0, 7, 5, 3\), not": lambda p: replace(p, images=p.images[:0]),
    "outside 0 ... 28": lambda p: replace(p, images=p.images[:29], subject_mask=None),
    r"classes \(\) are empty": lambda p: replace(p, classes=()),
    "not distinct": lambda p: replace(p, classes=("ant", "bee", "ant")),
    "lack the column 'split'": lambda p: replace(p, labels=p.labels.drop(columns="split")),
    "'label' of the labels is float64": with_labels(label=0.0),
    "'image' of the labels is int32": with_labels(image=np.arange(30, dtype=np.int32)),
    "to the split 'train'": with_labels(split="validation"),
    "to the split 'validation'": with_labels(split="train"),
    "neither of train, validation": with_labels(split=["train", "test", "validation"] * 10),
    "name an image outside": with_labels(image=np.arange(1, 31)),
    "name an image twice": with_labels(image=np.arange(30) // 2),
    "a label is outside 0 ... 2": with_labels(label=np.arange(30) % 4),
    "a label is outside": with_labels(label=np.arange(30) % 3 - 1),
    "class name is not the one": with_labels(class_name="bee"),
    "subject mask is uint8": lambda p: replace(p, subject_mask=p.subject_mask.astype(np.uint8)),
    "surround is float32": lambda p: replace(p, surround=p.images.astype(np.float32)),
    "there are 2 folders of 3 classes": lambda p: replace(p, folders=("n1", "n2")),
    r"subject mask is bool \(29, 7, 5\)": lambda p: replace(p, subject_mask=p.subject_mask[1:]),
    "mean is float32": lambda p: replace(p, mean=p.mean.astype(np.float32)),
    r"std is float64 \(2,\)": lambda p: replace(p, std=p.std[:2]),
    "covariance is not finite": lambda p: replace(p, covariance=p.covariance * np.nan),
    r"mean_image is float32 \(5, 7, 3\)": lambda p: replace(p, mean_image=p.mean_image.swapaxes(0, 1)),
}


@pytest.mark.parametrize("cause", DAMAGES)
def test_check_refuses_damage(parts, cause):
    with pytest.raises(ReceptiveError, match=f"'toy' does not fit together: .*{cause}.*") as caught:
        check(DAMAGES[cause](prepare("toy", *parts)))
    assert "\n" not in str(caught.value)


def test_prepare_refuses_what_check_refuses(parts):
    images, labels, classes, mask = parts
    with pytest.raises(ReceptiveError, match="name an image twice"):
        prepare("toy", images, labels.assign(image=0), classes, mask)


# The data sets by name


@pytest.mark.slow
def test_load_by_name():
    collages = receptive.datasets.load(
        "collages", {"size": 32, "train_images": 16, "validation_images": 16, "leaves": [4, 5]}, seed=1
    )
    assert collages.name == "collages"
    assert collages.images.shape == (32, 32, 32, 3)
    digits = receptive.datasets.load("digits", {"validation_images": 500}, seed=1, progress=iter)
    assert digits.name == "digits"
    assert (digits.labels["split"] == "validation").sum() == 500
    assert list(receptive.datasets.DATASETS) == ["collages", "digits", "folder", "imagenet", "mnist"]


@pytest.mark.slow
def test_load_passes_seed_and_progress():
    seen = []

    def progress(numbers):
        seen.append(len(numbers))
        return numbers

    size = {"size": 32, "train_images": 16, "validation_images": 17}
    first, second = (receptive.datasets.load("collages", size, seed, progress) for seed in (0, 1))
    assert seen == [33, 33]
    assert (first.images != second.images).any()


def test_load_refuses_an_unknown_name():
    with pytest.raises(ReceptiveError, match="'cifar': choose one of collages, digits, folder, imagenet, mnist"):
        receptive.datasets.load("cifar", {}, seed=0)


def test_imports_are_cheap():
    heavy = {"torch", "skimage", "sklearn", "mlxtend", "pooch", "pandas", "matplotlib"}
    code = f"import sys, receptive.datasets; print(sorted({heavy} & set(sys.modules)))"
    python = run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert python.stdout.strip() == "[]"
