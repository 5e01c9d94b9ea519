"""The card of a layer: the same responses as on whole images, planted units, and reasons where nothing is measured."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from controlled import controlled
from oracles import with_random_statistics
from subjects import noisy_images, subject_of
from torch import nn

from receptive import networks
from receptive.artifacts.selectivity import COLUMNS
from receptive.errors import ReceptiveError
from receptive.measurements import selectivity_card
from receptive.measurements.selectivity_card import card_layers, card_rows
from receptive.methods.selectivity import LUMINANCE, Condition, centre_responses, gratings
from receptive.methods.selectivity_card import PROPERTIES, disc, frequencies
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import Selectivity, SelectivityCard

SIDE = 48
CPU = torch.device("cpu")
SETTINGS = Selectivity(
    frequencies=[0.125],
    orientations=4,
    colour_orientations=2,
    phases=4,
    background=0.5,
    amplitude=0.4,
    weakest=0.1,
    osi=0.5,
    colour_index=2.0,
    colour_modulation=0.6,
    uniform=0.5,
    card=SelectivityCard(layers={}, orientations=16, per_octave=3, phases=8, modulation_phases=24, discs=3),
    batch_size=11,
)


def network(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return with_random_statistics(networks.build(name, 2, SIDE, 3, width=0.125), seed).eval()


@cache
def subject(name: str = "resnet34"):
    matrix = torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.1, 0.0, 3.0]])
    normalisation = Normalisation(torch.full((3, 1, 1), 0.45), matrix)
    made = subject_of(network(name), noisy_images(SIDE, [0, 1] * 10, training=16), normalisation)
    return controlled(made, network(name, 1))


def units_of(layer, answers, colour: bool = True) -> pd.DataFrame:
    """Rows of units.parquet: units that do not answer have no OSI."""
    osi = np.where(answers, 0.5, np.nan)
    table = pd.DataFrame({"layer": layer.name, "unit": np.arange(len(osi)), "osi": osi})
    table["colour_index"] = 2.0 if colour else np.nan
    table["double_opponent"] = pd.array([colour or pd.NA] * len(osi), dtype="boolean")
    table["colour_axis"] = pd.array(["S" if colour else pd.NA] * len(osi), dtype="string")
    return table


# ---------------------------------------------------------------- layers


def test_a_card_is_of_the_first_two_convolutions_and_of_one_that_sees_half_the_image():
    layers = subject("vggcnn").layers
    assert [layer.alias for layer in card_layers(layers, None, 64)] == ["c1_1", "c1_2", "c3_2"]  # 32 px
    assert [layer.alias for layer in card_layers(layers, None, 6)] == ["c1_1", "c1_2"]
    assert [layer.alias for layer in card_layers(layers, ["c2_2", "last conv"], 64)] == ["c2_2", "c5_3"]
    with pytest.raises(ReceptiveError, match="'p1' has no card: choose among c1_1, c1_2"):
        card_layers(layers, ["p1"], 64)
    with pytest.raises(ReceptiveError, match="no layer 'c9'"):
        card_layers(layers, ["c9"], 64)


# ---------------------------------------------------------------- stimuli


@pytest.mark.slow
@pytest.mark.parametrize("alias", ["layer 1", "layer 3"])
def test_small_images_give_what_whole_ones_give(alias):
    """Around the middle unit's field on the whole image the same gratings, up to their phase, and the same discs."""
    seen = subject().for_inference(CPU)
    (layer,) = (layer for layer in seen.layers if layer.alias == alias)
    view = selectivity_card._View(seen, layer, SETTINGS)
    assert layer.field.y.size <= view.size < SIDE
    shown = [Condition(LUMINANCE, 37.5, 0.11), Condition(LUMINANCE, 90.0, 0.4)]
    y, x = layer.field.centre(layer.map_size[0] // 2, layer.map_size[1] // 2)
    for diameter in (None, 6.5, 14.0):
        (found,) = view.cycles(shown, 8, [diameter])
        for at, condition in enumerate(shown):
            whole = gratings([condition], 8, SIDE, SETTINGS.amplitude, SETTINGS.background)[0].double()
            # the phases of the small image, at the place of its field in the whole one
            angle = np.deg2rad(condition.orientation)
            moved = [
                at - (SIDE - 1) / 2 - (own - (view.size - 1) / 2) for at, own in zip((y, x), view.centre, strict=True)
            ]
            shift = 2 * np.pi * condition.frequency * (moved[1] * np.sin(angle) + moved[0] * np.cos(angle))
            place = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
            across = place * np.sin(angle) + place[:, None] * np.cos(angle)
            phases = (
                2 * np.pi * (torch.arange(8, dtype=torch.float64)[:, None, None] / 8 + condition.frequency * across)
            )
            wave = SETTINGS.amplitude / 3**0.5 * torch.cos(phases - shift)
            assert torch.allclose(whole[0, 0] - 0.5, SETTINGS.amplitude / 3**0.5 * torch.cos(phases[0]), atol=1e-5)
            if diameter:
                wave = wave * disc(diameter, (y, x), SIDE)
            images = (0.5 + wave)[:, None].expand(-1, 3, -1, -1).float()
            responses = centre_responses(seen.network, seen.normalisation(images), [layer.name])[layer.name].numpy()
            np.testing.assert_allclose(found.mean[at], responses.mean(0), atol=2e-4 * np.abs(responses).max())
            harmonic = np.abs(np.tensordot(np.exp(-2j * np.pi * np.arange(8) / 8), responses, (0, 0))) / 4
            np.testing.assert_allclose(found.first[at], harmonic, atol=2e-4 * np.abs(responses).max())


def test_a_mean_image_keeps_the_size_of_the_image():
    made = subject()
    layer = made.layers[0]
    whole = Normalisation(torch.rand(3, SIDE, SIDE), torch.eye(3))
    assert selectivity_card._View(replace(made, normalisation=whole), layer, SETTINGS).size == SIDE
    assert selectivity_card._View(made, layer, SETTINGS).size < SIDE


# ---------------------------------------------------------------- planted units


CENTRE, SURROUND, WEIGHT = 2.5, 4.0, 4.0
# a grating of the bank, so that discs are filled with just what the units prefer
ORIENTATION, FREQUENCY = 33.75, float(frequencies(21, SIDE, 3)[10])


class Planted(nn.Module):
    """A rectified Gabor, a silent unit, a normalised energy of the same Gabor, and its mirror image in the diagonal.

    The energy is divided by 1 + WEIGHT x the contrast under a wider Gaussian, whatever its orientation.
    """

    def __init__(self, field: int = 21):
        super().__init__()
        y, x = np.indices((field, field)) - field // 2
        angle = np.deg2rad(ORIENTATION)
        carrier = np.exp(2j * np.pi * FREQUENCY * (y * np.cos(angle) + x * np.sin(angle)))
        inner, outer = (np.exp(-(x**2 + y**2) / (2 * width**2)) for width in (CENTRE, SURROUND))
        self.gabor = self._of(np.stack([(inner * carrier).real, (inner * carrier).imag]))
        self.pool = self._of(outer[None] / outer.sum())
        self.act = nn.Identity()

    @staticmethod
    def _of(kernels: np.ndarray) -> nn.Conv2d:
        conv = nn.Conv2d(3, len(kernels), kernels.shape[-1], padding=kernels.shape[-1] // 2, bias=False)
        conv.weight.data = torch.from_numpy(kernels)[:, None].expand(-1, 3, -1, -1).float().contiguous() / 3
        return conv

    def forward(self, image):
        even, odd = self.gabor(image - 0.5).chunk(2, 1)
        contrast = self.pool((image - 0.5) ** 2) / (SETTINGS.amplitude**2 / 6)  # 1 for a grating
        mirrored = self.gabor((image - 0.5).mT)[:, :1].mT
        normalised = (even**2 + odd**2) / (1 + WEIGHT * contrast)
        return self.act(torch.cat([even.relu(), 0 * even, normalised, mirrored.relu()], 1))


@pytest.mark.slow
def test_planted_units_come_out_of_a_whole_measurement():
    made = subject()
    layer = replace(made.layers[0], name="act", units=4, map_size=(SIDE, SIDE))
    axis = replace(layer.field.y, size=21, stride=1, start=-10)
    layer = replace(layer, field=replace(layer.field, y=axis, x=axis))
    seen = replace(made, network=Planted().eval(), normalisation=Normalisation(torch.zeros(3, 1, 1), torch.eye(3)))
    columns, reason = selectivity_card.of_layer(seen, layer, np.array([True, False, True, True]), SETTINGS)
    assert reason == ""
    assert list(columns) == list(PROPERTIES)
    assert all(np.isnan(values[1]) for values in columns.values())
    assert columns["preferred_orientation"][[0, 2]] == pytest.approx([ORIENTATION] * 2, abs=0.3)
    assert columns["peak_frequency"][[0, 2]] == pytest.approx([FREQUENCY] * 2, rel=0.02)
    assert columns["modulation_ratio"][[0, 2]] == pytest.approx([np.pi / 2, 0], abs=0.02)
    # each unit has its own best grating
    assert columns["preferred_orientation"][3] == pytest.approx(90 - ORIENTATION, abs=0.3)
    for name in ("modulation_ratio", "maximum_response", "summation_field", "orientation_bandwidth"):
        assert columns[name][3] == pytest.approx(columns[name][0], rel=1e-3), name
    # a Gaussian's 95% disc, and its width in frequency
    assert columns["summation_field"][0] == pytest.approx(CENTRE * (8 * np.log(20)) ** 0.5, rel=0.02)
    spread = (np.log(2) / 4) ** 0.5 / (np.pi * CENTRE)
    assert columns["frequency_bandwidth"][0] == pytest.approx(
        np.log2((FREQUENCY + spread) / (FREQUENCY - spread)), rel=0.02
    )
    assert columns["suppression_index"][0] == pytest.approx(0, abs=0.01)
    assert np.isnan(columns["surround_diameter"][0])
    # disc by disc, in small steps, on the image as large as the field
    fine = np.arange(2, 32, 0.25)
    grating = gratings([Condition(LUMINANCE, ORIENTATION, FREQUENCY)], 8, 21, SETTINGS.amplitude / 3**0.5, channels=1)[
        0
    ]
    curve = []
    with torch.no_grad():
        for diameter in fine:
            images = 0.5 + disc(diameter, (10, 10), 21) * (grating - 0.5)
            curve.append(float(seen.network(images.expand(-1, 3, -1, -1))[:, 2, 10, 10].mean()))
    curve = np.array(curve)
    top, plateau = curve.argmax(), curve[-1]
    assert columns["suppression_index"][2] == pytest.approx(1 - plateau / curve.max(), abs=0.005)
    assert columns["summation_field"][2] == pytest.approx(fine[curve >= 0.95 * curve.max()][0], abs=0.25)
    surround = fine[top:][curve[top:] <= 1.05 * plateau][0]
    assert columns["surround_diameter"][2] == pytest.approx(surround, abs=0.25)


# ---------------------------------------------------------------- summary


def columns(**changed) -> dict[str, np.ndarray]:
    """Eight units, of which seven answer; every property grows from unit to unit."""
    values = np.array([np.nan, 1, 2, 3, 4, 5, 6, 7])
    made = {name: values.copy() for name in PROPERTIES}
    for name in ("orientation_selective", "frequency_selective"):
        made[name] = np.where(np.isnan(values), np.nan, values > 3)
    return made | {name: np.asarray(of, float) for name, of in changed.items()}


def rows(measured=None, answers=None, no_discs="", colour=True) -> pd.DataFrame:
    layer = subject().layers[0]
    known = units_of(layer, np.arange(8) > 0 if answers is None else answers, colour)
    head = {"network": "toy", "state": "trained", **layer.heading()}
    return pd.DataFrame(card_rows(head, measured or columns(), known, no_discs, SETTINGS.card)).set_index("property")


def test_medians_and_shares_are_of_the_units_that_have_a_property():
    made = rows()
    assert list(made.reset_index()[list(COLUMNS["card.parquet"])]) == list(COLUMNS["card.parquet"])
    assert made.index.tolist() == [*PROPERTIES, "colour_index", "double_opponent"]
    median = made.loc["circular_variance"]
    assert (median["value"], median["lower"], median["upper"]) == (4, 2.5, 5.5)
    assert (median["low"], median["high"]) == (1, 7)  # the widest that 7 values give: 98.4%
    assert (median["measured"], median["units"], median["reason"]) == (7, 8, "")
    share = made.loc["orientation_selective"]
    assert (share["statistic"], share["value"], share["measured"]) == ("share", pytest.approx(4 / 7), 7)
    z = 1.959964
    half = z / (7 + z**2) * np.sqrt(7 * 4 / 7 * 3 / 7 + z**2 / 4)
    assert share["low"] == pytest.approx((4 + z**2 / 2) / (7 + z**2) - half, abs=1e-6)
    assert np.isnan(share["lower"])


def test_orientations_count_as_horizontal_or_vertical_or_oblique():
    made = rows(columns(preferred_orientation=[np.nan, 0, 22, 23, 67, 68, 112, 179]))
    assert made.loc["preferred_orientation", "value"] == pytest.approx(5 / 7)


def test_what_cannot_be_measured_says_why():
    nothing = np.full(8, np.nan)
    made = rows(columns(surround_diameter=nothing, frequency_bandwidth=nothing))
    assert "falls by a tenth" in made.loc["surround_diameter", "reason"]
    assert "on both sides" in made.loc["frequency_bandwidth", "reason"]
    assert made.loc["surround_diameter", ["value", "low", "lower"]].isna().all()
    silent = rows(dict.fromkeys(PROPERTIES, nothing), answers=np.zeros(8, bool))
    assert set(silent.loc[list(PROPERTIES), "reason"]) == {"no unit answers luminance gratings"}
    small = rows(columns(**dict.fromkeys(selectivity_card.OF_SIZE, nothing)), no_discs="too small")
    assert set(small.loc[list(selectivity_card.OF_SIZE), "reason"]) == {"too small"}
    grey = rows(colour=False)
    assert grey.loc["double_opponent", "reason"] == "its images have no colour"
    assert rows().loc["double_opponent", "value"] == 1


def test_bandwidths_narrower_than_the_bank_are_counted():
    made = rows(columns(orientation_bandwidth=[np.nan, 5, 11, 12, 13, 14, 15, 16]))
    assert made.loc["orientation_bandwidth", "reason"] == "2 narrower than the step of 11.2 degrees between gratings"
    assert made.loc["frequency_bandwidth", "reason"] == ""


def test_small_and_large_fields_have_no_discs():
    layers = {layer.alias: layer for layer in subject("vggcnn").layers}
    of = {
        alias: selectivity_card._no_discs(layer, selectivity_card._side(layer), SIDE) for alias, layer in layers.items()
    }
    assert of["c1_1"] == "a unit sees 3 px: too few for discs of several sizes"
    assert of["c2_1"] == of["c3_3"] == ""
    assert of["c4_1"] == f"a unit sees 60 px, and the image of {SIDE} px does not hold that"


@pytest.mark.slow
def test_every_chosen_layer_has_a_card_in_both_states():
    made = subject()
    convs = [layer for layer in made.layers if layer.kind == "conv"]
    units = pd.concat(
        [
            units_of(layer, np.arange(layer.units) != 2).assign(state=state)
            for state in selectivity_card.STATES
            for layer in convs
        ]
    )
    card = SETTINGS.card.model_copy(update={"layers": {"toy": ["layer 1", "layer 2"]}})
    settings = SETTINGS.model_copy(update={"card": card})
    content = selectivity_card.measure(made, units, settings, 0, CPU)
    assert content.units.columns.tolist() == list(COLUMNS["card_units.parquet"])
    assert content.summary.columns.tolist() == list(COLUMNS["card.parquet"])
    assert content.units.groupby(["state", "alias"], sort=False).ngroups == 4
    assert len(content.summary) == 4 * 17
    silent = content.units[content.units["unit"] == 2]
    assert silent[list(PROPERTIES)].isna().all(axis=None)
    # trained and untrained differ, and each is its own network's
    means = content.units.groupby("state")["circular_variance"].mean()
    assert means["trained"] != means["untrained"]
    ((name, layer),) = [(layer.name, layer) for layer in convs if layer.alias == "layer 2"]
    columns, _ = selectivity_card.of_layer(
        made.untrained().for_inference(CPU), layer, np.arange(layer.units) != 2, settings
    )
    stored = content.units[(content.units["state"] == "untrained") & (content.units["layer"] == name)]
    for column, values in columns.items():
        np.testing.assert_array_equal(stored[column], values)
