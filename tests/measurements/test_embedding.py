"""Which layers become maps, and what the maps' tables say, on a network with a dead layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from controlled import controlled, with_a_dead_layer
from scipy.spatial.distance import cdist
from subjects import noisy_images, subject_of

from receptive.artifacts.embedding import COLUMNS
from receptive.errors import ReceptiveError
from receptive.measurements import embedding
from receptive.measurements.embedding import centres_by_hand, points_to_map
from receptive.methods.capture import responses_to
from receptive.methods.embedding import Sample
from receptive.methods.embedding_regions import whole_plane
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.layers import find_layer
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import load_params

SIDE = 32
CLASSES = ("ant", "bee", "cow", "dog")


@pytest.fixture(scope="module")
def settings():
    few = {"positions": 120, "images": 20, "perplexity": 5.0, "purity_images": 12, "units": 3, "patches": 2}
    small = {"cells": [4, 8], "region_cells": 3, "neighbours": 5, "batch_size": 8, "components": 8}
    return load_params().embed.model_copy(update=few | small | {"layers": {}, "regions": {}})


@pytest.fixture(scope="module")
def subject():
    """20 validation images of four classes."""
    prepared = noisy_images(SIDE, [0, 1, 2, 3] * 6, training=4)
    made = subject_of(with_a_dead_layer(4, SIDE), prepared, Normalisation.of_channels([0.5] * 3, [1] * 3))
    return controlled(made, with_a_dead_layer(4, SIDE, seed=1))


def preferred(subject):
    """Three ranks of every unit of every convolution, at the first position of an image."""
    rows = [
        {"network": "toy", "layer": layer.name, "unit": unit, "rank": rank, "image": image, "y": 0, "x": 0,
         "activation": 1.0} | dict(zip(BOX, layer.field.box(0, 0), strict=True))
        for layer in subject.layers if layer.kind == "conv"
        for unit in range(layer.units)
        for rank, image in enumerate(subject.prepared.labels["image"].iloc[-3:])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def measured(subject, settings, largest=100.0):
    plan = embedding.plan(subject, settings, 0, largest)
    return plan, embedding.measure(subject, plan, preferred(subject), lambda: None)


# ---------------------------------------------------------------- what is chosen


def test_regions_are_looked_up_among_the_layers_that_are_mapped(subject):
    chosen = [find_layer(subject.layers, alias) for alias in ("c2", "c4")]
    centres = [[0.5, 0.5]]
    for word in ("c4", "c4.relu"):
        assert centres_by_hand({word: centres}, chosen, "toy") == {"c4.relu": centres}
    with pytest.raises(ReceptiveError, match=r"embed.regions.toy: no layer 'c1': choose one of c2, c4 \(the layers"):
        centres_by_hand({"c4": centres, "c1": centres}, chosen, "toy")


def test_positions_are_those_of_validation_images_and_the_same_for_all_trainings(subject, settings):
    plan = embedding.plan(subject, settings, 0, 100.0)
    assert [layer.alias for layer in plan.mapped] == ["c2", "c4"]
    assert [layer.alias for layer in plan.spatial] == ["c1", "p1", "c2", "p2", "c3", "p3", "c4", "p4"]
    labels = subject.prepared.labels
    validation = set(labels.loc[labels["split"] == "validation", "image"])
    for sample, layer in zip(plan.map_samples, plan.mapped, strict=True):
        assert sample.layer == layer.name
        assert len(sample.image) == 120
        assert set(sample.image) == validation  # all 20 of them
    for sample in plan.purity_samples:
        assert len(set(sample.image)) == len(sample.image) == 12
        assert sample.image.tolist() == plan.purity_samples[0].image.tolist()
    fewer = embedding.plan(subject, settings.model_copy(update={"images": 5}), 0, 100.0)
    drawn = set(fewer.map_samples[0].image)
    assert len(drawn) == 5
    assert drawn < set(plan.purity_samples[0].image) < validation  # the first of one random order
    assert drawn != set(sorted(validation)[:5])
    again = embedding.plan(replace(subject, name="toy-2"), settings, 0, 100.0)
    other = embedding.plan(subject, settings, 1, 100.0)
    for sample, same, different in zip(plan.map_samples, again.map_samples, other.map_samples, strict=True):
        assert (sample.y == same.y).all()
        assert not (sample.y == different.y).all()


# ---------------------------------------------------------------- dead layers


def test_a_dead_layer_is_told_from_too_few_points():
    """Of equal vectors distinct leaves one point, of which embed would say that it is too few."""
    for dead in (np.zeros((40, 4), np.float32), np.full((40, 4), np.nan, np.float32)):
        assert points_to_map(dead).tolist() == list(range(40))
    assert points_to_map(np.float32([[1, 2], [1, 2], [0, 2]])).tolist() == [0, 2]


def test_no_map_at_all_is_an_error_that_names_every_layer(subject, settings):
    with pytest.raises(ReceptiveError) as caught:
        measured(subject, settings.model_copy(update={"perplexity": 3000.0}))
    first, second = str(caught.value).split("; ")
    assert first.startswith("toy, c2: 120 points are too few for perplexity 3000, which needs 9001: raise embed.pos")
    assert second.startswith("toy, c4: all 120 vectors are equal, so there is nothing to map: choose another")


def test_a_dead_layer_that_is_named_is_an_error(subject, settings):
    with pytest.raises(ReceptiveError, match=r"^toy, c4: all 120 vectors are equal"):
        measured(subject, settings.model_copy(update={"layers": {"toy": ["c2", "c4"]}}))


# ---------------------------------------------------------------- the tables


@pytest.fixture(scope="module")
def study(subject, settings):
    return measured(subject, settings)


def test_a_dead_layer_beside_a_mapped_one_has_a_row_with_a_reason(study):
    _, content = study
    layers = content.layers.set_index("alias")
    assert content.layers.columns.tolist() == list(COLUMNS["layers.parquet"])
    assert layers["reason"]["c2"] == ""
    assert layers["reason"]["c4"].startswith("toy, c4: all 120 vectors are equal, so there is nothing to map")
    assert np.isnan(layers["trustworthiness"]["c4"])
    assert layers.loc["c2", ["network", "layer", "depth", "kind", "images"]].tolist() == [
        "toy",
        "c2.relu",
        2,
        "conv",
        20,
    ]
    assert list(content.maps) == ["c2.relu"]
    assert set(content.regions["layer"]) == {"c2.relu"}
    assert list(content.units.patches) == ["c2.relu"]


def test_points_say_where_they_come_from_and_what_answers_there(study, subject):
    plan, content = study
    points, (layer, _) = content.maps["c2.relu"].points, plan.mapped
    assert points.columns.tolist() == list(COLUMNS["<layer>.parquet"])
    labels = subject.prepared.labels.set_index("image")
    for row in points.iloc[::7].to_dict("records"):
        vector = responses_to(subject.network, subject.seen([row["image"]]), [layer.name])[layer.name]
        vector = vector[0, :, row["y"], row["x"]].numpy()
        assert row["unit_1"] == vector.argmax()
        assert row["unit_2"] == vector.argsort()[-2]
        assert row["activation_1"] == pytest.approx(vector.max(), rel=1e-5)
        assert row["activation_2"] == pytest.approx(np.sort(vector)[-2], rel=1e-5)
        assert (row["label"], row["class_name"]) == tuple(labels.loc[row["image"], ["label", "class_name"]])
        assert tuple(row[name] for name in BOX) == layer.field.box(row["y"], row["x"])


def test_coinciding_points_are_counted_and_left_out(subject, settings):
    plan = embedding.plan(subject, settings, 0, 100.0)
    vectors = np.random.default_rng(0).random((120, 4)).astype(np.float32)
    vectors[50:60] = vectors[0]
    twins = replace(plan, mapped=plan.mapped[:1], map_samples=plan.map_samples[:1])
    (mapped,) = embedding.map_layers(subject, twins, [vectors], lambda: None)
    assert (mapped.row["points"], mapped.row["coinciding"]) == (110, 10)
    sample = plan.map_samples[0]
    kept = [at for at in range(120) if not 50 <= at < 60]
    assert mapped.map.points["image"].tolist() == sample.image[kept].tolist()
    assert mapped.map.points["y"].tolist() == sample.y[kept].tolist()


def test_the_quality_of_the_map_is_the_purity_of_space_and_plane(study, subject, settings):
    _, content = study
    points, row = content.maps["c2.relu"].points, content.layers.iloc[0]
    vectors = np.stack(
        [
            responses_to(subject.network, subject.seen([image]), ["c2.relu"])["c2.relu"][0, :, y, x].numpy()
            for image, y, x in points[["image", "y", "x"]].to_numpy()
        ]
    )
    plane = points[["e1", "e2"]].to_numpy()
    other = points["image"].to_numpy()[:, None] != points["image"].to_numpy()
    same = points["label"].to_numpy()[:, None] == points["label"].to_numpy()
    for name, space in (("purity_space", vectors), ("purity_map", plane)):
        distances = np.where(other, cdist(space, space), np.inf)
        nearest = distances.argsort(1)[:, : settings.neighbours]
        assert row[name] == pytest.approx(
            np.take_along_axis(same, nearest, 1).mean(), abs=1e-3
        )  # less than one neighbour of the 600
        assert content.metrics[f"{name}.c2"] == row[name]
    assert row["purity_chance"] == pytest.approx((same & other).sum() / other.sum(), abs=1e-2)
    assert not any(name.endswith(".c4") for name in content.metrics if not name.startswith("purity."))


def test_the_units_of_a_region_are_its_strongest_on_average(study, subject):
    plan, content = study
    points, layer = content.maps["c2.relu"].points, plan.mapped[0]
    grids = content.maps["c2.relu"].grids
    assert list(grids) == ["grid_4", "grid_8", "regions", "selected"]
    region = content.regions.iloc[0]
    square = region[["left", "low"]].to_numpy(float)
    plane = points[["e1", "e2"]].to_numpy()
    inside = points[((plane >= square) & (plane < square + region["side"])).all(1)]
    assert len(inside) == region["points"]
    assert region["label_fraction"] == (inside["label"] == region["label"]).mean()
    assert region["class_name"] == CLASSES[region["label"]]
    apart = np.hypot(*(inside[["e1", "e2"]].to_numpy() - square - region["side"] / 2).T)
    assert grids["selected"][0].tolist() == inside.index[apart.argsort()[:2]].tolist()
    vectors = [
        responses_to(subject.network, subject.seen([image]), [layer.name])[layer.name][0, :, y, x].numpy()
        for image, y, x in inside[["image", "y", "x"]].to_numpy()
    ]
    mean = np.mean(vectors, 0)
    units = content.region_units[content.region_units["region"] == 0]
    assert units["rank"].tolist() == [0, 1, 2]
    assert units["unit"].tolist() == (-mean).argsort()[:3].tolist()
    np.testing.assert_allclose(units["activation"], np.sort(mean)[::-1][:3], rtol=1e-5)
    shown = content.units.rows
    assert set(shown["unit"]) == set(content.region_units["unit"])
    assert len(shown) == 2 * shown["unit"].nunique()  # every unit once, with its two patches


def test_regions_by_hand_lie_around_their_centres(study, subject, settings):
    plan, content = study
    points = content.maps["c2.relu"].points
    plane = points[["e1", "e2"]].to_numpy()
    vectors = np.ones((len(points), 4))
    centres = [[0.5, 0.25], [0.0, 1.0]]
    regions = embedding.regions_of(plan.mapped[0], plane, vectors, points, centres, settings)
    whole = whole_plane(plane)
    side = 3 / 8 * whole.side
    rows = regions.rows
    assert [row["chosen_by"] for row in rows] == ["hand", "hand"]
    assert [row["side"] for row in rows] == pytest.approx([side, side])
    assert rows[0]["left"] + side / 2 == pytest.approx(whole.left + 0.5 * whole.side)
    assert rows[0]["low"] + side / 2 == pytest.approx(whole.low + 0.25 * whole.side)
    # moved into the plane
    assert rows[1]["left"] == pytest.approx(whole.left)
    assert rows[1]["low"] + side == pytest.approx(whole.low + whole.side)


def test_what_is_not_finite_is_no_metric():
    layers = pd.DataFrame({"alias": ["layer 3", "c2"], "reason": ["", "dead"], "kl_divergence": [1.5, np.nan]})
    layers = layers.assign(trustworthiness=0.9, purity_space=[np.nan, 1], purity_map=0.5)
    purity = pd.DataFrame({"state": ["trained", "trained", "pixels"], "alias": ["layer 3", "p1", "p1"]})
    purity["value"] = [0.25, np.nan, 0.75]
    assert embedding.metrics_of(layers, purity) == {
        "kl_divergence.layer_3": 1.5,
        "trustworthiness.layer_3": 0.9,
        "purity_map.layer_3": 0.5,
        "purity.layer_3": 0.25,
    }


# ---------------------------------------------------------------- patches


def test_a_point_is_shown_by_the_image_where_the_layer_sees_too_much(subject):
    layer = find_layer(subject.layers, "c2")
    sample = Sample(layer.name, np.array([21, 23]), np.array([0, 3]), np.array([2, 5]))
    vectors = np.zeros((2, 4), np.float32)
    small = embedding.point_table(layer, sample, vectors, subject.prepared.labels, layer.field.y.size)
    assert small[BOX].to_numpy().tolist() == [list(layer.field.box(0, 2)), list(layer.field.box(3, 5))]
    large = embedding.point_table(layer, sample, vectors, subject.prepared.labels, layer.field.y.size - 1)
    assert large[BOX].to_numpy().tolist() == [[0, 0, SIDE, SIDE]] * 2
    assert (large["unit_1"] == -1).all()
