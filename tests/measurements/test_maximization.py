"""What is maximized: the groups, their starts and pixels, and the natural responses beside them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import with_random_statistics
from readings import take_in
from subjects import noisy_images, subject_of, validation_views

from receptive.artifacts.maximization import COLUMNS
from receptive.errors import ReceptiveError
from receptive.measurements import maximization
from receptive.measurements.maximization import (
    Group,
    GroupImages,
    Natural,
    as_shown,
    compare,
    find_group,
    maximize,
    maximize_group,
    metrics_of,
    natural_means,
    plan,
    results_of,
    start,
    starting_pixels,
)
from receptive.methods.capture import for_inference, responses_to
from receptive.methods.maximization import PRESETS
from receptive.methods.maximization import maximize as ascend
from receptive.methods.response_histogram import histogram_edges
from receptive.methods.unit_statistics import UnitStatistics
from receptive.networks import build
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import load_params

SIZE = 64


@pytest.fixture(scope="module")
def params():
    params = load_params()
    few = dict.fromkeys(PRESETS, 4)
    return params.model_copy(update={"maximize": params.maximize.model_copy(update={"iterations": few})})


@pytest.fixture(scope="module")
def prepared():
    return noisy_images(SIZE, [0, 1, 2, 1] * 3, training=8)


@pytest.fixture(scope="module")
def subject(prepared):
    torch.manual_seed(0)
    network = with_random_statistics(build("vggcnn", classes=3, image_size=SIZE, width=0.125, batch_norm=True))
    mean_image = np.random.default_rng(1).random((SIZE, SIZE, 3))
    statistics = (np.full(3, 0.5), np.full(3, 0.2), np.eye(3) / 25)
    return subject_of(network, prepared, Normalisation.fit("subtract_mean_image", *statistics, mean_image), "vggcnn")


@pytest.fixture(scope="module")
def groups(params, subject):
    return {group.name: group for group in plan(params, subject)}


def residual(prepared, width):
    return subject_of(build("resnet34", classes=3, width=width), prepared, name="resnet34")


def test_the_plan_holds_what_the_papers_show(params, prepared, groups):
    assert {f"{g.layer.alias}/{g.objective}/{g.preset_name}" for g in groups.values()} >= {
        *("c1_1/channel/tg_channel", "c1_2/channel/tg_channel", "c5_3/channel/tg_channel"),
        *("p1/neuron/ks", "c4_1/channel/ks", "c5_3/channel/robust", "fc8/class/robust"),
    }
    assert {"fc8/class/tg_class/noise", "fc8/class/tg_class/mean"} <= set(groups)
    assert all(g.preset.iterations == 4 for g in groups.values())
    for group in groups.values():
        several = group.preset_name == "tg_class" and group.preset.initialisation == "noise"
        units = tuple(range(3)) * (5 if several else 1) if group.objective == "class" else tuple(range(8))
        assert group.units == units
    shown = plan(params, residual(prepared, width=0.5))
    assert 18 in shown[0].units  # the channel of KS
    assert {g.layer.alias for g in shown if g.preset_name == "ks"} == {"max pool", "layer 3", "layer 7"}
    assert not any(g.preset_name.startswith("tg") for g in shown)


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5])
def test_a_channel_that_a_narrow_layer_lacks_is_its_last(params, prepared, width):
    """The report draws ``channel_of`` each layer: it must be among what was maximized."""
    for group in plan(params, residual(prepared, width)):
        if group.objective == "class":
            continue
        own = min(18, group.layer.units - 1)
        assert params.channel_of("resnet34", group.layer.units) == own
        assert set(group.units) == {*range(8), own}


def test_knobs_of_maximize_choose_the_channels(params, subject):
    fewer = params.model_copy(update={"maximize": params.maximize.model_copy(update={"channels": 3})})
    units = {group.units for group in plan(fewer, subject) if group.objective != "class"}
    assert units == {(0, 1, 2)}


def test_a_group_is_found_by_its_properties(groups):
    group = find_group(list(groups.values()), "fc8", "class", "tg_class", "mean")
    assert (group.layer.name, group.objective, group.preset_name) == ("fc8", "class", "tg_class")
    assert group.preset.initialisation == "mean"
    with pytest.raises(ReceptiveError, match=r"^maximize.groups makes no 'fc8/class/tg_class/zero'"):
        find_group(list(groups.values()), "fc8", "class", "tg_class", "zero")


@pytest.mark.slow
def test_every_group_runs_and_gives_the_pixels_of_its_box(subject, groups):
    for group in groups.values():
        made = maximize_group(subject, group, batch_size=32)
        top, left, bottom, right = group.box
        height, width = min(bottom, SIZE) - max(top, 0), min(right, SIZE) - max(left, 0)
        assert made.images.shape == (len(group.units), height, width, 3), group.name
        assert np.isfinite(made.images).all()
        assert len(made.status) == len(made.activation) == len(group.units)


@pytest.mark.parametrize("layer", ["p1", "c4_1.relu"])
def test_neurons_are_those_of_the_whole_image(subject, groups, layer):
    group = groups[f"{layer}/neuron/ks/zero"]
    made = maximize_group(subject, group, batch_size=32)
    zeros = torch.zeros(len(group.units), 3, SIZE, SIZE)
    whole = ascend(subject.network, layer, group.units, "neuron", group.preset, zeros)
    pixels = subject.normalisation.inverse(whole.images).movedim(1, -1).numpy()
    top, left, bottom, right = group.box
    np.testing.assert_allclose(made.images, pixels[:, max(top, 0) : bottom, max(left, 0) : right], atol=1e-4)
    np.testing.assert_allclose(made.activation_unclipped, whole.activation, rtol=1e-4, atol=1e-4)
    # what is shown: the image as it was seen, its pixels clipped, whole and through the plain network
    clipped = subject.normalisation(torch.from_numpy(pixels).clamp(0, 1).movedim(-1, 1))
    with torch.no_grad():
        answers = responses_to(subject.network, clipped, [layer])[layer]
    y, x = group.centre
    expected = answers[torch.arange(len(group.units)), list(group.units), y, x]
    np.testing.assert_allclose(made.activation, expected, rtol=1e-4, atol=1e-4)
    assert tuple(made.status) == whole.status
    assert "ok" in whole.status


def test_what_is_shown_of_an_image_is_its_pixels_clipped_at_their_own_place(subject, groups):
    """The mean image that is subtracted differs from place to place."""
    group = groups["c4_1.relu/neuron/ks/zero"]
    crop = group.crop
    chance = torch.Generator().manual_seed(0)
    images = 3 * torch.randn(8, 3, crop.bottom - crop.top, crop.right - crop.left, generator=chance)
    mean = torch.from_numpy(np.random.default_rng(1).random((SIZE, SIZE, 3))).movedim(-1, 0).float()
    mean = mean[:, crop.top : crop.bottom, crop.left : crop.right]
    pixels = 0.2 * images + mean  # 0.2: the common standard deviation
    shown = as_shown(subject, group, images)
    torch.testing.assert_close(shown, (pixels.clamp(0, 1) - mean) / 0.2, atol=1e-5, rtol=0)
    assert (shown - images).abs().max() > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fc8/class/tg_class/noise", "c5_3.relu/channel/robust/noise"])
def test_batches_and_company_change_nothing(subject, groups, name):
    group, subject = groups[name], replace(subject, network=for_inference(subject.network))
    together = maximize_group(subject, group, batch_size=32)
    again = maximize_group(subject, group, batch_size=32)
    assert together.images.tobytes() == again.images.tobytes()
    assert together.activation.tobytes() == again.activation.tobytes()
    apart = maximize_group(subject, group, batch_size=3)
    np.testing.assert_allclose(apart.images, together.images, atol=1e-4)


def of_kind(groups, kind: str) -> Group:
    """The first group whose name ends so."""
    return next(group for name, group in groups.items() if name.endswith(kind))


KINDS = ["neuron/ks/zero", "channel/tg_channel/noise", "class/tg_class/noise", "class/tg_class/mean", "robust/noise"]


@pytest.mark.parametrize("kind", KINDS)
def test_starting_pixels_are_what_no_step_would_change(subject, groups, kind):
    """The very starts of the maximization: after 0 iterations its images are these, to the last bit."""
    group = of_kind(groups, kind)
    unmoved = maximize_group(subject, replace(group, preset=replace(group.preset, iterations=0)), batch_size=32)
    assert starting_pixels(subject, group).tobytes() == unmoved.images.tobytes()


def test_noise_is_another_for_every_unit_and_group_and_the_same_whatever_its_company(subject, groups):
    group = of_kind(groups, "class/tg_class/noise")
    noise = start(subject, group)
    assert noise.shape == (5 * 3, 3, SIZE, SIZE)
    assert group.starts == (0,) * 3 + (1,) * 3 + (2,) * 3 + (3,) * 3 + (4,) * 3
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert len({unit.numpy().tobytes() for unit in noise}) == 15
    alone = start(subject, replace(group, units=(2,)))
    assert torch.equal(alone[0], noise[2])
    assert torch.equal(start(subject, replace(group, units=(0, 2, 2)))[2], noise[5])
    for other in (replace(group, seed=1), replace(group, preset_name="robust")):
        assert not torch.equal(start(subject, other), noise)
    assert not torch.equal(start(replace(subject, name="vggcnn-2"), group), noise)


def test_the_mean_start_is_the_mean_of_the_classs_training_images(subject, groups, monkeypatch):
    group = groups["fc8/class/tg_class/mean"]
    table, images = subject.prepared.labels, subject.prepared.images
    for at_once in (256, 2):
        monkeypatch.setattr(maximization, "_IMAGES_AT_ONCE", at_once)
        means = start(subject, group)
        for label in group.units:
            rows = table[(table["split"] == "train") & (table["label"] == label)]["image"]
            mean = torch.from_numpy(images[rows].mean(0) / 255).movedim(-1, 0).float()
            torch.testing.assert_close(means[label], subject.normalisation(mean[None])[0], rtol=1e-5, atol=1e-5)
            pixels = starting_pixels(subject, group)[label]
            np.testing.assert_allclose(pixels, images[rows].mean(0) / 255, atol=1e-5)


def test_an_interrupted_run_goes_on_with_the_groups_that_are_missing(subject, groups, tmp_path):
    chosen = [of_kind(groups, "neuron/ks/zero"), of_kind(groups, "channel/tg_channel/noise")]
    whole = maximize(subject, chosen, 32, tmp_path / "a")
    broken = replace(subject, network=torch.nn.Identity())  # has none of the layers
    kept = maximize(broken, chosen, 32, tmp_path / "a")
    for made, again in zip(whole, kept, strict=True):
        for values, others in zip(made, again, strict=True):
            np.testing.assert_array_equal(values, others)
    next((tmp_path / "a").glob("1*")).unlink()
    with pytest.raises(ReceptiveError, match="layer"):
        maximize(broken, chosen, 32, tmp_path / "a")
    missing = maximize(subject, chosen, 32, tmp_path / "a")
    np.testing.assert_array_equal(missing[1].images, whole[1].images)


def test_natural_means_are_means_over_the_map(subject, groups):
    chosen = [groups["c1_1.relu/channel/tg_channel/noise"], groups["c4_1.relu/channel/ks/zero"]]
    means = natural_means(subject, chosen, batch_size=3)
    assert list(means) == ["c1_1.relu", "c4_1.relu"]
    with torch.no_grad():
        response = subject.network.c1_1(validation_views(subject))
    for unit in chosen[0].units:
        np.testing.assert_allclose(means["c1_1.relu"][unit], response[:, unit].mean((1, 2)), rtol=1e-4, atol=1e-6)
    assert natural_means(subject, [groups["p1/neuron/ks/zero"]], batch_size=3) == {}


@pytest.fixture(scope="module")
def natural():
    """Eight units of c4_1: each position of each image 0.5, each image's mean one of 0 to 7."""
    statistics = UnitStatistics()
    positions = torch.full((2, 8, 4), 0.5)
    take_in(statistics, positions)
    return Natural(
        units=pd.DataFrame({"layer": "c4_1.relu", "unit": range(8), "max": 0.5}),
        histograms={"c4_1.relu": statistics.histogram.numpy(), "edges": histogram_edges()},
        means={"c4_1.relu": dict.fromkeys(range(8), np.arange(8.0, dtype="f4"))},
    )


