"""Virtual filters: weights in falling order, and the first filters in the same order."""

import numpy as np
import pytest
from drawn import picture, points, tile

from receptive.figures.filters import VirtualFilter, virtual_filter_sheet

WEIGHTS = np.array([0.1, 0.9, -0.5, 0.3])


def first_filters() -> np.ndarray:
    """Filter i is white at pixel i of its row, black at another, so that it can be told from the others."""
    filters = np.zeros((4, 4, 4, 3))
    for number in range(4):
        filters[number, number, 0], filters[number, 3 - number, 3] = 1, -1
    return filters


def unit(number: int, composed: np.ndarray | None = None) -> VirtualFilter:
    return VirtualFilter(number, np.full((4, 4, 3), float(number)), composed, WEIGHTS)


def test_weights_and_filters_stand_in_falling_order():
    figure = virtual_filter_sheet("resnet34", [unit(2)], first_filters(), dead=frozenset({3}))
    virtual, curve, filters = figure.axes
    assert virtual.get_ylabel() == "unit 2"
    assert (picture(virtual) == 1).all()  # the greatest size is white
    assert points(curve.lines[1]) == [[0, 0.9], [1, 0.3], [2, 0.1], [3, -0.5]]
    shown = picture(filters)
    for place, number in enumerate((1, 3, 0, 2)):
        drawn = tile(shown, place, 16, 44, gap=18)
        assert (drawn[11 * number, 0] == 255).all()
        assert (drawn[11 * (3 - number), 43] == 0).all()
        assert (drawn[22, 22] == 128).all()
    assert [text.get_text() for text in filters.texts] == ["0", "1 dead", "2", "3"]
    assert [axes.get_title() for axes in figure.axes] == [
        "virtual filter", "sorted weights", "first filters in that order"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_composed_kernel_has_a_column_and_its_absence_is_named():
    kernel = np.zeros((6, 6, 3))
    kernel[1, 2] = -2
    figure = virtual_filter_sheet("vggcnn", [unit(0, kernel), unit(1)], first_filters())
    upper, lower = figure.axes[:4], figure.axes[4:]
    assert [axes.get_title() for axes in upper][:2] == ["virtual filter", "composed"]
    assert (picture(upper[1])[1, 2] == 0).all()
    assert (picture(upper[1])[0, 0] == 0.5).all()
    assert [text.get_text() for text in lower[1].texts] == ["none"]


def test_of_many_first_filters_both_ends_of_the_order_are_shown():
    weights = np.arange(40.0)
    figure = virtual_filter_sheet(
        "resnet34", [VirtualFilter(0, np.ones((4, 4, 3)), None, weights)], np.ones((40, 4, 4, 3))
    )
    labels = [text.get_text() for text in figure.axes[-1].texts]
    assert labels == [str(place) for place in (*range(16), *range(24, 40))]
