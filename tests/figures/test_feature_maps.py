"""Feature maps: each from 0 to its own maximum, silent units named."""

import numpy as np
from drawn import picture, tile

from receptive.figures.feature_maps import feature_maps

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def maps() -> np.ndarray:
    """Unit 0 answers, unit 1 twice as strongly at another place, units 2 and 3 are silent."""
    values = np.zeros((4, 7, 7), np.float32)
    values[0, 0, 0], values[0, 3, 3] = 1, 0.5
    values[1, 6, 6] = 2
    return values


def test_maps_are_scaled_by_themselves_and_silent_units_are_named():
    greatest = np.array([5.0, 2.0, 0.3, 0.0])  # unit 2 answers other images, unit 3 none
    figure = feature_maps("digitcnn\n7", IMAGE, [("c1", maps(), greatest)])
    photograph, axes = figure.axes
    assert photograph.get_title() == "digitcnn\n7"
    assert (picture(photograph) == IMAGE).all()
    assert axes.get_title() == "c1: 1 zero on this image, 1 dead"
    shown, side = picture(axes), 56  # a map of 7 px is enlarged 8 times
    first, second = (tile(shown, unit, 8, side, gap=6) for unit in (0, 1))
    assert (first[:8, :8] == 255).all()
    assert (first[24:32, 24:32] == 128).all()
    assert first.astype(int).sum() == 3 * 64 * (255 + 128)
    assert (second[48:, 48:] == 255).all()
    assert second.astype(int).sum() == 3 * 64 * 255
    named = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(named) == {"zero", "dead"}
    for unit, word in ((2, "zero"), (3, "dead")):
        assert named[word] == (unit * (side + 6) + side / 2, side / 2)


def test_at_most_64_units_are_shown_and_the_title_says_so():
    values = np.ones((70, 4, 4), np.float32)
    axes = feature_maps("title", IMAGE, [("c1", values, np.ones(70))]).axes[1]
    assert axes.get_title() == "c1, the first 64 of 70 units: 0 zero on this image, 0 dead"
    assert picture(axes).shape[0] == 8 * (56 + 6) - 6 + 2
