"""Collages, held against photographs whose every pixel is known."""

import os
import socket
import sys
from subprocess import run
from types import SimpleNamespace

import numpy as np
import pytest

from receptive.datasets import collages
from receptive.datasets.collages import CLASSES, PHOTOGRAPHS, _shrunk, generate, photographs, read_photographs
from receptive.datasets.collages.textures import all_textures
from receptive.datasets.prepared import check, select_classes
from receptive.errors import ReceptiveError

# One colour each, told apart at any brightness by which channels are lit.
LIT = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}
SOLID = {name: np.full((90, 120, 3), 200, np.uint8) * np.uint8(lit) for name, lit in LIT.items()}
THREE = ("green", "white", "red")


def solid(size=32, train_images=60, validation_images=30, classes=THREE, **keywords):
    """Collages whose every leaf has one of the five colours."""
    return generate(size, train_images, validation_images, classes, photographs=SOLID, fillers=SOLID, **keywords)


@pytest.fixture
def as_photographed(monkeypatch):
    """Without the recolouring, which has tests of its own (test_recolouring.py)."""
    monkeypatch.setattr(collages, "recoloured", lambda crop, generator: np.asarray(crop))


def outside(prepared, image):
    return prepared.images[image][~prepared.subject_mask[image]]


# What a collage shows


def test_subject_leaf_shows_the_photograph_of_the_label(as_photographed):
    prepared = solid(train_images=61)
    for row in prepared.labels.itertuples():
        subject = prepared.images[row.image][prepared.subject_mask[row.image]]
        assert len(np.unique(subject, axis=0)) == 1
        assert tuple(subject[0] > 0) == LIT[row.class_name]
        assert row.class_name == THREE[row.label]


def test_label_changes_nothing_but_the_subject_leaf(as_photographed):
    forth, back = solid(), solid(classes=THREE[::-1])
    assert (forth.subject_mask == back.subject_mask).all()
    differs = (forth.images != back.images).any(-1)
    assert not differs[~forth.subject_mask].any()
    moved = (forth.labels["class_name"] != back.labels["class_name"]).to_numpy()
    assert moved.any()
    assert (differs == (forth.subject_mask & moved[:, None, None])).all()


def test_label_has_no_say_in_the_colours_of_other_leaves():
    forth, back = solid(), solid(classes=THREE[::-1])
    differs = (forth.images != back.images).any(-1)
    assert differs.any()
    assert not differs[~forth.subject_mask].any()


def test_without_small_leaves_there_is_one_background(as_photographed):
    prepared = solid(leaves=(0, 0))
    for image in range(90):
        assert len(np.unique(outside(prepared, image), axis=0)) == 1


@pytest.mark.slow
def test_small_leaves_lie_on_the_background():
    few, many = (solid(size=64, leaves=(leaves, leaves)) for leaves in (4, 10))
    few, many = ([len(np.unique(outside(prepared, image), axis=0)) for image in range(90)] for prepared in (few, many))
    assert max(few) == 5
    assert 9 <= max(many) <= 11
    # The subject leaf hides some of them.
    assert 3 < np.mean(few) < np.mean(many)


@pytest.mark.slow
def test_number_of_small_leaves_spans_the_whole_range():
    counts = [
        len(np.unique(outside(prepared, image), axis=0)) - 1
        for prepared in [solid(size=64, leaves=(0, 2), train_images=200)]
        for image in range(200)
    ]
    assert set(counts) == {0, 1, 2}


def test_any_photograph_fills_background_and_leaves(as_photographed):
    prepared = solid(size=64, leaves=(0, 0))
    assert {tuple(outside(prepared, image)[0] > 0) for image in range(90)} == set(LIT.values())


@pytest.mark.slow
def test_only_subject_leaves_show_classes(as_photographed):
    fillers = {name: SOLID[name] for name in ("blue", "yellow")}
    prepared = generate(64, 60, 30, THREE, photographs=SOLID, fillers=fillers)
    for image in range(90):
        assert {tuple(pixel > 0) for pixel in outside(prepared, image)} <= {LIT["blue"], LIT["yellow"]}


