"""Figure of claim 10: the planted pairs as pictures, and the shares of every change."""

import numpy as np
import planted
import pytest
from planted import repeating

from receptive.claims import filters_redundancy
from receptive.claims.filters_redundancy import Quantity
from receptive.figures.style import as_colour, colour, signed
from receptive.report.claim_figures.drawing import draw


def test_pairs_and_shares():
    filters = {True: repeating(), False: np.random.default_rng(7).normal(size=(10, 3, 3, 3))}
    study = planted.study(["vggcnn", "alexcnn"], first_filters=lambda training, after: filters[after])
    fig = draw(filters_redundancy, study, filters_redundancy.measure(study))
    pictures = [axes for axes in fig.axes if axes.images]
    first_line = pictures[: len(pictures) // 2]
    pairs = {(first_line[i].get_title(), first_line[i + 1].get_title()) for i in (0, 2)}
    assert pairs == {("0", "1"), ("2", "3")}  # the two planted ones are the most alike
    assert [first_line[i].get_xlabel() for i in (0, 2)] == ["1.00", "1.00"]
    for axes in first_line[:4]:
        shown = np.asarray(axes.images[0].get_array())
        np.testing.assert_allclose(shown, as_colour(signed(repeating()[int(axes.get_title())])))
    shares = [axes for axes in fig.axes if not axes.images]
    assert [len(axes.get_yticklabels()) for axes in shares] == [len(Quantity)] * 2
    points = [line for line in shares[0].lines if line.get_marker() == "o" and line.get_color() == colour("vggcnn")]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([0, 0.2, 0.2, 0.4])
