"""Deconvolution: each network's reconstructions of the images that it saw, energies, and sheets of units."""

import numpy as np
import pandas as pd
import pytest
from drawn import band, picture, points, tile, words
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

from receptive.artifacts.deconvolution import COLUMNS, Deconvolution, UnitPatches, write_deconvolution
from receptive.networks.layers import Layer
from receptive.report.sections.deconvolution import section

SHOWN = (5, 4)
"""The images shown: a dog and a cat."""


def write_study(network: str, known: list[Layer], energies: bool = True) -> None:
    """Reconstructions of the first and last convolution; the energy outside is 0.5 or 0.3, more or less by image."""
    convs = [layer for layer in known if layer.kind == "conv"]
    kept = [convs[0], convs[-1]]
    labels = [number % 2 for number in SHOWN]
    images = pd.DataFrame({"image": SHOWN, "label": labels, "class_name": [CLASSES[label] for label in labels]})
    representations = {layer.name: np.zeros((2, 32, 32, 3), np.float32) for layer in kept}
    for place, layer in enumerate(kept):
        representations[layer.name][:, place, :] = 1
    energy = pd.DataFrame(
        [
            {
                "network": network, "state": state, "layer": layer.name, "alias": layer.alias, "depth": layer.depth,
                "kind": layer.kind, "image": image, "label": 0, "energy": 1.0,
                "energy_outside_fraction": share + shift + (state == "untrained") / 10,
                "outside_others_fraction": 0.7, "others_outside_fraction": 0.7, "area_outside_fraction": 0.75,
                "image_energy_outside_fraction": 0.7,
            }
            for layer, share in zip(kept, (0.5, 0.3), strict=True)
            for state in ("trained", "untrained")
            for image, shift in zip(SHOWN, (-0.1, 0.1), strict=True)
        ]
    )  # fmt: skip
    predictions = pd.DataFrame(
        [
            {"network": network, "image": image, "label": 0, "class_name": "", "rank": rank, "predicted": name,
             "probability": 0.9 - 0.8 * rank}
            for image in SHOWN
            for rank, name in enumerate(("dog", "cat") if image == 5 else ("cat", "dog"))
        ]
    ).sort_values("rank", ascending=False)  # fmt: skip
    rows = pd.concat([four_corners(2).assign(layer=layer.name, unit=0, image=[4, 5]) for layer in convs[:2]])
    patches = {layer.name: np.full((2, 8, 8, 3), (-1) ** place, np.float16) for place, layer in enumerate(convs[:2])}
    units = UnitPatches(with_columns(rows, COLUMNS["units.parquet"]), patches)
    write_deconvolution(
        network,
        Deconvolution(images, representations, energy if energies else None, predictions, units, {}),
    )


@pytest.fixture
def both(write):
    images = write_images()
    layers = {}
    for network, width in (("alexcnn", 0.125), ("vggcnn", 0.0625)):
        layers[network] = write_small_network(network, width=width) if network == "vggcnn" else small_alexcnn()
        write_study(network, layers[network])
    return images, layers


def small_alexcnn() -> list[Layer]:
    """AlexCNN needs larger images; at this size a chain of five layers stands for it."""
    return write_small_network("fivecnn", "alexcnn")


@pytest.mark.slow
def test_each_network_shows_what_its_layers_keep(both, write):
    images, layers = both
    made = section(parameters("alexcnn", "vggcnn"), layers, write)
    assert list(captions(made))[:4] == [  # the paper's own network first
        "yu4_representations_vggcnn", "yu5_comparison", "yu4_representations_alexcnn", "yu_energy_outside"
    ]  # fmt: skip
    axes = write.figures["yu4_representations_vggcnn"].axes[0]
    shown = [np.asarray(image.get_array()) for image in axes.images]
    for place, number in enumerate(SHOWN):
        photograph, first, last = shown[3 * place : 3 * place + 3]
        assert (photograph == images.images[number]).all()
        assert first[0].min() == last[1].min() == 1
        assert first[1].max() == last[0].max() == 0.5
    text = words(write.figures["yu4_representations_vggcnn"])
    assert [word for word in text if word in CLASSES] == ["dog", "cat"]
    assert [word for word in text if word.endswith("outside")] == [
        "40% outside",
        "20% outside",
        "60% outside",
        "40% outside",
    ]
    assert [word for word in text if word in ("c1_1", "c5_3")] == ["c1_1", "c5_3"]
    assert captions(made)["yu4_representations_vggcnn"].startswith("As YU figure 4: 2 validation images")


