"""A study knows its networks, hands out what was planted, and puts trainings together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import planted
import pytest

from receptive.artifacts.activations import read_units
from receptive.claims.row import measured, not_measured
from receptive.claims.study import Study
from receptive.errors import ReceptiveError


def test_a_study_knows_its_networks_and_what_it_lacks():
    study = planted.study(planted.repeated("resnet34", "vggcnn", times=2))
    assert study.networks == ["resnet34", "vggcnn"]
    assert study.trainings("resnet34") == ["resnet34", "resnet34-2"]
    assert study.trainings("alexcnn") == []
    assert study.missing("vggcnn") == ""
    assert study.missing("vggcnn", "alexcnn") == "alexcnn is not in this study"
    assert study.missing("alexcnn", "fivecnn") == "alexcnn and fivecnn are not in this study"
    assert study.chance("x").random() == study.chance("x").random() != study.chance("y").random()


def test_data_are_read_unless_they_are_given(tmp_path, monkeypatch):
    study = planted.study(["resnet34"], zeros={"resnet34": "planted"}.__getitem__)
    assert study.zeros("resnet34") == "planted"
    assert Study(study.params).units is read_units
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReceptiveError, match=r"units\.parquet"):
        study.units("resnet34")


def test_images_are_those_that_the_training_learned():
    study = planted.study(["resnet34"], prepared=lambda dataset, classes: (dataset, classes))
    assert study.images("resnet34") == ("planted", None)


def test_trainings_are_measured_pair_by_pair_and_marked():
    def measure(study, first, second, sign):
        values = {"a": 1, "a-2": 3, "b": 10, "b-2": 20}
        value = sign * (values[second] - values[first])
        return [measured("x", (value, value, value), "images"), measured("y", (0, 0, 0), "images")]

    study = planted.study(planted.repeated("a", "b", times=2))
    first, second = study.across(measure, "a", "b", given=(-1,))
    assert (first.quantity, first.value, first.networks) == ("x", -13, ("a", "b"))
    assert first.trainings == ("a", "b", "a-2", "b-2")
    assert second.quantity == "y"
    (alone, _) = planted.study(["a", "b"]).across(measure, "a", "b", given=(1,))
    assert (alone.value, alone.networks, alone.trainings) == (9, ("a", "b"), ("a", "b"))


def with_recipes(study, **changes):
    """The study with one recipe for both of its networks, but for these changes of the second."""
    recipe = study.params.train["resnet34"]
    train = {"resnet34": recipe, "plainnet34": recipe.model_copy(update=changes)}
    return replace(study, params=study.params.model_copy(update={"train": train}))


def test_rows_say_where_the_recipes_of_two_networks_differ():
    def measure(study, *trainings):
        return [measured("x", (1, 0, 2), "images", reason="remark"), not_measured("x", "nothing")]

    both = ("resnet34", "plainnet34")
    study = planted.study(planted.repeated(*both, times=2))
    equal = with_recipes(study)
    assert equal.unequal(*both) == ""
    assert [row.reason for row in equal.across(measure, *both)] == [
        "remark", "resnet34 - plainnet34: nothing; resnet34-2 - plainnet34-2: nothing"
    ]  # fmt: skip
    unequal = with_recipes(study, epochs=study.params.train["resnet34"].epochs + 2, width=2.0)
    words = f"recipes differ: width {study.params.train['resnet34'].width} against 2.0, epochs "
    assert unequal.unequal(*both).startswith(words)
    first, second = unequal.across(measure, *both)
    assert first.reason.startswith(f"remark; {words}")
    assert "recipes" not in second.reason  # nothing is compared
    assert "recipes" not in unequal.across(measure, "plainnet34")[0].reason
    assert planted.study(["a", "b"]).unequal("a", "b") == ""  # networks without recipes


def test_maximized_images_come_by_layer_with_their_starts():
    study = planted.maximized_neurons(boxes={"low": (-3, -5, 9, 7), "high": (8, 8, 24, 24)})
    _, pixels = study.maximization("resnet34")
    by_layer = study.maximized("resnet34", "neuron", "ks")
    assert list(by_layer) == ["low", "high"]
    low = by_layer["low"]
    assert low.results["unit"].tolist() == list(range(8))
    assert low.images is pixels["low/neuron/ks/zero"]
    assert low.starts.shape == (8, 9, 7, 3)  # the box inside the image
    np.testing.assert_allclose(low.starts, np.broadcast_to(planted.MEAN, low.starts.shape), atol=1e-6)
    assert study.maximized("resnet34", "neuron", "ks", "noise") == {}
    assert study.maximized("resnet34", "class", "ks") == {}


def test_images_that_params_do_not_ask_for_have_no_start():
    rows = pd.DataFrame([{"layer": "low", "objective": "channel", "preset": "robust", "initialisation": "noise"}])
    shown, layers = (
        planted.images(),
        [planted.layer("low", 12), planted.layer("high", 16), planted.layer("scores", None)],
    )
    study = planted.study(
        ["resnet34"],
        maximization=lambda training: (rows, {}),
        load=lambda params, training, trained: planted.subject(training, shown, layers=layers),
    )
    with pytest.raises(ReceptiveError, match="low/channel/robust/noise"):
        study.maximized("resnet34", "channel", "robust")
