"""Representation spaces: purity with its intervals, the plane's own patches, regions with their units."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points, words
from studies import (
    CLASSES,
    captions,
    four_corners,
    parameters,
    table_names,
    with_columns,
    write_images,
    write_small_network,
)

from receptive.artifacts.deconvolution import UnitPatches
from receptive.artifacts.embedding import COLUMNS, Embedding, LayerMap, write_embedding
from receptive.figures.embedding import TILE_PX
from receptive.networks.layers import Layer
from receptive.report.sections import embedding_maps
from receptive.report.sections.embedding import section


def write_study(network: str, known: list[Layer]) -> None:
    """The first convolution is mapped, the last is not; points lie on a square of side 2, a cat and a dog in turn."""
    conv, *_, last = [layer for layer in known if layer.kind == "conv"]
    layers = pd.DataFrame(
        [
            conv.heading() | {"reason": "", "points": 4, "images": 4, "coinciding": 0, "method": "exact",
                              "perplexity": 2.0, "components": 3, "trustworthiness": 0.91, "purity_space": 0.8,
                              "purity_map": 0.7, "purity_chance": 0.5},
            last.heading() | {"reason": f"{last.alias}: 3 points are too few", "points": 3},
        ]
    ).assign(network=network)  # fmt: skip
    plane = pd.DataFrame(
        {"image": [4, 5, 6, 7], "y": 0, "x": 0, "label": [0, 1, 0, 1], "class_name": [*CLASSES, *CLASSES],
         "e1": [0.0, 2.0, 0.0, 2.0], "e2": [0.0, 0.0, 2.0, 2.0]}
    )  # fmt: skip
    of_points = with_columns(plane.join(four_corners(4)), COLUMNS["<layer>.parquet"])
    grids = {
        "grid_2": np.array([[2, 3], [0, 1]]),
        "grid_4": np.array([[2, 2, 3, 3]] * 2 + [[0, 0, 1, 1]] * 2),
        "regions": np.array([[[1, 1], [1, 1]]]),
        "selected": np.array([[1, -1]]),
    }
    regions = pd.DataFrame(
        [{"layer": conv.name, "region": 0, "chosen_by": "hand", "left": 1.0, "low": -0.02, "side": 1.02, "points": 1,
          "label": 1, "class_name": "dog", "label_fraction": 1.0}]
    )  # fmt: skip
    region_units = pd.DataFrame({"layer": conv.name, "region": 0, "rank": [1, 0], "unit": [3, 2], "activation": 1.0})
    rows = with_columns(four_corners(2).assign(layer=conv.name, unit=[2, 2], image=4), COLUMNS["units.parquet"])
    states = {"trained": 0.8, "untrained": 0.6, "pixels": 0.5}
    purity = pd.DataFrame(
        [
            layer.heading()
            | {"state": state, "value": value, "low": value - 0.1, "high": value + 0.05}
            | {"chance": 0.5, "points": 4}
            for layer in (conv, last)
            for state, value in states.items()
        ]
    ).assign(network=network)
    of_images = pd.DataFrame(
        [
            {"state": state, "layer": layer.name, "image": image, "label": 0, "value": value + shift}
            for layer in (conv, last)
            for state, value in states.items()
            for image, shift in ((4, -0.1), (5, 0.1))
        ]
    ).assign(network=network)
    write_embedding(
        network,
        Embedding(
            layers=with_columns(layers, COLUMNS["layers.parquet"]),
            maps={conv.name: LayerMap(of_points, grids)},
            regions=regions,
            region_units=region_units,
            units=UnitPatches(rows, {conv.name: np.full((2, 8, 8, 3), 1, np.float16)}),
            purity=purity,
            purity_images=of_images,
            purity_neighbours={},
            metrics={},
        ),
    )


@pytest.fixture
def study():
    images = write_images()
    layers = {}
    for network in ("fivecnn", "vggcnn"):
        layers[network] = write_small_network(network)
        write_study(network, layers[network])
    return images, layers


def params():
    return parameters("fivecnn", "vggcnn", embed={"cells": [2, 4], "neighbours": 7})


@pytest.mark.slow
def test_purity_is_drawn_with_its_interval(study, write):
    made = section(params(), study[1], write)
    axes = write.figures["yu_purity_by_depth"].axes
    assert [panel.get_title() for panel in axes] == ["fivecnn", "vggcnn"]
    assert points(axes[1].lines[0]) == [[1, 0.8], [13, 0.8]]
    assert band(axes[1].collections[0])[13.0] == pytest.approx((0.7, 0.85))
    assert "each of 4 validation images" in captions(made)["yu_purity_by_depth"]
    assert "a patch's 7 nearest neighbours" in made.text


@pytest.mark.slow
def test_tables_say_how_good_maps_are(study, write):
    made = section(params(), study[1], write)
    assert table_names(made) == ["embedding_quality", "purity"]
    quality = write.tables["embedding_quality"]
    assert quality.loc[2, ["network", "alias", "purity_space", "trustworthiness"]].tolist() == [
        "vggcnn",
        "c1_1",
        0.8,
        0.91,
    ]
    assert quality["reason"].tolist() == [None, "c5: 3 points are too few", None, "c5_3: 3 points are too few"] or (
        quality["reason"].notna().tolist() == [False, True, False, True]
    )
    assert "row_perplexity" not in quality
    purity = write.tables["purity"]
    assert purity[["network", "alias"]].to_numpy().tolist()[2:] == [["vggcnn", "c1_1"], ["vggcnn", "c5_3"]]
    assert purity.loc[2, ["trained", "before training", "pixels of the patch", "chance"]].tolist() == [
        0.8,
        0.6,
        0.5,
        0.5,
    ]


@pytest.mark.slow
def test_the_plane_shows_the_points_own_patches(study, write):
    images, layers = study
    made = section(params(), layers, write)
    planes = [name for name in captions(made) if name.startswith("yu3")]
    assert planes[:2] == ["yu3_space_vggcnn_c5_3", "yu3_space_vggcnn_c1_1"]  # YU's own network and the high layer first
    figure = write.figures["yu3_space_vggcnn_c1_1"]
    assert figure.get_suptitle() == (
        "vggcnn, c1_1: 4 patches; trustworthiness 0.910, label purity 0.80 in the space, 0.70 in the plane "
        "(chance 0.50)"
    )
    upper, lower = (part.axes for part in figure.subfigs)
    coarse = picture(upper[0])
    # point 0, below on the left, is the upper left corner of image 4
    drawn = coarse[TILE_PX:, :TILE_PX]
    assert (drawn == images.images[4, :8, :8].repeat(6, 0).repeat(6, 1)).all()
    # point 1, below on the right, leaves its image by half
    outside = coarse[TILE_PX:, TILE_PX:]
    assert (outside[24:] == images.images[5, :4, 24:].repeat(6, 0).repeat(6, 1)).all()
    frame = upper[0].patches[0]
    width = 2.04  # the plane has a margin of 1%
    assert frame.get_x() == pytest.approx((1.0 + 0.02) / width * 2 * TILE_PX)
    assert frame.get_width() == pytest.approx(1.02 / width * 2 * TILE_PX)
    assert frame.get_y() == pytest.approx(2 * TILE_PX - frame.get_height())  # its lower edge is the plane's
    region, selected, strongest, second = lower[:4]
    assert region.get_xlabel() == "dog: 100% of 1 points"
    assert (strongest.get_xlabel(), second.get_xlabel()) == ("unit 2", "unit 3")
    assert (picture(strongest)[1:49, 1:49] == 255).all()
    assert [text.get_text() for text in second.texts] == ["no top patch\nis known"]
    assert "(receptive field 3 px), 4 patches of 4 validation images" in captions(made)["yu3_space_vggcnn_c1_1"]
    assert "(b) Regions, chosen by hand, with" in captions(made)["yu3_space_vggcnn_c1_1"]
    assert picture(selected).shape[:2] == (TILE_PX + 2, TILE_PX + 2)  # one patch: -1 is none


def test_a_layer_without_a_map_says_why(study, write):
    made = section(params(), study[1], write)
    assert "no map: 3 points are too few" in words(write.figures["yu3_space_vggcnn_c5_3"])
    assert captions(made)["yu3_space_vggcnn_c5_3"] == "vggcnn, c5_3: there is no map."


def test_every_network_has_its_interactive_map(study, write, tmp_path):
    path = f"data/embedding/vggcnn/{study[1]['vggcnn'][0].name}.parquet"
    moved = pd.read_parquet(path)
    moved.assign(top_px=moved["top_px"] + 3, bottom_px=moved["bottom_px"] + 3).to_parquet(path, index=False)
    links = embedding_maps.links(params(), write)
    assert [link.file for link in links] == ["maps/fivecnn.html", "maps/vggcnn.html"]
    assert links[1].caption.startswith("(c1_1: 8 px, 4 points).")
    page = (tmp_path / "reports" / links[1].file).read_text()
    assert "<title>vggcnn: maps of its representation spaces</title>" in page
    assert "c1_1: 8 px" in page


def test_a_patch_of_the_whole_image_is_named_so(write):
    write_images()
    known = write_small_network("fivecnn")
    write_study("fivecnn", known)
    path = f"data/embedding/fivecnn/{known[0].name}.parquet"
    whole = pd.read_parquet(path).assign(top_px=0, left_px=0, bottom_px=32, right_px=32)
    whole.to_parquet(path, index=False)
    (link,) = embedding_maps.links(parameters("fivecnn"), write)
    assert link.caption.startswith("(c1: the whole image, 4 points).")
