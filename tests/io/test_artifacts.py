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
from receptive.methods.extraction import Extraction
from receptive.methods.unit_statistics import histogram_edges
from receptive.methods.zero_fractions import zero_fractions
from receptive.networks.layers import find_layer, layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import compose
from receptive.stages import filters, run

PROJECT = Path(__file__).parents[2]

HISTORY = ["epoch", "split", "loss", "top1", "top5", "lr", "images_per_s"]
UNITS = ["network", "layer", "alias", "depth", "kind", "unit", "images", "positions", "mean", "max", "zero_fraction",
         "positive_images"]  # fmt: skip
PREFERRED = ["network", "layer", "unit", "rank", "image", "y", "x", "activation", "top_px", "left_px", "bottom_px",
             "right_px"]  # fmt: skip
ZEROS = ["network", "state", "layer", "alias", "depth", "kind", "image", "zero_fraction"]


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


# Responses and stimuli


@pytest.fixture(scope="module")
def extracted(trained, prepared):
    """Layers, extraction, every layer's responses to the four validation images, and zeros before training."""
    network = trained["network"]
    found = layers(network, 8)
    images = trained["normalisation"](torch.from_numpy(prepared.images[6:]).permute(0, 3, 1, 2).float() / 255)
    extraction = Extraction(network, {layer.name: layer.units for layer in found}, top=5, hits_per_image=1)
    extraction.run([(torch.arange(6, 9), images[:3]), (torch.arange(9, 10), images[3:])])
    responses = {}
    handles = [
        network.get_submodule(layer.name).register_forward_hook(
            lambda module, inputs, output, name=layer.name: responses.update({name: output.detach().numpy()})
        )
        for layer in found
    ]
    network(images)
    for handle in handles:
        handle.remove()
    # stands in for the network before training, which has seen the first images only
    untrained = zero_fractions(network, [(torch.arange(6, 8), images[2:])], [layer.name for layer in found])
    return found, extraction, responses, untrained


def test_units_say_what_each_unit_does(project, extracted):
    found, extraction, responses, untrained = extracted
    assert artifacts.write_activations("digitcnn", found, extraction, untrained) == Path("data/activations/digitcnn")
    units = artifacts.read_units("digitcnn")
    assert list(units.columns) == UNITS
    assert len(units) == sum(layer.units for layer in found)
    rows = units.itertuples()
    for layer in found:
        # images first, unit, then the positions of its map, if there is one
        flat = responses[layer.name].reshape(4, layer.units, -1)
        for unit in range(layer.units):
            row = next(rows)
            assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
            assert (row.depth, row.kind, row.unit) == (layer.depth, layer.kind, unit)
            assert (row.images, row.positions) == (4, flat.shape[2])
            assert row.mean == pytest.approx(flat[:, unit].mean(dtype=np.float64), rel=1e-5, abs=1e-7)
            assert row.max == pytest.approx(flat[:, unit].max(), rel=1e-5)
            assert row.zero_fraction == (flat[:, unit] == 0).mean()
            assert row.positive_images == (flat[:, unit].max(1) > 0).sum()


def test_preferred_stimuli_are_the_greatest_responses_and_their_boxes(project, extracted):
    found, extraction, responses, untrained = extracted
    artifacts.write_activations("digitcnn", found, extraction, untrained)
    preferred = artifacts.read_preferred("digitcnn")
    assert list(preferred.columns) == PREFERRED
    # one hit an image, so of five ranks the four images fill four
    assert len(preferred) == 4 * sum(layer.units for layer in found)
    rows = preferred.itertuples()
    for layer in found:
        flat = responses[layer.name].reshape(4, layer.units, *layer.map_size)
        for unit in range(layer.units):
            best = sorted(
                # (-response, image, position) of each image's best position
                min((-flat[image, unit, y, x], image, y, x) for y, x in np.ndindex(*layer.map_size))
                for image in range(4)
            )
            for rank, (value, image, y, x) in enumerate(best):
                row = next(rows)
                assert (row.network, row.layer, row.unit, row.rank) == ("digitcnn", layer.name, unit, rank)
                assert (row.image, row.y, row.x) == (image + 6, y, x)
                assert row.activation == pytest.approx(-value, rel=1e-5, abs=1e-6)
                box = (row.top_px, row.left_px, row.bottom_px, row.right_px)
                if layer.field.whole_image:
                    assert box == (0, 0, 8, 8)
                else:
                    top, left = (layer.field.start + at * layer.field.stride for at in (y, x))
                    assert box == (top, left, top + layer.field.size, left + layer.field.size)


