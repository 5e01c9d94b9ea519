"""Claims 5 and 11 on pictures made so that the answer is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from receptive.claims import Study, overall
from receptive.claims import maximization_agreement as agreement
from receptive.claims import maximization_initialisation as initialisation
from receptive.io import artifacts
from receptive.networks.parts.normalisation import Normalisation

SIDE = 32


def study(models) -> Study:
    claims = SimpleNamespace(resamples=300, permutations=199)
    return Study(SimpleNamespace(models=models, seed=3, claims=claims, trainings=lambda name: [name]))


def by_name(rows):
    return {(row.network, row.what): row for row in rows}


@pytest.fixture(autouse=True)
def normalisation(monkeypatch):
    normalised = Normalisation(torch.tensor([0.5, 0.4, 0.3])[:, None, None], 4 * torch.eye(3))
    monkeypatch.setattr(artifacts, "read_normalisation", lambda network: normalised)
    return normalised


def natural(images=40, seed=0):
    """Images with detail, and their table: the first half for training, classes in turn."""
    pixels = np.random.default_rng(seed).integers(0, 256, (images, SIDE, SIDE, 3)).astype(np.uint8)
    split = np.where(np.arange(images) < images // 2, "train", "validation")
    labels = pd.DataFrame({"image": np.arange(images), "split": split, "label": np.arange(images) % 4})
    return SimpleNamespace(images=pixels, labels=labels, classes=["a", "b", "c", "d"])


# ---------------------------------------------------------------- claim 5


def smooth(rng, units, size):
    """Broad shapes: two slow waves a unit, of random direction and phase."""
    y, x = np.mgrid[:size, :size] / size
    waves = []
    for _ in range(units):
        angle, phase = rng.random(2) * 2 * np.pi
        waves.append(np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) + phase))
    return 0.1 * np.repeat(np.array(waves)[..., None], 3, -1)


def plant(monkeypatch, agrees=True, top_loses_detail=True, statuses=None, boxes=None, units=8, mined=("low", "high")):
    """Two layers of 12 and 16 px: mean stimuli (over a baseline of 0.5), and maximised images on a grey start."""
    rng = np.random.default_rng(1)
    rows, images, stimuli = [], {}, {}
    start = np.broadcast_to([0.5, 0.4, 0.3], (SIDE, SIDE, 3))
    boxes = boxes or {"low": (4, 4, 16, 16), "high": (8, 8, 24, 24)}
    for name, size in (("low", 12), ("high", 16)):
        shapes, detail = smooth(rng, units, size), 0.1 * rng.normal(size=(units, size, size, 3))
        loses = name == "high" and top_loses_detail
        means = shapes + (0 if loses else 1) * detail
        baseline = rng.random((size, size, 3))  # what all patches share says nothing of a unit
        stimuli[name] = {"mean_interior": baseline + means, "baseline_interior": baseline}
        top, left, bottom, right = boxes[name]
        own = shapes + detail if agrees else np.roll(shapes + detail, 1, 0)
        seen = own[:, max(0, -top) : size - max(0, bottom - SIDE), max(0, -left) : size - max(0, right - SIDE)]
        pictures = start[max(0, top) : bottom, max(0, left) : right] + 3 * seen  # what lies inside the image
        for preset in agreement.PRESETS:
            group = artifacts.maximization_group(name, "neuron", preset, "zero")
            images[group] = pictures
            for unit in range(units):
                box = dict(zip(("top_px", "left_px", "bottom_px", "right_px"), boxes[name], strict=True))
                one = {"layer": name, "objective": "neuron", "preset": preset, "initialisation": "zero", "unit": unit}
                rows.append(one | box | {"status": (statuses or {}).get((name, unit), "ok")})
    layers = [SimpleNamespace(name=name, alias=name, depth=depth) for depth, name in enumerate(("low", "high"))]
    monkeypatch.setattr(artifacts, "read_layers", lambda network: layers)
    monkeypatch.setattr(artifacts, "read_maximization", lambda network: (pd.DataFrame(rows), images))
    monkeypatch.setattr(artifacts, "is_mined", lambda network, layer: layer in mined)
    monkeypatch.setattr(artifacts, "read_stimuli", lambda network, layer: stimuli[layer])
    monkeypatch.setattr(artifacts, "read_images", lambda params, network: natural())


def test_stimuli_that_agree_below_and_lose_detail_above(monkeypatch):
    plant(monkeypatch)
    planted = study(["resnet34"])
    rows = agreement.measure(planted)
    found = by_name(rows)
    low = found["resnet34", "agreement, low"]
    # in the lower layer the mean stimulus is the maximised image but for its scale
    assert low.reason == "own correlation 1.00"
    assert low.value == pytest.approx(1 - low.control, abs=1e-6)
    assert abs(low.control) < 0.5
    assert low.p_value == 1 / 200
    assert low.decides
    assert not found["resnet34", "agreement, high"].decides
    lost, broad = found["resnet34", agreement.LOSS], found["resnet34", agreement.BROAD]
    assert lost.value > 0.3
    assert abs(lost.control) < 0.2  # the maximised images keep theirs
    assert broad.value > 0.3
    assert overall(rows) == "supported"
    assert agreement.figure(planted, rows).get_size_inches()[0] > 5


def test_a_layer_that_was_not_mined_is_left_out(monkeypatch):
    plant(monkeypatch, mined=("low",))
    found = by_name(agreement.measure(study(["resnet34"])))
    assert found["resnet34", "agreement, low"].decides
    assert ("resnet34", "agreement, high") not in found


def test_other_units_images_are_no_agreement(monkeypatch):
    plant(monkeypatch, agrees=False)
    row = by_name(agreement.measure(study(["resnet34"])))["resnet34", "agreement, low"]
    assert row.verdict != "supported"
    assert row.p_value > 0.05


def test_detail_that_stays_is_no_loss(monkeypatch):
    plant(monkeypatch, top_loses_detail=False)
    rows = agreement.measure(study(["resnet34"]))
    assert by_name(rows)["resnet34", agreement.LOSS].verdict != "supported"
    assert abs(by_name(rows)["resnet34", agreement.BROAD].value) < 1e-6
    assert overall(rows) == "undecided"


def test_fields_that_leave_the_image_are_compared_inside_it(monkeypatch):
    plant(monkeypatch, boxes={"low": (-3, -5, 9, 7), "high": (24, 20, 40, 36)})
    found = by_name(agreement.measure(study(["resnet34"])))
    assert found["resnet34", "agreement, low"].reason == "own correlation 1.00"


def test_units_without_a_maximised_image_are_left_out(monkeypatch):
    gone = {("low", unit): status for unit, status in ((0, "zero_gradient"), (3, "diverged"))}
    plant(monkeypatch, statuses=gone)
    assert by_name(agreement.measure(study(["resnet34"])))["resnet34", "agreement, low"].units == 6
    plant(monkeypatch, statuses={("low", unit): "zero_gradient" for unit in range(7)})
    row = by_name(agreement.measure(study(["resnet34"])))["resnet34", "agreement, low"]
    assert (row.verdict, row.decides) == ("not measured", True)
    assert "1 of 8 units" in row.reason


def test_agreement_without_the_papers_network(monkeypatch):
    plant(monkeypatch)
    planted = study(["alexcnn"])
    rows = agreement.measure(planted)
    assert overall(rows) == "not measured"
    assert [row.reason for row in rows if row.decides] == ["resnet34 is not in this study"] * 3
    assert agreement.figure(planted, rows).get_size_inches()[0] > 5


# ---------------------------------------------------------------- claim 11


def class_images(monkeypatch, noise, mean, statuses=("ok",) * 4, prepared=None):
    """Class images by initialisation, class x y x x x channel."""
    rows, images = [], {}
    for name, pictures in (("noise", noise), ("mean", mean)):
        images[artifacts.maximization_group("fc", "class", "tg_class", name)] = pictures
        for unit in range(4):
            one = {"layer": "fc", "objective": "class", "preset": "tg_class", "initialisation": name, "unit": unit}
            rows.append(one | {"status": statuses[unit] if name == "mean" else "ok"})
    monkeypatch.setattr(artifacts, "read_maximization", lambda network: (pd.DataFrame(rows), images))
    monkeypatch.setattr(artifacts, "read_images", lambda params, network: prepared or natural())


def grey_texture(strength, seed=0):
    texture = np.random.default_rng(seed).normal(0.5, strength, (4, SIDE, SIDE, 1))
    return np.repeat(texture, 3, -1)


def colourful(seed=0):
    """Broad colours: no two classes alike, no detail."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    phases = np.random.default_rng(seed).random((4, 1, 1, 3)) * 6
    return 0.5 + 0.4 * np.sin(3 * (x + y)[None, ..., None] + phases)


