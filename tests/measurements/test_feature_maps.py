"""Feature maps of one image: whose they are, of which image, and what is counted in them."""

import numpy as np
import pytest
import torch
from oracles import with_random_statistics
from subjects import noisy_images, subject_of

from receptive import networks
from receptive.measurements.feature_maps import first_convolutions, measure, metrics_of
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import FeatureMaps

SIDE = 16


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(0)
    network = with_random_statistics(networks.build("fivecnn", 3, SIDE, 3, width=0.25))
    prepared = noisy_images(SIDE, [0, 1, 2, 1, 2, 1, 0], training=3)
    statistics = (prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    return subject_of(network, prepared, Normalisation.fit("standardise", *statistics), "fivecnn")


@pytest.mark.parametrize(
    ("classes", "row", "name"),
    [({}, 6, "ant"), ({"fivecnn": "cow"}, 4, "cow"), ({"digitcnn": "cow"}, 6, "ant")],
)
def test_the_maps_are_those_of_the_first_validation_image_of_the_class(subject, classes, row, name):
    made = measure(subject, FeatureMaps(layers=2, classes=classes))
    number = subject.prepared.labels["image"].iloc[row]
    assert made.facts == {"image": number, "class": name}
    np.testing.assert_array_equal(made.image, subject.prepared.images[number])
    seen = torch.from_numpy(subject.prepared.images[number][None]).movedim(-1, 1).float() / 255
    with torch.no_grad():
        first = subject.network.c1(subject.normalisation(seen))
    assert list(made.maps) == [layer.name for layer in subject.layers if layer.kind == "conv"][:2]
    np.testing.assert_allclose(next(iter(made.maps.values())), first[0], rtol=1e-5, atol=1e-6)


def test_a_network_shows_as_many_convolutions_as_it_has(subject):
    convolutions = [layer for layer in subject.layers if layer.kind == "conv"]
    assert first_convolutions(subject.layers, 1) == convolutions[:1]
    assert first_convolutions(subject.layers, 99) == convolutions


def test_metrics_count_zeros_and_silent_channels(subject):
    maps = np.ones((4, 2, 2), np.float32)
    maps[0] = 0  # silent, four zeros
    maps[1] = -1  # silent, no zero
    maps[2, 0, 0] = 0
    layer = first_convolutions(subject.layers, 1)[0]
    assert metrics_of(subject.layers, {layer.name: maps}) == {
        f"zero_fraction.{layer.alias}": 5 / 16,
        f"silent_channels.{layer.alias}": 2,
    }
