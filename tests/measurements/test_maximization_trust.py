"""Paths of maximized images: the right unit, place and layers, and what has no path is not said to have one."""

import numpy as np
import pandas as pd
import pytest
import torch
from subjects import noisy_images, subject_of
from torch import nn

from receptive.measurements.maximization import Group, GroupImages
from receptive.measurements.maximization_trust import EARLIER, earlier_layers, metrics, path_similarities
from receptive.methods.maximization import PRESETS
from receptive.networks.parts.normalisation import Normalisation


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(5 * 36, 2)),
    )
    with torch.no_grad():
        network[2].weight[0] = 0
        network[2].weight[0, 1, 1, 1] = 1.0  # unit 0 reads the first layer's channel 1, at its own place
        network[2].weight[1] = 0
        network[2].weight[1, 1, 1, 1], network[2].weight[1, 2, 1, 1] = 1.0, 50.0
        network[2].bias.zero_()
        network[0].weight[2], network[0].bias[2] = 0, -0.9
        network[0].weight[2, 0, 1, 1] = 1.0  # channel 2 answers red above 0.9 alone, channel 1 green
        network[0].weight[1], network[0].bias[1] = 0, 0
        network[0].weight[1, 1, 1, 1] = 1.0
    normalisation = Normalisation.of_channels([0.0] * 3, [1.0] * 3)
    return subject_of(network, noisy_images(12, [0, 1] * 6, training=2), normalisation)


def group_of(subject, place: int, units: tuple[int, ...], objective: str = "channel") -> Group:
    return Group(subject.layers[place], units, objective, "ks", PRESETS["ks"], 0)


def preferred_of(subject, layer, units, images, y=5, x=7) -> pd.DataFrame:
    rows = [(layer.name, unit, rank, image, y, x, 1.0) for unit in units for rank, image in enumerate(images)]
    return pd.DataFrame(rows, columns=["layer", "unit", "rank", "image", "y", "x", "activation"])


def made_of(pictures: np.ndarray, status: str = "ok") -> GroupImages:
    ones = np.ones(len(pictures))
    return GroupImages(pictures.astype(np.float32), ones, ones, np.array([status] * len(pictures)))


def test_earlier_layers_are_spread_over_the_depth(subject):
    names = [layer.name for layer in subject.layers]
    assert earlier_layers(subject.layers, subject.layers[0]) == []
    assert earlier_layers(subject.layers, subject.layers[1]) == names[:1]
    assert earlier_layers(subject.layers, subject.layers[3]) == names[:3]
    many = [*subject.layers[:1]] * 9 + [subject.layers[-1]]
    assert len(earlier_layers(many, many[-1])) == EARLIER


def test_a_picture_on_the_natural_path_and_one_on_another(subject):
    """Of unit 1 channel 2 is a hidden way: it answers pure red, which no image is given at the chosen place."""
    images = subject.validation[:6]
    pixels = subject.prepared.images
    place = next((y, x) for y, x in np.ndindex(12, 12) if (pixels[images, y, x, 0] < 0.9 * 255).all())
    layer, group = subject.layers[1], group_of(subject, 1, (0, 1))
    red = np.zeros((12, 12, 3))
    red[..., 0] = 1.0
    natural = pixels[images[0]] / 255
    for picture, expected in ((red, [None, False]), (natural, [True, None])):
        table = path_similarities(
            subject,
            [group],
            [made_of(np.stack([picture] * 2))],
            preferred_of(subject, layer, (0, 1), images, *place),
            6,
        )
        assert table["unit"].tolist() == [0, 1]
        for path, honest in zip(table["path"], expected, strict=True):
            if honest is True:
                assert path == pytest.approx(1)  # one channel is the only way
            elif honest is False:
                assert path < 0.1


def test_the_image_itself_takes_its_own_path(subject):
    """A neuron's picture that is the top image around some place has the path of that image at this place."""
    image = subject.validation[:1]
    with torch.no_grad():
        responses = subject.network[:4](subject.seen(image))[0, :, 4, 8]
    unit = 2 + int(responses[2:].argmax())  # the first two have one way alone
    assert responses[unit] > 0
    group = group_of(subject, 1, (unit,), "neuron")
    assert group.centre == (6, 6)
    top, left, bottom, right = group.layer.field.box(4, 8)
    cut = subject.prepared.images[image, top:bottom, left:right] / 255
    twice = preferred_of(subject, subject.layers[1], (unit,), [image[0]] * 2, 4, 8)  # among themselves alike to 1
    table = path_similarities(subject, [group], [made_of(cut)], twice, 2)
    assert table["path"].item() == pytest.approx(1, abs=1e-5)
    elsewhere = preferred_of(subject, subject.layers[1], (unit,), [subject.validation[3]] * 2, 2, 3)
    other = path_similarities(subject, [group], [made_of(cut)], elsewhere, 2)["path"].item()
    assert abs(other - 1) > 1e-4


def test_what_has_no_path_is_nan(subject):
    group = group_of(subject, 1, (0,))
    preferred = preferred_of(subject, subject.layers[1], (0,), subject.validation[:4])
    pictures = np.ones((1, 12, 12, 3))
    failed = path_similarities(subject, [group], [made_of(pictures, "diverged")], preferred, 4)
    assert failed["path"].isna().all()
    silent = path_similarities(subject, [group], [made_of(pictures)], preferred.assign(activation=0.0), 4)
    assert silent["path"].isna().all()
    first = group_of(subject, 0, (0,))
    nothing = path_similarities(subject, [first], [made_of(pictures)], preferred.assign(layer=first.layer.name), 4)
    assert nothing["path"].isna().all()
    assert metrics(nothing) == {}
    scores = group_of(subject, 3, (0, 1), "class")
    of_class = preferred_of(subject, subject.layers[3], (0, 1), subject.validation[:4], 0, 0)
    known = path_similarities(subject, [scores], [made_of(np.repeat(pictures, 2, 0))], of_class, 4)
    assert known["path"].notna().any()
    assert metrics(known.assign(path=[0.2, 0.8])) == {"other_path": 0.5}
