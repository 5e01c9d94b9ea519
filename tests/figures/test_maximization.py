"""Figures of maximised images: what an ascent did not reach is marked, and captions name the channel that is shown."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from receptive.figures.maximization import WEAK, MaximisedUnit, panels
from receptive.report.sections.stimuli import channel_words


def drawn(reached, status="ok"):
    """The caption below one maximised image, and its colour."""
    pixels = np.random.default_rng(0).random((6, 6, 3))
    unit = MaximisedUnit(pixels, (0, 0, 6, 6), 6, status, reached)
    label = panels("title", {"row": [unit]}, ["unit"]).axes[0].xaxis.label
    return label.get_text(), to_hex(label.get_color())


@pytest.mark.parametrize(
    ("reached", "words"),
    [(0.08, "weak: 0.1 × natural"), (-0.26, "weak: -0.3 × natural"), (-0.03, "weak: 0.0 × natural")],
)
def test_what_stays_below_half_the_natural_maximum_is_marked(reached, words):
    assert drawn(reached) == (words, "#a03030")


@pytest.mark.parametrize(
    ("reached", "words"), [(WEAK, "0.5 × natural"), (1.31, "1.3 × natural"), (62.0, "62 × natural")]
)
def test_what_reaches_it_is_not(reached, words):
    assert drawn(reached) == (words, "#000000")


def test_without_a_natural_maximum_nothing_is_said():
    assert drawn(None)[0] == drawn(0.1, "diverged")[0] == ""


def test_the_channels_shown_are_named():
    assert channel_words({"max pool": 18, "layer 3": 18, "layer 7": 18}) == "channel 18"
    assert channel_words({"p1": 15, "p2": 15, "c4_1": 18}) == "channel 15 (p1, p2) and 18 (c4_1)"
