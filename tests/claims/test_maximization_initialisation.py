"""Claim 11 on pictures made so that the answer is known; its control is what stage maximize really began with."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pandas as pd
import planted
import pytest
from planted import class_images, colourful, grey_texture, pick
from torch import nn

from receptive.claims import maximization_initialisation
from receptive.claims.maximization_initialisation import MEASURES, NETWORKS, Quantity, measure
from receptive.claims.row import overall
from receptive.measurements.maximization import find_group, maximize_group, plan
from receptive.methods.inference import paired_difference
from receptive.networks.layers import layers


def test_colour_from_the_mean_and_texture_from_noise():
    rows = measure(class_images(NETWORKS, noise=grey_texture(0.1), mean=colourful()))
    assert overall(rows) == "supported"
    for network in NETWORKS:
        colour, texture = (pick(rows, network, quantity) for quantity in (Quantity.COLOUR, Quantity.TEXTURE))
        assert colour.value > 10
        assert texture.value > 0.5
        # the starts themselves: noise is full of detail; its colour is that of single pixels, and the blur takes it out
        assert texture.control > 0
        assert pick(rows, network, Quantity.PIXELS).control < colour.control
        assert colour.decides
        assert texture.decides
        assert not pick(rows, network, Quantity.PIXELS).decides
        assert colour.over == texture.over == "classes"


def test_the_other_way_round_contradicts():
    rows = measure(class_images(NETWORKS, noise=colourful(), mean=grey_texture(0.1)))
    assert overall(rows) == "contradicted"


def test_a_class_without_one_of_the_two_images_is_left_out_of_both():
    noise, mean = grey_texture(0.1), colourful()
    study = class_images(["alexcnn"], noise, mean, statuses=("ok", "diverged", "ok", "ok"))
    made = maximization_initialisation.class_images(study, "alexcnn")
    assert made.classes.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(made.images["noise"][0], noise[[0, 2, 3]])
    np.testing.assert_array_equal(made.images["mean"][0], mean[[0, 2, 3]])
    np.testing.assert_array_equal(made.shown("images", "mean"), mean[[0, 2, 3]])
    whole = maximization_initialisation.class_images(class_images(["alexcnn"], noise, mean), "alexcnn")
    for name in ("noise", "mean"):
        np.testing.assert_array_equal(made.starts[name], whole.starts[name][:, [0, 2, 3]])


def test_the_mean_start_is_the_mean_of_the_classs_training_images():
    made = maximization_initialisation.class_images(
        class_images(["alexcnn"], grey_texture(0.1), colourful()), "alexcnn"
    )
    shown = planted.images()
    for label in range(4):
        train = (shown.labels["split"] == "train") & (shown.labels["label"] == label)
        np.testing.assert_allclose(made.starts["mean"][0, label], shown.images[train].mean(0) / 255, atol=1e-6)


def speckle(rng, count: int = 4) -> np.ndarray:
    """Images full of colour, pixel by pixel."""
    return np.clip(rng.normal(0.5, 0.3, (count, planted.SIDE, planted.SIDE, 3)), 0, 1)


def test_noise_of_single_pixels_is_no_colour():
    """Images from the mean keep broad colour; those from noise have more chroma, but none that an eye sees."""
    rows = measure(class_images(NETWORKS, noise=speckle(np.random.default_rng(0)), mean=0.5 + (colourful() - 0.5) / 3))
    row = pick(rows, "alexcnn", Quantity.COLOUR)
    assert row.verdict == "supported"
    assert pick(rows, "alexcnn", Quantity.PIXELS).verdict == "contradicted"


def test_the_mean_over_the_starts_of_a_class_counts():
    """Two starts of each class, one diverged: the measures' own means."""
    noise, mean = np.concatenate([colourful(1), colourful(2)]), colourful(3)
    study = class_images(["alexcnn"], noise, mean)
    table, pixels = study.maximization("alexcnn")
    table.loc[1, "status"] = "diverged"  # class 1 from its first draw
    study = replace(study, maximization=lambda training: (table, pixels))
    made = maximization_initialisation.class_images(study, "alexcnn")
    assert made.images["noise"].shape[:2] == (2, 4)
    assert made.starts["noise"].shape == made.images["noise"].shape
    of = MEASURES[Quantity.COLOUR][0]
    expected = (of(noise[:4]) + of(noise[4:])) / 2
    expected[1] = of(noise[5:6])[0]
    np.testing.assert_allclose(made.means(of, "images", "noise"), expected)
    np.testing.assert_array_equal(made.shown("images", "noise"), noise[[0, 5, 2, 3]])
    row = pick(measure(study), "alexcnn", Quantity.COLOUR)
    assert row.value == pytest.approx((of(mean) - expected).mean())
    assert row.reason == "2 starts of noise a class"


def differences(rng, classes: int, starts: int, shift: float):
    """Classes of different colour whose images from both initialisations err by themselves; the interval of colour."""
    own = rng.lognormal(2, 0.5, classes)
    noise = (own + rng.normal(0, 2, (starts, classes))).mean(0)
    return paired_difference(own + shift + rng.normal(0, 2, classes), noise, rng, method="studentized", resamples=500)


