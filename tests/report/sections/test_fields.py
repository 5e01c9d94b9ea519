"""Receptive fields: as the graph gives them, beside those that a paper prints."""

import numpy as np
import pandas as pd
import pytest
from drawn import picture, points, words
from studies import captions, parameters, table_names

from receptive.artifacts.activations import COLUMNS, Activations, write_activations
from receptive.networks import outline
from receptive.networks.layers import layers
from receptive.report.sections.fields import section


def small(name: str):
    """The layers of a narrow network, whose effective fields are written as half the exact ones."""
    found = layers(outline(name, classes=2, image_size=64, width=0.0625), 64)
    maps = [layer for layer in found if layer.kind in ("conv", "pool")]
    sides = {"field_px": 8.0, "side_px": 4.0, "spread_px": 1.0, "visible_px": 5.0, "images": 2}
    rows = [
        {"network": name, "state": state, **layer.heading(), **sides, "side_px": 4.0 + (state == "untrained")}
        for state in ("trained", "untrained")
        for layer in maps
    ]
    table = pd.DataFrame(rows)
    energy = np.zeros((64, 64), np.float32)
    energy[32, 32] = 1
    energies = {f"{row['state']} {row['layer']}": energy * (row["state"] == "trained") for row in rows}
    empty = {file: pd.DataFrame(columns=COLUMNS[file]) for file in COLUMNS}
    tables = empty | {"effective_fields.parquet": table}
    write_activations(name, Activations(*tables.values(), {"edges": np.zeros(1)}, energies))
    return found


def test_vggcnn_has_the_fields_of_its_paper_and_its_table_is_open(write):
    made = section(parameters("vggcnn"), {"vggcnn": small("vggcnn")}, write)
    part = made.parts[0]
    assert part.caption == "vggcnn: 18 of 18 published layers agree."
    assert (part.folded, part.open) == (True, True)
    table = write.tables["fields_vggcnn"].set_index("alias")
    assert table.loc["c5_3", ["size", "stride", "published size", "published stride", "agrees"]].tolist() == [
        196, 16, 196, 16, "yes"
    ]  # fmt: skip


def test_of_few_or_no_published_layers_the_table_is_folded(write):
    made = section(parameters("resnet34", "fivecnn"), {name: small(name) for name in ("resnet34", "fivecnn")}, write)
    assert table_names(made) == ["fields_resnet34", "fields_fivecnn", "effective_fields"]
    resnet, five = made.parts[:2]
    assert resnet.caption == "resnet34: 3 of 3 published layers agree."
    assert five.caption == "fivecnn: the paper gives none."
    assert not resnet.open
    assert "agrees" not in five.columns
    assert "agrees" in resnet.columns


@pytest.mark.slow
def test_effective_fields_stand_beside_the_exact_ones(write):
    networks = {name: small(name) for name in ("vggcnn", "alexcnn", "fivecnn")}
    made = section(parameters(*networks), networks, write)
    assert list(captions(made)) == ["effective_fields", *(f"effective_fields_{name}" for name in networks)]
    table = write.tables["effective_fields"]
    assert list(table) == [
        "network", "layer", "alias", "exact", "effective, trained", "effective, untrained", "spread, trained"
    ]  # fmt: skip
    assert list(table["network"].unique()) == list(networks)
    assert list(table["alias"][:3]) == ["c1_1", "c1_2", "p1"]
    assert table.iloc[0, 3:].tolist() == [8, 4, 5, 1]
    pair, alone = write.figures["effective_fields"].axes
    assert len(pair.lines) == 2 * 3 + 3  # two networks, and the key of three kinds of line
    trained, exact, untrained = alone.lines[:3]
    places = [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
    assert points(trained) == [[place, 4] for place in places]
    assert points(exact) == [[place, 8] for place in places]
    assert points(untrained) == [[place, 5] for place in places]


def test_energies_are_shown_of_eight_layers_and_the_box_is_cut_to_the_image(write):
    networks = {"vggcnn": small("vggcnn")}
    section(parameters("vggcnn"), networks, write)
    figure = write.figures["effective_fields_vggcnn"]
    above, below = figure.axes[:8], figure.axes[8:]
    assert [axes.get_title() for axes in above][::7] == ["c1_1, 3 px", "p5, 212 px"]
    assert len(below) == 8
    assert picture(above[0])[32, 32] == 1
    first, last = (axes.patches[0].get_bbox().extents.tolist() for axes in (above[0], above[-1]))
    assert first == [30.5, 30.5, 33.5, 33.5]  # position 32 sees pixels 31 to 33
    assert last == [-0.5, -0.5, 63.5, 63.5]
    assert "no unit\nresponds here" in words(figure)  # the untrained network has no energy