def test_fillers_are_what_is_no_class_and_the_textures(monkeypatch, as_photographed):
    taken = []
    monkeypatch.setattr(collages, "_shrunk", lambda name, *rest: taken.append(name) or shrunk(name, *rest))
    shrunk = _shrunk
    generate(32, 2, 2, ("cat", "grass"))
    assert taken[-2:] == ["cat", "grass"]
    assert set(taken[:-2]) == set(PHOTOGRAPHS) - {"cat", "grass"} | set(all_textures())


def gradient(axis):
    ramp = np.linspace(20, 200, 100).astype(np.uint8)
    return np.broadcast_to(ramp.reshape(-1, 1, 1) if axis == 0 else ramp.reshape(1, -1, 1), (100, 100, 3)).copy()


def slopes(prepared):
    """Mean brightness step down the rows and along the columns inside each subject leaf."""
    result = []
    for image, mask in zip(prepared.images[..., 0].astype(float), prepared.subject_mask, strict=True):
        down = np.diff(image, axis=0)[mask[1:] & mask[:-1]]
        along = np.diff(image, axis=1)[mask[:, 1:] & mask[:, :-1]]
        assert min(down.min(), along.min()) >= 0 or max(down.max(), along.max()) <= 0
        result.append((down.mean(), along.mean()))
    return np.array(result)


def test_photographs_stay_upright_and_are_mirrored(as_photographed):
    photographs = {"up": gradient(0), "side": gradient(1)}
    prepared = generate(64, 40, 2, ("up", "side"), photographs=photographs)
    slope = slopes(prepared)
    up = prepared.labels["label"] == 0
    assert (slope[up, 0] > 0.5).all()
    assert (slope[up, 1] == 0).all()
    assert (slope[~up, 0] == 0).all()
    assert set(np.sign(slope[~up, 1])) == {-1, 1}


def test_photographs_without_an_up_are_turned(as_photographed):
    photographs = {"grass": gradient(0), "gravel": gradient(1)}
    slope = slopes(generate(64, 40, 2, ("grass", "gravel"), photographs=photographs))
    assert {tuple(row) for row in np.sign(slope)} == {(1, 0), (-1, 0), (0, 1), (0, -1)}


def test_crops_vary_in_place_and_field_of_view(as_photographed):
    ramp = generate(64, 60, 2, ("up", "other"), photographs={"up": gradient(0), "other": gradient(0)})
    slope = slopes(ramp)[:, 0]
    # 100 px of photograph seen at 1 to 1.5 photographs a collage of 64 px.
    step = 180 / 64
    assert step * 0.95 < slope.min() < step * 1.1
    assert step * 1.2 < slope.max() < step * 1.55


@pytest.mark.parametrize("shape", [(51, 200), (333, 77), (21, 21), (30, 1000)])
def test_photographs_of_any_shape(as_photographed, shape):
    photographs = {name: np.full((*shape, 3), 100, np.uint8) for name in ("a", "coins")}
    # 38 x (21 / 38) rounds to more than 21.
    images = generate(38, 100, 2, ("a", "coins"), photographs=photographs, fillers=photographs).images
    assert (images == 100).all()


def test_fine_texture_does_not_alias(as_photographed):
    checks = np.indices((512, 512)).sum(0) % 2 * np.uint8(255)
    photographs = {name: np.repeat(checks[..., None], 3, -1).astype(np.uint8) for name in ("a", "b")}
    images = generate(32, 20, 2, ("a", "b"), photographs=photographs, fillers=photographs).images
    # Even grey, half of 255.
    assert images.min() > 0.5 * 255 - 4
    assert images.max() < 0.5 * 255 + 4


# The set as a whole


