"""Pictures of numbers as colours, and words of users as words."""

import numpy as np
import pytest

from receptive.figures.style import COLOURS, as_colour, colour, figure, plain, signed, stretched


def test_stretching_keeps_order_and_gaps():
    stretch = stretched(np.array([2.0, np.nan, 3.0, 6.0]))
    assert stretch[[0, 2, 3]].tolist() == [0, 0.25, 1]
    assert np.isnan(stretch[1])
    assert stretched(np.full(3, 7.0)).tolist() == [0.5] * 3


def test_signed_pictures_have_zero_at_grey():
    assert signed(np.array([-2.0, 0, 1])).tolist() == [0, 0.5, 0.75]
    assert signed(np.zeros(2)).tolist() == [0.5, 0.5]


def test_grey_becomes_colour_and_colour_stays():
    grey = np.arange(4).reshape(2, 2, 1)
    assert (as_colour(grey) == grey).all()
    assert as_colour(grey).shape == (2, 2, 3)
    picture = np.zeros((2, 2, 3))
    assert as_colour(picture) is picture


def test_networks_have_colours_of_their_own():
    assert len({colour(network) for network in COLOURS}) == len(COLOURS)
    assert colour("timm-resnet18") not in COLOURS.values()


@pytest.mark.parametrize("name", ["$100", "$x$", r"$\frac$", "a$b$c$", r"\alpha"])
def test_class_names_are_drawn_as_they_are(name):
    fig = figure(3, 2)
    title = fig.subplots().set_title(plain(name))
    fig.canvas.draw()  # a formula that is none would raise
    assert title._preprocess_math(title.get_text()) == (name, False)