@pytest.mark.slow
def test_the_comparison_shows_predictions_best_first(both, write):
    section(parameters("alexcnn", "vggcnn"), both[1], write)
    axes = write.figures["yu5_comparison"].axes[0]
    predicted = [(text.get_text(), text.get_fontweight()) for text in axes.texts if text.get_text().endswith("0%")]
    of_dog = [("dog  90.0%", "bold"), ("cat  10.0%", "normal")]
    of_cat = [("cat  90.0%", "bold"), ("dog  10.0%", "normal")]
    assert predicted == of_dog * 2 + of_cat * 2


def test_energies_are_means_over_images_with_intervals(both, write):
    made = section(parameters("alexcnn", "vggcnn"), both[1], write)
    (axes,) = write.figures["yu_energy_outside"].axes
    before, trained = axes.lines[:2]
    assert points(trained) == [pytest.approx([1, 0.5]), pytest.approx([13, 0.3])]
    assert points(before) == [pytest.approx([1, 0.6]), pytest.approx([13, 0.4])]
    # two images, 0.1 below and above the mean: the standard error is 0.1
    assert band(axes.collections[0])[1.0] == pytest.approx((0.5 - 0.196, 0.5 + 0.196))
    assert set(axes.lines[-3].get_ydata()) == {0.7}
    table = write.tables["energy_outside"].set_index(["network", "state", "alias"])
    assert table.loc[("vggcnn", "trained", "c1_1"), "energy_outside_fraction"] == pytest.approx(0.5)
    assert table.loc[("vggcnn", "trained", "c1_1"), "images"] == 2
    assert "mean over 2 validation images" in captions(made)["yu_energy_outside"]
    assert table_names(made) == ["energy_outside"]


@pytest.mark.slow
def test_sheets_show_the_papers_networks_whole_and_of_others_some_layers(both, write):
    images, layers = both
    made = section(parameters("alexcnn", "vggcnn", deconvolve={"units": 2, "patches": 4}), layers, write)
    sheets = [name for name in captions(made) if name.startswith("yu7")]
    assert sheets == [f"yu7_units_{name}" for name in ("vggcnn_c1_1", "vggcnn_c1_2", "alexcnn_c1", "alexcnn_c2")]
    alive, dead = write.figures["yu7_units_vggcnn_c1_1"].axes[:2]
    shown = picture(alive)
    middle = shown.shape[1] // 2
    left, right = shown[:, : middle - 7], shown[:, middle + 7 :]
    assert (tile(left, 0, 2, 72) == 255).all()
    expected = images.images[4, :8, :8].repeat(9, 0).repeat(9, 1)
    assert (tile(right, 0, 2, 72) == expected).all()
    # of the second patch the upper half lies outside
    assert (tile(right, 1, 2, 72)[36:] == images.images[5, :4, 24:].repeat(9, 0).repeat(9, 1)).all()
    assert [text.get_text() for text in dead.texts] == ["dead unit: never active on a validation image"]
    assert "(receptive field 3 px, more than the image" in captions(made)["yu7_units_vggcnn_c1_1"]


def test_other_networks_leave_out_the_first_layer_and_unknown_subjects(write):
    write_images(masks=False)
    known = write_small_network("fivecnn")
    write_study("fivecnn", known, energies=False)
    made = section(parameters("fivecnn", report={"deconvolution_sheets": 1}), {"fivecnn": known}, write)
    assert list(captions(made)) == ["yu4_representations_fivecnn", "yu7_units_fivecnn_c2"]
    assert "outside" not in captions(made)["yu4_representations_fivecnn"]
    assert table_names(made) == []
    assert not write.figures["yu4_representations_fivecnn"].axes[0].collections
