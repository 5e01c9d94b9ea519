"""Sections of the report on narrow networks: figures stay, and their captions name what is really shown."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from receptive.figures.maximization import MaximisedUnit
from receptive.figures.stimuli import UnitStimuli
from receptive.io import artifacts
from receptive.measurements.maximization import plan
from receptive.networks import outline
from receptive.networks.layers import layers
from receptive.params.reading import load_params
from receptive.report.page import Picture
from receptive.report.sections import filters as virtual_filters
from receptive.report.sections import maximization
from receptive.report.sections import stimuli as preferred

SIZE = 64


class Captions:
    """A writer that keeps the captions alone."""

    def picture(self, name, figure, alt, caption):
        assert figure.axes
        return Picture(name, alt, caption)


@pytest.fixture(scope="module")
def params():
    """With channel 18 in the detailed figures."""
    params = load_params()
    return params.model_copy(update={"channels": {"resnet34": 18, "vggcnn": 18}})


@pytest.fixture
def shown(monkeypatch):
    """Layer and channel of all stimuli that are asked for; they are random."""
    asked = []

    def stimuli(params, network, layer, channel):
        assert channel < layer.units
        asked.append((layer.alias, channel))
        chance = np.random.default_rng(0)
        patches = chance.integers(0, 256, (16, 6, 6, 3), dtype=np.uint8)
        mean = chance.random((6, 6, 3))
        return UnitStimuli(layer.alias, patches, np.tile([0, 0, 6, 6], (16, 1)), SIZE, mean, mean / 2, "", False)

    for module in (preferred, maximization):
        monkeypatch.setattr(module, "stimuli_of", stimuli)
    monkeypatch.setattr(artifacts, "read_description", lambda network: {"image_size": SIZE})
    return asked


@pytest.mark.parametrize(("width", "channel"), [(1.0, 18), (0.25, 15), (0.125, 7)])
def test_the_papers_figures_name_the_channel_that_they_show(params, shown, width, channel):
    known = layers(outline("resnet34", width=width, image_size=SIZE), SIZE)
    filters = np.random.default_rng(0).normal(size=(round(64 * width), 7, 7, 3))
    four, five = preferred._paper_figures(params, "resnet34", known, filters, ("4", "5"), Captions())
    assert dict(shown) == dict.fromkeys(["max pool", "layer 3", "layer 7"], channel)
    assert f"excite channel {channel} of resnet34 most" in four.caption
    assert f"first filter {channel} of resnet34 and the mean preferred stimuli of channel {channel} (KS" in five.caption


@pytest.mark.parametrize(
    ("network", "width", "channels", "words"),
    [
        ("resnet34", 1.0, {"max pool": 18, "layer 3": 18, "layer 7": 18}, "channel 18"),
        ("resnet34", 0.25, {"max pool": 15, "layer 3": 15, "layer 7": 15}, "channel 15"),
        ("vggcnn", 0.125, {"p1": 7, "c4_1": 18}, "channel 7 (p1) and 18 (c4_1)"),
    ],
)
def test_the_maximised_channels_are_those_shown(params, shown, network, width, channels, words):
    known = layers(outline(network, width=width, image_size=SIZE), SIZE)
    subject = SimpleNamespace(
        name=network, base=network, layers=known, image_size=SIZE, prepared=SimpleNamespace(classes=range(3))
    )
    groups = {(g.layer.name, g.objective, g.preset_name, g.preset.initialisation): g for g in plan(params, subject)}

    class Results:
        def panel(self, layer, kind, unit):
            made = unit in groups[(layer.name, *kind)].units
            return MaximisedUnit(np.zeros((6, 6, 3)), (0, 0, 6, 6), SIZE, "ok", 1.0) if made else None

    eight, nine = maximization._paper_figures(params, network, known, Results(), Captions())
    assert dict(shown) == channels
    assert f"maximises the centre neuron of {words} of {network}, to" in eight.caption
    assert f"maximises the whole channel of {words} of {network}, to" in nine.caption


@pytest.mark.parametrize(
    ("named", "says"), [([3, 40, 99], "It has 6 units there, so of report.filter_units no 40, 99."), ([3], "")]
)
def test_units_that_the_second_layer_lacks_are_named(params, monkeypatch, named, says):
    chance = np.random.default_rng(0)
    arrays = {"first": chance.normal(size=(4, 3, 3, 3)), "second": chance.normal(size=(6, 4, 3, 3))}
    arrays |= {"virtual": chance.normal(size=(6, 3, 3, 3)), "weights": chance.normal(size=(6, 4))}
    monkeypatch.setattr(artifacts, "read_filters", lambda network: (arrays, {"second": "c1_2.weight", "folded": ""}))
    known = layers(outline("vggcnn", width=0.0625, image_size=SIZE), SIZE)
    units = pd.DataFrame({"layer": known[0].name, "unit": range(4), "max": 1.0})
    params = params.model_copy(update={"report": params.report.model_copy(update={"filter_units": {"vggcnn": named}})})
    caption = virtual_filters._sheet(params, "vggcnn", known, units, Captions()).caption
    assert caption.endswith(says)
    assert ("report.filter_units" in caption) == bool(says)
