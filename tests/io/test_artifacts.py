"""Every file of the project: round trips, the same bytes for the same inputs, and damage in one line."""

import hashlib
import json
import os
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from receptive import networks
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError
from receptive.io import artifacts
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation

HISTORY = ["epoch", "split", "loss", "top1", "top5", "lr", "images_per_s"]


@pytest.fixture(scope="module")
def prepared():
    """Ten noisy images of two classes, with masks."""
    generator = np.random.default_rng(0)
    labels = pd.DataFrame(
        {
            "image": np.arange(10),
            "split": ["train"] * 6 + ["validation"] * 4,
            "label": np.arange(10) % 2,
            "class_name": np.array(["ant", "bee"])[np.arange(10) % 2],
        }
    )
    images = generator.integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    return prepare("toy", images, labels, ("ant", "bee"), generator.random((10, 8, 8)) < 0.4)


@pytest.fixture(scope="module")
def trained(prepared):
    """Arguments of ``write_network`` for a small DigitCNN that was never trained."""
    options = {"width": 0.125, "batch_norm": None, "dropout": 0.2, "conv_stride": None}
    network = networks.build("digitcnn", 2, 8, 3, **options)
    initialise(network, torch.Generator().manual_seed(0))
    normalisation = Normalisation.fit("whiten", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    description = {
        "classes": ["ant", "bee"],
        "image_size": 8,
        "channels": 3,
        "options": options,
        "first_filters": "c1.conv.weight",
    }
    history = [
        {"epoch": epoch, "split": split, "loss": 1.5 / epoch, "top1": 0.25 * epoch, "top5": 1.0, "lr": 0.1 / epoch,
         "images_per_s": 100.5}
        for epoch in (1, 2) for split in ("train", "validation")
    ]  # fmt: skip
    metrics = {split: {"loss": 0.75, "top1": 0.5, "top5": 1.0} for split in ("train", "validation")}
    return {
        "network": network.eval(),
        "normalisation": normalisation,
        "description": description,
        "history": history,
        "metrics": metrics | {"parameters": 1234},
        "untrained": {name: torch.zeros_like(value) for name, value in network.state_dict().items()},
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def twice(tmp_path, monkeypatch, write):
    """What ``write`` leaves in two folders, in the second one a year later."""
    found = []
    for folder, later in (("one", 0), ("another/deep", 366 * 86400)):
        (tmp_path / folder).mkdir(parents=True)
        now = time.time
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path / folder)
            patch.setattr(time, "time", lambda: now() + later)  # noqa: B023
            write()
        found.append(files(tmp_path / folder))
    return found


# Writing a folder


def test_writing_moves_the_whole_folder(tmp_path):
    target = tmp_path / "deep" / "target"
    with artifacts.writing(target) as new:
        assert not target.exists()
        assert new.parent == target.parent  # the same disk, so that it can be moved at once
        (new / "a").write_text("1")
    assert files(tmp_path) == {"deep/target/a": b"1"}
    with artifacts.writing(target) as new:
        (new / "b").write_text("2")
        assert files(target) == {"a": b"1"}
    assert files(tmp_path) == {"deep/target/b": b"2"}


@pytest.mark.parametrize("error", [OSError(28, "no space"), KeyboardInterrupt(), ReceptiveError("no")])
def test_writing_keeps_the_old_folder_after_an_error(tmp_path, error):
    def fill(text, error=None):
        with artifacts.writing(tmp_path / "target") as new:
            (new / "a").write_text(text)
            (new / "deeper").mkdir()
            if error:
                raise error

    with pytest.raises(type(error)):
        fill("1", error)
    assert list(tmp_path.iterdir()) == []
    fill("2")
    with pytest.raises(type(error)):
        fill("3", error)
    assert files(tmp_path) == {"target/a": b"2"}
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]


def test_writing_starts_afresh_after_a_kill(tmp_path):
    (tmp_path / ".target.part").mkdir()
    (tmp_path / ".target.part" / "left over").write_text("half")
    with artifacts.writing(tmp_path / "target") as new:
        (new / "a").write_text("1")
    assert files(tmp_path) == {"target/a": b"1"}


def test_json_is_sorted_and_read_back(tmp_path):
    path = tmp_path / "a.json"
    value = {"b": [1, 2.5, None], "a": {"d": "ä", "c": True}}
    artifacts.write_json(path, value)
    assert artifacts.read_json(path, "x") == value
    other = tmp_path / "b.json"
    artifacts.write_json(other, {"a": {"c": True, "d": "ä"}, "b": [1, 2.5, None]})
    assert other.read_bytes() == path.read_bytes()


# Prepared images


