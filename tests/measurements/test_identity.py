"""Similarity of channels in pairs of layers, on stimuli cut from one picture and on networks with planted channels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from controlled import controlled
from subjects import noisy_images, subject_of, validation_views
from torch import nn

from receptive.artifacts.identity import COLUMNS
from receptive.measurements import identity
from receptive.measurements.identity import Preferred, stimulus_similarities
from receptive.methods.capture import responses_to
from receptive.methods.receptive_field.fields import Axis, Field
from receptive.networks.layers import Layer
from receptive.params.sections import Identity

SIDE = 12
SETTINGS = Identity(images=4, draws=99, batch_size=3)


def nothing(count):
    pass


# ---------------------------------------------------------------- stimuli


def layer(name: str, size: int, start: int) -> Layer:
    axis = Axis(size, 4, start)
    return Layer(name, name, 1, "conv", 5, (9, 9), Field(axis, axis, (64, 64)), readable=True)


def test_stimuli_are_compared_on_the_pixels_that_both_see():
    rng = np.random.default_rng(0)
    low, high = group = [layer("low", 7, -3), layer("high", 15, -7)]
    pictures, baseline = rng.random((5, 15, 15, 3)), rng.random((15, 15, 3))
    inner = pictures[:, 4:11, 4:11] - baseline[4:11, 4:11]
    of_high = Preferred(pictures, baseline)
    pairs = stimulus_similarities([group], {low: Preferred(0.5 * inner + 0.2, np.full((7, 7, 3), 0.2)), high: of_high})
    assert list(pairs) == [(low, high)]
    similarity = pairs[low, high]
    np.testing.assert_allclose(np.diagonal(similarity), 1)
    np.testing.assert_allclose(similarity, np.corrcoef(inner.reshape(5, -1)), atol=1e-12)
    # without the mean of all patches, what they share would count
    shared = Preferred(pictures[:, 4:11, 4:11], 0 * baseline[4:11, 4:11])
    with_shared = stimulus_similarities([group], {low: shared, high: of_high})[low, high]
    assert abs(np.diagonal(with_shared) - 1).min() > 1e-3
    assert stimulus_similarities([group], {high: of_high}) == {}


# ---------------------------------------------------------------- measured networks


class Planted(nn.Module):
    """Two convolutions of four channels; channel k of the second is channel k of the first, times k + 1."""

    def __init__(self, order=(0, 1, 2, 3)):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.scores = nn.Linear(4, 2)
        with torch.no_grad():
            self.first[0].weight.copy_(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
            self.second[0].weight.zero_()
            self.second[0].bias.zero_()
            for unit, source in enumerate(order):
                self.second[0].weight[unit, source] = unit + 1.0

    def forward(self, x):
        return self.scores(self.second(self.first(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def subject():
    made = subject_of(Planted(), noisy_images(SIDE, [0, 1] * 5, training=3))
    return controlled(made, Planted(order=(1, 2, 3, 0)).eval())


@pytest.fixture(scope="module")
def groups(subject):
    first, second = (layer for layer in subject.layers if layer.kind == "conv")
    return [[first, second]]


def test_responses_of_the_first_images_are_correlated(subject, groups):
    told = []
    pairs = identity.response_similarities(subject, groups, SETTINGS, told.append)
    assert sum(told) == 4
    ((first, second), similarity) = next(iter(pairs.items()))
    assert [first, second] == groups[0]
    maps = responses_to(subject.network, validation_views(subject)[:4], [first.name, second.name])
    flat = [maps[name].movedim(1, 0).flatten(1).double().numpy() for name in (first.name, second.name)]
    np.testing.assert_allclose(similarity, np.corrcoef(*flat)[:4, 4:], atol=1e-6)
    np.testing.assert_allclose(np.diagonal(similarity), 1)
    assert identity.response_similarities(subject, [], SETTINGS, told.append) == {}


@pytest.mark.parametrize("batch_size", [2, 7])
def test_mean_stimuli_against_every_patch(subject, groups, batch_size):
    preferred = identity.mean_stimuli(subject, groups, batch_size, nothing)
    pixels = validation_views(subject).movedim(1, -1).double()  # this subject's normalisation changes nothing
    for of_layer in groups[0]:
        maps = responses_to(subject.network, validation_views(subject), [of_layer.name])[of_layer.name]
        patches, positive = [], []
        for y in range(1, SIDE - 1):  # positions that see nothing but the image
            for x in range(1, SIDE - 1):
                patches.append(pixels[:, y - 1 : y + 2, x - 1 : x + 2])
                positive.append(maps[:, :, y, x] > 0)
        patches, positive = torch.cat(patches), torch.cat(positive)
        np.testing.assert_allclose(preferred[of_layer].baseline, patches.mean(0), atol=1e-5)
        for unit in range(4):
            np.testing.assert_allclose(preferred[of_layer].mean[unit], patches[positive[:, unit]].mean(0), atol=1e-5)


def test_single_layers_have_nothing_to_be_compared_with(subject, groups):
    assert identity.mean_stimuli(subject, [groups[0][:1]], 4, nothing) == {}


@pytest.fixture
def measured(subject, groups, tmp_path, monkeypatch):
    """Everything, with stimuli stored that agree with their own channels."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/stimuli/toy")
    folder.mkdir(parents=True)
    pictures = np.random.default_rng(0).random((4, 3, 3, 3)).astype(np.float32)
    for of_layer in groups[0]:
        np.savez(folder / f"{of_layer.name}.npz", mean_interior=pictures, baseline_interior=pictures.mean(0))
    return identity.measure(subject, groups, SETTINGS, 0, 100, 4, nothing)


