"""The training loop, against torch's own schedules, optimisation steps by hand, and itself interrupted."""

import math
import os
from itertools import pairwise

import numpy as np
import pytest
import torch
from recipes import recipe
from sklearn.metrics import log_loss, top_k_accuracy_score
from torch import nn

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.loading import Split
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.training.loop import before_training, evaluate, learning_rate, train

CPU = torch.device("cpu")


def as_they_are(channels=3):
    """Pixels in [0, 1] as they are."""
    return Normalisation(torch.zeros(channels, 1, 1), torch.eye(channels))


def random_split(images, classes=3, size=(4, 4), channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Split(
        torch.arange(images),
        torch.randint(0, 256, (images, *size, channels), generator=generator, dtype=torch.uint8),
        torch.randint(0, classes, (images,), generator=generator),
    )


# Before training


def test_before_training_measures_batch_norm_over_all_batches_and_leaves_the_network_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    network.append(nn.Linear(36, 3))
    split, normalisation = random_split(24), as_they_are()
    as_before = {name: value.clone() for name, value in network.state_dict().items()}
    found = before_training(network, normalisation, split, 8, torch.Generator().manual_seed(5))
    assert all(torch.equal(value, as_before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert network[1].momentum == 0.1
    means, variances = [], []
    order = torch.randperm(24, generator=torch.Generator().manual_seed(5))
    for rows in (order[:8], order[8:16], order[16:]):
        responses = network[0](split.images[rows].permute(0, 3, 1, 2) / 255).detach().double()
        means.append(responses.mean((0, 2, 3)))
        variances.append(responses.var((0, 2, 3), unbiased=True))
    torch.testing.assert_close(found["1.running_mean"].double(), sum(means) / 3, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["1.running_var"].double(), sum(variances) / 3, rtol=1e-5, atol=1e-6)
    for name in as_before:
        assert (
            name.startswith("1.running") or name == "1.num_batches_tracked" or torch.equal(found[name], as_before[name])
        )


def test_before_training_without_batch_norm_is_the_network_as_it_is():
    network = linear()
    found = before_training(network, as_they_are(), random_split(8), 4, torch.Generator())
    assert all(torch.equal(found[name], value) for name, value in network.state_dict().items())


# The rate


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (3, 1), (1, 5), (4, 7), (6, 25)])
def test_one_cycle_is_torchs(epochs, steps):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.05, total_steps=epochs * steps, cycle_momentum=False)
    ours = recipe(schedule="one_cycle", learning_rate=0.05, epochs=epochs)
    for step in range(epochs * steps):
        assert learning_rate(ours, step, steps) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        optimiser.step()
        if step < epochs * steps - 1:
            schedule.step()


@pytest.mark.parametrize("factor", [0.1, 0.5])
def test_step_is_torchs(factor):
    steps = 3
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=4, gamma=factor)
    ours = recipe(schedule="step", learning_rate=0.2, step_epochs=4, step_factor=factor, epochs=13)
    for epoch in range(13):
        for step in range(steps):
            rate = learning_rate(ours, epoch * steps + step, steps)
            assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        optimiser.step()
        schedule.step()


def test_schedule_of_the_papers():
    """KS 3.1: 0.01, divided by 10 every 30 of 90 epochs, and no warm-up."""
    ks = recipe(schedule="step", learning_rate=0.01, epochs=90)
    steps = 5005  # ImageNet's 1,281,167 images in batches of 256
    rates = {epoch: {learning_rate(ks, (epoch - 1) * steps + step, steps) for step in (0, 2500, 5004)}
             for epoch in (1, 30, 31, 60, 61, 90)}  # fmt: skip
    for epoch, expected in {1: 1e-2, 30: 1e-2, 31: 1e-3, 60: 1e-3, 61: 1e-4, 90: 1e-4}.items():
        assert [*rates[epoch]] == [pytest.approx(expected, rel=1e-12)]