def assert_same_prepared(one, other):
    assert (one.name, one.classes) == (other.name, other.classes)
    pd.testing.assert_frame_equal(one.labels, other.labels)
    for field in ("images", "mean", "std", "covariance", "mean_image"):
        a, b = getattr(one, field), getattr(other, field)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_prepared_images_are_read_back(project, prepared):
    folder = artifacts.write_prepared(prepared)
    assert folder == Path("data/prepared/toy")
    assert set(files(folder)) == {"images.npy", "labels.parquet", "mean_image.npy", "subject_mask.npy", "stats.json"}
    read = artifacts.read_prepared("toy")
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
    assert artifacts.prepared_digest("toy") == stats["digest"] == expected.hexdigest()


def test_masks_are_optional(project, prepared):
    bare = prepare("toy", prepared.images, prepared.labels, prepared.classes)
    artifacts.write_prepared(prepared)
    artifacts.write_prepared(bare)  # the masks of the set before are gone
    read = artifacts.read_prepared("toy")
    assert read.subject_mask is None
    assert_same_prepared(read, bare)


def test_prepared_images_have_the_same_bytes(tmp_path, monkeypatch, prepared):
    one, other = twice(tmp_path, monkeypatch, lambda: artifacts.write_prepared(prepared))
    assert one == other
    assert len(one) == 5


def test_the_digest_follows_images_and_labels(project, prepared):
    digests = set()
    for images, order in ((prepared.images, 1), (prepared.images[::-1].copy(), 1), (prepared.images, -1)):
        labels = prepared.labels.iloc[::order].reset_index(drop=True)
        artifacts.write_prepared(prepare("toy", images, labels, prepared.classes))
        digests.add(artifacts.prepared_digest("toy"))
    assert len(digests) == 3


def test_images_of_a_network_are_those_of_its_parameters(project, prepared):
    artifacts.write_prepared(prepared)

    class Params:
        def dataset_of(self, network):
            return "toy"

        def classes_of(self, network):
            return ["bee"] if network == "fivecnn" else None

    assert_same_prepared(artifacts.read_images(Params(), "vggcnn"), prepared)
    five = artifacts.read_images(Params(), "fivecnn")
    assert five.classes == ("bee",)
    assert five.labels["image"].tolist() == [1, 3, 5, 7, 9]


# Networks


def test_a_network_is_read_back(project, trained):
    folder = artifacts.write_network("digitcnn", **trained)
    assert folder == Path("data/networks/digitcnn")
    assert set(files(folder)) == {
        "weights.safetensors", "untrained.safetensors", "normalisation.safetensors", "network.json",
        "history.parquet", "metrics.json",
    }  # fmt: skip
    network, normalisation, description = artifacts.read_network("digitcnn")
    assert not network.training
    expected = trained["network"].state_dict()
    assert set(network.state_dict()) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert description == artifacts.read_description("digitcnn") == {"network": "digitcnn", **trained["description"]}
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen, before = (n(pictures) for n in (normalisation, trained["normalisation"]))
    assert torch.equal(seen, before)
    assert torch.equal(network(seen), trained["network"](before))
    assert network.fc1.dropout.p == 0.2
    assert artifacts.read_network_metrics("digitcnn") == trained["metrics"]
    history = artifacts.read_history("digitcnn")
    assert list(history.columns) == HISTORY
    assert history.to_dict("records") == trained["history"]


def test_first_filters_are_pictures(project, trained):
    artifacts.write_network("digitcnn", **trained)
    filters = artifacts.read_first_filters("digitcnn")
    weight = trained["network"].c1.conv.weight.detach().numpy()
    assert filters.shape == (4, 3, 3, 3)
    for unit, y, x, channel in np.ndindex(filters.shape):
        assert filters[unit, y, x, channel] == weight[unit, channel, y, x]


def test_weights_in_another_memory_order_are_the_same_file(project, trained):
    artifacts.write_network("digitcnn", **trained)
    first = files(project)
    last = networks.build("digitcnn", 2, 8, 3, width=0.125)
    last.load_state_dict(trained["network"].state_dict())
    artifacts.write_network("digitcnn", **trained | {"network": last.to(memory_format=torch.channels_last)})
    assert files(project) == first


def test_networks_have_the_same_bytes(tmp_path, monkeypatch, trained):
    one, other = twice(tmp_path, monkeypatch, lambda: artifacts.write_network("digitcnn", **trained))
    assert one == other
    assert len(one) == 6


def test_the_network_before_training_is_read_back(project, trained):
    artifacts.write_network("digitcnn", **trained)
    network, normalisation, description = artifacts.read_network("digitcnn", trained=False)
    assert not network.training
    assert not any(value.any() for value in network.state_dict().values())
    assert description == artifacts.read_description("digitcnn")
    assert torch.equal(normalisation.matrix, trained["normalisation"].matrix)
    (project / "data/networks/digitcnn/untrained.safetensors").unlink()
    artifacts.read_network("digitcnn")
    with pytest.raises(ReceptiveError, match=r"untrained.safetensors.*train@digitcnn"):
        artifacts.read_network("digitcnn", trained=False)