def test_labels_are_balanced_and_splits_follow_each_other():
    prepared = solid(train_images=61, validation_images=32)
    assert list(prepared.labels["split"]) == ["train"] * 61 + ["validation"] * 32
    assert list(prepared.labels["image"]) == list(range(93))
    counts = prepared.labels.groupby(["split", "label"]).size()
    assert list(counts["train"]) == [21, 20, 20]
    assert list(counts["validation"]) == [11, 11, 10]


@pytest.mark.slow
def test_same_seed_same_bytes():
    first, again, other = solid(seed=7), solid(seed=7), solid(seed=8)
    assert first.images.tobytes() == again.images.tobytes()
    assert first.subject_mask.tobytes() == again.subject_mask.tobytes()
    assert first.labels.equals(again.labels)
    assert (first.images != other.images).any((1, 2, 3)).all()


def test_image_does_not_depend_on_how_many_there_are():
    few, more = solid(train_images=12, validation_images=9), solid(train_images=30, validation_images=40)
    assert (few.images[:12] == more.images[:12]).all()
    assert (few.images[12:] == more.images[30:39]).all()
    assert (few.subject_mask[12:] == more.subject_mask[30:39]).all()


@pytest.mark.slow
def test_no_composition_occurs_twice():
    prepared = solid(train_images=300, validation_images=300)
    assert len({mask.tobytes() for mask in prepared.subject_mask}) == 600


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64, 256])
def test_sizes(size):
    prepared = generate(size, 16, 16)
    check(prepared)
    assert prepared.images.shape == (32, size, size, 3)
    assert prepared.subject_mask.shape == (32, size, size)
    assert prepared.classes == CLASSES


@pytest.mark.slow
def test_composition_is_the_same_at_every_size(as_photographed):
    small, large = generate(32, 20, 16), generate(256, 20, 16)
    blocks = large.subject_mask.reshape(36, 32, 8, 32, 8).mean((2, 4))
    assert ((blocks > 0.5) == small.subject_mask).mean() > 0.99
    means = large.images.reshape(36, 32, 8, 32, 8, 3).mean((2, 4))
    assert np.abs(means - small.images).mean() < 8


