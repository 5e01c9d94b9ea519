"""Deconvolutions: every reconstruction at its image and layer, energies at their depth with their bands."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points, tile, words

from receptive.figures.deconvolution import (
    Representations,
    UnitPatches,
    claim,
    comparison,
    energy_outside_by_depth,
    representations,
    signed_tile,
    spread,
    unit_sheet,
)


def kept(network="vggcnn", layers=3, images=2, outside=True) -> Representations:
    """Layer i keeps of image j the single pixel (i, j), white; the last layer keeps nothing of the last image."""
    pictures = np.zeros((layers, images, 8, 8, 3), np.float32)
    for layer, image in np.ndindex(layers, images):
        pictures[layer, image, layer, image] = 1
    pictures[-1, -1] = 0
    shares = (10 * np.arange(layers)[:, None] + np.arange(images)) / 100
    predictions = [[("cat", 0.5), ("dog", 0.25)], [("dog", 1.0), ("cat", 0.0)]][:images]
    return Representations(
        network, [f"c{i}" for i in range(layers)], pictures, shares if outside else None, predictions
    )


def place(image) -> tuple[int, int]:
    """Column and row of a panel of the board, from its left and upper edge."""
    left, _, _, top = image.get_extent()
    return round(left / 1.08), round(top / 1.17)


IMAGES = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (50, 200)])


def test_each_layer_stands_beside_its_image():
    figure = representations(IMAGES, ["cat", "dog"], None, kept())
    panels = {place(image): np.asarray(image.get_array()) for image in figure.axes[0].images}
    assert set(panels) == {(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1)}  # (3, 1) is empty
    for row, value in enumerate((50, 200)):
        assert (panels[0, row] == value).all()
    for column, row in ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1)):
        expected = np.full((8, 8, 3), 0.5)
        expected[column - 1, row] = 1
        assert (panels[column, row] == expected).all()
    text = words(figure)
    assert text[:6] == ["image", "cat", "0% outside", "c0", "10% outside", "c1"]
    assert "1% outside" in text
    assert "11% outside" in text
    assert "nothing\narrives" in text


def test_subjects_are_outlined_and_unknown_shares_are_left_out():
    masks = np.zeros((2, 8, 8), bool)
    masks[:, 2:6, 2:6] = True
    figure = representations(IMAGES, ["cat", "dog"], masks, kept(outside=False))
    assert len(figure.axes[0].collections) == 4  # two lines around each subject
    assert not any("outside" in text for text in words(figure))


def test_of_many_layers_some_are_shown_spread_over_depth():
    assert spread(5, 8) == [0, 1, 2, 3, 4]
    assert spread(9, 3) == [0, 4, 8]
    figure = representations(IMAGES, ["cat", "dog"], None, kept(layers=7), columns=3)
    assert [text for text in words(figure) if text.startswith("c") and text != "cat"] == ["c0", "c3", "c6"]


def test_networks_are_compared_with_their_predictions():
    both = [kept("vggcnn"), kept("alexcnn", layers=2)]
    figure = comparison(IMAGES, ["cat", "dog"], None, both)
    axes = figure.axes[0]
    bars = [patch.get_width() for patch in axes.patches if patch.get_alpha() == 0.45]
    assert bars == pytest.approx([1.5 * p for p in (0.5, 0.25, 0.5, 0.25, 1.0, 0.0, 1.0, 0.0)])
    bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
    assert bold == ["cat  50.0%", "cat  50.0%", "dog  100.0%", "dog  100.0%"]
    names = [text.get_text() for text in axes.texts if text.get_text() in ("vggcnn", "alexcnn")]
    assert names == ["vggcnn", "alexcnn"] * 2
    # the last layer of both networks stands in one column
    columns = {text.get_text(): text.get_position()[0] for text in axes.texts if text.get_text() in ("c1", "c2")}
    ends = [text.get_position()[0] for text in axes.texts if text.get_text() == "c1"]
    assert columns["c2"] == max(ends)


def test_a_tile_is_grey_at_zero_and_limited_at_the_99th_percentile():
    values = np.zeros((8, 8, 1), np.float32)
    values[0, :] = [[-1], [1], [1], [1], [1], [1], [1], [1]]
    drawn = signed_tile(values)
    assert drawn.shape == (72, 72, 3)
    assert (drawn[0, 0] == 0).all()
    assert (drawn[0, -1] == 255).all()
    assert (drawn[-1] == 128).all()
    many = np.full((20, 20, 1), 0.1, np.float32)
    many[0, 0] = 100  # would leave the rest grey
    assert (signed_tile(many)[-1] == 255).all()
    crossed = signed_tile(np.zeros((8, 8, 3), np.float32))
    assert tuple(crossed[10, 10]) == tuple(crossed[10, 61]) == (160, 48, 48)
    assert (crossed[10, 30] == 255).all()


def test_a_sheet_pairs_deconvolutions_with_their_patches():
    reconstructions = np.zeros((2, 6, 6, 3), np.float32)
    reconstructions[0, 1, 2], reconstructions[1, 4, 4] = 1, -1
    patches = np.stack([np.full((6, 6, 3), value, np.uint8) for value in (60, 90)])
    unit = UnitPatches("unit 0", patches, np.array([[0, 0, 6, 6], [0, 17, 6, 23]]), reconstructions)
    dead = UnitPatches("unit 1", patches[:0], np.zeros((0, 4), int), reconstructions[:0])
    figure = unit_sheet("title", [unit, dead], 20, ranks=4)
    alive, silent, empty = figure.axes
    assert (alive.get_title(), silent.get_title()) == ("unit 0", "unit 1")
    left, right = picture(alive)[:, :150], picture(alive)[:, 150 + 14 :]
    first, second = (tile(left, rank, 2, 72) for rank in range(2))
    assert (first[12:24, 24:36] == 255).all()
    assert (first[:12] == 128).all()
    assert (second[48:60, 48:60] != 128).all()  # chequered: outside the image
    assert (second[:, :36] == 128).all()
    assert (tile(right, 0, 2, 72) == 60).all()
    assert (tile(right, 1, 2, 72)[:, :36] == 90).all()
    assert not (tile(right, 1, 2, 72)[:, 36:] == 90).any()
    assert [text.get_text() for text in silent.texts] == ["dead unit: never active on a validation image"]
    assert not empty.axison


def energies() -> pd.DataFrame:
    rows = [
        (network, state, depth, kind, value, value - 0.05, value + 0.1, own)
        for network, own in (("vggcnn", 0.62), ("alexcnn", 0.62), ("fivecnn", 0.4))
        for state, start in (("trained", 0.5), ("untrained", 0.8))
        for depth, kind in ((1, "conv"), (3, "conv"), (8, "fc"))
        for value in (start - depth / 100 - (network == "alexcnn") / 1000,)
    ]
    return pd.DataFrame(
        rows, columns=["network", "state", "depth", "kind", "value", "low", "high", "image_value"]
    ).assign(others_value=0.66)


def test_energies_are_drawn_with_the_bands_that_are_handed_over():
    compared, rest = energy_outside_by_depth(energies()).axes
    before, trained, others, last, before_too, trained_too, _, _, image, *_ = compared.lines
    assert points(trained) == [pytest.approx(point) for point in ([1, 0.49], [3, 0.47], [8, 0.42])]
    assert points(before) == [pytest.approx(point) for point in ([1, 0.79], [3, 0.77], [8, 0.72])]
    assert points(trained_too)[0] == pytest.approx([1, 0.489])
    assert points(before_too)[0] == pytest.approx([1, 0.789])
    assert points(last) == [pytest.approx([8, 0.42])]  # the open square
    assert set(image.get_ydata()) == {0.62}
    assert set(others.get_ydata()) == {0.66}
    assert band(compared.collections[0]) == {
        1.0: pytest.approx((0.44, 0.59)), 3.0: pytest.approx((0.42, 0.57)), 8.0: pytest.approx((0.37, 0.52))
    }  # fmt: skip
    assert [text.get_text() for text in compared.get_legend().get_texts()] == [
        "vggcnn", "alexcnn", "the image itself", "outside other images' subjects", "before training"
    ]  # fmt: skip
    assert set(rest.lines[-3].get_ydata()) == {0.4}


def test_the_claim_says_where_no_subject_is_known():
    upper, _ = claim(None, []).subfigs
    assert words(upper) == ["nobody knows where the subject is in any of the images"]
    upper, _ = claim(energies(), []).subfigs
    assert points(upper.axes[0].lines[1])[0] == pytest.approx([1, 0.49])