def test_layers_are_found_without_weights(project, trained):
    folder = artifacts.write_network("digitcnn", **trained)
    (folder / "weights.safetensors").unlink()
    assert artifacts.read_layers("digitcnn") == layers(trained["network"], 8)


# The report


def test_a_report_replaces_what_it_holds_and_nothing_else(project):
    for path, text in {"reports/own.txt": "kept", "reports/tables/old.csv": "old", "reports/index.html": "old"}.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    for path in ("reports/.part/index.html", "reports/.part/tables/new.csv"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("new")
    artifacts.move_report(Path("reports/.part"))
    assert files(project) == {
        "reports/own.txt": b"kept",
        "reports/index.html": b"new",
        "reports/tables/new.csv": b"new",
    }
    assert not Path("reports/.part").exists()


# Missing and damaged files


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path):
    path.write_bytes(b"\x00\xffnothing that anybody wrote" * 50)


def empty(path):
    path.write_bytes(b"")


def half_json(path):
    path.write_text('{"a": [1, 2')


def other_json(path):
    path.write_text("[1, 2]")


def poor_json(path):
    path.write_text("{}")


DAMAGES = {
    "images.npy": (truncated, garbage, empty),
    "mean_image.npy": (truncated, garbage, empty),
    "subject_mask.npy": (truncated, garbage, empty),
    "labels.parquet": (truncated, garbage, empty),
    "stats.json": (half_json, other_json, garbage, empty),
    "weights.safetensors": (truncated, garbage, empty),
    "normalisation.safetensors": (truncated, garbage, empty),
    "network.json": (half_json, other_json, poor_json, garbage, empty),
    "history.parquet": (truncated, garbage, empty),
    "metrics.json": (half_json, other_json, garbage, empty),
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory, prepared, trained):
    """A folder with every file, never changed: tests work on copies of single ones."""
    folder = tmp_path_factory.mktemp("everything")
    before = Path.cwd()
    os.chdir(folder)
    try:
        artifacts.write_prepared(prepared)
        artifacts.write_network("digitcnn", **trained)
    finally:
        os.chdir(before)
    return folder


READERS = {  # file: (folder, stage, what reads it)
    **{
        name: ("data/prepared/toy", "prepare@toy", lambda: artifacts.read_prepared("toy"))
        for name in ("images.npy", "mean_image.npy", "subject_mask.npy", "labels.parquet", "stats.json")
    },
    **{
        name: ("data/networks/digitcnn", "train@digitcnn", lambda: artifacts.read_network("digitcnn"))
        for name in ("weights.safetensors", "normalisation.safetensors", "network.json")
    },
    "history.parquet": ("data/networks/digitcnn", "train@digitcnn", lambda: artifacts.read_history("digitcnn")),
    "metrics.json": ("data/networks/digitcnn", "train@digitcnn", lambda: artifacts.read_network_metrics("digitcnn")),
}


@pytest.fixture
def copied(project, everything):
    """A folder with copies of every file."""
    for name, content in files(everything).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(content)
    return project


@pytest.mark.parametrize("name", READERS)
def test_missing_files_are_named_with_the_cure(copied, name):
    folder, stage, read = READERS[name]
    read()
    Path(folder, name).unlink()
    if name == "subject_mask.npy":
        assert read().subject_mask is None
        return
    with pytest.raises(ReceptiveError) as caught:
        read()
    assert str(caught.value) == f"{folder}/{name} is missing: run 'dvc repro {stage}'"