def test_zeros_say_which_image_left_how_many_in_which_state(project, extracted):
    found, extraction, responses, untrained = extracted
    artifacts.write_activations("digitcnn", found, extraction, untrained)
    zeros = artifacts.read_zeros("digitcnn")
    assert list(zeros) == ZEROS
    rows = zeros.itertuples()
    for layer in found:
        by_image = (responses[layer.name].reshape(4, -1) == 0).mean(1)
        expected = [("trained", 6 + i, by_image[i]) for i in range(4)]
        expected += [("untrained", 6 + i, by_image[2 + i]) for i in range(2)]
        for one in expected:
            row = next(rows)
            assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
            assert (row.depth, row.kind) == (layer.depth, layer.kind)
            assert (row.state, row.image, row.zero_fraction) == one
    assert next(rows, None) is None


def test_histograms_count_every_response(project, extracted):
    found, extraction, responses, untrained = extracted
    folder = artifacts.write_activations("digitcnn", found, extraction, untrained)
    with np.load(folder / "histograms.npz") as histograms:
        assert set(histograms) == {"edges", *(layer.name for layer in found)}
        np.testing.assert_array_equal(histograms["edges"], histogram_edges())
        for layer in found:
            counts = histograms[layer.name]
            assert counts.shape == (layer.units, len(histogram_edges()) - 1)
            assert (counts.sum(1) == responses[layer.name].size / layer.units).all()


def test_activations_have_the_same_bytes(tmp_path, monkeypatch, extracted):
    found, extraction, _, untrained = extracted
    one, other = twice(
        tmp_path, monkeypatch, lambda: artifacts.write_activations("digitcnn", found, extraction, untrained)
    )
    assert one == other
    assert set(one) == {
        f"data/activations/digitcnn/{n}"
        for n in ("units.parquet", "preferred.parquet", "zeros.parquet", "histograms.npz")
    }


def stimuli(found):
    """Arguments of ``write_stimuli`` for one layer, and what they should be read back as."""
    layer = find_layer(found, "c1")
    generator = np.random.default_rng(1)
    boxes = generator.integers(-2, 8, (8, 4))
    preferred = pd.DataFrame(boxes, columns=["top_px", "left_px", "bottom_px", "right_px"]).assign(
        unit=np.repeat(np.arange(4), 2), rank=np.tile([0, 1], 4), activation=generator.random(8).astype(np.float32)
    )
    patches = generator.integers(0, 256, (8, 3, 3, 3)).astype(np.uint8)
    mean, baseline = torch.rand(4, 3, 3, 5), torch.rand(3, 3, 5)
    mean[2] = torch.nan
    means = {
        "interior": (mean, torch.tensor([5, 3, 0, 1]), baseline),
        "center": (torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0)),
    }
    expected = {
        "patches": patches,
        "unit": preferred["unit"],
        "rank": preferred["rank"],
        "box": boxes,
        "activation": preferred["activation"],
        "mean_interior": np.moveaxis(mean.numpy(), 1, 3),
        "count_interior": np.array([5, 3, 0, 1]),
        "baseline_interior": np.moveaxis(baseline.numpy(), 0, 2),
        "mean_center": np.zeros(0),
        "count_center": np.zeros(0),
        "baseline_center": np.zeros(0),
    }
    return (layer, preferred, patches, means), expected


