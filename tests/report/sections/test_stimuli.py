"""Preferred stimuli: each channel's own patches and means, and captions that name the channel that is shown."""

import numpy as np
import pytest
from drawn import picture, tile
from studies import SIZE, captions, parameters, small_stimuli, write_small_network

from receptive.artifacts.networks import read_first_filters
from receptive.artifacts.stimuli import write_stimuli
from receptive.figures.style import signed
from receptive.networks.layers import Layer, overview_layers
from receptive.report.sections.stimuli import channel_words, section, unit_stimuli


def write_study(network: str, **options: float) -> list[Layer]:
    known = write_small_network(network, **options)
    write_stimuli(network, [small_stimuli(layer) for layer in known if layer.fits(SIZE)])
    return known


def test_a_channel_has_its_own_patches_and_mean():
    layer = write_small_network("fivecnn", width=0.125)[0]
    arrays = small_stimuli(layer).arrays
    unit = unit_stimuli(arrays, layer, 3, SIZE)
    assert unit.patches[:, 0, 0, 0].tolist() == [60 + rank for rank in range(16)]
    assert (unit.mean == arrays["mean_interior"][3]).all()
    assert (unit.title, unit.mean_of, unit.dead) == ("c1, 3 px", "interior positions, N = 1,003", False)
    assert unit_stimuli(arrays, layer, 1, SIZE).dead
    assert unit_stimuli(arrays, layer, 2, SIZE).mean is None
    everywhere = unit_stimuli(small_stimuli(layer, interior=False).arrays, layer, 3, SIZE)
    assert everywhere.mean_of == "all positions, N = 1,003"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "channel"), [(0.125, 4), (0.0625, 3)])
def test_the_papers_figures_name_the_channel_that_they_show(write, width, channel):
    known = write_study("resnet34", width=width)
    made = section(parameters("resnet34", channels={"resnet34": 4}), {"resnet34": known}, write)
    assert list(captions(made)) == [
        "ks4_top_patches_resnet34", "ks5_mean_stimuli_resnet34", "first_filters",
        "sheet_resnet34_max_pool", "sheet_resnet34_layer_3",
    ]  # fmt: skip
    assert f"excite channel {channel} of resnet34 most" in captions(made)["ks4_top_patches_resnet34"]
    words = f"first filter {channel} of resnet34 and the mean preferred stimuli of channel {channel} (KS"
    assert words in captions(made)["ks5_mean_stimuli_resnet34"]
    top = write.figures["ks4_top_patches_resnet34"]
    assert [axes.get_title() for axes in top.axes] == ["max pool, 11 px", "layer 3, 27 px"]
    for axes in top.axes:
        assert (tile(picture(axes), 5, 4, 72) == 20 * channel + 5).all()
    means = write.figures["ks5_mean_stimuli_resnet34"].axes
    assert (picture(means[0]) == signed(read_first_filters("resnet34")[channel])).all()
    assert means[1].get_title() == "max pool, 11 px"
    assert picture(means[1])[:, 0, 0].tolist() == [float(row == channel) for row in range(6)]


def test_a_sheet_shows_the_first_channels_of_a_layer(write):
    known = write_study("fivecnn")
    made = section(parameters("fivecnn", maximize={"channels": 3}), {"fivecnn": known}, write)
    names = [layer.alias for layer in overview_layers(known, SIZE)]
    assert list(captions(made)) == ["first_filters", *(f"sheet_fivecnn_{name}" for name in names)]
    grid = np.reshape(write.figures[f"sheet_fivecnn_{names[0]}"].axes, (-1, 3))
    channels = min(3, known[1].units)
    assert [row[0].get_ylabel() for row in grid] == [str(channel) for channel in range(channels)]
    assert (tile(picture(grid[0, 2]), 4, 12, 72) == 4).all()
    assert "dead channel" in grid[1, 2].texts[0].get_text()
    assert f"the first {channels} channels, not chosen" in captions(made)[f"sheet_fivecnn_{names[0]}"]


def test_the_channels_shown_are_named():
    assert channel_words({"max pool": 18, "layer 3": 18, "layer 7": 18}) == "channel 18"
    assert channel_words({"p1": 15, "p2": 15, "c4_1": 18}) == "channel 15 (p1, p2) and 18 (c4_1)"
