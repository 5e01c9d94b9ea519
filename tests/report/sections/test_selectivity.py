"""Orientation and colour: counts and quartiles of units.parquet, single units with their own tuning."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points, tile
from matplotlib.figure import Figure
from studies import (
    SIZE,
    captions,
    four_corners,
    parameters,
    table_names,
    with_columns,
    write_images,
    write_small_network,
)

from receptive.artifacts.activations import COLUMNS as ACTIVATIONS
from receptive.artifacts.activations import Activations, write_activations
from receptive.artifacts.selectivity import COLUMNS, Card, Selectivity, Tuning, write_selectivity
from receptive.methods.selectivity_card import PROPERTIES
from receptive.networks.layers import Layer
from receptive.report.sections.selectivity import low_layers, section

STIMULI = pd.DataFrame(
    [
        ("luminance", 0.0, 0.0),
        *(("luminance", angle, frequency) for frequency in (0.125, 0.25) for angle in (0.0, 90.0)),
        *(("S", 0.0, frequency) for frequency in (0.0, 0.125, 0.25)),
    ],
    columns=["axis", "orientation", "frequency"],
)


def card_of(network: str, layer: Layer) -> Card:
    """Two units of one layer; half of the cells prefer what they like, and there are no discs."""
    rows, units = [], []
    for state, value in (("trained", 0.4), ("untrained", 0.2)):
        head = {"network": network, "state": state, **layer.heading()}
        for name, facts in PROPERTIES.items():
            found = {"property": name, "statistic": facts.statistic, "value": value, "low": value - 0.1, "high": 0.9}
            found |= {"lower": value - 0.05, "upper": value + 0.05, "measured": 2, "units": 4, "reason": ""}
            if name == "suppression_index":
                found |= {"value": np.nan, "low": np.nan, "high": np.nan, "measured": 0, "reason": "no discs"}
            rows.append(head | found)
        units += [head | {"unit": unit} | dict.fromkeys(PROPERTIES, value + unit / 10) for unit in range(2)]
    return Card(pd.DataFrame(rows), pd.DataFrame(units))


def write_study(network: str, known: list[Layer], colour: bool = True) -> None:
    """Four units per convolution: 0 is selective (OSI 0.9), 1 double opponent, 2 neither, 3 silent."""
    convs = [layer for layer in known if layer.kind == "conv"]
    rows = []
    for state, factor in (("trained", 1.0), ("untrained", 0.5), ("shuffled", 0.25)):
        for layer in convs:
            for unit, osi in enumerate((0.9, 0.3, 0.1, np.nan)):
                silent = unit == 3
                rows.append(
                    layer.heading()
                    | {
                        "network": network, "state": state, "unit": unit, "responds": not silent,
                        "osi": osi * factor * (1 if layer is convs[0] else 0.95),
                        "orientation": 90.0, "frequency": 0.25,
                        "colour_index": np.nan if silent or not colour else 0.5 + 2 * (unit == 1),
                        "selective": pd.NA if silent else osi * factor > 0.5,
                        "single_opponent": pd.NA if silent or not colour else False,
                        "double_opponent": pd.NA if silent or not colour else unit == 1 and state == "trained",
                    }
                )  # fmt: skip
    units = with_columns(pd.DataFrame(rows), COLUMNS["units.parquet"])
    verdicts = dict.fromkeys(("selective", "single_opponent", "double_opponent"), "boolean")
    units = units.astype(verdicts)
    first = units[units["layer"] == convs[0].name]
    response = np.arange(len(STIMULI), dtype=np.float32)[:, None] + 10 * np.arange(4, dtype=np.float32)
    tuning = {layer.name: Tuning(response, response + 1) for layer in convs}
    write_selectivity(network, Selectivity(units, first.head(8), STIMULI, tuning, {}), card_of(network, convs[0]))
    preferred = four_corners(4).assign(
        layer=convs[0].name, unit=0, rank=range(4), image=[4, 5, 6, 7], activation=[3.0, 2.0, 1.0, 0.0]
    )
    empty = {file: with_columns(pd.DataFrame({"network": []}), ACTIVATIONS[file]) for file in ACTIVATIONS}
    tables = empty | {"preferred.parquet": with_columns(preferred, ACTIVATIONS["preferred.parquet"])}
    write_activations(network, Activations(*tables.values(), {"edges": np.zeros(1)}, {}))


@pytest.fixture
def study(write, monkeypatch, request):
    if "cards" not in request.node.name:  # a card has fifteen panels: one test draws it
        monkeypatch.setattr("receptive.figures.selectivity_card.card", lambda *tables: Figure())
    images = write_images()
    layers = {}
    for network, colour in (("vggcnn", True), ("fivecnn", False)):
        layers[network] = write_small_network(network)
        write_study(network, layers[network], colour)
    params = parameters("vggcnn", "fivecnn", selectivity={"orientations": 4})
    return images, layers, section(params, layers, write)


def test_low_layers_are_the_convolutions_that_fit():
    known = write_small_network("fivecnn")
    assert low_layers(known, SIZE) == ["c1.relu", "c2.relu", "c3.relu"]  # c4 sees 38 px, p1 is a pool
    assert low_layers(known, 38) == ["c1.relu", "c2.relu", "c3.relu", "c4.relu"]


def test_quartiles_are_those_of_the_units_that_have_an_osi(study, write):
    axes = write.figures["osi_by_layer"].axes[0]
    shuffled, untrained, trained, threshold = axes.lines
    assert points(trained)[0] == pytest.approx([1, 0.3])
    assert points(untrained)[0] == pytest.approx([1, 0.15])
    assert points(shuffled)[0] == pytest.approx([1, 0.075])
    assert band(axes.collections[0])[1.0] == pytest.approx((0.2, 0.6))
    assert set(threshold.get_ydata()) == {0.5}
    assert [panel.get_title() for panel in write.figures["osi_by_layer"].axes] == ["vggcnn", "fivecnn"]


@pytest.mark.slow
def test_shares_are_of_the_units_that_respond_with_wilson_s_interval(study, write):
    axes = write.figures["selective_and_opponent_units"].axes
    selective, single, double = axes[:3]
    assert points(selective.lines[2])[0] == pytest.approx([1, 1 / 3])
    assert points(selective.lines[1])[0] == pytest.approx([1, 0])
    # 1 of 3 by Wilson (1927)
    z = 1.959964
    centre, half = (1 / 3 + z**2 / 6) / (1 + z**2 / 3), z / (1 + z**2 / 3) * np.sqrt(2 / 27 + z**2 / 36)
    assert band(selective.collections[2])[1.0] == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert points(single.lines[2])[0] == pytest.approx([1, 0])
    assert points(double.lines[2])[0] == pytest.approx([1, 1 / 3])
    assert [text.get_text() for text in axes[4].texts] == ["fivecnn: its images have no colour"]


def test_roses_count_the_low_layers(study, write):
    trained, _, untrained, _ = write.figures["preferred_orientations"].axes
    low = low_layers(study[1]["vggcnn"], SIZE)
    assert trained.get_title() == f"vggcnn\n{len(low)} of {4 * len(low)} units"
    assert [bar.get_height() for bar in trained.patches] == pytest.approx([0, 0, 1, 0] * 2)
    assert untrained.get_title() == f"before training\n0 of {4 * len(low)} units"


def test_single_units_show_their_own_patches_and_tuning(study, write):
    images = study[0]
    selective, opponent = write.figures["tuned_units_vggcnn"].subfigs
    assert selective.get_suptitle() == "Most orientation-selective"
    assert opponent.get_suptitle() == "Double opponent, those that prefer colour most"
    pictures, orientations, frequencies = np.reshape(selective.axes, (3, 6))
    assert pictures[0].get_title() == "c1_1, unit 0\nOSI 0.90, colour 0.5"
    # three patches, of which a square shows one: the fourth does not excite the unit, and is none of its best
    shown = picture(pictures[0])
    assert shown.shape[:2] == (74, 74)
    assert (tile(shown, 0, 1, 72) == images.images[4, :8, :8].repeat(9, 0).repeat(9, 1)).all()
    assert "never active" in pictures[1].texts[0].get_text()
    # luminance gratings of frequency 0.25 are stimuli 3 and 4; the rate is one more than the strength
    assert points(orientations[0].lines[0]) == [[0, 4], [90, 5], [180, 4]]
    luminance, uniform, blue, _ = (points(line) for line in frequencies[0].lines)
    assert luminance == [[1, 2], [2, 4]]  # the best orientation of each frequency
    assert uniform == [[0, 0], [1, 2]]
    assert blue == [[1, 6], [2, 7]]
    titles = [axes.get_title() for axes in np.reshape(opponent.axes, (3, 6))[0]]
    assert titles[0] == "c1_1, unit 1\nOSI 0.30, colour 2.5"
    assert len(write.figures["tuned_units_fivecnn"].subfigs) == 1


@pytest.mark.slow
def test_tables_count_what_the_figures_show(study, write):
    made = study[2]
    assert table_names(made) == ["selectivity", "first_filters_selectivity", "v1_card"]
    table = write.tables["selectivity"].set_index(["network", "alias", "state"])
    assert table.loc[("vggcnn", "c1_1", "trained")].to_dict() == {
        "depth": 1, "units": 4, "responding": 3, "osi": 0.3, "selective": 1, "single_opponent": 0, "double_opponent": 1
    }  # fmt: skip
    assert pd.isna(table.loc[("fivecnn", "c1", "trained"), "double_opponent"])
    filters = write.tables["first_filters_selectivity"].set_index(["network", "state", "from"])
    assert filters.loc[("vggcnn", "trained", "kernels"), "units"] == 4
    assert filters.loc[("vggcnn", "trained", "responses"), ["units", "selective"]].tolist() == [4, 1]
    assert list(captions(made)) == [
        "osi_by_layer", "preferred_orientations", "selective_and_opponent_units", "tuned_units_vggcnn",
        "tuned_units_fivecnn", "v1_card_vggcnn", "v1_card_fivecnn",
    ]  # fmt: skip
    assert "Full-field gratings of 4 orientations" in made.text


@pytest.mark.slow
def test_cards_stand_beside_cells_with_sources_and_reasons(study, write):
    table = write.tables["v1_card"].set_index(["network", "alias", "property"])
    assert len(table) == 2 * 15
    row = table.loc[("vggcnn", "c1_1", "circular_variance")]
    assert row["trained"] == "0.4 [0.3, 0.9], 2 of 4 units"
    assert row["untrained"] == "0.2 [0.1, 0.9], 2 of 4 units"
    assert (row["unit"], row["cells of macaque V1"]) == ("", "")
    silent = table.loc[("vggcnn", "c1_1", "suppression_index")]
    assert silent["trained"] == "no discs"
    # half of 190 cells: 66 below 0.2, and 29 of the next 44 up to 0.4
    assert silent["cells of macaque V1"] == "0.33, 190 cells (Cavanaugh, Bair & Movshon 2002)"
    share = table.loc[("fivecnn", "c1", "frequency_selective"), "cells of macaque V1"]
    assert share == "0.84 of 87 (Schiller, Finlay & Volman 1976 (III))"
    assert table.loc[("fivecnn", "c1", "orientation_bandwidth"), "unit"] == "degrees"
    panels = {axes.get_title(): axes for axes in write.figures["v1_card_vggcnn"].axes}
    assert panels["surround suppression index"].texts[0].get_text() == "no discs"
    assert "24 orientations and 4 spatial frequencies an octave" in study[2].text
