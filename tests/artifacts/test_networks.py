"""``data/networks/<training>``: round trips, the same bytes for the same inputs, and damage in one line."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from damages import BINARY, JSON, empty, files, garbage, message_of_damage, poor_json, truncated, twice
from toys import noisy

from receptive import networks
from receptive.artifacts.finished import Finished, write_network
from receptive.artifacts.layers import read_layers
from receptive.artifacts.networks import (
    COLUMNS,
    network_digest,
    read_description,
    read_first_filters,
    read_history,
    read_network_metrics,
    read_weights,
    weight_shapes,
)
from receptive.artifacts.trained import read_network, read_normalisation
from receptive.errors import ReceptiveError
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation

FOLDER = Path("data/networks/digitcnn")


@pytest.fixture(scope="module")
def prepared():
    return noisy()


@pytest.fixture(scope="module")
def trained(prepared):
    """What a training leaves, of a small DigitCNN that was never trained."""
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
    untrained = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    metrics["parameters"] = 1234
    return Finished(network.eval(), normalisation, untrained, description, history, metrics)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def test_a_network_is_read_back(project, trained):
    folder = write_network("digitcnn", trained)
    assert folder == Path("data/networks/digitcnn")
    assert set(files(folder)) == {
        "weights.safetensors", "untrained.safetensors", "normalisation.safetensors", "network.json",
        "history.parquet", "metrics.json",
    }  # fmt: skip
    network, normalisation, description = read_network("digitcnn")
    assert not network.training
    expected = trained.network.state_dict()
    assert set(network.state_dict()) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert description == read_description("digitcnn") == {"network": "digitcnn", **trained.description}
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen, before = (n(pictures) for n in (normalisation, trained.normalisation))
    assert torch.equal(seen, before)
    assert torch.equal(network(seen), trained.network(before))
    assert network.fc1.dropout.p == 0.2
    assert read_network_metrics("digitcnn") == trained.metrics
    history = read_history("digitcnn")
    assert tuple(history.columns) == COLUMNS
    assert history.to_dict("records") == trained.history


def test_first_filters_are_pictures(project, trained):
    write_network("digitcnn", trained)
    filters = read_first_filters("digitcnn")
    weight = trained.network.c1.conv.weight.detach().numpy()
    assert filters.shape == (4, 3, 3, 3)
    for unit, y, x, channel in np.ndindex(filters.shape):
        assert filters[unit, y, x, channel] == weight[unit, channel, y, x]


def test_weights_in_another_memory_order_are_the_same_file(project, trained):
    write_network("digitcnn", trained)
    first = files(project)
    last = networks.build("digitcnn", 2, 8, 3, width=0.125)
    last.load_state_dict(trained.network.state_dict())
    write_network("digitcnn", replace(trained, network=last.to(memory_format=torch.channels_last)))
    assert files(project) == first


def test_networks_have_the_same_bytes(tmp_path, monkeypatch, trained):
    one, other = twice(tmp_path, monkeypatch, lambda: write_network("digitcnn", trained))
    assert one == other
    assert len(one) == 6


def test_the_network_before_training_is_read_back(project, trained):
    write_network("digitcnn", trained)
    network, normalisation, description = read_network("digitcnn", trained=False)
    assert not network.training
    assert not any(value.any() for value in network.state_dict().values())
    assert description == read_description("digitcnn")
    assert torch.equal(normalisation.matrix, trained.normalisation.matrix)
    (project / "data/networks/digitcnn/untrained.safetensors").unlink()
    read_network("digitcnn")
    with pytest.raises(ReceptiveError, match=r"untrained.safetensors.*train@digitcnn"):
        read_network("digitcnn", trained=False)


def test_layers_are_found_without_weights(project, trained):
    folder = write_network("digitcnn", trained)
    (folder / "weights.safetensors").unlink()
    assert read_layers("digitcnn") == layers(trained.network, 8)


def test_single_weights_are_read_without_the_network(project, trained):
    write_network("digitcnn", trained)
    state = trained.network.state_dict()
    assert weight_shapes("digitcnn") == {name: tuple(value.shape) for name, value in state.items()}
    names = ["fc1.fc.bias", "c2.conv.weight"] if "fc1.fc.bias" in state else list(state)[:2]
    for name, value in zip(names, read_weights("digitcnn", names), strict=True):
        np.testing.assert_array_equal(value, state[name].numpy())
    assert not any(value.any() for value in read_weights("digitcnn", names, trained=False))


def test_the_normalisation_is_read_without_the_network(project, trained):
    write_network("digitcnn", trained)
    (FOLDER / "weights.safetensors").unlink()
    assert torch.equal(read_normalisation("digitcnn").matrix, trained.normalisation.matrix)


def test_the_digest_is_of_all_that_decides_a_response(project, trained):
    write_network("digitcnn", trained)
    parts = [(FOLDER / name).read_bytes() for name in
             ("weights.safetensors", "normalisation.safetensors", "network.json")]  # fmt: skip
    assert network_digest("digitcnn") == hashlib.sha256(b"".join(parts)).hexdigest()


# Missing and damaged files

READERS = {
    "weights.safetensors": read_network,
    "normalisation.safetensors": read_network,
    "network.json": read_network,
    "history.parquet": read_history,
    "metrics.json": read_network_metrics,
}


@pytest.fixture
def written(project, trained):
    """A written network."""
    write_network("digitcnn", trained)
    return project


@pytest.mark.parametrize("name", READERS)
def test_missing_files_are_named_with_the_cure(written, name):
    READERS[name]("digitcnn")
    (FOLDER / name).unlink()
    with pytest.raises(ReceptiveError) as caught:
        READERS[name]("digitcnn")
    assert str(caught.value) == f"{FOLDER}/{name} is missing: run 'dvc repro train@digitcnn'"


@pytest.mark.parametrize(
    ("name", "damage"), [(name, damage) for name in READERS for damage in (JSON if "json" in name else BINARY)]
)
def test_damaged_files_are_named_with_the_cure(written, name, damage):
    damage(FOLDER / name)
    with pytest.raises(ReceptiveError) as caught:
        READERS[name]("digitcnn")
    assert message_of_damage(FOLDER / name, "train@digitcnn", str(caught.value))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_history_without_a_column_is_refused(written, column):
    path = FOLDER / "history.parquet"
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    with pytest.raises(ReceptiveError, match=rf"^{path} is damaged \(it lacks {column}\)"):
        read_history("digitcnn")


@pytest.mark.parametrize("change", [{"classes": ["ant", "bee", "cow"]}, {"image_size": 16}, {"channels": 1}])
def test_weights_that_do_not_fit_are_refused(written, change):
    path = Path("data/networks/digitcnn/network.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        ReceptiveError,
        match=r"^data/networks/digitcnn/weights.safetensors does not fit digitcnn .*: run 'dvc repro train@digitcnn'$",
    ) as caught:
        read_network("digitcnn")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [truncated, garbage, empty])
def test_first_filters_of_damaged_weights_are_refused(written, damage):
    damage(Path("data/networks/digitcnn/weights.safetensors"))
    with pytest.raises(ReceptiveError, match=r"^data/networks/digitcnn/weights.safetensors is damaged"):
        read_first_filters("digitcnn")


def test_a_poor_description_is_refused(written):
    poor_json(Path("data/networks/digitcnn/network.json"))
    for read in DESCRIBED:
        with pytest.raises(ReceptiveError, match=r"^data/networks/digitcnn/network.json is damaged \(it lacks network"):
            read("digitcnn")


DESCRIBED = (
    read_first_filters,
    read_layers,
    read_network,
    read_description,
)


def drop_fact(name):
    path = Path("data/networks/digitcnn/network.json")
    path.write_text(json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != name}))


@pytest.mark.parametrize("name", ["classes", "image_size", "channels", "options", "first_filters"])
def test_a_description_without_a_fact_is_refused(written, name):
    drop_fact(name)
    for read in DESCRIBED:
        with pytest.raises(ReceptiveError) as caught:
            read("digitcnn")
        assert str(caught.value) == (
            f"data/networks/digitcnn/network.json is damaged (it lacks {name}): remove it and run 'dvc checkout', or "
            "'dvc repro train@digitcnn'"
        )