@pytest.mark.parametrize(("name", "damage"), [(name, damage) for name, kinds in DAMAGES.items() for damage in kinds])
def test_damaged_files_are_named_with_the_cure(copied, name, damage):
    folder, stage, read = READERS[name]
    damage(Path(folder, name))
    with pytest.raises(ReceptiveError) as caught:
        read()
    said = str(caught.value)
    assert said.startswith(f"{folder}/{name} is damaged (")
    assert said.endswith(f"): remove it and run 'dvc checkout', or 'dvc repro {stage}'")
    assert "\n" not in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("subject_mask.npy", lambda mask: mask[:-1], r"subject mask is bool \(9, 8, 8\)"),
        ("mean_image.npy", lambda mean: mean[:-1], r"mean_image is float32 \(7, 8, 3\)"),
        ("images.npy", lambda images: images[:-1], "9 images where stats.json says 10"),
        ("images.npy", lambda images: images.astype(np.float32), "images are float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(copied, name, change, cause):
    path = Path("data/prepared/toy", name)
    np.save(path, change(np.load(path)))
    with pytest.raises(ReceptiveError, match=f"^data/prepared/toy is damaged .*{cause}.*'dvc repro prepare@toy'$"):
        artifacts.read_prepared("toy")


def test_statistics_that_are_missing_are_refused(copied):
    poor_json(Path("data/prepared/toy/stats.json"))
    with pytest.raises(ReceptiveError, match=r"^data/prepared/toy is damaged \('name'\).*'dvc repro prepare@toy'$"):
        artifacts.read_prepared("toy")
    with pytest.raises(ReceptiveError, match=r"^data/prepared/toy/stats.json is damaged \('digest'\)"):
        artifacts.prepared_digest("toy")


def test_tables_of_other_columns_are_refused(copied):
    path = Path("data/prepared/toy/labels.parquet")
    artifacts.write_table(path, pd.read_parquet(path).drop(columns="split"))
    with pytest.raises(ReceptiveError, match="lack the column 'split'"):
        artifacts.read_prepared("toy")


@pytest.mark.parametrize("change", [{"classes": ["ant", "bee", "cow"]}, {"image_size": 16}, {"channels": 1}])
def test_weights_that_do_not_fit_are_refused(copied, change):
    path = Path("data/networks/digitcnn/network.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        ReceptiveError,
        match=r"^data/networks/digitcnn/weights.safetensors does not fit digitcnn .*: run 'dvc repro train@digitcnn'$",
    ) as caught:
        artifacts.read_network("digitcnn")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [truncated, garbage, empty])
def test_first_filters_of_damaged_weights_are_refused(copied, damage):
    damage(Path("data/networks/digitcnn/weights.safetensors"))
    with pytest.raises(ReceptiveError, match=r"^data/networks/digitcnn/weights.safetensors is damaged"):
        artifacts.read_first_filters("digitcnn")


def test_a_poor_description_is_refused(copied):
    poor_json(Path("data/networks/digitcnn/network.json"))
    for read in DESCRIBED:
        with pytest.raises(ReceptiveError, match=r"^data/networks/digitcnn/network.json is damaged \(it lacks network"):
            read("digitcnn")


DESCRIBED = (
    artifacts.read_first_filters,
    artifacts.read_layers,
    artifacts.read_network,
    artifacts.read_description,
)


def drop_fact(name):
    path = Path("data/networks/digitcnn/network.json")
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != name}))


@pytest.mark.parametrize("name", ["classes", "image_size", "channels", "options", "first_filters"])
def test_a_description_without_a_fact_is_refused(copied, name):
    drop_fact(name)
    for read in DESCRIBED:
        with pytest.raises(ReceptiveError) as caught:
            read("digitcnn")
        assert str(caught.value) == (
            f"data/networks/digitcnn/network.json is damaged (it lacks {name}): remove it and run 'dvc checkout', or "
            "'dvc repro train@digitcnn'"
        )


# What a stage keeps between attempts


def test_scratch_is_found_again_by_the_same_work_only(project, monkeypatch):
    first = artifacts.scratch("train-a", "recipe", "data", "0")
    assert first == artifacts.scratch("train-a", "recipe", "data", "0")
    assert first.parent == project.resolve() / "scratch"
    assert first.name.startswith("train-a-")
    assert not first.exists()
    others = [
        artifacts.scratch("train-b", "recipe", "data", "0"),
        artifacts.scratch("train-a", "recip", "edata", "0"),
        artifacts.scratch("train-a", "recipe", "data", "1"),
        artifacts.scratch("train-a", "Recipe", "data", "0"),
        artifacts.scratch("train-a", "recipe", "data"),
        artifacts.scratch("train-a", "recipe", "data", "0", ""),
        artifacts.scratch("train-a", "data", "recipe", "0"),
    ]
    assert len({first, *others}) == 8
    # the code that is loaded counts, wherever it lies
    code = project / "new.py"
    module = types.ModuleType("receptive.new")
    module.__file__ = str(code)
    monkeypatch.setitem(sys.modules, "receptive.new", module)
    digests = set()
    for text in ("a = 1", "a = 2"):
        code.write_text(text)
        digests.add(artifacts.scratch("train-a", "recipe", "data", "0"))
    assert len(digests | {first}) == 3
    moved = project / "moved.py"
    moved.write_text("a = 2")
    module.__file__ = str(moved)
    assert artifacts.scratch("train-a", "recipe", "data", "0") in digests


def test_scratch_lies_in_the_project_also_in_an_experiment(project, monkeypatch):
    first = artifacts.scratch("train", "x")
    copy = project / "temporary copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    assert artifacts.scratch("train", "x").parent == copy.resolve() / "scratch"
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert artifacts.project_root() == project.resolve()
    assert artifacts.scratch("train", "x") == first
