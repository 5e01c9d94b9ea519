"""Rows of a claim as they are drawn: values, intervals, controls, thresholds, verdicts and words."""

import pytest

from receptive.claims.row import measured, not_measured
from receptive.figures.claims import CONTROL, estimates, panels
from receptive.figures.style import colour


def lines(axes, ink=None):
    """x and y of the lines, of one colour if given."""
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines if ink in (None, line.get_color())]


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def words(axes):
    return [text.get_text() for text in axes.texts]


def row(network="vggcnn", **more):
    return measured("it", (0.5, 0.2, 0.9), "units", networks=(network,), **more)


def test_a_row_is_its_value_its_interval_its_control_and_its_threshold():
    shown = row(control=(0.1, 0.0, 0.3), threshold=0.05, published=0.7)
    (axes,) = estimates([shown], "share of units").axes
    assert lines(axes, colour("vggcnn")) == [([0.2, 0.9], [0, 0]), ([0.5], [0])]
    assert lines(axes, CONTROL) == [([0.0, 0.3], [0.22, 0.22]), ([0.1], [0.22])]
    assert ([0.05, 0.05], [-0.42, 0.42]) in lines(axes)
    assert ([0.7], [0]) in lines(axes)  # the paper's own number
    assert axes.get_xlabel() == "share of units"
    assert words(axes) == ["supported"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["measured", "control", "the paper's own"]


def test_the_smallest_effect_of_interest_is_a_band_and_draws_are_strokes():
    shown = row(threshold=0.1, smallest=0.05, control=(0.2, 0.1, 0.3), draws=(0.1, 0.3))
    (axes,) = estimates([shown, row()], "x").axes
    (band,) = [collection.get_paths()[0].vertices for collection in axes.collections]
    assert (band[:, 0].min(), band[:, 0].max()) == pytest.approx((0.05, 0.15))
    (strokes,) = lines(axes, CONTROL)  # in place of the control's point: each draw less their mean
    assert strokes[0] == pytest.approx([0.0, 0.2])
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["measured", "untrained draws", "smallest effect of interest"]


def test_a_difference_has_the_colour_of_its_first_network():
    difference = measured("it", (0.5, 0.2, 0.9), "units", networks=("vggcnn", "alexcnn"))
    (axes,) = estimates([difference], "x").axes
    assert lines(axes, colour("vggcnn")) == [([0.2, 0.9], [0, 0]), ([0.5], [0])]
    assert labels(axes) == ["vggcnn - alexcnn"]


def test_what_was_not_measured_says_why_and_has_no_point():
    missing = not_measured("it", "no unit", networks=("vggcnn",), published=1.25)
    (axes,) = estimates([missing, row("alexcnn")], "x").axes
    assert words(axes)[0] == "not measured: no unit (the paper's own: 1.25)"
    assert lines(axes, colour("vggcnn")) == []
    assert lines(axes, colour("alexcnn")) == [([0.2, 0.9], [1, 1]), ([0.5], [1])]


def test_rows_that_decide_nothing_are_told_apart():
    (axes,) = estimates([row(), row(decides=False)], "x").axes
    assert words(axes) == ["supported", "shown beside"]
    assert [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1] == ["o", "D"]


def test_labels_name_the_quantity_only_where_rows_differ_in_it():
    other = measured("that", (0.5, 0.2, 0.9), "units", networks=("alexcnn",))
    assert labels(estimates([row(), row("alexcnn")], "x").axes[0]) == ["vggcnn", "alexcnn"]
    assert labels(estimates([row(), other], "x").axes[0]) == ["vggcnn: it", "alexcnn: that"]
    assert labels(estimates([row()], "x", label=lambda of: of.what.upper()).axes[0]) == ["IT"]


def test_panels_without_rows_are_left_out():
    shown = panels([([row()], "one"), ([], "two"), ([row(), row()], "three")]).axes
    assert [axes.get_xlabel() for axes in shown] == ["one", "three"]
    assert [len(labels(axes)) for axes in shown] == [1, 2]


@pytest.mark.parametrize("draw", [lambda: estimates([], "x"), lambda: panels([])])
def test_nothing_to_draw_is_said(draw):
    (axes,) = draw().axes
    assert words(axes) == ["nothing to measure"]


def test_a_row_that_is_of_no_network_is_drawn_too():
    (axes,) = estimates([measured("it", (0.5, 0.2, 0.9), "units")], "x").axes
    assert lines(axes, colour("")) == [([0.2, 0.9], [0, 0]), ([0.5], [0])]