def test_planted_channels_are_found_where_they_were_planted(measured, groups):
    first, second = groups[0]
    names = [f"{state}/{what}/{first.name}/{second.name}" for state in ("trained", "untrained")
             for what in ("responses", "stimuli")]  # fmt: skip
    assert list(measured.similarities) == names
    assert all(values.dtype == np.float32 for values in measured.similarities.values())
    own = {name: np.diagonal(values) for name, values in measured.similarities.items()}
    np.testing.assert_allclose(own[names[0]], 1, atol=1e-6)
    np.testing.assert_allclose(own[names[1]], 1, atol=1e-6)
    moved = measured.similarities[names[2]]
    np.testing.assert_allclose(moved[[1, 2, 3, 0], [0, 1, 2, 3]], 1, atol=1e-6)  # unit k follows channel k + 1
    assert own[names[2]].max() < 0.9


def test_the_tables_name_state_measure_and_channel(measured, groups):
    first, second = groups[0]
    units, tests = measured.units, measured.tests
    assert units.columns.tolist() == list(COLUMNS["units.parquet"])
    assert len(units) == 4 * 4
    assert set(units["group"]) == {first.alias}
    for (state, what), rows in units.groupby(["state", "measure"]):
        similarity = measured.similarities[f"{state}/{what}/{first.name}/{second.name}"].astype(float)
        np.testing.assert_allclose(rows["own"], np.diagonal(similarity), atol=1e-6)
        rest = similarity - np.diag(np.diagonal(similarity))
        np.testing.assert_allclose(rows["others"], (rest.sum(0) + rest.sum(1)) / 6, atol=1e-6)
    assert tests.columns.tolist() == list(COLUMNS["tests.parquet"])
    assert tests["group"].tolist() == [first.alias, "all"] * 4
    assert (tests["draws"] == 99).all()
    apart = units.assign(apart=units["own"] - units["others"]).groupby(["state", "measure"])["apart"].mean()
    whole = tests[tests["group"] == "all"].set_index(["state", "measure"])["value"]
    for key, value in whole.items():
        assert value == pytest.approx(apart[key], abs=1e-9)
        assert measured.metrics[f"{key[1]}.{key[0]}"] == value


def test_without_comparable_layers_there_are_tables_without_rows(subject):
    content = identity.measure(subject, [], SETTINGS, 0, 100, 4, nothing)
    assert content.units.columns.tolist() == list(COLUMNS["units.parquet"])
    assert content.tests.columns.tolist() == list(COLUMNS["tests.parquet"])
    assert content.units.empty
    assert content.units["network"].dtype == pd.Series(["toy"]).dtype  # text also where there are no rows
    assert content.tests.empty
    assert (content.similarities, content.metrics) == ({}, {})


def test_layers_that_see_too_much_have_no_stimuli(subject, groups):
    content = identity.measure(subject, groups, SETTINGS, 0, 2, 4, nothing)  # nothing is read
    assert set(content.units["measure"]) == {"responses"}


def test_what_cannot_be_tested_is_no_metric():
    tests = pd.DataFrame({"measure": "responses", "state": ["trained", "untrained", "trained"]})
    tests = tests.assign(group=["all", "all", "c1"], value=[0.5, np.nan, 0.25])
    assert identity.metrics_of(tests) == {"responses.trained": 0.5}
