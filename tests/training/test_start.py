"""How a network begins and what is stored of it; a study's own choices, not the training itself."""

import numpy as np
import pandas as pd
import pytest
import torch
from recipes import recipe

from receptive import networks
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError
from receptive.loading import read_split
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import Workers
from receptive.seeds import generator, named_seed
from receptive.training.loop import before_training, measured, train
from receptive.training.start import Given, begin, describe, final_metrics, finish

CPU = torch.device("cpu")
CLASSES = ("astronaut", "cat", "coffee")
SMALL = {"width": 0.125, "batch_size": 8, "normalisation": "standardise", "first_scale": 0.5}


@pytest.fixture(scope="module")
def images():
    """24 training and 12 validation images of 16 px, of three classes."""
    labels = pd.DataFrame({"image": np.arange(36), "split": ["train"] * 24 + ["validation"] * 12})
    labels["label"] = np.arange(36) % 3
    labels["class_name"] = [CLASSES[label] for label in labels["label"]]
    return prepare("toy", np.random.default_rng(0).integers(0, 256, (36, 16, 16, 3), np.uint8), labels, CLASSES)


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


def without_speed(history):
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in history]


def fresh(name, seed=0):
    """A small FiveCNN as the parts of the project make it, one by one."""
    network = networks.build("fivecnn", 3, 16, 3, width=0.125)
    initialise(network, generator(seed, "weights", name), 0.5)
    return network


def test_fresh_weights_are_those_of_the_trainings_name(images):
    first, second = (begin(name, "fivecnn", recipe(**SMALL), images, 0) for name in ("fivecnn", "fivecnn-2"))
    assert equal(first.network.state_dict(), fresh("fivecnn").state_dict())
    assert equal(second.network.state_dict(), fresh("fivecnn-2").state_dict())
    assert not equal(first.network.state_dict(), second.network.state_dict())
    assert not equal(first.network.state_dict(), fresh("fivecnn", seed=1).state_dict())
    assert first.given is None


@pytest.mark.parametrize("kind", ["standardise", "whiten", "subtract_mean_image", "scale", "imagenet"])
def test_the_normalisation_is_the_recipes(images, kind):
    start = begin("fivecnn", "fivecnn", recipe(**SMALL | {"normalisation": kind}), images, 0)
    expected = Normalisation.fit(kind, images.mean, images.std, images.covariance, images.mean_image)
    assert equal(start.normalisation.state_dict(), expected.state_dict())


def test_finishing_is_training_from_the_named_draws(images):
    chosen = recipe(**SMALL, epochs=2, learning_rate=0.01)
    finished = finish(begin("fivecnn-2", "fivecnn", chosen, images, 5), "fivecnn-2", chosen, images, 5, CPU)
    network = fresh("fivecnn-2", seed=5)
    normalisation = Normalisation.fit("standardise", images.mean, images.std, images.covariance, images.mean_image)
    splits = read_split(images, "train"), read_split(images, "validation")
    chance = generator(5, "before training", "fivecnn-2")
    assert equal(finished.untrained, before_training(network, normalisation, splits[0], 8, chance))
    history = train(network, normalisation, *splits, chosen, named_seed(5, "train", "fivecnn-2"), CPU)
    assert equal(finished.network.state_dict(), network.state_dict())
    assert without_speed(finished.history) == without_speed(history)
    assert not equal(finished.untrained, finished.network.state_dict())


def test_given_weights_are_measured_and_not_trained(images):
    chosen = recipe(**SMALL, epochs=2)
    weights = fresh("another").state_dict()
    start = begin("fivecnn", "fivecnn", chosen, images, 0)
    given = Given(weights, {"from": "file", "sha256": "0"})
    finished = finish(type(start)(start.network, start.normalisation, given), "fivecnn", chosen, images, 0, CPU)
    assert equal(finished.network.state_dict(), weights)
    assert torch.equal(finished.untrained["c1.conv.weight"], fresh("fivecnn").state_dict()["c1.conv.weight"])
    other = fresh("another")
    splits = read_split(images, "train"), read_split(images, "validation")
    history = measured(other, start.normalisation, *splits, generator(0, "measured", "fivecnn"), CPU)
    assert without_speed(finished.history) == without_speed(history)
    assert (finished.description["epochs"], finished.description["weights"]) == (0, given.origin)


def test_crops_reach_what_lies_around_the_views_and_given_weights_see_views(images):
    """A network that fits the views alone runs in both cases; the crops are of larger images."""
    whole = np.random.default_rng(1).integers(0, 256, (36, 32, 32, 3), np.uint8)
    larger = prepare("toy", whole[:, 8:24, 8:24], images.labels, CLASSES)
    larger = type(larger)(**vars(larger) | {"surround": whole})
    chosen = recipe(**SMALL, crop_area=[0.5, 1.0], crop_aspect=[0.9, 1.1])
    start = begin("fivecnn", "fivecnn", chosen, larger, 0)
    assert len(finish(start, "fivecnn", chosen, larger, 0, CPU).history) == 2
    given = type(start)(start.network, start.normalisation, Given(fresh("a").state_dict(), {"from": "file"}))
    assert [row["epoch"] for row in finish(given, "fivecnn", chosen, larger, 0, CPU).history] == [0, 0]


def test_the_description_rebuilds_the_network(images):
    chosen = recipe(**SMALL, dropout=0.25, epochs=7)
    start = begin("fivecnn-2", "fivecnn", chosen, images, 3)
    description = describe(start, chosen, images, 3)
    assert description == {
        "classes": list(CLASSES),
        "image_size": 16,
        "channels": 3,
        "options": {"width": 0.125, "batch_norm": None, "dropout": 0.25, "conv_stride": None},
        "dataset": "toy",
        "normalisation": "standardise",
        "weights": {"from": "ours"},
        "epochs": 7,
        "seed": 3,
        "first_filters": "c1.conv.weight",
    }
    again = networks.build("fivecnn", len(description["classes"]), 16, 3, **description["options"])
    again.load_state_dict(start.network.state_dict())
    filters = start.network.state_dict()[description["first_filters"]]
    assert filters.shape[1:] == (3, 3, 3)


def test_the_metrics_are_those_of_the_last_epoch():
    history = [
        {"epoch": epoch, "split": split, "loss": 1 / epoch, "top1": 0.1 * epoch, "top5": 0.2 * epoch, "lr": 0.1}
        for epoch in (1, 2)
        for split in ("train", "validation")
    ]
    measures = {"loss": 0.5, "top1": 0.2, "top5": 0.4}
    metrics = final_metrics(torch.nn.Linear(3, 2), history)
    assert metrics == {"train": measures, "validation": measures, "parameters": 8}


def test_only_the_first_process_measures_the_state_before_training(images):
    start = begin("fivecnn", "fivecnn", recipe(**SMALL), images, 0)
    given = type(start)(start.network, start.normalisation, Given(fresh("a").state_dict(), {"from": "file"}))
    assert finish(given, "fivecnn", recipe(**SMALL), images, 0, CPU, workers=Workers(rank=1)).untrained == {}
    assert finish(given, "fivecnn", recipe(**SMALL), images, 0, CPU, workers=Workers(rank=0)).untrained


@pytest.mark.slow
def test_a_library_network_whose_layers_cannot_be_read_is_refused(images):
    with pytest.raises(ReceptiveError, match=r"in module 'features\.0\.1'"):
        begin("torchvision-convnext_tiny", "torchvision-convnext_tiny", recipe(), images, 0)
