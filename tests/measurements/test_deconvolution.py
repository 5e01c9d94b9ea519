"""What the deconvolution of a network keeps, against one image and one response at a time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from controlled import controlled
from subjects import noisy_images, subject_of

from receptive import networks
from receptive.artifacts.deconvolution import COLUMNS, UnitPatches
from receptive.measurements import deconvolution
from receptive.methods.capture import responses_to
from receptive.methods.deconvolution import deconvolve, energy_outside
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import Deconvolve

SIDE = 32
SETTINGS = Deconvolve(images=2, energy_images=4, units=3, patches=2, batch_size=3)


def fivecnn(seed):
    torch.manual_seed(seed)
    return networks.build("fivecnn", 4, SIDE, 3, width=0.25).eval()


@pytest.fixture(scope="module")
def subject():
    """Random weights, four training and eight validation images of four classes, and masks."""
    prepared = noisy_images(SIDE, [0, 1, 2, 3, 1, 0, 3, 2, 1, 0, 3, 2], training=4)
    mask = np.random.default_rng(0).random((len(prepared.images), SIDE, SIDE)) < 0.4
    normalisation = Normalisation.of_channels([0.4, 0.5, 0.6], [0.2, 0.3, 0.25])
    made = subject_of(fivecnn(0), replace(prepared, subject_mask=mask), normalisation)
    return controlled(made, fivecnn(1))


@pytest.fixture(scope="module")
def convs(subject):
    return [layer for layer in subject.layers if layer.kind == "conv"]


@pytest.fixture(scope="module")
def images(subject):
    """Rows of labels.parquet: the validation images, out of order."""
    labels = subject.prepared.labels
    return labels[labels["split"] == "validation"].iloc[[5, 0, 3, 2]]


def pixels(subject, image):
    """One image as the network sees it, worked out without the subject."""
    picture = torch.from_numpy(subject.prepared.images[[image]]).permute(0, 3, 1, 2).float() / 255
    return subject.normalisation(picture)


def nothing(count):
    pass


# ---------------------------------------------------------------- what is chosen


def preferred_table(layers, units=4, ranks=3):
    rows = [
        {"network": "toy", "layer": layer.name, "unit": unit, "rank": rank, "activation": float(unit)}
        for layer in layers
        for unit in range(units)
        for rank in range(ranks)
    ]
    return pd.DataFrame(rows)


def test_the_first_image_of_each_class_comes_before_the_second_of_any():
    labels = pd.DataFrame({"image": [9, 4, 7, 2, 5, 1], "label": [1, 0, 1, 0, 0, 2]})
    labels["split"] = ["validation"] * 5 + ["train"]
    turns = deconvolution.in_turn(labels)
    assert turns["image"].tolist() == [2, 7, 4, 9, 5]
    assert turns.columns.tolist() == labels.columns.tolist()


def test_every_second_convolution_and_the_scores_are_carried_back_whole(subject, convs):
    plan = deconvolution.plan(subject, preferred_table(subject.layers), SETTINGS, 100)
    assert plan.whole == [convs[0], convs[2], subject.layers[-1]]
    assert plan.by_unit == convs
    assert plan.images["label"].tolist() == [0, 1, 2, 3]
    assert plan.control["image"].tolist() == plan.images["image"].tolist()
    responses = plan.responses
    assert set(responses["layer"]) == {layer.name for layer in convs}
    assert sorted(set(responses["unit"])) == [1, 2]  # of units 0 to 2 the first is dead
    assert sorted(set(responses["rank"])) == [0, 1]
    assert plan.steps == (4 + 4) * 3 + 4 * 2 * 2


def test_of_deep_networks_every_second_convolution_shows_its_units(subject, convs):
    deep = replace(subject, layers=convs * 5)
    assert deconvolution.plan(deep, preferred_table(convs), SETTINGS, 100).by_unit == (convs * 5)[::2]


def test_without_masks_nothing_is_measured(subject):
    blind = replace(subject, prepared=replace(subject.prepared, subject_mask=None))
    plan = deconvolution.plan(blind, preferred_table(subject.layers), SETTINGS, 100)
    assert len(plan.images) == 2
    assert plan.control.empty
    whole = deconvolution.whole_representations(blind, plan.images, plan.whole, SETTINGS, nothing)
    assert whole.energy is None


# ---------------------------------------------------------------- whole representations


def test_energies_against_one_image_at_a_time(subject, convs, images):
    told = []
    table = deconvolution.energies(subject, "trained", images, convs[:2], 3, told.append)
    assert sum(told) == len(table) == 8
    assert table.columns.tolist() == list(COLUMNS["energy.parquet"])
    assert set(table["network"]) == {"toy"}
    rows = table.set_index(["layer", "image"])
    for layer in convs[:2]:
        for image, label in zip(images["image"], images["label"], strict=True):
            seen = pixels(subject, image)
            carried = deconvolve(subject.network, seen, [layer.name])[layer.name]
            mask = torch.from_numpy(subject.prepared.subject_mask[[image]])
            row = rows.loc[layer.name, image]
            assert (row["label"], row["alias"], row["depth"], row["kind"]) == (label, layer.alias, layer.depth, "conv")
            assert row["energy"] == pytest.approx(carried.double().square().sum().item(), rel=1e-5)
            assert row["energy_outside_fraction"] == pytest.approx(energy_outside(carried, mask).item(), rel=1e-5)
            rest = [other for other in images["image"] if other != image]
            others = torch.from_numpy(subject.prepared.subject_mask[rest])
            of_others = energy_outside(carried.expand(3, -1, -1, -1), others).mean().item()
            assert row["outside_others_fraction"] == pytest.approx(of_others, rel=1e-5)
            theirs = [deconvolve(subject.network, pixels(subject, other), [layer.name])[layer.name] for other in rest]
            reverse = energy_outside(torch.cat(theirs), mask.expand(3, -1, -1)).mean().item()
            assert row["others_outside_fraction"] == pytest.approx(reverse, rel=1e-5)
            assert row["area_outside_fraction"] == pytest.approx(1 - mask.double().mean().item())
            of_image = energy_outside(seen, mask).item()
            assert row["image_energy_outside_fraction"] == pytest.approx(of_image, rel=1e-5)


def test_both_passes_measure_the_same(subject, convs, images):
    whole = deconvolution.whole_representations(subject, images, convs[:2], SETTINGS, nothing)
    alone = deconvolution.energies(subject, "untrained", images, convs[:2], 3, nothing)
    assert set(whole.energy["state"]) == {"trained"}
    assert set(alone["state"]) == {"untrained"}
    pd.testing.assert_frame_equal(whole.energy.drop(columns="state"), alone.drop(columns="state"))


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_the_images_shown_are_carried_back_and_named(subject, convs, images, batch_size):
    settings = SETTINGS.model_copy(update={"batch_size": batch_size, "images": 2})
    whole = deconvolution.whole_representations(subject, images, convs[:2], settings, nothing)
    for layer in convs[:2]:
        expected = [deconvolve(subject.network, pixels(subject, image), [layer.name]) for image in images["image"][:2]]
        stacked = torch.cat([carried[layer.name] for carried in expected]).movedim(1, -1)
        torch.testing.assert_close(torch.from_numpy(whole.reconstructions[layer.name]), stacked)
    table = whole.predictions
    assert table.columns.tolist() == list(COLUMNS["predictions.parquet"])
    assert table["image"].tolist() == np.repeat(images["image"][:2], 4).tolist()  # 4 classes, fewer than 5
    for image, rows in table.groupby("image"):
        scores = subject.network(pixels(subject, image)).softmax(1)[0].detach()
        order = scores.argsort(descending=True)
        assert rows["rank"].tolist() == [0, 1, 2, 3]
        assert rows["predicted"].tolist() == [subject.prepared.classes[label] for label in order]
        np.testing.assert_allclose(rows["probability"], scores[order], rtol=1e-5)


# ---------------------------------------------------------------- single responses


def responses(layer, subject, images):
    """The greatest response of two units in each of some images, as preferred.parquet names it."""
    rows = []
    for rank, image in enumerate(images["image"]):
        maps = responses_to(subject.network, pixels(subject, image), [layer.name])[layer.name][0]
        for unit in (0, 2):
            y, x = np.unravel_index(int(maps[unit].argmax()), maps.shape[1:])
            box = dict(zip(BOX, layer.field.box(int(y), int(x)), strict=True))
            row = {"network": "toy", "layer": layer.name, "unit": unit, "rank": rank, "image": image, "y": y, "x": x}
            rows.append(row | {"activation": maps[unit, y, x].item()} | box)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("largest", [100, 5])
def test_single_responses_against_one_hot_maps(subject, convs, images, largest):
    chosen, dead = [convs[0], convs[2]], convs[1]
    table = pd.concat([responses(layer, subject, images) for layer in chosen], ignore_index=True)
    told = []
    units = deconvolution.unit_patches(subject, table, [chosen[0], dead, chosen[1]], largest, 3, told.append)
    assert sum(told) == len(units.rows) == 16
    assert units.rows.columns.tolist() == list(COLUMNS["units.parquet"])
    assert list(units.patches) == [layer.name for layer in chosen]
    for layer in chosen:
        rows, patches = units.rows[units.rows["layer"] == layer.name], units.patches[layer.name]
        small = layer.field.y.size <= largest
        assert patches.dtype == np.float16
        assert patches.shape[1:3] == ((layer.field.y.size,) * 2 if small else (SIDE, SIDE))
        for patch, row in zip(patches, rows.to_dict("records"), strict=True):

            def alone(_, response, row=row):
                only = torch.zeros_like(response)
                only[0, row["unit"], row["y"], row["x"]] = response[0, row["unit"], row["y"], row["x"]]
                return only

            carried = deconvolve(subject.network, pixels(subject, row["image"]), [layer.name], alone)[layer.name][0]
            box = layer.field.box(row["y"], row["x"]) if small else (0, 0, SIDE, SIDE)
            assert tuple(row[name] for name in BOX) == box
            assert (row["alias"], row["depth"]) == (layer.alias, layer.depth)
            assert row["response"] == pytest.approx(row["activation"], rel=1e-4)
            assert row["peak"] == pytest.approx(carried.abs().max().item(), rel=1e-4)
            top, left, bottom, right = box
            around = torch.nn.functional.pad(carried, (SIDE,) * 4)  # zeros outside the image
            expected = around[:, top + SIDE : bottom + SIDE, left + SIDE : right + SIDE] / carried.abs().max()
            np.testing.assert_allclose(patch, expected.movedim(0, -1), atol=1e-3)


def test_responses_off_the_record_are_counted():
    rows = pd.DataFrame({"activation": [1.0, 1.0, 1.0, 2.0], "response": [1.0, 1.02, 0.98, 2.01]})
    assert deconvolution.off_the_record(UnitPatches(rows, {})) == 2


# ---------------------------------------------------------------- everything


def test_the_untrained_network_is_measured_beside_the_trained_one(subject, convs, images):
    table = pd.concat([responses(layer, subject, images) for layer in convs], ignore_index=True)
    plan = deconvolution.plan(subject, table, SETTINGS, 100)
    told = []
    content = deconvolution.measure(subject, plan, told.append)
    assert sum(told) == plan.steps
    assert content.images["image"].tolist() == plan.images["image"].tolist()[:2]
    assert list(content.representations) == [layer.name for layer in plan.whole]
    states = content.energy.groupby("state", sort=False)
    assert list(states.groups) == ["trained", "untrained"]
    control = deconvolution.energies(
        replace(subject, network=subject.control), "untrained", plan.images, plan.whole, 3, nothing
    )
    pd.testing.assert_frame_equal(states.get_group("untrained").reset_index(drop=True), control)
    trained = states.get_group("trained")
    of_first = trained.loc[trained["alias"] == "c1", "energy_outside_fraction"]
    assert content.metrics["energy_outside.c1"] == pytest.approx(of_first.mean())


def test_layers_that_keep_nothing_have_no_metric():
    energy = pd.DataFrame(
        {
            "state": ["trained", "trained", "trained", "untrained"],
            "alias": ["c1", "c1", "c2", "c1"],
            "energy_outside_fraction": [0.25, 0.75, np.nan, 1.0],
        }
    )
    assert deconvolution.metrics_of(energy) == {"energy_outside.c1": 0.5}
