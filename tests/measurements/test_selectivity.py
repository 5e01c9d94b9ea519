"""What stands in the tables of selectivity: one stimulus at a time, planted kernels, and verdicts by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from controlled import controlled
from oracles import with_random_statistics
from subjects import noisy_images, subject_of
from torch import nn

from receptive import networks
from receptive.artifacts.selectivity import COLUMNS, JUDGED
from receptive.measurements import selectivity
from receptive.methods.selectivity import Condition, colour_axes
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import Selectivity, SelectivityCard

SIDE = 32
SETTINGS = Selectivity(
    frequencies=[0.125, 0.25],
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
    card=SelectivityCard(layers={}, orientations=16, per_octave=3, phases=8, modulation_phases=16, discs=3),
    batch_size=11,
)
CPU = torch.device("cpu")


def network(seed=0):
    torch.manual_seed(seed)
    return with_random_statistics(networks.build("vggcnn", 2, SIDE, 3, width=0.0625, batch_norm=True), seed).eval()


@pytest.fixture(scope="module")
def subject():
    matrix = torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.1, 0.0, 3.0]])
    normalisation = Normalisation(torch.full((3, 1, 1), 0.45), matrix)
    made = subject_of(network(), noisy_images(SIDE, [0, 1] * 10, training=16), normalisation)
    return controlled(replace(made, first_filters="c1_1.conv.weight"), network(1))


def nothing(count):
    pass


# ---------------------------------------------------------------- answers


def picture(condition, phase):
    """One grating, pixel by pixel."""
    axis, angle = colour_axes(3)[condition.axis], np.deg2rad(condition.orientation)
    image = np.zeros((3, SIDE, SIDE))
    for y, x in np.ndindex(SIDE, SIDE):
        across = (x - (SIDE - 1) / 2) * np.sin(angle) + (y - (SIDE - 1) / 2) * np.cos(angle)
        wave = np.cos(2 * np.pi * condition.frequency * across + phase)
        image[:, y, x] = 0.5 + 0.4 * axis * wave
    return torch.from_numpy(image).float()


@pytest.mark.slow
def test_answers_against_one_picture_at_a_time(subject):
    shown = selectivity.stimuli(subject, SETTINGS)
    assert len(shown) == 1 + 2 * 4 + 2 * (1 + 2 * 2)
    layers = [layer for layer in subject.layers if layer.alias in ("c1_1", "c3_2")]
    told = []
    answers = selectivity.answers_to(subject.for_inference(CPU), layers, shown, SETTINGS, told.append)
    assert sum(told) == len(shown)
    maps = {}
    handles = [
        subject.network.get_submodule(layer.name).register_forward_hook(
            lambda module, inputs, output, name=layer.name: maps.update({name: output[0].detach().double().numpy()})
        )
        for layer in layers
    ]

    def middle(image, layer):
        subject.network(subject.normalisation(image[None]))
        height, width = layer.map_size
        return maps[layer.name][:, height // 2, width // 2]

    phases = 2 * np.pi * np.arange(4) / 4
    for layer in layers:
        grey = middle(torch.full((3, SIDE, SIDE), 0.5), layer)
        seen = np.array([[middle(picture(condition, phase), layer) for phase in phases] for condition in shown])
        mean = seen.mean(1)
        first = np.hypot(*(np.tensordot(wave(phases), seen, (0, 1)) * 2 / 4 for wave in (np.cos, np.sin)))
        follows = first.max(0) >= (mean - grey).max(0)
        expected = np.where(follows, first, (mean - grey).clip(min=0))
        scale = np.abs(seen).max()
        np.testing.assert_allclose(answers[layer.name].strength, expected, atol=1e-4 * scale)
        assert follows.any()
        np.testing.assert_allclose(
            answers[layer.name].rate, np.where(follows, first, mean.clip(min=0)), atol=1e-4 * scale
        )
    for handle in handles:
        handle.remove()


def test_strengths_of_the_first_kernels_are_those_of_their_linear_units(subject):
    """Without rectification and bias the responses of the first convolution themselves are a cosine of the phase."""
    shown = selectivity.stimuli(subject, SETTINGS)
    strengths = selectivity.first_strengths(subject, shown, SETTINGS.amplitude)
    conv = subject.network.c1_1.conv
    for at, condition in enumerate(shown):
        cosine, sine = (
            nn.functional.conv2d(
                nn.functional.conv2d(
                    picture(condition, phase)[None] - 0.5, subject.normalisation.matrix[:, :, None, None]
                ),
                conv.weight,
                padding=1,
            )[0, :, SIDE // 2, SIDE // 2].detach()
            for phase in (0, np.pi / 2)
        )
        np.testing.assert_allclose(strengths[at], torch.hypot(cosine, sine), atol=2e-5)


# ---------------------------------------------------------------- states


def test_the_shuffled_network_keeps_each_kernels_weights_and_measures_its_norms(subject):
    shuffled = selectivity.in_state(subject, "shuffled", 0)
    moved = 0
    for name, module in subject.network.named_modules():
        if isinstance(module, nn.Conv2d):
            kernels = module.weight.detach().flatten(2)
            other = shuffled.network.get_submodule(name).weight.detach().flatten(2)
            assert torch.equal(kernels.sort(2).values, other.sort(2).values)
            moved += int((kernels != other).any())
    assert moved == 13
    # the 16 training images fill one batch, so the statistics are those of all their positions
    labels = subject.prepared.labels
    numbers = labels.loc[labels["split"] == "train", "image"].to_numpy()
    pixels = torch.from_numpy(subject.prepared.images[numbers]).permute(0, 3, 1, 2).float() / 255
    first = shuffled.network.c1_1
    maps = first.conv(subject.normalisation(pixels)).detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(first.bn.running_mean, maps.mean(1))
    torch.testing.assert_close(first.bn.running_var, maps.var(1))


def test_the_same_seed_shuffles_alike_and_the_network_stays_as_it_was(subject):
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    first, again, other = (selectivity.in_state(subject, "shuffled", seed).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["c1_1.conv.weight"], other["c1_1.conv.weight"])
    assert all(torch.equal(value, before[name]) for name, value in subject.network.state_dict().items())


def test_the_other_states_are_the_network_itself_and_the_untrained_one(subject):
    assert selectivity.in_state(subject, "trained", 0) is subject
    assert selectivity.in_state(subject, "untrained", 0).network is subject.control


# ---------------------------------------------------------------- verdicts


def columns():
    """Four units: selective; single opponent; double opponent; nothing to judge."""
    nan = np.nan
    return {
        "responds": np.array([True, True, True, False]),
        "osi": np.array([0.5, 0.49, 0.1, nan]),
        "colour_index": np.array([1.9, 2.0, 5.0, nan]),
        "colour_uniform": np.array([0.1, 0.6, 0.5, nan]),
        "colour_modulation": np.array([0.9, 0.6, 0.7, nan]),
        "colour_axis": np.array(["S", "S", "L-M", None], object),
    }


def test_verdicts_follow_the_thresholds_and_are_missing_where_there_is_nothing_to_judge(subject):
    layer = subject.layers[0]
    table = selectivity.rows_of("toy", "trained", layer, columns(), SETTINGS)
    assert table["unit"].tolist() == [0, 1, 2, 3]
    assert set(table["layer"]) == {layer.name}
    judged = table[list(JUDGED)].astype(object).where(table[list(JUDGED)].notna(), None)
    assert judged.iloc[0].tolist() == [True, False, False]
    assert judged.iloc[1].tolist() == [False, True, False]
    assert judged.iloc[2].tolist() == [False, False, True]
    assert judged.iloc[3].tolist() == [None, None, None]
    assert table["colour_axis"].isna().tolist() == [False, False, False, True]


def test_shares_are_of_the_units_that_are_judged(subject):
    table = selectivity.rows_of("toy", "trained", replace(subject.layers[0], alias="layer 1"), columns(), SETTINGS)
    grey = table.assign(alias="c2", single_opponent=pd.array([None] * 4, dtype="boolean"))
    metrics = selectivity.metrics_of(pd.concat([table, grey]))
    assert metrics["selective.trained.layer_1"] == pytest.approx(1 / 3)
    assert metrics["single_opponent.trained.layer_1"] == pytest.approx(1 / 3)
    assert "single_opponent.trained.c2" not in metrics
    assert len(metrics) == 5


# ---------------------------------------------------------------- everything


@pytest.mark.slow
def test_every_unit_has_a_row_in_every_state(subject):
    shown = selectivity.stimuli(subject, SETTINGS)
    told = []
    content = selectivity.measure(subject, shown, SETTINGS, 0, CPU, told.append)
    assert sum(told) == 3 * len(shown)
    convs = [layer for layer in subject.layers if layer.kind == "conv"]
    assert content.units.columns.tolist() == list(COLUMNS["units.parquet"])
    assert content.filters.columns.tolist() == list(COLUMNS["filters.parquet"])
    assert content.units["state"].unique().tolist() == list(selectivity.STATES)
    assert len(content.units) == 3 * sum(layer.units for layer in convs)
    assert len(content.filters) == 3 * convs[0].units
    assert set(content.filters["layer"]) == {convs[0].name}
    assert [Condition(*row) for row in content.stimuli.itertuples(index=False)] == shown
    assert list(content.tuning) == [layer.name for layer in convs]
    answers = selectivity.answers_to(subject.for_inference(CPU), convs, shown, SETTINGS, nothing)
    for name, tuning in content.tuning.items():  # of the trained network
        assert tuning.strength.dtype == tuning.rate.dtype == np.float32
        np.testing.assert_array_equal(tuning.strength, answers[name].strength.astype(np.float32))
        np.testing.assert_array_equal(tuning.rate, answers[name].rate.astype(np.float32))
    assert content.metrics == selectivity.metrics_of(content.units)


@pytest.mark.slow
def test_units_that_luminance_hardly_moves_have_no_orientation(subject):
    shown = selectivity.stimuli(subject, SETTINGS)
    settings = SETTINGS.model_copy(update={"weakest": 0.6})
    content = selectivity.measure(subject, shown, settings, 0, CPU, nothing)
    units = content.units[content.units["state"] == "trained"].set_index("layer")
    gratings = [at for at, condition in enumerate(shown) if condition.axis == "luminance" and condition.frequency > 0]
    answered = np.concatenate(
        [part.strength[gratings].max(0) > 0.6 * part.strength.max(0) for part in content.tuning.values()]
    )
    assert 0 < answered.sum() < len(answered)
    np.testing.assert_array_equal(units["osi"].notna(), answered)
