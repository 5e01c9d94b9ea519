"""What the study maximises: its groups, its starts, its pixels, and what natural images say beside them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import with_random_statistics

from receptive.measurements.maximization import Study, metrics_of, natural_means, plan, results_of
from receptive.methods.capture import for_inference
from receptive.methods.maximization import PRESETS, maximize
from receptive.methods.unit_statistics import UnitStatistics, histogram_edges
from receptive.networks import build
from receptive.networks.layers import layers
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import load_params

SIZE = 64


@pytest.fixture(scope="module")
def params():
    found = load_params()
    few = dict.fromkeys(PRESETS, 4)
    return found.model_copy(update={"maximize": found.maximize.model_copy(update={"iterations": few})})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return with_random_statistics(build("vggcnn", classes=3, image_size=SIZE, width=0.125, batch_norm=True)).eval()


@pytest.fixture(scope="module")
def prepared():
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"image": range(12), "split": ["train"] * 8 + ["validation"] * 4, "label": [0, 1, 2, 1] * 3})
    images = rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)
    return SimpleNamespace(images=images, labels=labels, covariance=np.cov(rng.normal(size=(3, 50))) / 20)


@pytest.fixture(scope="module")
def normalisation():
    rng = np.random.default_rng(1)
    statistics = (np.full(3, 0.5), np.full(3, 0.2), np.eye(3) / 25)
    return Normalisation.fit("subtract_mean_image", *statistics, rng.random((SIZE, SIZE, 3)))


@pytest.fixture(scope="module")
def groups(params, network):
    return {group.name: group for group in plan(params, "vggcnn", layers(network, SIZE), 3)}


def study(network, normalisation, prepared, batch_size=32):
    return Study(0, "vggcnn", network, normalisation, prepared, batch_size)


def nothing(images):
    pass


def test_the_plan_holds_what_the_papers_show(params, network, groups):
    assert {f"{g.layer.alias}/{g.objective}/{g.preset_name}" for g in groups.values()} >= {
        *("c1_1/channel/tg_channel", "c1_2/channel/tg_channel", "c5_3/channel/tg_channel"),
        *("p1/neuron/ks", "c4_1/channel/ks", "c5_3/channel/robust", "fc8/class/robust"),
    }
    assert {"fc8/class/tg_class/noise", "fc8/class/tg_class/mean"} <= set(groups)
    assert all(g.preset.iterations == 4 for g in groups.values())
    for group in groups.values():
        assert group.units == (tuple(range(3)) if group.objective == "class" else tuple(range(8)))
    residual = layers(build("resnet34", classes=3, width=0.5), SIZE)
    shown = plan(params, "resnet34", residual, 3)
    assert 18 in shown[0].units  # the channel of KS
    assert {g.layer.alias for g in shown if g.preset_name == "ks"} == {"max pool", "layer 3", "layer 7"}
    assert not any(g.preset_name.startswith("tg") for g in shown)


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5])
def test_a_channel_that_a_narrow_layer_lacks_is_its_last(params, width):
    """The report draws ``channel_of`` each layer: it must be among what was maximised."""
    known = layers(build("resnet34", classes=3, width=width), SIZE)
    for group in plan(params, "resnet34", known, 3):
        if group.objective == "class":
            continue
        own = min(18, group.layer.units - 1)
        assert params.channel_of("resnet34", group.layer.units) == own
        assert set(group.units) == {*range(8), own}


def test_every_group_runs_and_gives_the_pixels_of_its_box(network, normalisation, prepared, groups):
    for group in groups.values():
        kept = study(network, normalisation, prepared).maximise(group, nothing)
        top, left, bottom, right = group.box
        height, width = min(bottom, SIZE) - max(top, 0), min(right, SIZE) - max(left, 0)
        assert kept["images"].shape == (len(group.units), height, width, 3), group.name
        assert np.isfinite(kept["images"]).all()
        assert len(kept["status"]) == len(kept["activation"]) == len(group.units)


@pytest.mark.parametrize("layer", ["p1", "c4_1.relu"])
def test_neurons_are_those_of_the_whole_image(network, normalisation, prepared, groups, layer):
    group = groups[f"{layer}/neuron/ks/zero"]
    kept = study(network, normalisation, prepared).maximise(group, nothing)
    start = torch.zeros(len(group.units), 3, SIZE, SIZE)
    whole = maximize(network, layer, group.units, "neuron", group.preset, start)
    pixels = normalisation.inverse(whole.images).movedim(1, -1).numpy()
    top, left, bottom, right = group.box
    np.testing.assert_allclose(kept["images"], pixels[:, max(top, 0) : bottom, max(left, 0) : right], atol=1e-4)
    np.testing.assert_allclose(kept["activation"], whole.activation, rtol=1e-4, atol=1e-4)
    assert tuple(kept["status"]) == whole.status
    assert "ok" in whole.status


@pytest.mark.parametrize("name", ["fc8/class/tg_class/noise", "c5_3.relu/channel/robust/noise"])
def test_batches_and_company_change_nothing(network, normalisation, prepared, groups, name):
    group, network = groups[name], for_inference(network)
    together = study(network, normalisation, prepared).maximise(group, nothing)
    again = study(network, normalisation, prepared).maximise(group, nothing)
    assert all(together[key].tobytes() == again[key].tobytes() for key in ("images", "activation"))
    apart = study(network, normalisation, prepared, batch_size=3).maximise(group, nothing)
    np.testing.assert_allclose(apart["images"], together["images"], atol=1e-4)


def test_the_mean_start_is_the_mean_of_the_classs_training_images(network, normalisation, prepared, groups):
    group = groups["fc8/class/tg_class/mean"]
    still = SimpleNamespace(**{**vars(group), "crop": group.crop})
    start = study(network, normalisation, prepared)._start(still, None)
    train = prepared.labels["split"] == "train"
    for label in group.units:
        rows = prepared.labels.loc[train & (prepared.labels["label"] == label), "image"]
        mean = torch.from_numpy(prepared.images[rows].mean(0) / 255).movedim(-1, 0).float()
        torch.testing.assert_close(start[label], normalisation(mean[None])[0], rtol=1e-5, atol=1e-5)


def test_natural_means_are_means_over_the_map(network, groups):
    chosen = [groups["c1_1.relu/channel/tg_channel/noise"], groups["c4_1.relu/channel/ks/zero"]]
    images = torch.randn(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    numbers = torch.arange(5)
    means = natural_means(network, [(numbers[:2], images[:2]), (numbers[2:], images[2:])], chosen)
    assert list(means) == ["c1_1.relu", "c4_1.relu"]
    with torch.no_grad():
        response = network.c1_1(images)
    for unit in chosen[0].units:
        np.testing.assert_allclose(means["c1_1.relu"][unit], response[:, unit].mean((1, 2)), rtol=1e-4, atol=1e-6)
    assert natural_means(network, [], [groups["p1/neuron/ks/zero"]]) == {}


def test_results_compare_with_their_own_natural_responses(groups):
    channel, neuron = groups["c4_1.relu/channel/ks/zero"], groups["c4_1.relu/neuron/ks/zero"]
    activation = np.array([0, 1, 2, 3, 4, 5, np.nan, 9], "f4")
    status = np.array(["zero_gradient", "ok", "ok", "ok", "ok", "ok", "diverged", "ok"])
    kept = {"activation": activation, "status": status}
    natural = np.arange(8.0, dtype="f4")
    means = dict.fromkeys(range(8), natural)
    statistics = UnitStatistics()
    positions = torch.full((2, 8, 4), 0.5)
    statistics.add(positions, positions.amax(2))
    histograms = {"c4_1.relu": statistics.histogram.numpy(), "edges": histogram_edges()}
    units = pd.DataFrame({"layer": "c4_1.relu", "unit": range(8), "max": 0.5})
    of_channel = results_of("vggcnn", 7, channel, kept, histograms, units, means)
    np.testing.assert_array_equal(of_channel["quantile"], [0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, np.nan, 1])
    assert (of_channel["natural_max"] == 7).all()
    of_neuron = results_of("vggcnn", 7, neuron, kept, histograms, units, None)
    np.testing.assert_array_equal(of_neuron["quantile"], [0, 1, 1, 1, 1, 1, np.nan, 1])
    assert (of_neuron["natural_max"] == 0.5).all()
    assert list(of_channel)[:13] == [
        *("network", "layer", "alias", "unit", "objective", "preset", "initialisation", "status", "activation"),
        *("quantile", "natural_max", "iterations", "seed"),
    ]
    metrics = metrics_of(of_channel)
    assert metrics == {"ok": 6, "zero_gradient": 1, "diverged": 1, "beyond_natural": 1 / 6}
