"""Figure of claim 4: similarity matrix, stimuli of equal channels, and the fall with distance."""

from dataclasses import replace

import numpy as np
import planted
import pytest
from planted import identities

from receptive.claims import identity
from receptive.figures.style import colour
from receptive.report.claim_figures.drawing import draw
from receptive.report.claim_figures.identity import by_distance


def study(networks):
    layers = [
        replace(planted.layer(name, 5, units=4), alias=alias)
        for name, alias in (("p", "max pool"), ("a", "layer 3"), ("b", "layer 7"), ("c", "layer 9"))
    ]
    rng = np.random.default_rng(0)
    stimuli = {name: rng.normal(size=(4, 5, 5, 3)) for name in ("p", "a")}
    matrix = rng.uniform(-1, 1, (4, 4))
    made = identities({"trained": 0.5, "untrained": 0.2})
    planted_study = planted.study(
        networks,
        identity=lambda training, table: made[table],
        layers=lambda training: layers,
        similarities=lambda training: {"trained/responses/a/b": matrix},
        stimuli=lambda training, layer: (
            {"mean_interior": stimuli[layer], "baseline_interior": np.zeros((5, 5, 3))} if layer in stimuli else None
        ),
    )
    return planted_study, matrix, made


def test_matrix_strips_and_distances():
    made_study, matrix, made = study(["resnet34"])
    fig = draw(identity, made_study, identity.measure(made_study))
    (panel,) = [axes for axes in fig.axes if axes.get_title() == "resnet34: correlation of responses"]
    np.testing.assert_array_equal(panel.images[0].get_array(), matrix)
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("channel in layer 3", "channel in layer 7")
    strips = fig.axes[:12]  # three layers of four channels
    assert [axes.get_ylabel() for axes in strips[::4]] == ["max pool", "layer 3", "layer 7"]
    assert [bool(axes.images) for axes in strips] == [True] * 8 + [False] * 4
    assert [axes.get_title() for axes in strips[:4]] == [f"channel {k}" for k in range(4)]
    (fall,) = [axes for axes in fig.axes if axes.get_xlabel() == "weight layers between the two layers"]
    table = by_distance({"resnet34": made["units"]}, "responses").set_index(["state", "steps"])["value"]
    drawn = {line.get_label(): line for line in fall.lines if line.get_color() == colour("resnet34")}
    for state, label in (("trained", "resnet34"), ("untrained", "resnet34 before training")):
        assert list(drawn[label].get_xdata()) == [2, 3, 4]
        assert list(drawn[label].get_ydata()) == pytest.approx(table[state].tolist())


def test_similarity_by_distance_is_a_mean_over_channels():
    table = by_distance({"a": identities({"trained": 0.5, "untrained": 0.2})["units"]}, "responses")
    assert list(table.columns) == ["network", "state", "steps", "value"]
    means = table.set_index(["state", "steps"])["value"]
    for state, gap in (("trained", 0.5), ("untrained", 0.2)):
        assert means[state].tolist() == pytest.approx([gap - 0.1, gap, gap + 0.1], abs=0.04)
    assert by_distance({}, "responses").empty


def test_without_its_networks_the_figure_says_so():
    made_study, _, _ = study(["alexcnn"])
    fig = draw(identity, made_study, identity.measure(made_study))
    said = [text.get_text() for axes in fig.axes for text in axes.texts]
    assert said.count("neither network of the claim is in this study") == 2
