"""Figure of claim 5: pictures of units, shares of fine detail layer by layer, and rows under their quantity."""

import numpy as np
import pytest
from planted import maximized_neurons

from receptive.claims import maximization_agreement
from receptive.claims.maximization_agreement import shown_layers
from receptive.report.claim_figures.drawing import draw
from receptive.report.claim_figures.maximization_agreement import details


def drawn(study):
    return draw(maximization_agreement, study, maximization_agreement.measure(study))


def test_pictures_detail_and_rows():
    study = maximized_neurons(statuses={("low", 2): "diverged"})
    fig = drawn(study)
    pictures = fig.axes[:32]  # two layers of two pictures of eight units
    assert [axes.get_ylabel() for axes in pictures[::8]] == [
        "low\nmean",
        "low\nmaximized",
        "high\nmean",
        "high\nmaximized",
    ]
    assert [text.get_text() for text in pictures[8 + 2].texts] == ["no gradient"]
    assert sum(bool(axes.images) for axes in pictures) == 31
    (detail,) = [axes for axes in fig.axes if axes.get_title() == "resnet34"]
    low, high = shown_layers(study, "resnet34")
    means = [list(line.get_ydata()) for line in detail.lines if len(line.get_xdata()) == 2]
    expected = [[low.natural, high.natural]]
    expected += [[layer.detail(kind).mean() for layer in (low, high)] for kind in ("mean", "maximized")]
    np.testing.assert_allclose(means, expected)
    assert [label.get_text() for label in detail.get_xticklabels()] == ["depth 0", "depth 1"]
    rows = {axes.get_xlabel(): [label.get_text() for label in axes.get_yticklabels()] for axes in fig.axes[-3:]}
    assert rows == {
        "correlation with its own maximized image minus that with others'": ["resnet34: low", "resnet34: high"],
        "fine detail: maximized image's share minus the mean stimulus's": ["resnet34: high"],
        "part of natural detail that is kept: lowest layer minus highest": ["resnet34: detail lost from low to high"],
    }


def test_details_of_layers():
    layers = shown_layers(maximized_neurons(statuses={("low", unit): "diverged" for unit in range(8)}), "resnet34")
    kinds = details(layers)
    assert len(kinds["maximized"][0].shares) == 0
    assert np.isnan(kinds["maximized"][0].mean)
    assert [kind.depth for kind in kinds["mean"]] == [0, 1]
    assert kinds["natural"][1].mean == layers[1].natural
    assert kinds["mean"][0].mean == pytest.approx(layers[0].detail("mean").mean())


def test_without_stimuli_the_figure_says_so():
    fig = drawn(maximized_neurons(with_stimuli=()))
    said = [text.get_text() for axes in fig.axes for text in axes.texts]
    assert "resnet34 has no layer with both mean stimuli and maximized neurons" in said
    assert "no network has both mean stimuli and maximized neurons" in said