def test_statistics_are_those_of_the_training_images():
    prepared = generate(32, 40, 16)
    pixels = prepared.images[:40].reshape(-1, 3) / 255
    np.testing.assert_allclose(prepared.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(prepared.covariance, np.cov(pixels.T, bias=True), rtol=1e-10)


def test_five_class_view():
    prepared = generate(32, 64, 32)
    five = ("retina", "cat", "rocket", "tissue", "dahlia")
    view = select_classes(prepared, five)
    check(view)
    assert view.images is prepared.images
    assert list(view.labels.groupby("split").size()) == [20, 10]
    for row in view.labels.itertuples():
        assert prepared.labels["class_name"][row.image] == row.class_name == five[row.label]


def test_every_motif_may_be_a_class():
    prepared = generate(32, 28, 28, tuple(PHOTOGRAPHS))
    assert set(prepared.labels["class_name"]) == set(PHOTOGRAPHS)
    assert (len(PHOTOGRAPHS), len(CLASSES)) == (28, 16)


@pytest.mark.slow
def test_colours_say_little_of_the_class():
    """Logistic regression on a histogram of 6 x 6 x 6 colours, which reached 0.79 before there was a recolouring."""
    from sklearn.linear_model import LogisticRegression

    prepared = generate(32, 1000, 500, CLASSES[:10])
    bins = (prepared.images.astype(int) * 6 // 256) @ (36, 6, 1)
    seen = np.sqrt(np.stack([np.bincount(image.ravel(), minlength=216) for image in bins]))
    seen, label = (seen - seen.mean(0)) / (seen.std(0) + 1e-9), prepared.labels["label"]
    model = LogisticRegression(C=0.01, max_iter=200).fit(seen[:1000], label[:1000])
    assert model.score(seen[1000:], label[1000:]) < 0.4


# The packaged photographs


@pytest.mark.slow
def test_photographs_are_those_of_the_packages():
    import skimage.data
    from sklearn.datasets import load_sample_image

    read = read_photographs()
    assert set(CLASSES) < set(read)
    files = {"face": "astronaut", "cat": "cat", "cup": "coffee", "rocket": "rocket", "grass": "grass", "cell": "cell"}
    for name, file in files.items():
        whole = getattr(skimage.data, file)()
        whole = np.repeat(whole[..., None], 3, -1) if whole.ndim == 2 else whole
        left, top, right, bottom = PHOTOGRAPHS[name].box_px or (0, 0, whole.shape[1], whole.shape[0])
        assert (read[name] == whole[top:bottom, left:right]).all()
    assert (read["pagoda"] == load_sample_image("china.jpg")[20:330, 150:430]).all()


def test_motifs_lie_inside_their_photographs_and_do_not_overlap():
    seen = {}
    for name, pixels in read_photographs().items():
        source = PHOTOGRAPHS[name]
        if source.box_px:
            left, top, right, bottom = source.box_px
            assert pixels.shape == (bottom - top, right - left, 3)
            # Pillow fills what lies outside with black.
            assert pixels.any(-1).any(0).all()
            assert pixels.any(-1).any(1).all()
            for other in seen.setdefault(source.file, []):
                assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1], name
            seen[source.file].append(source.box_px)
    shared = [source.file for source in PHOTOGRAPHS.values() if source.box_px is None]
    assert not set(shared) & set(seen)


@pytest.mark.slow
def test_needs_no_network_and_no_downloader(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    generate(32, 16, 16)
    code = (
        "import sys; from receptive.datasets.collages import generate; generate(32, 16, 16); "
        "print(sorted({'skimage', 'sklearn', 'pooch', 'torch', 'requests'} & set(sys.modules)))"
    )
    monkeypatch.undo()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    python = run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert python.stdout.strip() == "[]"


def test_progress_sees_every_image():
    seen = []

    def progress(numbers):
        assert len(numbers) == 25
        for number in numbers:
            seen.append(number)
            yield number

    solid(train_images=15, validation_images=10, progress=progress)
    assert seen == list(range(25))


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"size": 31}, "31 px wide: set size to 32 ... 256"),
        ({"size": 257}, "257 px wide: set size to 32 ... 256"),
        ({"classes": ("cat", "dog")}, "unknown motif 'dog': choose classes among brick, cameraman, cat, "),
        ({"classes": ("cat",)}, "two or more distinct classes, not cat$"),
        ({"classes": ()}, "two or more distinct classes, not none"),
        ({"classes": ("cat", "cat")}, "two or more distinct classes"),
        ({"train_images": 9}, "9 train images are too few for 16 classes: set train_images to 16"),
        ({"validation_images": 0}, "0 validation images are too few for 16 classes: set validation_images"),
        ({"leaves": (5, 4)}, r"leaves \[5, 4\] is no range"),
        ({"leaves": (-1, 4)}, r"leaves \[-1, 4\] is no range"),
        ({"leaves": (4,)}, r"leaves \[4\] is no range"),
        ({"seed": -1}, "seed -1 is negative"),
    ],
)
def test_refuses(changed, cause):
    with pytest.raises(ReceptiveError, match=cause) as caught:
        generate(**{"size": 32, "train_images": 16, "validation_images": 16, **changed})
    assert "\n" not in str(caught.value)


def test_refuses_a_missing_package(monkeypatch):
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(ReceptiveError, match="pip install scikit-learn"):
        read_photographs(["dahlia"])


@pytest.mark.parametrize("content", [None, b"not a photograph"])
def test_refuses_a_missing_or_damaged_file(monkeypatch, tmp_path, content):
    (tmp_path / "data").mkdir()
    if content:
        (tmp_path / "data" / "coffee.png").write_bytes(content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(photographs, "find_spec", lambda name: spec)
    with pytest.raises(ReceptiveError, match=r"photograph 'cup' cannot be read .* reinstall scikit-image"):
        read_photographs(["cup"])
