"""Maximization: every image in the figure of its unit and setting, failures counted, the channel shown is named."""

import numpy as np
import pandas as pd
import pytest
from drawn import picture
from studies import (
    CLASSES,
    SIZE,
    captions,
    parameters,
    small_stimuli,
    table_names,
    with_columns,
    write_images,
    write_small_network,
)

from receptive.artifacts.activations import COLUMNS as ACTIVATIONS
from receptive.artifacts.activations import Activations, write_activations
from receptive.artifacts.maximization import COLUMNS, Maximization, maximization_group, write_maximization
from receptive.artifacts.stimuli import write_stimuli
from receptive.networks.layers import Layer
from receptive.report.sections.maximization import Results, best_of_class, section, summary


def result(layer: Layer, unit: int, kind: tuple[str, str, str], status: str = "ok", reached: float = 0.9) -> dict:
    objective, preset, initialisation = kind
    return {
        "network": "", "layer": layer.name, "alias": layer.alias, "unit": unit, "objective": objective,
        "preset": preset, "initialisation": initialisation, "status": status, "activation": 2 * reached,
        "activation_unclipped": 3 * reached, "outside_fraction": 0.25, "start": 0,
        "natural_max": 2.0, "quantile": 0.99, "iterations": 20, "seed": 0,
        "top_px": 0, "left_px": 0, "bottom_px": 6, "right_px": 6,
    }  # fmt: skip


def write_results(network: str, *results: dict) -> None:
    """The image of unit u is dark but for its row u."""
    table = pd.DataFrame(results).assign(network=network)
    paths = with_columns(table.assign(path=np.nan), COLUMNS["paths.parquet"])
    images = {}
    for key, rows in table.groupby(["layer", "objective", "preset", "initialisation"], sort=False):
        pixels = np.zeros((len(rows), 6, 6, 3), np.float32)
        pixels[range(len(rows)), rows["unit"] % 6] = 1
        images[maximization_group(*key)] = pixels
    write_maximization(network, Maximization(with_columns(table, COLUMNS["results.parquet"]), images), {}, paths)


def bright_row(axes) -> int:
    """The row of a maximized image of 6 px that is bright."""
    rows = picture(axes).astype(int).sum((1, 2)).reshape(6, -1).sum(1)
    return int(rows.argmax())


def write_stimuli_of(network: str, known: list[Layer]) -> None:
    write_stimuli(network, [small_stimuli(layer) for layer in known if layer.fits(SIZE)])


@pytest.mark.slow
@pytest.mark.parametrize(("width", "channel"), [(0.125, 4), (0.0625, 3)])
def test_the_papers_figures_show_the_channel_that_they_name(write, width, channel):
    known = write_small_network("resnet34", width=width)
    write_stimuli_of("resnet34", known)
    shown = [layer for layer in known if layer.alias in ("max pool", "layer 3")]
    write_results(
        "resnet34",
        *(
            result(layer, unit, (objective, preset, "zero"))
            for layer in shown
            for objective in ("neuron", "channel")
            for preset in ("ks", "ks_redirected")
            for unit in range(layer.units)
        ),
    )
    made = section(parameters("resnet34", channels={"resnet34": 4}), {"resnet34": known}, write)
    eight, nine = (captions(made)[name] for name in ("ks8_neuron_resnet34", "ks9_channel_resnet34"))
    assert f"maximizes the centre neuron of channel {channel} of resnet34, to" in eight
    assert f"maximizes the whole channel of channel {channel} of resnet34, to" in nine
    grid = np.reshape(write.figures["ks8_neuron_resnet34"].axes, (4, 2))
    assert [axes.get_title() for axes in grid[0]] == ["max pool, 11 px", "layer 3, 27 px"]
    assert [bright_row(axes) for axes in grid[:2].ravel()] == [channel] * 4
    assert grid[0, 0].get_xlabel() == "0.9 × natural"


def test_channels_of_different_layers_are_named(write):
    """A layer with fewer channels shows its last."""
    known = write_small_network("fivecnn", width=0.125)
    write_stimuli_of("fivecnn", known)
    shown = [layer for layer in known if layer.alias in ("p1", "p3")]
    write_results("fivecnn", *(result(layer, min(5, layer.units - 1), ("neuron", "ks", "zero")) for layer in shown))
    made = section(parameters("fivecnn", channels={"fivecnn": 5}), {"fivecnn": known}, write)
    assert "channel 3 (p1) and 5 (p3) of fivecnn, to" in captions(made)["ks8_neuron_fivecnn"]


