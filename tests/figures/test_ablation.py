"""Changes of loss: every number of inactive.json at its place."""

import pytest
from drawn import band, points, words

from receptive.figures.ablation import change_of_loss, noise_sweep


def result(inactive=(3, 5), shift=0.0):
    """The content of inactive.json; without inactive units what concerns them is None."""
    some = bool(inactive)

    def only(value):
        return value if some else None

    return {
        "alias": "p1",
        "units": 8,
        "inactive_units": list(inactive),
        "delta_loss_random": only(0.02 + shift),
        "delta_loss_random_interval": only([0.01 + shift, 0.03 + shift]),
        "delta_loss_random_active": 0.3 + shift,
        "delta_loss_random_active_interval": [0.2 + shift, 0.4 + shift],
        "control": {
            "units_each": 2,
            "delta_loss": [0.5 + shift, 0.7 + shift, 0.9 + shift],
            "inactive_delta_loss": only(0.1 + shift),
            "inactive_delta_loss_interval": only([0.05 + shift, 0.15 + shift]),
        },
        "sweep": [
            {
                "sigma": sigma,
                "control": [sigma + shift, 2 * sigma + shift],
                "delta_loss": only(sigma / 10 + shift),
                "delta_loss_interval": only([sigma / 20 + shift, sigma / 5 + shift]),
            }
            for sigma in (0.5, 1.0, 2.0)
        ],
    }


def test_the_control_shows_every_set_value_and_interval():
    figure = change_of_loss({"resnet34": result(), "vggcnn": result(shift=1)})
    for axes, shift in zip(figure.axes, (0, 1), strict=True):
        sets = axes.collections[0].get_offsets()
        assert sets[:, 0].tolist() == pytest.approx([0.5 + shift, 0.7 + shift, 0.9 + shift])
        zero, *lines = [points(line) for line in axes.lines]
        assert [x for x, _ in zero] == [0, 0]
        expected = [  # interval, then value: all inactive units, one inactive unit, one active unit
            [[0.05, 1], [0.15, 1]], [[0.1, 1]],
            [[0.01, 2], [0.03, 2]], [[0.02, 2]],
            [[0.2, 3], [0.4, 3]], [[0.3, 3]],
        ]  # fmt: skip
        for line, places in zip(lines, expected, strict=True):
            assert line == [pytest.approx([x + shift, y]) for x, y in places]
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == ["2 active", "all inactive", "one inactive\nper mini-batch", "one active\nper mini-batch"]
    assert [axes.get_title() for axes in figure.axes] == [
        "resnet34, p1: 2 of 8 inactive", "vggcnn, p1: 2 of 8 inactive"
    ]  # fmt: skip


def test_without_inactive_units_the_panel_says_so_and_shows_the_active_ones():
    (axes,) = change_of_loss({"vggcnn": result(inactive=())}).axes
    assert axes.get_title() == "vggcnn, p1: 0 of 8 inactive"
    assert [text.get_text() for text in axes.texts] == ["no unit is inactive"]
    # the line at zero, and interval and value of one active unit
    assert [points(line)[0][1] for line in axes.lines[1:]] == [3, 3]


def test_the_sweep_shows_every_set_and_the_band_of_the_inactive_units():
    (axes,) = noise_sweep({"resnet34": result()}).axes
    first, second, inactive, _ = axes.lines
    assert points(first) == [[0.5, 0.5], [1, 1], [2, 2]]
    assert points(second) == [[0.5, 1], [1, 2], [2, 4]]
    assert points(inactive) == [[0.5, 0.05], [1, 0.1], [2, 0.2]]
    assert band(axes.collections[0]) == {0.5: (0.025, 0.1), 1.0: (0.05, 0.2), 2.0: (0.1, 0.4)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["2 active units", "2 inactive units"]
    assert axes.get_xscale() == "log"


def test_the_sweep_names_what_is_not_there():
    (axes,) = noise_sweep({"vggcnn": result(inactive=())}).axes
    assert "no unit is inactive" in words(axes.figure)
    assert len(axes.lines) == 3  # two sets and zero
    nothing = result(inactive=())
    for row in nothing["sweep"]:
        row["control"] = []
    assert "no unit to add noise to" in words(noise_sweep({"vggcnn": nothing}))