@pytest.mark.slow
def test_classes_that_differ_by_chance_alone_are_called_as_often_as_promised_and_planted_colour_is_found():
    rng, times = np.random.default_rng(5), 500
    null = [differences(rng, 10, 5, 0.0) for _ in range(times)]
    assert 0.02 <= np.mean([found.low > 0 or found.high < 0 for found in null]) <= 0.085
    found = [differences(rng, 10, 5, 4.0) for _ in range(times)]
    assert np.mean([one.low <= 4 <= one.high for one in found]) >= 0.92
    assert np.mean([one.low > 0 for one in found]) > 0.95


@pytest.mark.slow
def test_other_draws_of_the_same_noise_are_called_as_often_as_promised():
    """Both initialisations are speckle: images of the same distribution have the same colour and texture."""
    rng, called, times = np.random.default_rng(6), dict.fromkeys(MEASURES, 0), 150
    for _ in range(times):
        pictures = {"noise": speckle(rng, 30).reshape(3, 10, *speckle(rng).shape[1:]), "mean": speckle(rng, 10)[None]}
        made = maximization_initialisation.ClassImages(np.arange(10), pictures, pictures)
        for quantity, (of, _) in MEASURES.items():
            mean, noise = (made.means(of, "images", name) for name in ("mean", "noise"))
            found = paired_difference(mean, noise, rng, method="studentized", resamples=300)
            called[quantity] += found.low > 0 or found.high < 0
    assert max(called.values()) / times <= 0.11


def scores():
    """A small network whose layer ``scores`` gives four classes."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 5, 3, padding=1), low=nn.ReLU(), high=nn.MaxPool2d(4), flat=nn.Flatten(),
            scores=nn.Linear(5 * (planted.SIDE // 4) ** 2, 4),
        )
    ).eval()  # fmt: skip


def real_study(seed: int):
    """A study whose class images stage maximize would make, with not one step: they are where it began."""
    network, shown = scores(), planted.images()
    subject = planted.subject("alexcnn", shown, network, layers(network, planted.SIDE))
    params = planted.study(["alexcnn"], seed=seed).params
    groups = plan(params, subject)
    rows, pixels = [], {}
    for name in ("noise", "mean"):
        group = find_group(groups, "scores", "class", "tg_class", name)
        unmoved = replace(group, preset=replace(group.preset, iterations=0))
        made = maximize_group(subject, unmoved, batch_size=3)
        pixels[group.name] = made.images
        heading = {
            "layer": "scores",
            "objective": "class",
            "preset": "tg_class",
            "initialisation": name,
            "status": "ok",
        }
        rows += [{**heading, "unit": unit, "start": at} for unit, at in zip(group.units, group.starts, strict=True)]
    return planted.study(
        ["alexcnn"],
        seed=seed,
        maximization=lambda training: (pd.DataFrame(rows), pixels),
        prepared=lambda dataset, classes: shown,
        load=lambda params, training, trained: subject,
    )


def test_the_starts_are_those_of_stage_maximize():
    made = maximization_initialisation.class_images(real_study(seed=3), "alexcnn")
    for name in ("noise", "mean"):
        np.testing.assert_allclose(made.starts[name], made.images[name], atol=1e-6)
    row = pick(measure(real_study(seed=3)), "alexcnn", Quantity.TEXTURE)
    assert row.control == pytest.approx(row.value, abs=1e-6)


@pytest.mark.slow
def test_another_draw_of_the_noise_is_another_control():
    """The noise is drawn in one place: where its name or its seed changes, claim 11 sees the other noise."""
    starts = {seed: maximization_initialisation.class_images(real_study(seed), "alexcnn").starts for seed in (3, 4)}
    assert np.abs(starts[3]["noise"] - starts[4]["noise"]).mean() > 0.1
    np.testing.assert_array_equal(starts[3]["mean"], starts[4]["mean"])
    texture = [pick(measure(real_study(seed)), "alexcnn", Quantity.TEXTURE).control for seed in (3, 4)]
    assert texture[0] != texture[1]


def test_what_cannot_be_measured_says_why():
    rows = measure(class_images(["vggcnn"], grey_texture(0.1), colourful(), ("ok", *["diverged"] * 3)))
    assert pick(rows, "alexcnn", Quantity.COLOUR).reason == "alexcnn is not in this study"
    assert pick(rows, "vggcnn", Quantity.COLOUR).reason == "1 classes have an image from both starts"
    grey = grey_texture(0.1)[..., :1]
    rows = measure(class_images(["vggcnn"], grey, grey, shown=planted.images(channels=1)))
    assert pick(rows, "vggcnn", Quantity.TEXTURE).reason == "its images have no colour"
    nothing = pd.DataFrame(columns=["layer", "objective", "preset", "initialisation", "unit", "status"])
    rows = measure(planted.study(["vggcnn"], maximization=lambda training: (nothing, {})))
    assert pick(rows, "vggcnn", Quantity.COLOUR).reason.startswith("maximize.groups has no tg_class images")
    assert overall(rows) == "not measured"
