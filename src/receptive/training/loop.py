"""The training loop: one loop for every network and every recipe of the papers.

Reads top to bottom: draw an order, take a batch of bytes, augment and normalise it on the device, step. One
checkpoint per epoch holds everything that an interrupted training needs to go on; on the CPU the resumed training
ends with the same weights, to the byte. Several processes share each batch. They end with the weights of one process,
but for rounding (and for dropout, which each process draws for its own part).
"""

import copy
import io
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.loading import Feed, Split
from receptive.networks.parts.normalisation import Normalisation, pixels
from receptive.parallel.device import autocast
from receptive.parallel.workers import ALONE, Workers
from receptive.params.recipe import Recipe
from receptive.seeds import generator, named_seed
from receptive.training.augmentation import augment, centre

_EVALUATION_BATCH = 200
_LOOK_EVERY = 10  # steps between two looks at the loss: each look waits for the device

Row = dict[str, Any]
"""One row of a history: ``epoch, split, loss, top1, top5, lr, images_per_s``."""


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The rate of optimisation step ``step`` (from 0): a pure function, so a resumed training needs no state.

    Schedule ``step``: multiplied by ``step_factor`` every ``step_epochs`` epochs (KS 3.1). ``one_cycle``: along a
    cosine from 1/25 of the peak up to the peak in the first 30% of the steps, then down to 4e-6 of the peak (Smith &
    Topin 2019, with torch's defaults).
    """
    peak = recipe.learning_rate
    if recipe.schedule == "one_cycle":
        total = recipe.epochs * steps_per_epoch
        top = 0.3 * total - 1
        low, final = peak / 25, peak / 25 / 1e4
        start, end, share = (low, peak, step / top) if step <= top else (peak, final, (step - top) / (total - 1 - top))
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    rate = peak
    if recipe.schedule == "step":
        rate *= recipe.step_factor ** (step // (steps_per_epoch * recipe.step_epochs))
    warmup = recipe.warmup_epochs * steps_per_epoch
    return rate * min(1.0, (step + 1) / warmup) if warmup else rate


@torch.no_grad()
def evaluate(
    network: nn.Module, normalisation: Normalisation, split: Split, device: torch.device, workers: Workers = ALONE
) -> dict[str, float]:
    """Mean cross-entropy (``loss``), share of images whose class is the first (``top1``) or among the first five.

    And ``images_per_s``. Of n processes each takes every n-th batch, and all return the measures of the whole split.
    """
    began = time.perf_counter()
    network.eval()
    loss, top1, top5 = 0.0, 0, 0
    for start in range(workers.rank * _EVALUATION_BATCH, len(split.labels), workers.size * _EVALUATION_BATCH):
        labels = split.labels[start : start + _EVALUATION_BATCH].to(device)
        with autocast(device):
            scores = network(normalisation(pixels(split.images[start : start + _EVALUATION_BATCH].to(device))))
        scores = scores.float()
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        best = scores.topk(min(5, scores.shape[1]), dim=1).indices == labels[:, None]
        top1 += int(best[:, 0].sum())
        top5 += int(best.sum())
    images = len(split.labels)
    sums = workers.sum(torch.tensor([loss, top1, top5], dtype=torch.float64)).tolist()
    measures = {name: total / images for name, total in zip(("loss", "top1", "top5"), sums, strict=True)}
    return measures | {"images_per_s": images / (time.perf_counter() - began)}


def before_training(
    network: nn.Module, normalisation: Normalisation, training: Split, batch_size: int, chance: torch.Generator
) -> dict[str, Tensor]:
    """The state of ``network`` as it is, with batch-norm statistics measured on training images.

    Fresh running statistics (mean 0, variance 1) say nothing of the responses. A network without training would be
    judged by a constant that training replaces first. So the statistics are the mean over 16 batches drawn at random.
    The weights stay as they are, and ``network`` itself is not changed.

    Returns:
        A state dict on the CPU.
    """
    network = copy.deepcopy(network).cpu().eval()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if norms:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        normalisation = copy.deepcopy(normalisation).cpu()
        drawn = torch.randperm(len(training.labels), generator=chance)[: 16 * batch_size]
        with torch.no_grad():
            for rows in drawn.split(batch_size):
                if len(rows) > 1:
                    network(normalisation(centre(pixels(training.images[rows]), training.size)))
    return network.state_dict()


def measured(
    network: nn.Module,
    normalisation: Normalisation,
    training: Split,
    validation: Split,
    chance: torch.Generator,
    device: torch.device,
    workers: Workers = ALONE,
) -> list[Row]:
    """The history of weights that were not trained here: two rows as of ``train``, of epoch 0 and rate 0.

    The row of the training split is measured without augmentation or dropout, on as many training images, drawn at
    random, as there are validation images. Several processes share the images, and all return the whole history.
    """
    network.to(device, memory_format=torch.channels_last)
    normalisation.to(device)
    drawn = torch.randperm(len(training.labels), generator=chance)[: len(validation.labels)].sort().values
    some = Split(training.numbers[drawn], training.images[drawn], training.labels[drawn])
    return [
        {"epoch": 0, "split": name, "lr": 0.0} | evaluate(network, normalisation, split, device, workers)
        for name, split in (("train", some), ("validation", validation))
    ]


def train(
    network: nn.Module,
    normalisation: Normalisation,
    training: Split,
    validation: Split,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    on_epoch: Callable[[list[Row]], None] = lambda rows: None,
    progress: Callable[..., Iterable] = lambda steps, **_: steps,
    workers: Workers = ALONE,
    compiled: bool = False,
    resident: Literal["auto"] | bool = "auto",
) -> list[Row]:
    """Trains ``network`` in place and returns its history, two rows per epoch.

    A row holds ``epoch`` (from 1), ``split``, ``loss``, ``top1``, ``top5``, ``lr``, ``images_per_s``. The row of the
    training split is the running mean over the epoch, with augmentation and dropout, as the usual frameworks report
    it. The order of the images is new in every epoch. The last images of an epoch that fill no batch are left out.

    Args:
        network: On any device; moved to ``device``, and left there in evaluation mode.
        normalisation: From pixels in [0, 1] to what the network sees; moved to ``device``.
        training: The images to learn.
        validation: The images that are only evaluated.
        recipe: Optimiser, schedule, epochs, batches, augmentation.
        seed: Of the order, the augmentation and the dropout.
        device: Where the work is done.
        checkpoint: A file, written atomically after every epoch. A training that finds one goes on from it.
        on_epoch: Called with the two new rows.
        progress: Wraps the steps of an epoch, called with ``desc`` and ``total``; a tqdm shows the loss.
        workers: The processes that share each batch. Only the first writes the checkpoint, and all go on from the
            furthest that any of them finds. Their number may change when a training goes on.
        compiled: Runs the network through ``torch.compile``.
        resident: As for ``Feed``.

    Raises:
        ReceptiveError: The loss is not finite, there are fewer images than a batch holds, or the checkpoint is
            damaged.
    """
    steps = len(training.labels) // recipe.batch_size
    if steps == 0:
        raise ReceptiveError(
            f"{len(training.labels)} training images do not fill one batch of {recipe.batch_size}: lower batch_size"
        )
    if recipe.batch_size < workers.size:
        raise ReceptiveError(
            f"{workers.size} workers cannot share a batch of {recipe.batch_size} images: lower workers.devices"
        )
    network.to(device, memory_format=torch.channels_last)
    normalisation.to(device)
    optimiser = optimiser_of(network, recipe)
    state = _State(network, optimiser, generator(seed, "order"), generator(seed, "augment"), device)
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        workers.whole_batch_norms(network),
    ):
        torch.manual_seed(named_seed(seed, "dropout"))
        if checkpoint is not None and (latest := _latest(checkpoint, workers)):
            state.restore(latest)
        feed = Feed(training, device, resident)
        parallel, alone = workers.parallel(network, device), network
        if compiled:
            # each graph has one shape; the last batch of an evaluation may make one more
            parallel, alone = (cast(nn.Module, torch.compile(m, dynamic=False)) for m in (parallel, network))
        for epoch in range(len(state.history) // 2 + 1, recipe.epochs + 1):
            if workers.rank:  # the first worker's dropout goes on with its checkpoint, the others' begins anew
                torch.manual_seed(named_seed(seed, "dropout", workers.rank, epoch))
            learned = _epoch(parallel, normalisation, feed, recipe, epoch, state, workers, progress)
            measures = evaluate(alone, normalisation, validation, device, workers)
            rate = learned["lr"]
            # the last step's own loss was taken before that step
            _check_finite(measures["loss"], f"the validation loss is not finite after epoch {epoch}", rate)
            rows = [
                {"epoch": epoch, "split": "train"} | learned,
                {"epoch": epoch, "split": "validation", "lr": rate} | measures,
            ]
            state.history += rows
            on_epoch(rows)
            if checkpoint is not None and workers.rank == 0:
                state.save(checkpoint)
    network.eval()
    return state.history


def _epoch(
    network: nn.Module,
    normalisation: Normalisation,
    feed: Feed,
    recipe: Recipe,
    epoch: int,
    state: "_State",
    workers: Workers,
    progress: Callable[..., Iterable],
) -> Row:
    """Trains for one epoch and returns its measures; ``network`` is that of ``state``, perhaps wrapped."""
    network.train()
    optimiser = state.optimiser
    device = feed.device
    steps = len(feed.labels) // recipe.batch_size
    permutation = torch.randperm(len(feed.labels), generator=state.order)
    # each process draws the chance of whole batches, and takes its own part of them
    part = workers.part(recipe.batch_size)
    share = (part.stop - part.start) / recipe.batch_size
    batches = feed.batches(
        permutation[step * recipe.batch_size : (step + 1) * recipe.batch_size][part] for step in range(steps)
    )
    # loss, first right, right among five: on the device, so that no step waits for a number
    sums = torch.zeros(3, dtype=torch.float64, device=device if device.type != "mps" else "cpu")
    began = time.perf_counter()
    bar = progress(range(steps), desc=f"epoch {epoch}/{recipe.epochs}", total=steps)
    for step, (images, labels) in zip(bar, batches, strict=True):
        crops = (recipe.crop_area, recipe.crop_aspect, recipe.flip)
        whole = (recipe.batch_size, part)
        images = augment(pixels(images), state.augmentation, *crops, size=feed.size, part=whole)
        images = normalisation(images).contiguous(memory_format=torch.channels_last)
        rate = learning_rate(recipe, (epoch - 1) * steps + step, steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with autocast(device):
            scores = network(images)
            loss = F.cross_entropy(scores, labels)
        optimiser.zero_grad(set_to_none=True)
        # gradients are averaged over processes; each counts by its images
        (loss * (share * workers.size)).backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimiser.step()
        best = scores.detach().topk(min(5, scores.shape[1]), dim=1).indices == labels[:, None]
        sums += share * torch.stack([loss.detach().double(), best[:, 0].double().mean(), best.any(1).double().mean()])
        if step % _LOOK_EVERY == _LOOK_EVERY - 1 or step == steps - 1:
            mean = (workers.sum(sums) / (step + 1)).tolist()
            _check_finite(mean[0], f"the loss is not finite in epoch {epoch}, step {step + 1}", rate)
            if hasattr(bar, "set_postfix"):
                speed = (step + 1) * recipe.batch_size / (time.perf_counter() - began)
                bar.set_postfix(loss=f"{mean[0]:.3f}", top1=f"{mean[1]:.3f}", images_per_s=f"{speed:.0f}")
    speed = steps * recipe.batch_size / (time.perf_counter() - began)
    return {"loss": mean[0], "top1": mean[1], "top5": mean[2], "lr": rate, "images_per_s": speed}


def _check_finite(loss: float, cause: str, rate: float) -> None:
    if not math.isfinite(loss):
        raise ReceptiveError(f"{cause} (rate {rate:.3g}): lower learning_rate, or set warmup_epochs or clip_norm")


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of all weights of ``network``."""
    weights = network.parameters()
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(weights, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


@dataclass
class _State:
    """All that changes while a network is trained, apart from torch's own source of chance (dropout)."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    order: torch.Generator
    augmentation: torch.Generator
    device: torch.device
    history: list[Row] = field(default_factory=list)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "order": self.order.get_state(),
            "augment": self.augmentation.get_state(),
            "dropout": torch.get_rng_state(),
            "dropout_device": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "history": self.history,
        }
        beside = path.with_suffix(".part")
        torch.save(content, beside)
        os.replace(beside, path)

    def restore(self, content: dict[str, Any]) -> None:
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.order.set_state(content["order"])
        self.augmentation.set_state(content["augment"])
        torch.set_rng_state(content["dropout"])
        if content["dropout_device"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(content["dropout_device"], self.device)
        self.history = content["history"]


def _latest(path: Path, workers: Workers) -> dict[str, Any] | None:
    """The furthest checkpoint of all processes; on machines without a common disk only one may have any."""
    content = path.read_bytes() if path.exists() else b""
    own = _loaded(content, path) if path.exists() else None
    if workers.size == 1:
        return own
    content = workers.furthest(content, len(own["history"]) // 2 if own else 0)
    return _loaded(content, path) if content else None


def _loaded(content: bytes, path: Path) -> dict[str, Any]:
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # zip, pickle and torch each have errors of their own for a file that is cut off or changed
        raise ReceptiveError(f"the checkpoint {path} is damaged: remove it to train from the beginning") from None
