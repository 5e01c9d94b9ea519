"""Noise on inactive units: closed forms of a linear read-out, the draws, the intervals, and no trace left."""

import copy
import itertools
import math
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from oracles import BasicBlock
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods import inference
from receptive.methods.ablation import (
    Images,
    Noise,
    ablate,
    inactive_units,
    losses_under_noise,
    on_one_unit,
    on_units,
    over_minibatches,
    random_sets,
    rest_after,
    with_noise,
)
from receptive.methods.capture import for_inference
from receptive.networks import build
from receptive.seeds import generator

SIDE, CLASSES = 8, 3
named = partial(generator, 0, "test of ablation")


def normal(number, shape):
    return torch.randn(shape, generator=named("noise", number))


class Fails(nn.Module):
    error = None

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return x


def read_out(units=4):
    """conv - relu - pool - gate - flatten - linear: behind the pool the scores are linear in its output."""
    parts = OrderedDict(
        conv=nn.Conv2d(2, units, 3, padding=1),
        relu=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        gate=Fails(),
        flat=nn.Flatten(),
        fc=nn.Linear(units * (SIDE // 2) ** 2, CLASSES),
    )
    network = nn.Sequential(parts).eval()
    g = named("weights")
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3, generator=g)
    return network


def pictures(count, channels=2, side=SIDE):
    return torch.randn(count, channels, side, side, generator=named("images"))


def batches(images, size):
    return [(torch.arange(i, min(i + size, len(images))), images[i : i + size]) for i in range(0, len(images), size)]


def labels_of(count, classes=CLASSES):
    return torch.arange(count) % classes


def traces(network):
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return (
        [len(getattr(m, h)) for m in network.modules() for h in hooks],
        [m.__dict__.get("forward") for m in network.modules()],
        [m.training for m in network.modules()],
        [sorted(m.__dict__) for m in network.modules()],
    )


# Which units


def test_inactive_units_are_those_that_never_exceed_the_threshold():
    largest = np.array([0.0, 0.5, 0.0, 1e-30, 0.2])
    assert inactive_units(largest).tolist() == [0, 2]
    assert inactive_units(largest, 0.2).tolist() == [0, 2, 3, 4]
    assert inactive_units(np.array([1.0])).tolist() == []


def test_one_unit_is_shared_by_a_minibatch_and_only_by_it():
    noise = on_one_unit([4, 7, 9], 1000, 8, named("unit"))
    assert noise.units.shape == (1000, 1)
    drawn = noise.units[:, 0].reshape(125, 8)
    assert (drawn == drawn[:, :1]).all()
    counts = [(drawn[:, 0] == unit).sum().item() for unit in (4, 7, 9)]
    assert sum(counts) == 125
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert len(on_one_unit([1], 10, 4, named("unit")).units) == 10  # the last mini-batch is smaller


def test_random_sets_differ_and_are_all_there_are_where_few():
    sets = random_sets(np.array([2, 3, 5, 8]), 2, 6, named("sets"))
    assert sorted(map(tuple, sets)) == [(2, 3), (2, 5), (2, 8), (3, 5), (3, 8), (5, 8)]
    assert len(random_sets(np.arange(40), 7, 20, named("sets"))) == 20
    assert len(random_sets(np.arange(3), 1, 20, named("sets"))) == 3
    assert random_sets(np.array([], int), 0, 20, named("sets")) == []


# The noise itself


def test_noise_is_rectified_and_scaled_and_lies_on_its_units_only():
    response = torch.rand(2, 5, 3, 3, generator=named("response"))
    before = response.clone()
    x = torch.randn(2, 2, 3, 3, generator=named("x"))
    units = torch.tensor([[0, 3], [4, 1]])
    noised = with_noise(response, units, x, 0.5)
    expected = before.clone()
    for image in range(2):
        for slot in range(2):
            for i, j in np.ndindex(3, 3):
                expected[image, units[image, slot], i, j] += 0.5 * max(x[image, slot, i, j].item(), 0.0)
    assert torch.allclose(noised, expected)
    assert torch.equal(response, before)
    assert (noised != before).any(2).any(2).sum() == 4


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_linear_read_out_changes_by_weight_times_noise(size):
    network, images, labels = read_out(), pictures(7), labels_of(7)
    noises = [
        on_units([1, 3], 7),
        on_units([2], 7, 2.5),
        Noise(torch.arange(7)[:, None] % 4),
        on_units([1, 3], 7, 0.0),
    ]
    plain, noised = losses_under_noise(network, "pool", batches(images, size), labels, noises, normal)
    with torch.no_grad():
        scores = network(images)
    weight = network.fc.weight.detach().reshape(CLASSES, 4, -1)  # class x unit x position
    assert torch.allclose(plain, F.cross_entropy(scores.double(), labels, reduction="none"), atol=1e-6)
    for noise, losses in zip(noises, noised, strict=True):
        for i in range(7):
            eps = normal(i, (2, SIDE // 2, SIDE // 2)).clamp(min=0) * noise.sigma
            change = sum(weight[:, unit] @ eps[slot].flatten() for slot, unit in enumerate(noise.units[i]))
            expected = F.cross_entropy((scores[i] + change).double(), labels[i])
            assert losses[i].item() == pytest.approx(expected.item(), abs=2e-6)
    assert torch.allclose(noised[3], plain, atol=1e-7)
    assert (noised[0] - plain).abs().max() > 0.01


def test_real_networks_answer_as_with_a_hook_on_the_pool():
    network = build("resnet18", classes=4, width=0.125).eval()
    images = pictures(3, 3, 64)
    noise = on_units([0, 2, 5], 3)
    found = losses_under_noise(for_inference(network), "maxpool", batches(images, 2), labels_of(3), [noise], normal)[1]

    def add(module, inputs, output):
        output = output.clone()
        for i in range(3):
            output[i, [0, 2, 5]] += normal(i, (3, *output.shape[2:])).clamp(min=0)
        return output

    handle = network.maxpool.register_forward_hook(add)
    with torch.no_grad():
        scores = network(images)
    handle.remove()
    expected = F.cross_entropy(scores.double(), labels_of(3), reduction="none")
    assert torch.allclose(found[0], expected, rtol=1e-4)


def test_a_layer_with_a_path_around_it_is_refused():
    block = BasicBlock(2, 2).eval()
    with pytest.raises(ReceptiveError, match="cannot be cut"):
        rest_after(block, "conv1")
    with pytest.raises(ReceptiveError, match="exactly once"):
        rest_after(block, "relu")  # called twice
    with pytest.raises(ReceptiveError, match="exactly once"):
        rest_after(block, "pool")


@pytest.mark.parametrize("training", [False, True])
def test_nothing_is_left_behind(training):
    network, images = read_out().train(training), pictures(4)
    weights, before = copy.deepcopy(network.state_dict()), traces(network)
    losses_under_noise(network, "pool", batches(images, 2), labels_of(4), [on_units([0], 4)], normal)
    assert traces(network) == before
    for error in (RuntimeError("stop"), KeyboardInterrupt()):
        network.gate.error = error
        marked = traces(network)
        with pytest.raises(type(error)):
            losses_under_noise(network, "pool", batches(images, 2), labels_of(4), [on_units([0], 4)], normal)
        assert traces(network) == marked
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


# Intervals


def bca_by_hand(values: torch.Tensor, g: torch.Generator, resamples: int) -> tuple[float, float]:
    """Efron's (1987) interval of a mean written out in torch: how stage ablate made it before it shared scipy's."""
    mean = values.mean()
    deviations = values - mean
    means = torch.stack(
        [values[torch.randint(len(values), (len(values),), generator=g)].mean() for _ in range(resamples)]
    )
    bias = torch.special.ndtri((means < mean).double().mean())
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    shifted = bias + torch.special.ndtri(torch.tensor([0.025, 0.975], dtype=torch.float64))
    low, high = torch.quantile(means, torch.special.ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


@pytest.mark.slow
def test_the_interval_is_that_of_the_formula_up_to_the_noise_of_resampling():
    """Skewed values, as changes of loss are: the ends differ by no more than two runs of the same formula do."""
    values = torch.exp(1.5 * torch.randn(60, generator=named("skewed"), dtype=torch.float64))
    by_hand = np.array([bca_by_hand(values, named("by hand", run), 4000) for run in range(8)])
    shared = np.array(
        [inference.bootstrap(values.numpy(), rng=np.random.default_rng(run), resamples=4000)[1:] for run in range(8)]
    )
    noise = np.sqrt(by_hand.var(0, ddof=1) + shared.var(0, ddof=1))
    assert (np.abs(by_hand.mean(0) - shared.mean(0)) < 4 * noise / math.sqrt(8)).all()
    assert (noise < 0.03 * (by_hand[:, 1] - by_hand[:, 0]).mean()).all()  # else the comparison would say little


# The whole measurement


class Shift(nn.Module):
    """Scores whose loss is each image's own hardness plus a small share of what unit 0 says."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        pooled = self.pool(x)
        wrong = pooled[:, 1].mean((1, 2)) + 0.01 * pooled[:, 0].mean((1, 2))
        return torch.stack([torch.zeros_like(wrong), wrong], 1)


def measure(network, images, inactive, active, size=5, **changes):
    labels = torch.zeros(len(images), dtype=torch.int64)
    settings = {
        "minibatch": 4,
        "unit_draws": 1,
        "draws": 5,
        "sweep_draws": 2,
        "sigmas": [0.5, 2.0],
        "resamples": 500,
        "generator": named,
    }
    few = images[: len(images) // 2]
    return ablate(
        network, "pool", np.array(inactive, int), np.array(active, int),
        Images(batches(images, size), labels), Images(batches(few, size), labels[: len(few)]), **(settings | changes),
    )  # fmt: skip


def test_intervals_are_paired_over_images():
    """Images differ in their loss a hundred times more than the noise changes it."""
    images = torch.zeros(60, 2, 8, 8)
    images[:, 1] = torch.linspace(5, 30, 60)[:, None, None]
    found = measure(Shift().eval(), images, [0], [1])
    # behind so wrong a score the loss is the score, so the change is 0.01 * mean(max(x, 0))
    assert found["delta_loss"] == pytest.approx(0.01 / math.sqrt(2 * math.pi), rel=0.2)
    low, high = found["delta_loss_interval"]
    assert 0.003 < low < found["delta_loss"] < high < 0.005
    unpaired = 7.3 / math.sqrt(60)  # standard error of the losses' own mean
    assert high - low < 0.01 * unpaired


def test_the_interval_is_drawn_by_its_name():
    """numpy's generator begins with the seed of the draw called bootstrap and the quantity."""
    images = torch.zeros(60, 2, 8, 8)
    images[:, 1] = torch.linspace(5, 30, 60)[:, None, None]
    labels, noise = torch.zeros(60, dtype=torch.int64), on_units([0], 60)
    plain, (noised,) = losses_under_noise(Shift().eval(), "pool", batches(images, 5), labels, [noise], normal)
    chance = np.random.default_rng(named("bootstrap", "delta_loss").initial_seed())
    expected = inference.bootstrap((noised - plain).numpy(), rng=chance, resamples=500)
    assert measure(Shift().eval(), images, [0], [1])["delta_loss_interval"] == pytest.approx(expected[1:], rel=1e-9)


def test_what_is_measured():
    network, images = read_out(), pictures(12)
    found = measure(network, images, [1, 3], [0, 2])
    x = [normal(i, (2, 4, 4)) for i in range(12)]
    labels = torch.zeros(12, dtype=torch.int64)

    def mean_loss(count, *units, sigma=1.0):
        total = 0.0
        for i in range(count):
            with torch.no_grad():
                pooled = network[:3](images[i : i + 1])
                for slot, unit in enumerate(units):
                    pooled[0, unit] += sigma * x[i][slot].clamp(min=0)
                total += F.cross_entropy(network[3:](pooled).double(), labels[:1]).item()
        return total / count

    assert found["inactive_units"] == [1, 3]
    assert found["loss"] == pytest.approx(mean_loss(12), abs=1e-6)
    assert found["delta_loss"] == pytest.approx(mean_loss(12, 1, 3) - mean_loss(12), abs=1e-6)
    control = found["control"]
    assert (control["images"], control["units_each"], control["units"]) == (6, 2, [[0, 2]])
    assert control["delta_loss"] == pytest.approx([mean_loss(6, 0, 2) - mean_loss(6)], abs=1e-6)
    assert control["inactive_delta_loss"] == pytest.approx(mean_loss(6, 1, 3) - mean_loss(6), abs=1e-6)
    assert control["share_at_least_inactive"] == float(control["delta_loss"][0] >= control["inactive_delta_loss"])
    assert [row["sigma"] for row in found["sweep"]] == [0.5, 1.0, 2.0]
    for row in found["sweep"]:
        sigma = row["sigma"]
        expected = mean_loss(6, 1, 3, sigma=sigma) - mean_loss(6)
        assert row["delta_loss"] == pytest.approx(expected, abs=1e-6)
        assert row["control"] == pytest.approx([mean_loss(6, 0, 2, sigma=sigma) - mean_loss(6)], abs=1e-6)


def test_one_unit_drawn_for_each_minibatch_several_times():
    network, images = read_out(), pictures(12)
    found = measure(network, images, [1, 3], [0, 2], unit_draws=3)
    drawn = [torch.randint(2, (3,), generator=named("unit", number)) for number in range(3)]
    assert found["unit_draws"] == 3
    assert (drawn[0] != drawn[2]).any()
    total = 0.0
    for units, i in itertools.product([torch.tensor([1, 3])[of.repeat_interleave(4)] for of in drawn], range(12)):
        with torch.no_grad():
            pooled = network[:3](images[i : i + 1])
            plain = F.cross_entropy(network[3:](pooled).double(), torch.zeros(1, dtype=torch.int64))
            pooled[0, units[i]] += normal(i, (2, 4, 4))[0].clamp(min=0)
            total += (F.cross_entropy(network[3:](pooled).double(), torch.zeros(1, dtype=torch.int64)) - plain).item()
    assert found["delta_loss_random"] == pytest.approx(total / 36, abs=1e-6)


def drawn_changes(rng, of_unit, images, minibatch, draws):
    """Changes of the loss of images whose mini-batches have one unit each: its effect, times an image's own."""
    units = rng.integers(0, len(of_unit), (draws, -(-images // minibatch))).repeat(minibatch, axis=1)[:, :images]
    return torch.from_numpy(of_unit[units] * rng.exponential(1, images) + rng.normal(0, 0.5, (draws, images)))


@pytest.mark.slow
@pytest.mark.parametrize(("images", "draws"), [(500, 4), (1000, 4), (1000, 1)])
def test_the_interval_of_dl_rnd_holds_the_draw_of_the_unit(images, draws):
    """Units differ in their effect by half as much as it is; the truth is the mean over units and images."""
    rng = np.random.default_rng(0)
    of_unit, times = rng.gamma(4, 1, 32), 400
    inside, of_images = 0, 0
    for _ in range(times):
        changes = drawn_changes(rng, of_unit, images, 32, draws)
        found = over_minibatches(changes, 32, rng, 500)
        inside += found.low <= of_unit.mean() <= found.high
        naive = inference.bootstrap(changes[0].numpy(), rng=rng, resamples=200)
        of_images += naive.low <= of_unit.mean() <= naive.high
    assert inside / times >= 0.92
    if draws == 1:
        assert of_images / times < 0.85  # what an interval over images promised


@pytest.mark.slow
def test_noise_that_changes_nothing_is_called_as_often_as_promised():
    rng, called = np.random.default_rng(1), 0
    for _ in range(400):
        found = over_minibatches(torch.from_numpy(rng.normal(0, 1, (4, 500))), 32, rng, 500)
        called += found.low > 0 or found.high < 0
    assert called / 400 <= 0.08


def test_several_draws_of_the_unit_are_averaged_by_minibatches():
    """Two mini-batches of four and one of two images, whose means weigh as many images as they have."""
    changes = torch.arange(20.0, dtype=torch.float64).reshape(2, 10) ** 2
    found = over_minibatches(changes, 4, np.random.default_rng(0), 100)
    assert found.value == pytest.approx(changes.mean().item())
    of_image = changes.mean(0).numpy()
    parts = np.array([of_image[:4].sum(), of_image[4:8].sum(), of_image[8:].sum()]) * 3 / 10
    expected = scipy.stats.ttest_1samp(parts, 0).confidence_interval()  # of three values Student's t
    assert found[1:] == pytest.approx(tuple(expected))


def test_without_inactive_units_there_is_no_number_and_the_control_takes_one():
    found = measure(read_out(), pictures(12), [], [0, 1, 2, 3])
    for name in ("delta_loss", "delta_loss_random"):
        assert found[name] is None
        assert found[f"{name}_interval"] is None
    control = found["control"]
    assert control["units_each"] == 1
    assert sorted(unit for (unit,) in control["units"]) == [0, 1, 2, 3]
    assert control["inactive_delta_loss"] is None
    assert control["share_at_least_inactive"] is None
    assert all(row["delta_loss"] is None and len(row["control"]) == 2 for row in found["sweep"])
    assert found["delta_loss_random_active"] is not None


def test_without_active_units_there_is_no_control():
    found = measure(read_out(), pictures(12), [0, 1, 2, 3], [])
    assert found["delta_loss"] is not None
    assert found["delta_loss_random_active"] is None
    assert (found["control"]["units"], found["control"]["mean"]) == ([], None)


def flat(value, prefix=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{prefix}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from flat(inner, f"{prefix}/{i}")
    else:
        yield prefix, value


@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_batch_size_changes_nothing(size):
    at_once = dict(flat(measure(read_out(), pictures(12), [1, 3], [0, 2], 12)))
    found = dict(flat(measure(read_out(), pictures(12), [1, 3], [0, 2], size)))
    assert list(found) == list(at_once)
    for name, value in at_once.items():
        assert found[name] == (value if value is None else pytest.approx(value, abs=1e-5)), name


def test_every_draw_has_a_name_and_the_same_seed_gives_the_same_numbers():
    asked = []

    def remembering(*names):
        asked.append(names)
        return named(*names)

    first = measure(read_out(), pictures(12), [1], [0, 2, 3], generator=remembering)
    torch.manual_seed(99)  # the global generator has no say
    np.random.seed(99)
    assert measure(read_out(), pictures(12), [1], [0, 2, 3]) == first
    assert {names[0] for names in asked} == {"noise", "unit", "active unit", "control", "bootstrap"}
    assert {names[1] for names in asked if names[0] == "noise"} == set(range(12))
    other = measure(read_out(), pictures(12), [1], [0, 2, 3], generator=partial(generator, 1, "test of ablation"))
    assert other["delta_loss"] != first["delta_loss"]