def test_colour_from_the_mean_and_texture_from_noise(monkeypatch):
    class_images(monkeypatch, noise=grey_texture(0.1), mean=colourful())
    planted = study(["alexcnn", "vggcnn"])
    rows = initialisation.measure(planted)
    found = by_name(rows)
    assert overall(rows) == "supported"
    for network in initialisation.NETWORKS:
        assert found[network, "colour"].value > 10
        assert found[network, "texture"].value > 0.5
        # the starts themselves: noise is full of both
        assert found[network, "colour"].control < 0
        assert found[network, "texture"].control > 0
        assert found[network, "colour"].decides
        assert found[network, "texture"].decides
        assert not found[network, "colour of broad areas"].decides
        assert {found[network, what].over for what in ("colour", "texture")} == {"classes"}
    assert initialisation.figure(planted, rows).get_size_inches()[0] > 5


def test_the_other_way_round_contradicts(monkeypatch):
    class_images(monkeypatch, noise=colourful(), mean=grey_texture(0.1))
    assert overall(initialisation.measure(study(["alexcnn", "vggcnn"]))) == "contradicted"


def test_a_class_without_one_of_the_two_images_is_left_out_of_both(monkeypatch):
    noise, mean = grey_texture(0.1), colourful()
    class_images(monkeypatch, noise, mean, statuses=("ok", "diverged", "ok", "ok"))
    found = initialisation._read(study(["alexcnn"]), "alexcnn")
    assert found.classes.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(found.images["noise"], noise[[0, 2, 3]])
    np.testing.assert_array_equal(found.images["mean"], mean[[0, 2, 3]])