@pytest.fixture(scope="module")
def made():
    status = np.array(["zero_gradient", "ok", "ok", "ok", "ok", "ok", "diverged", "ok"])
    images = np.zeros((8, 2, 2, 3))
    images[3, 0, 0] = 1.5, -0.1, 1.0  # two of twelve values cannot be shown
    shown = np.array([0, 1, 2, 3, 4, 5, np.nan, 9], "f4")
    return GroupImages(images, shown, 2 * shown, status)


def test_results_compare_with_their_own_natural_responses(groups, natural, made):
    channel, neuron = groups["c4_1.relu/channel/ks/zero"], groups["c4_1.relu/neuron/ks/zero"]
    of_channel = results_of("vggcnn", replace(channel, seed=7), made, natural)
    np.testing.assert_array_equal(of_channel["quantile"], [0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, np.nan, 1])
    assert (of_channel["natural_max"] == 7).all()
    of_neuron = results_of("vggcnn", neuron, made, natural)
    np.testing.assert_array_equal(of_neuron["quantile"], [0, 1, 1, 1, 1, 1, np.nan, 1])
    assert (of_neuron["natural_max"] == 0.5).all()
    assert tuple(of_channel) == COLUMNS["results.parquet"]
    assert of_channel[["layer", "alias", "objective", "preset", "initialisation", "iterations", "seed"]].iloc[
        0
    ].tolist() == ["c4_1.relu", "c4_1", "channel", "ks", "zero", 4, 7]
    box = of_neuron[["top_px", "left_px", "bottom_px", "right_px"]]
    assert (box == list(neuron.layer.field.box(4, 4))).all(axis=None)  # the middle of an 8 x 8 map
    assert metrics_of(of_channel) == {
        "ok": 6,
        "zero_gradient": 1,
        "diverged": 1,
        "beyond_natural": 1 / 6,
        "beyond_natural_unclipped": 3 / 6,
    }
    np.testing.assert_array_equal(of_channel["activation_unclipped"], 2 * made.activation)
    np.testing.assert_allclose(of_channel["outside_fraction"], [0, 0, 0, 2 / 12, 0, 0, 0, 0])
    assert (of_channel["start"] == 0).all()


def test_rows_and_pictures_are_in_the_groups_order(groups, natural, made):
    pair = [groups["c4_1.relu/neuron/ks/zero"], groups["c4_1.relu/channel/ks/zero"]]
    results, images = compare("vggcnn", pair, [made, made], natural)
    assert results["objective"].tolist() == ["neuron"] * 8 + ["channel"] * 8
    assert list(images) == [group.name for group in pair]
    assert all(pictures is made.images for pictures in images.values())