def test_channels_and_classes_stand_in_the_papers_grids(write):
    images = write_images()
    known = write_small_network("fivecnn")
    write_stimuli_of("fivecnn", known)
    tg, classes = ("channel", "tg_channel", "noise"), ("class", "tg_class", "mean")
    first, scores = known[0], known[-1]
    write_results(
        "fivecnn",
        *(result(first, unit, tg, reached=0.3 if unit else 0.9) for unit in range(2)),
        *(result(scores, label, classes) for label in range(2)),
    )
    preferred = pd.DataFrame(
        [(scores.name, 0, 0, 6, 9.0), (scores.name, 1, 0, 4, 9.0), (scores.name, 1, 1, 7, 8.0)],
        columns=["layer", "unit", "rank", "image", "activation"],
    )
    empty = {file: with_columns(pd.DataFrame({"network": []}), ACTIVATIONS[file]) for file in ACTIVATIONS}
    tables = empty | {"preferred.parquet": with_columns(preferred, ACTIVATIONS["preferred.parquet"])}
    write_activations("fivecnn", Activations(*tables.values(), {"edges": np.zeros(1)}, {}))
    made = section(parameters("fivecnn"), {"fivecnn": known}, write)
    assert list(captions(made)) == ["tg32_channels_fivecnn", "classes_fivecnn"]
    channels = write.figures["tg32_channels_fivecnn"].axes
    assert [(axes.get_title(), axes.get_xlabel()) for axes in channels] == [
        ("0", "0.9 × natural"), ("1", "weak: 0.3 × natural")
    ]  # fmt: skip
    assert [bright_row(axes) for axes in channels] == [0, 1]
    grid = np.reshape(write.figures["classes_fivecnn"].axes, (2, 2))
    assert [axes.get_title() for axes in grid[0]] == list(CLASSES)
    assert [row[0].get_ylabel() for row in grid] == ["real", "TG, from mean"]
    # the dog with the greatest score of dog: image 4, a cat, is passed over
    assert (picture(grid[0, 0]) == images.images[6]).all()
    assert (picture(grid[0, 1]) == images.images[7]).all()
    assert [bright_row(axes) for axes in grid[1]] == [0, 1]
    assert captions(made)["classes_fivecnn"].startswith("As TG figure 4.2: images that maximize the scores of fivecnn")


def test_without_a_kept_image_of_a_class_its_first_is_real():
    images = write_images()
    nothing = pd.DataFrame({"unit": [1], "rank": [0], "image": [4]})
    assert (best_of_class(images, nothing, 0) == images.images[4]).all()
    assert (best_of_class(images, nothing, 1) == images.images[5]).all()


def test_a_sheet_shows_the_first_channels_and_their_settings(write):
    known = write_small_network("fivecnn")
    write_stimuli_of("fivecnn", known)
    deepest = [layer for layer in known if layer.fits(SIZE)][-1]
    kinds = ("channel", "ks_redirected", "zero"), ("channel", "robust", "noise")
    write_results(
        "fivecnn",
        *(result(deepest, unit, kind, "diverged" if unit else "ok") for kind in kinds for unit in range(2)),
    )
    made = section(parameters("fivecnn", maximize={"channels": 3}), {"fivecnn": known}, write)
    assert list(captions(made)) == [f"maximized_fivecnn_{deepest.alias}"]
    grid = np.reshape(write.figures[f"maximized_fivecnn_{deepest.alias}"].axes, (3, 4))
    assert [axes.get_title() for axes in grid[0][:3]] == ["KS*, channel", "robust, channel", "difference"]
    assert [text.get_text() for axes in grid[1][:2] for text in axes.texts] == ["diverged"] * 2
    assert [axes.axison for axes in grid[2][:2]] == [False, False]  # channel 2 was not asked for


def test_the_summary_counts_every_status():
    layer = write_small_network("fivecnn")[0]
    kind = ("neuron", "ks", "zero")
    rows = [
        result(layer, 0, kind, reached=0.5),
        result(layer, 1, kind, reached=0.7),
        result(layer, 2, kind, "zero_gradient", reached=9),
        result(layer, 3, kind, "diverged", reached=9),
        result(layer, 4, kind, reached=9) | {"natural_max": 0.0},
    ]
    paths = [0.4, 1.0, np.nan, np.nan, 0.9]
    (line,) = summary(pd.DataFrame(rows).assign(network="fivecnn", path=paths)).to_dict("records")
    assert line == {
        "network": "fivecnn", "alias": "c1", "objective": "neuron", "preset": "ks", "initialisation": "zero",
        "units": 5, "ok": 3, "zero gradient": 1, "diverged": 1, "quantile": 0.99, "reached": pytest.approx(0.6),
        "path": 0.9, "other path": 1,
        "reached unclipped": pytest.approx(0.9), "outside": 0.25,
    }  # fmt: skip


def test_results_are_found_by_layer_kind_and_unit(write):
    known = write_small_network("fivecnn")
    kind = ("neuron", "ks", "zero")
    write_results("fivecnn", result(known[0], 2, kind), result(known[0], 0, kind), result(known[1], 1, kind))
    results = Results.read("fivecnn")
    assert results.units(known[0], kind) == [2, 0]
    assert results.units(known[0], ("channel", "ks", "zero")) == []
    assert results.panel(known[1], kind, 0) is None
    unit = results.panel(known[0], kind, 2)
    assert unit.pixels[2].min() == 1
    assert (unit.box, unit.image_size, unit.status, unit.reached) == ((0, 0, 6, 6), SIZE, "ok", pytest.approx(0.9))
    table = section(parameters("fivecnn"), {"fivecnn": known}, write)
    assert table_names(table) == ["maximization"]