def test_the_starts_are_those_of_stage_maximize(monkeypatch):
    from receptive.seeds import generator

    class_images(monkeypatch, grey_texture(0.1), colourful())
    found = initialisation._read(study(["alexcnn"]), "alexcnn")
    prepared = natural()
    for label in range(4):
        train = (prepared.labels["split"] == "train") & (prepared.labels["label"] == label)
        np.testing.assert_allclose(found.starts["mean"][label], prepared.images[train].mean(0) / 255)
    chance = generator(3, "maximize", "alexcnn", "fc/class/tg_class/noise", 2)
    noise = torch.randn((3, SIDE, SIDE), generator=chance).movedim(0, -1).numpy() / 4 + [0.5, 0.4, 0.3]
    np.testing.assert_allclose(found.starts["noise"][2], noise, atol=1e-6)


def test_what_cannot_be_measured_says_why(monkeypatch):
    class_images(monkeypatch, grey_texture(0.1), colourful(), statuses=("ok", "diverged", "diverged", "diverged"))
    rows = initialisation.measure(study(["vggcnn"]))
    found = by_name(rows)
    assert found["alexcnn", "colour"].reason == "alexcnn is not in this study"
    assert found["vggcnn", "colour"].reason == "1 classes have an image from both starts"
    grey = natural()
    grey.images = grey.images[..., :1]
    class_images(monkeypatch, grey_texture(0.1)[..., :1], grey_texture(0.1)[..., :1], prepared=grey)
    assert by_name(initialisation.measure(study(["vggcnn"])))["vggcnn", "texture"].reason == "its images have no colour"
    nothing = pd.DataFrame(columns=["layer", "objective", "preset", "initialisation", "unit", "status"])
    monkeypatch.setattr(artifacts, "read_maximization", lambda network: (nothing, {}))
    planted = study(["vggcnn"])
    rows = initialisation.measure(planted)
    assert by_name(rows)["vggcnn", "colour"].reason.startswith("maximize.groups has no tg_class images")
    assert overall(rows) == "not measured"
    assert initialisation.figure(planted, rows).get_size_inches()[0] > 5