def test_stimuli_are_read_back(project, extracted):
    arguments, expected = stimuli(extracted[0])
    with artifacts.writing(artifacts.STIMULI / "digitcnn") as new:
        artifacts.write_stimuli(new, *arguments)
    read = artifacts.read_stimuli("digitcnn", "c1.relu")
    assert set(read) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(read[name], value)
    assert read["patches"].dtype == np.uint8


def test_stimuli_have_the_same_bytes(tmp_path, monkeypatch, extracted):
    arguments, _ = stimuli(extracted[0])
    one, other = twice(tmp_path, monkeypatch, lambda: artifacts.write_stimuli(Path(), *arguments))
    assert one == other
    assert set(one) == {"c1.relu.npz"}


def test_sparsity_is_read_back(project):
    table = pd.DataFrame({"network": ["a"], "layer": ["c1"], "zero_fraction": [0.5]})
    artifacts.write_table(artifacts.SPARSITY / "a" / "layers.parquet", table)
    pd.testing.assert_frame_equal(artifacts.read_sparsity("a"), table)


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
    "units.parquet": (truncated, garbage, empty),
    "preferred.parquet": (truncated, garbage, empty),
    "zeros.parquet": (truncated, garbage, empty),
    "history.parquet": (truncated, garbage, empty),
    "metrics.json": (half_json, other_json, garbage, empty),
    "c1.relu.npz": (truncated, garbage, empty),
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory, prepared, trained, extracted):
    """A folder with every file, never changed: tests work on copies of single ones."""
    folder = tmp_path_factory.mktemp("everything")
    before = Path.cwd()
    os.chdir(folder)
    try:
        artifacts.write_prepared(prepared)
        artifacts.write_network("digitcnn", **trained)
        artifacts.write_activations("digitcnn", *extracted[:2], extracted[3])
        with artifacts.writing(artifacts.STIMULI / "digitcnn") as new:
            artifacts.write_stimuli(new, *stimuli(extracted[0])[0])
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
    "units.parquet": ("data/activations/digitcnn", "extract@digitcnn", lambda: artifacts.read_units("digitcnn")),
    "preferred.parquet": (
        "data/activations/digitcnn",
        "extract@digitcnn",
        lambda: artifacts.read_preferred("digitcnn"),
    ),
    "zeros.parquet": ("data/activations/digitcnn", "extract@digitcnn", lambda: artifacts.read_zeros("digitcnn")),
    "history.parquet": ("data/networks/digitcnn", "train@digitcnn", lambda: artifacts.read_history("digitcnn")),
    "metrics.json": ("data/networks/digitcnn", "train@digitcnn", lambda: artifacts.read_network_metrics("digitcnn")),
    "c1.relu.npz": ("data/stimuli/digitcnn", "mine@digitcnn", lambda: artifacts.read_stimuli("digitcnn", "c1.relu")),
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


def test_the_stage_filters_says_so_in_one_line(copied, capsys):
    (copied / "conf").symlink_to(PROJECT / "conf")
    compose(copied, ("profile=smoke", "models=[digitcnn]"))
    drop_fact("first_filters")
    with pytest.raises(SystemExit) as end:
        run(filters.main, ["digitcnn"])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: data/networks/digitcnn/network.json is damaged (it lacks first_filters): ")
    assert said.count("\n") == 1
    assert not Path("data/filters").exists()


@pytest.mark.parametrize(("table", "columns"), [("units", UNITS), ("preferred", PREFERRED), ("zeros", ZEROS)])
def test_tables_without_a_column_are_refused_when_read(copied, table, columns):
    path = Path(f"data/activations/digitcnn/{table}.parquet")
    whole, read = pd.read_parquet(path), getattr(artifacts, f"read_{table}")
    assert list(read("digitcnn")) == columns
    for column in columns:
        artifacts.write_table(path, whole.drop(columns=column))
        with pytest.raises(ReceptiveError) as caught:
            read("digitcnn")
        assert str(caught.value) == (
            f"{path} is damaged (it lacks {column}): remove it and run 'dvc checkout', or 'dvc repro extract@digitcnn'"
        )
    artifacts.write_table(path, whole.assign(more=1))  # what is not asked for may be there
    assert "more" in read("digitcnn")


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
