"""Figure of claim 6: every weight is a point at its filter's similarity, with the median of each quarter."""

import numpy as np
import planted
from planted import coupled, weights

from receptive.claims import filters_coupling
from receptive.methods.filters_coupling import beside_strongest, cosines
from receptive.report.claim_figures.drawing import draw
from receptive.report.claim_figures.filters_coupling import medians


def test_weights_stand_at_the_similarity_of_their_filters():
    trained, untrained = weights(1.0), weights(0.0, seed=1)
    study = coupled(trained, untrained)
    rows = filters_coupling.measure(study)
    after, before, below = draw(filters_coupling, study, rows).axes
    for axes, drawn, title in ((after, trained, "trained"), (before, untrained, "before training")):
        relative, near = beside_strongest(drawn[..., 0, 0], cosines(planted.ring()))
        points = axes.collections[0].get_offsets()
        np.testing.assert_allclose(points, np.stack([near.ravel(), relative.ravel()], 1))
        assert axes.get_title() == f"resnet34, {title}"
        steps = [line for line in axes.lines if line.get_color() == "#222222"]
        assert [(*line.get_xdata(), line.get_ydata()[0]) for line in steps] == medians(relative, near)
    assert [label.get_text() for label in below.get_yticklabels()] == [
        "resnet34: weight and similarity",
        "resnet34: trained - before training",
    ]


def test_medians_between_similarities():
    near = np.array([-0.9] * 21 + [0.1] * 20 + [0.9] * 19)
    relative = np.concatenate([np.arange(21.0), np.full(20, 7.0), np.ones(19)])
    assert medians(relative, near) == [(-1, -0.75, 10), (0, 0.25, 7)]  # nineteen are too few
