"""Choices: patches are where the responses are, halves share no image, and an untrained network is measured as such."""

import numpy as np
import pytest
import torch
from subjects import noisy_images, subject_of, validation_views
from torch import nn

from receptive.measurements import choices
from receptive.measurements.choices import _Pool, alternating, measure, metrics, responses_at
from receptive.methods.choices import features, right_choices
from receptive.params.sections import Choices

SETTINGS = Choices(images=30, patches_per_image=3, references=4, held_out=6)


@pytest.fixture
def subject(monkeypatch):
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(3 * 16, 2)),
    )
    made = subject_of(network, noisy_images(12, [0, 0, 1] * 14, training=2))
    monkeypatch.setattr(type(made), "untrained", lambda self: self)
    return made


def test_halves_hold_every_second_image_of_each_class():
    labels = np.array([0, 1, 0, 1, 0, 1, 2])
    assert alternating(labels).tolist() == [True, True, False, False, True, True, True]


@torch.no_grad()
def test_responses_are_those_at_the_positions(subject):
    numbers = subject.validation[:5]
    place = np.array([[0, 13], [143, 2], [7, 70], [1, 0], [12, 90]])
    found = responses_at(subject, numbers, {"1": place}, batch_size=2)["1"]
    maps = subject.network[:2](validation_views(subject)[:5])
    expected = [maps[image, :, at // 12, at % 12] for image, row in enumerate(place) for at in row]
    np.testing.assert_allclose(found, torch.stack(expected), atol=1e-6)


def test_the_patches_are_what_the_positions_see(subject):
    layer = subject.layers[2]
    assert (layer.field.size, layer.map_size) == (8, (4, 4))
    numbers = subject.validation[:30]
    half = np.arange(30) % 2 == 0
    pool = _Pool(subject, layer, numbers, half, SETTINGS, seed=0)
    assert all(len(set(row)) == 3 for row in pool.positions.tolist())  # no position twice
    for at in (0, 1, 50):
        image, patch = divmod(int(pool.order[at]), 3)
        y, x = divmod(int(pool.positions[image, patch]), 4)
        top, left, bottom, right = layer.field.box(y, x)
        grey = np.pad(subject.prepared.images[numbers[image]], ((12, 12), (12, 12), (0, 0)), constant_values=128)
        cut = grey[12 + top : 12 + bottom, 12 + left : 12 + right]
        alone = features(torch.from_numpy(cut.copy()).movedim(-1, 0)[None].float() / 255)
        np.testing.assert_allclose(pool.features[at], alone[0], atol=1e-5)
    assert pool.half.tolist() == half[pool.order.numpy() // 3].tolist()
    again = _Pool(subject, layer, numbers, half, SETTINGS, seed=0)
    assert (again.positions == pool.positions).all()
    assert (_Pool(subject, layer, numbers, half, SETTINGS, seed=1).positions != pool.positions).any()


def test_every_unit_of_both_states_has_a_row(subject):
    layers = subject.layers[:3]
    table = measure(subject, layers, SETTINGS, seed=0, batch_size=7)
    assert len(table) == 2 * sum(layer.units for layer in layers)
    trained, untrained = (table[table["state"] == state].drop(columns="state") for state in choices.STATES)
    assert trained.reset_index(drop=True).equals(untrained.reset_index(drop=True))  # here they are one network
    assert trained["right"].dropna().between(0, 1).all()
    means = metrics(table)
    assert means["right.trained.c1"] == pytest.approx(trained.loc[trained["alias"] == "c1", "right"].mean())
    for batch_size in (1, 30):
        other = measure(subject, layers, SETTINGS, seed=0, batch_size=batch_size)
        np.testing.assert_allclose(other["right"], table["right"], atol=1e-6)


@torch.no_grad()
def test_one_layer_by_hand(subject):
    layer = subject.layers[0]
    numbers, half = subject.validation[:30], alternating(np.array(([0, 0, 1] * 14)[2:32]))
    pool = _Pool(subject, layer, numbers, half, SETTINGS, seed=0)
    maps = subject.network[:2](validation_views(subject)[:30]).flatten(2)
    values = torch.stack([maps[int(at) // 3, :, pool.positions[int(at) // 3, int(at) % 3]] for at in pool.order])
    expected = right_choices(pool.features, values, pool.half, 4, 6)
    table = measure(subject, [layer], SETTINGS, seed=0, batch_size=8)
    np.testing.assert_allclose(table.loc[table["state"] == "trained", "right"], expected, atol=1e-6)


def test_without_layers_the_table_is_empty(subject):
    assert measure(subject, [], SETTINGS, seed=0, batch_size=8).empty
