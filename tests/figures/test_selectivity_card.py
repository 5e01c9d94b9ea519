"""The card: dots are units, marks are values with intervals, cells stand beside, and reasons where nothing is."""

import numpy as np
import pandas as pd
import pytest
from drawn import points

from receptive.figures.selectivity_card import card
from receptive.figures.style import colour
from receptive.methods.selectivity_card import PROPERTIES

pytestmark = pytest.mark.slow  # fifteen panels
ALIASES = ("c1", "c2")


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two layers; no unit of either has a surround, and no unit of c2 an orientation bandwidth."""
    rows, units = [], []
    for place, alias in enumerate(ALIASES):
        for state, value in (("trained", 0.6), ("untrained", 0.3)):
            value += place / 10
            for name, facts in PROPERTIES.items():
                nothing = name == "surround_diameter" or (name == "orientation_bandwidth" and alias == "c2")
                rows.append(
                    {
                        "alias": alias, "state": state, "property": name, "statistic": facts.statistic,
                        "value": np.nan if nothing else value, "low": value - 0.1, "high": value + 0.2,
                        "lower": value - 0.05, "upper": value + 0.05, "measured": 0 if nothing else 3, "units": 4,
                        "reason": "nobody is suppressed" if nothing else "",
                    }
                )  # fmt: skip
            units += [
                {"alias": alias, "state": state, **dict.fromkeys(PROPERTIES, of)}
                for of in (value, value + 0.1, np.nan, value - 0.1)
            ]
    return pd.DataFrame(rows), pd.DataFrame(units)


@pytest.fixture(scope="module")
def panels():
    cells = {"suppression_index": ([0.0, 0.2, 0.4], [1, 3]), "frequency_selective": (0.84,)}
    figure = card("vggcnn", *tables(), cells)
    return figure, {axes.get_title(): axes for axes in figure.axes}


def test_there_is_a_panel_for_each_of_the_fifteen(panels):
    assert list(panels[1]) == [facts.words for facts in PROPERTIES.values()]
    assert panels[1]["orientation bandwidth"].get_ylabel() == "degrees"
    assert [text.get_text() for text in panels[1]["circular variance"].get_xticklabels()] == list(ALIASES)


def test_marks_are_values_with_intervals_beside_their_units(panels):
    axes = panels[1]["circular variance"]
    marks = list(axes.containers)
    places = [points(mark[0])[0] for mark in marks]
    assert places == [pytest.approx(of) for of in ([-0.18, 0.3], [0.18, 0.6], [0.82, 0.4], [1.18, 0.7])]
    assert [mark[0].get_color() for mark in marks[:2]] == ["#444444", colour("vggcnn")]
    (bar,) = marks[1][2][0].get_segments()
    assert bar[:, 1] == pytest.approx([0.5, 0.8])
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(dots[1].get_ydata()) == pytest.approx([0.5, 0.6, 0.7])
    # shares have no dots
    assert not [line for line in panels[1]["orientation-selective"].lines if line.get_marker() == "."]
    assert panels[1]["orientation-selective"].get_ylabel() == "share of units"


def test_what_is_not_measured_says_so(panels):
    assert panels[1]["surround diameter"].texts[0].get_text() == "nobody is suppressed"
    assert [text.get_text() for text in panels[1]["orientation bandwidth"].texts] == ["none", "none"]


def test_cells_are_a_histogram_with_its_median_or_a_line(panels):
    axes = panels[1]["surround suppression index"]
    (dashed,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(dashed.get_ydata()) == pytest.approx([0.2 + 0.2 / 3] * 2)  # 1 of 4 below 0.2, a third of the other 3
    (stairs,) = axes.patches
    assert stairs.get_data().values.tolist() == pytest.approx([1.6 + 0.65 / 3, 1.6 + 0.65])
    (line,) = [line for line in panels[1]["frequency-selective (band-pass)"].lines if line.get_linestyle() == "--"]
    assert set(line.get_ydata()) == {0.84}
    assert len(panels[0].legends[0].get_texts()) == 3