@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_warmup_rises_in_a_line(schedule):
    warm = recipe(schedule=schedule, warmup_epochs=2.5, step_epochs=2, epochs=5)
    rates = [learning_rate(warm, step, 4) for step in range(20)]
    # 2.5 epochs of 4 steps: a tenth of the rate more in each of the first ten steps
    whole = [0.1 if schedule == "constant" else 0.1 * 0.1 ** (step // 8) for step in range(20)]
    expected = [rate * min(step + 1, 10) / 10 for step, rate in enumerate(whole)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    assert rates[9] == whole[9]


def test_constant_rate():
    assert {learning_rate(recipe(epochs=50), step, 7) for step in range(350)} == {0.1}


# Single steps, by hand


def linear(size=(4, 4), classes=3, channels=3, seed=3):
    network = nn.Sequential(nn.Flatten(), nn.Linear(channels * size[0] * size[1], classes))
    with torch.no_grad():
        network[1].weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(seed))
        network[1].bias.copy_(torch.linspace(-0.1, 0.1, classes))
    return network


def softmax_gradient(weight, bias, x, label):
    """Gradient of the mean cross-entropy of the scores x W' + b, float64."""
    scores = x @ weight.T + bias
    share = np.exp(scores - scores.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    error = (share - np.eye(len(bias))[label]) / len(x)
    return error.T @ x, error.sum(0)


def by_hand(network, split, update, steps):
    """Parameters after ``steps`` whole-batch steps; ``update(gradients, parameters, state, step)`` changes them."""
    x = split.images.permute(0, 3, 1, 2).double().reshape(len(split.labels), -1).numpy() / 255
    parameters = [p.detach().double().numpy().copy() for p in network.parameters()]
    state = {}
    for step in range(1, steps + 1):
        gradients = list(softmax_gradient(*parameters, x, split.labels.numpy()))
        parameters = update(gradients, parameters, state, step)
    return parameters


def sgd(rate, momentum=0.0, decay=0.0, clip=math.inf):
    def update(gradients, parameters, state, step):
        norm = math.sqrt(sum((g**2).sum() for g in gradients))
        gradients = [g * min(1, clip / norm) for g in gradients]
        decayed = [g + decay * p for g, p in zip(gradients, parameters, strict=True)]
        state["v"] = [momentum * v + g for v, g in zip(state.get("v", [0, 0]), decayed, strict=True)]
        return [p - rate * v for p, v in zip(parameters, state["v"], strict=True)]

    return update


def adam(rate, decay=0.0):
    def update(gradients, parameters, state, step):
        out = []
        for i, (g, p) in enumerate(zip(gradients, parameters, strict=True)):
            g = g + decay * p
            state["m", i] = 0.9 * state.get(("m", i), 0) + 0.1 * g
            state["s", i] = 0.999 * state.get(("s", i), 0) + 0.001 * g**2
            mean, square = state["m", i] / (1 - 0.9**step), state["s", i] / (1 - 0.999**step)
            out.append(p - rate * mean / (np.sqrt(square) + 1e-8))
        return out

    return update


@pytest.mark.parametrize(
    ("changes", "update"),
    [
        ({}, sgd(0.1)),
        ({"momentum": 0.9}, sgd(0.1, 0.9)),
        ({"momentum": 0.9, "weight_decay": 0.05}, sgd(0.1, 0.9, 0.05)),
        ({"momentum": 0.5, "weight_decay": 0.05, "clip_norm": 0.3}, sgd(0.1, 0.5, 0.05, 0.3)),
        ({"clip_norm": 1000.0}, sgd(0.1)),
        ({"optimiser": "adam", "learning_rate": 0.01}, adam(0.01)),
        ({"optimiser": "adam", "learning_rate": 0.01, "weight_decay": 0.05}, adam(0.01, 0.05)),
    ],
)
def test_steps_by_hand(changes, update):
    split = random_split(12)
    network = linear()
    # one batch holds all images, so their order does not matter
    expected = by_hand(network, split, update, 4)
    train(network, as_they_are(), split, split, recipe(epochs=4, batch_size=12, **changes), 0, CPU)
    for parameter, value in zip(network.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.detach(), value, rtol=2e-5, atol=2e-6)


def test_gradients_are_clipped_to_the_norm():
    split = random_split(12)
    network = linear()
    before = [p.detach().clone() for p in network.parameters()]
    train(network, as_they_are(), split, split, recipe(batch_size=12, clip_norm=0.01), 0, CPU)
    moved = math.sqrt(sum((p - b).square().sum() for p, b in zip(network.state_dict().values(), before, strict=True)))
    assert moved == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_the_schedule_goes_on_from_epoch_to_epoch():
    split = random_split(12)
    warm = recipe(epochs=4, warmup_epochs=3.0)
    history = train(linear(), as_they_are(), split, split, warm, 0, CPU)
    # three steps an epoch; a row holds the rate of the epoch's last step
    assert [row["lr"] for row in history[::2]] == [pytest.approx(0.1 * share) for share in (1 / 3, 2 / 3, 1, 1)]
    assert [row["lr"] for row in history[1::2]] == [row["lr"] for row in history[::2]]


# The history and the batches


def test_history_has_two_rows_an_epoch():
    training_split, validation = random_split(14), random_split(9, seed=1)
    seen = []
    history = train(linear(), as_they_are(), training_split, validation, recipe(epochs=3), 0, CPU, on_epoch=seen.append)
    assert [(row["epoch"], row["split"]) for row in history] == [
        (epoch, split) for epoch in (1, 2, 3) for split in ("train", "validation")
    ]
    columns = {"epoch", "split", "loss", "top1", "top5", "lr", "images_per_s"}
    assert all(set(row) == columns for row in history)
    assert seen == [history[:2], history[2:4], history[4:]]
    assert all(row["images_per_s"] > 0 for row in history)


def test_training_row_is_the_mean_over_the_epoch():
    """With a rate that changes nothing it must be what ``evaluate`` finds."""
    split = random_split(12, classes=7)
    network = linear(classes=7)
    history = train(network, as_they_are(), split, split, recipe(learning_rate=1e-30), 0, CPU)
    assert history[0]["top1"] != history[0]["top5"] < 1
    for name in ("loss", "top1", "top5"):
        assert history[0][name] == pytest.approx(history[1][name], rel=1e-5)


class Watched(nn.Module):
    """Scores of a linear network, and the numbers of the images seen while training (in their first pixel)."""

    def __init__(self):
        super().__init__()
        self.network, self.seen = linear(), []

    def forward(self, x):
        if self.training:
            self.seen.append((x[:, 0, 0, 0] * 255).round().long().tolist())
        return self.network(x)


def watched(split, seed=0, **changes):
    network = Watched()
    train(network, as_they_are(), split, split, recipe(**changes), seed, CPU)
    return network.seen


def test_every_epoch_shows_each_image_once_in_a_new_order():
    split = random_split(14)
    split.images[:, 0, 0, 0] = torch.arange(14)
    batches = watched(split, epochs=3)
    assert [len(batch) for batch in batches] == [4] * 9  # 14 images fill three batches
    epochs = [[image for batch in batches[i : i + 3] for image in batch] for i in (0, 3, 6)]
    for images in epochs:
        assert len(set(images)) == 12
    assert all(a != b for a, b in pairwise(epochs))
    assert watched(split, epochs=3) == batches
    assert watched(split, epochs=3, seed=1) != batches


def test_augmentation_does_not_change_the_order():
    """The two have sources of chance of their own."""
    split = random_split(14)
    split.images[:, 0, :, 0] = torch.arange(14)[:, None]  # also in a mirror
    assert watched(split, epochs=3, flip=True) == watched(split, epochs=3)


def distance(images, others):
    """Greatest difference to the nearest of the others."""
    return (images[:, None] - others[None]).abs().amax(2).amin(1)


def test_augmentation_follows_the_recipe():
    split = random_split(64, size=(8, 8))
    shown = []

    class Seen(Watched):
        def forward(self, x):
            if self.training:
                shown.append(x.detach().clone())
            return x.mean((2, 3)) * self.network[1].weight[0, 0]

    def look(**changes):
        shown.clear()
        train(Seen(), as_they_are(), split, split, recipe(batch_size=64, **changes), 0, CPU)
        return shown[0]

    plain = look().flatten(1)
    originals = split.images.permute(0, 3, 1, 2).float().div(255).flatten(1)
    # every image shown is the image itself, its mirror, or (cropped) neither
    assert distance(plain, originals).max() == 0
    mirrors = originals.view(64, 3, 8, 8).flip(3).flatten(1)
    flipped = look(flip=True).flatten(1)
    same, mirrored = (distance(flipped, them) == 0 for them in (originals, mirrors))
    assert (same ^ mirrored).all()
    assert 16 < mirrored.sum() < 48  # half of 64, to four standard deviations
    cropped = look(crop_area=[0.1, 0.3]).flatten(1)
    assert (distance(cropped, originals) > 0.01).all()
    assert cropped.min() >= 0
    assert cropped.max() <= 1


def test_normalised_images_reach_the_network():
    split = random_split(8)
    shown = []

    class Seen(Watched):
        def forward(self, x):
            shown.append(x.detach().clone())
            return x.mean((2, 3)) * self.network[1].weight[0, 0]

    double = Normalisation(torch.full((3, 1, 1), 0.25), 2 * torch.eye(3))
    train(Seen(), double, split, split, recipe(batch_size=8), 0, CPU)
    expected = (split.images.permute(0, 3, 1, 2).float() / 255 - 0.25) * 2
    train_batch, validation_batch = shown
    torch.testing.assert_close(validation_batch, expected)
    torch.testing.assert_close(train_batch.flatten().sort().values, expected.flatten().sort().values)


def test_progress_is_told_what_it_wraps():
    calls, postfixes = [], []

    class Bar(list):
        def set_postfix(self, **numbers):
            postfixes.append(numbers)

    def progress(steps, **keywords):
        calls.append(keywords)
        return Bar(steps)

    split = random_split(48)
    history = train(linear(), as_they_are(), split, split, recipe(epochs=2), 0, CPU, progress=progress)
    assert calls == [{"desc": f"epoch {epoch}/2", "total": 12} for epoch in (1, 2)]
    # looked at every ten steps and at the end of each epoch
    assert len(postfixes) == 4
    assert postfixes[1]["loss"] == f"{history[0]['loss']:.3f}"
    assert postfixes[3]["top1"] == f"{history[2]['top1']:.3f}"
    # the mean so far: of equal images it is the same after ten steps as after twelve
    split.images[:], split.labels[:] = split.images[0].clone(), 0
    postfixes.clear()
    train(linear(), as_they_are(), split, split, recipe(learning_rate=1e-30), 0, CPU, progress=progress)
    assert postfixes[0]["loss"] == postfixes[1]["loss"]
    assert float(postfixes[0]["loss"]) > 0.1


# Evaluation


class FixedScores(nn.Module):
    """Row i of a table for the image whose first two bytes say i."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.as_tensor(scores).float()

    def forward(self, x):
        number = (x[:, 0, 0, 0] * 255).round() * 256 + (x[:, 1, 0, 0] * 255).round()
        return self.scores[number.long()]


@pytest.mark.parametrize("classes", [2, 3, 5, 6, 20])
def test_evaluate_is_sklearns(classes):
    images = 450  # more than two batches, and the last one not full
    generator = np.random.default_rng(classes)
    scores = generator.standard_normal((images, classes)).astype(np.float32) * 2
    labels = generator.integers(0, classes, images)
    picture = np.zeros((images, 1, 1, 3), np.uint8)
    picture[:, 0, 0, 0], picture[:, 0, 0, 1] = np.divmod(np.arange(images), 256)
    split = Split(torch.arange(images), torch.from_numpy(picture), torch.from_numpy(labels))
    network = FixedScores(scores).train()
    measured = evaluate(network, as_they_are(), split, CPU)
    assert set(measured) == {"loss", "top1", "top5", "images_per_s"}
    share = np.exp(scores.astype(np.float64))
    share /= share.sum(1, keepdims=True)
    every = range(classes)
    assert measured["loss"] == pytest.approx(log_loss(labels, share, labels=every), rel=1e-5)
    assert measured["top1"] == pytest.approx((scores.argmax(1) == labels).mean(), rel=1e-12)
    if classes > 5:
        expected = top_k_accuracy_score(labels, scores, k=5, labels=every)
        assert measured["top5"] == pytest.approx(expected, rel=1e-12)
    else:
        assert measured["top5"] == 1
    assert not network.training


def test_evaluate_drops_and_normalises_nothing():
    """Dropout is off, batch norm uses its running statistics, and nothing is left to differentiate."""
    network = networks.build("fivecnn", 3, 16, width=0.1)
    split = random_split(20, size=(16, 16))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = (evaluate(network.train(), as_they_are(), split, CPU) for _ in range(2))
    assert [first[name] for name in ("loss", "top1", "top5")] == [second[name] for name in ("loss", "top1", "top5")]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        scores = network.eval()(split.images.permute(0, 3, 1, 2).float() / 255)
    assert first["top1"] == (scores.argmax(1) == split.labels).double().mean().item()


# The same again, and interrupted

VARIED = {  # dropout and batch norm come with FiveCNN
    "sgd": {"momentum": 0.9, "weight_decay": 1e-3, "schedule": "one_cycle", "learning_rate": 0.05},
    "adam": {"optimiser": "adam", "learning_rate": 0.01, "warmup_epochs": 1.5},
}


@pytest.fixture(scope="module")
def splits():
    return random_split(50, classes=5, size=(16, 16)), random_split(20, classes=5, size=(16, 16), seed=1)


class Run:
    """One training of a small FiveCNN, with everything that chance decides switched on."""

    def __init__(self, splits, kind, seed=0, weights=0, **keywords):
        self.network = networks.build("fivecnn", 5, 16, width=0.125)
        initialise(self.network, torch.Generator().manual_seed(weights))
        self.recipe = recipe(**VARIED[kind], epochs=3, batch_size=16, flip=True, crop_area=[0.3, 1.0])
        self.arguments = (self.network, as_they_are(), *splits, self.recipe, seed, CPU)
        self.keywords = keywords

    def __call__(self):
        self.history = train(*self.arguments, **self.keywords)
        return self

    def bytes(self):
        return {name: value.numpy().tobytes() for name, value in self.network.state_dict().items()}

    def losses(self):
        """The history without its timings."""
        return [{k: v for k, v in row.items() if k != "images_per_s"} for row in self.history]


@pytest.fixture(scope="module", params=VARIED)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def uninterrupted(splits, kind):
    return Run(splits, kind)()


class Interruption(Exception):
    """Stands for whatever stops a run."""


def stop_in(epoch):
    def on_epoch(rows):
        if rows[0]["epoch"] == epoch:
            raise Interruption

    return on_epoch


def test_the_same_seed_gives_the_same_bytes(splits, kind, uninterrupted):
    again = Run(splits, kind)
    torch.manual_seed(99)  # the global source of chance has no say
    state = torch.get_rng_state()
    again()
    assert again.bytes() == uninterrupted.bytes()
    assert again.losses() == uninterrupted.losses()
    assert torch.equal(torch.get_rng_state(), state)
    assert Run(splits, kind, seed=1)().bytes() != uninterrupted.bytes()


def test_dropout_follows_the_seed_and_nothing_else():
    split = random_split(12)
    split.images[:], split.labels[:] = split.images[0].clone(), 0  # equal images: their order does not matter
    whole = {"recipe": recipe(batch_size=12, epochs=2), "device": CPU}

    def weights(seed, share):
        network = nn.Sequential(nn.Flatten(), nn.Dropout(share), linear()[1])
        torch.rand(seed)  # the global source of chance has no say
        train(network, as_they_are(), split, split, seed=seed, **whole)
        return network[2].weight.detach()

    torch.testing.assert_close(weights(0, 0.0), weights(1, 0.0))
    assert torch.equal(weights(1, 0.5), weights(1, 0.5))
    assert (weights(0, 0.5) - weights(1, 0.5)).abs().max() > 1e-3


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_resumed_run_ends_the_same(splits, kind, uninterrupted, tmp_path, epoch):
    checkpoint = tmp_path / "deep" / "checkpoint.pt"
    with pytest.raises(Interruption):
        # the rows of the next epoch are announced before it is saved
        Run(splits, kind, checkpoint=checkpoint, on_epoch=stop_in(epoch + 1))()
    torch.manual_seed(5)
    seen = []
    # other weights: what matters must come from the checkpoint
    resumed = Run(splits, kind, weights=7, checkpoint=checkpoint, on_epoch=seen.append)()
    assert [rows[0]["epoch"] for rows in seen] == list(range(epoch + 1, 4))
    assert resumed.bytes() == uninterrupted.bytes()
    assert resumed.losses() == uninterrupted.losses()
    assert list(checkpoint.parent.iterdir()) == [checkpoint]


def test_a_checkpoint_changes_nothing(splits, kind, uninterrupted, tmp_path):
    assert Run(splits, kind, checkpoint=tmp_path / "c.pt")().bytes() == uninterrupted.bytes()
    # and one of a finished run is the finished run
    finished = Run(splits, kind, weights=7, checkpoint=tmp_path / "c.pt", on_epoch=stop_in(4))()
    assert finished.bytes() == uninterrupted.bytes()
    assert not finished.network.training
    assert finished.losses() == uninterrupted.losses()


def test_nothing_is_saved_of_an_epoch_that_did_not_end(splits, kind, uninterrupted, tmp_path):
    checkpoint = tmp_path / "c.pt"
    with pytest.raises(Interruption):
        Run(splits, kind, checkpoint=checkpoint, on_epoch=stop_in(1))()
    assert list(tmp_path.iterdir()) == []
    assert Run(splits, kind, checkpoint=checkpoint)().bytes() == uninterrupted.bytes()


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["save", "replace"])
def test_a_half_written_checkpoint_never_takes_the_place_of_a_whole_one(
    splits, uninterrupted, kind, tmp_path, monkeypatch, broken
):
    checkpoint = tmp_path / "c.pt"
    with pytest.raises(Interruption):
        Run(splits, kind, checkpoint=checkpoint, on_epoch=stop_in(2))()
    whole = checkpoint.read_bytes()

    def half(state, path):
        path.write_bytes(whole[: len(whole) // 2])
        raise Interruption

    def refuse(source, target):
        raise Interruption

    with monkeypatch.context() as patch:
        if broken == "save":
            patch.setattr(torch, "save", half)
        else:
            patch.setattr(os, "replace", refuse)
        with pytest.raises(Interruption):
            Run(splits, kind, checkpoint=checkpoint)()
    assert checkpoint.read_bytes() == whole
    assert Run(splits, kind, checkpoint=checkpoint)().bytes() == uninterrupted.bytes()


@pytest.mark.parametrize("left", [0, 1, 0.5, 0.99])
def test_a_damaged_checkpoint_is_refused_by_name(splits, kind, tmp_path, left):
    checkpoint = tmp_path / "c.pt"
    with pytest.raises(Interruption):
        Run(splits, kind, checkpoint=checkpoint, on_epoch=stop_in(2))()
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: left if left in (0, 1) else int(left * len(whole))])
    with pytest.raises(ReceptiveError) as caught:
        Run(splits, kind, checkpoint=checkpoint)()
    assert str(caught.value) == f"the checkpoint {checkpoint} is damaged: remove it to train from the beginning"


def test_the_network_ends_in_evaluation_mode(uninterrupted):
    assert not uninterrupted.network.training


# What can go wrong, and what must go right


@pytest.mark.parametrize(
    ("epochs", "batch_size", "cause"),
    [
        (4, 4, r"the loss is not finite in epoch 1, step 3 \(rate 1e\+30\): lower learning_rate, or set"),
        # the only step's loss is taken before the step that spoils the weights
        (1, 12, r"the validation loss is not finite after epoch 1 \(rate 1e\+30\): lower learning_rate, or set"),
    ],
)
def test_a_loss_that_is_not_finite_stops(tmp_path, epochs, batch_size, cause):
    split = random_split(12)
    wild = recipe(epochs=epochs, batch_size=batch_size, learning_rate=1e30, momentum=0.9, weight_decay=1e10)
    with pytest.raises(ReceptiveError, match=cause):
        train(linear(), as_they_are(), split, split, wild, 0, CPU, checkpoint=tmp_path / "c.pt")
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_are_refused():
    split = random_split(15)
    with pytest.raises(ReceptiveError, match="15 training images do not fill one batch of 16: lower batch_size"):
        train(linear(), as_they_are(), split, split, recipe(batch_size=16), 0, CPU)
    assert len(train(linear(), as_they_are(), split, split, recipe(batch_size=15), 0, CPU)) == 2


def coloured(images, seed):
    """Noisy images of three colours, a fourth class has a bright left half: easy, but not for a colour mean alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % 4
    pictures = torch.randint(0, 120, (images, 12, 12, 3), generator=generator)
    for label in range(3):
        pictures[labels == label, ..., label] += 90
    pictures[labels == 3, :, :6] += 120
    return Split(torch.arange(images), pictures.to(torch.uint8), labels)


@pytest.mark.slow
@pytest.mark.parametrize(("optimiser", "rate"), [("sgd", 0.01), ("adam", 0.003)])
def test_it_learns(optimiser, rate):
    learned = recipe(
        optimiser=optimiser, learning_rate=rate, momentum=0.9, schedule="one_cycle", epochs=6, batch_size=16
    )
    network = networks.build("digitcnn", 4, 12, width=0.25)
    initialise(network, torch.Generator().manual_seed(0))
    normalisation = Normalisation(torch.full((3, 1, 1), 0.3), 4 * torch.eye(3))
    validation = coloured(80, 1)
    before = evaluate(network, normalisation, validation, CPU)
    history = train(network, normalisation, coloured(160, 0), validation, learned, 0, CPU)
    assert history[-1]["top1"] > 0.95
    assert history[-1]["loss"] < before["loss"] / 4
    assert evaluate(network, normalisation, validation, CPU)["top1"] == history[-1]["top1"]
