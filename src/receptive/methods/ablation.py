"""The change of the loss by noise on a layer's inactive units, and on active ones as the control (KS 3.5, table 1)."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64, Integer, Shaped
from torch import Tensor, fx, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import responses_to
from receptive.methods.inference import Estimate, bootstrap


def inactive_units(largest: Shaped[np.ndarray, "unit"], threshold: float = 0.0) -> Int64[np.ndarray, "inactive"]:
    """The numbers of the units whose greatest response over all images and positions is at most ``threshold``, rising.

    KS 3.5: a channel of the first max pool that is 0 on every validation image is an "inactive neuron". That is
    threshold 0.

    Args:
        largest: the greatest response of each unit, after a rectification, so never below 0.
    """
    return np.flatnonzero(np.asarray(largest) <= threshold)


@dataclass(frozen=True)
class Noise:
    """Rectified noise on some units of a layer: ``sigma * max(x, 0)``, x ~ N(0, 1), added at every position.

    Attributes:
        units: for each image the units that noise is added to, none of them twice.
        sigma: 1 in the paper; 0 adds nothing.
    """

    units: Int64[Tensor, "image slot"]
    sigma: float = 1.0


def on_units(units: Sequence[int] | Integer[np.ndarray, "slot"], images: int, sigma: float = 1.0) -> Noise:
    """Noise on all of ``units``, in every image (KS: dL)."""
    return Noise(torch.as_tensor(list(units), dtype=torch.int64).expand(images, -1), sigma)


def on_one_unit(
    units: Sequence[int] | Integer[np.ndarray, "unit"], images: int, minibatch: int, generator: torch.Generator
) -> Noise:
    """Noise on one of ``units``, drawn anew for every ``minibatch`` images in their order (KS: dL_rnd).

    The mini-batch is part of the definition, because its images share the unit. KS give no size. It does not depend on
    how many images are computed at once.
    """
    numbers = torch.as_tensor(list(units), dtype=torch.int64)
    drawn = torch.randint(len(numbers), (-(-images // minibatch),), generator=generator)
    return Noise(numbers[drawn].repeat_interleave(minibatch)[:images, None])


def random_sets(
    units: Integer[np.ndarray, "unit"], size: int, draws: int, generator: torch.Generator
) -> list[Integer[np.ndarray, "_"]]:
    """Different random sets of ``size`` units, each rising: ``draws`` sets, or all that exist if they are fewer."""
    possible = math.comb(len(units), size) if size else 0
    sets: dict[tuple, np.ndarray] = {}
    while len(sets) < min(draws, possible):
        chosen = np.sort(units[torch.randperm(len(units), generator=generator).numpy()[:size]])
        sets.setdefault(tuple(chosen.tolist()), chosen)
    return list(sets.values())


def with_noise(
    response: Float[Tensor, "image unit y x"],
    units: Int64[Tensor, "image slot"],
    normal: Float[Tensor, "image slot y x"],
    sigma: float = 1.0,
) -> Float[Tensor, "image unit y x"]:
    """A copy of a layer's output with ``sigma * max(normal, 0)`` added to some of its units.

    Args:
        units: of each image, as ``Noise.units``.
        normal: standard normal.
    """
    rectified = normal.clamp(min=0) * sigma
    return response.scatter_add(1, units[:, :, None, None].expand_as(rectified), rectified.to(response.dtype))


def rest_after(network: nn.Module, layer: str) -> fx.GraphModule:
    """The part of a network after one layer: it takes that layer's output and gives the scores.

    It shares the network's modules, so their weights and mode are the network's own. The network is not changed.

    Raises:
        ReceptiveError: there is no such layer, or a path leads around it, so that the rest sees more than its output.
    """
    traced = network if isinstance(network, fx.GraphModule) else fx.symbolic_trace(network)
    calls = [node for node in traced.graph.nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        raise ReceptiveError(
            f"the network calls no layer '{layer}' exactly once: 'receptive fields NETWORK' lists its layers"
        )
    graph = fx.Graph()
    copies = {calls[0]: graph.placeholder("response")}
    before, after = set(), {calls[0]}  # nodes that see the image around the layer, and nodes that see it through it
    for node in traced.graph.nodes:
        if node is calls[0]:
            continue
        around = [source for source in node.all_input_nodes if source in before]
        through = any(source in after for source in node.all_input_nodes)
        if around and through:
            raise ReceptiveError(f"'{layer}' cannot be cut at: '{node.name}' also sees '{around[0].name}', before it")
        if node.op == "placeholder" or around:
            before.add(node)
            continue
        copies[node] = graph.node_copy(node, lambda source: copies[source])
        if through:
            after.add(node)
    rest = fx.GraphModule(traced, graph)
    rest.training = network.training  # the flag of the shell alone; the modules keep theirs
    return rest


@torch.no_grad()
def losses_under_noise(
    network: nn.Module,
    layer: str,
    batches: Iterable[tuple[Tensor, Tensor]],
    labels: Int64[Tensor, "image"],
    noises: list[Noise],
    normal: Callable[[int, tuple[int, ...]], Tensor],
) -> tuple[Float64[Tensor, "image"], list[Float64[Tensor, "image"]]]:
    """The loss of every image, plain and with each of ``noises`` on the layer's output.

    The network runs once per batch up to the layer, and from there once per noise. Every image has noise of its own,
    the same for all ``noises``, so that they differ only in their units and sigma. The batch size changes the result
    only by rounding.

    Args:
        network: in evaluation mode; its weights and mode are not touched.
        layer: name of a module whose output is (image, unit, y, x).
        batches: pairs of the images' numbers (int64) and the normalised images (image, channel, y, x).
        labels: in the order of ``batches``.
        noises: row i of their ``units`` is for the i-th image of ``batches``.
        normal: gives the standard normal numbers of one image, from its number and the shape (slot, y, x).

    Returns:
        (plain, noised): cross-entropies in nats; noised in the order of ``noises``.

    Raises:
        ReceptiveError: see ``rest_after``.
    """
    rest = rest_after(network, layer)
    slots = max((noise.units.shape[1] for noise in noises), default=0)
    parts: list[list[Tensor]] = [[] for _ in range(1 + len(noises))]
    start = 0
    for numbers, images in batches:
        rows = slice(start, start := start + len(numbers))
        target = labels[rows].to(images.device)
        response = responses_to(network, images.contiguous(memory_format=torch.channels_last), [layer])[layer]
        of_each = [normal(int(number), (slots, *response.shape[2:])) for number in numbers]
        drawn = torch.stack(of_each).to(response.device)
        parts[0].append(_losses(rest(response.clone()), target))  # the rest may work in place
        for noise, losses in zip(noises, parts[1:], strict=True):
            units = noise.units[rows].to(response.device)
            changed = with_noise(response, units, drawn[:, : units.shape[1]], noise.sigma)
            losses.append(_losses(rest(changed), target))
    plain, *noised = [torch.cat(losses) for losses in parts]
    return plain, noised


def _losses(scores: Float[Tensor, "image score"], labels: Int64[Tensor, "image"]) -> Float64[Tensor, "image"]:
    # float64: KS report differences of 1e-6, which float32's logarithm would round away
    return F.cross_entropy(scores.double(), labels, reduction="none").cpu()


def over_minibatches(
    changes: Float64[Tensor, "draw image"], minibatch: int, rng: np.random.Generator, resamples: int
) -> Estimate:
    """Mean change of the loss, with an interval for both the images and the draw of the unit that they share.

    The images of a mini-batch share the unit of each draw, so they are no independent values, but mini-batches are. The
    interval is the bootstrap-t over these (``inference.bootstrap``), because single units may change the loss a lot.

    Args:
        changes: of each draw and image; the images in the order in which mini-batches were made.
        minibatch: images that share a unit; the last mini-batch may be smaller, and weighs less.
    """
    of_image = changes.mean(0).numpy()
    starts = np.arange(0, len(of_image), minibatch)
    totals = np.add.reduceat(of_image, starts) * len(starts) / len(of_image)
    return bootstrap(totals, rng=rng, method="studentized", resamples=resamples)


@dataclass(frozen=True)
class Images:
    """Images to measure on.

    Attributes:
        batches: pairs of the images' numbers (int64) and the normalised images (image, channel, y, x).
        labels: in the order of ``batches``.
    """

    batches: Iterable[tuple[Tensor, Tensor]]
    labels: Int64[Tensor, "image"]

    def __len__(self) -> int:
        return len(self.labels)


def ablate(
    network: nn.Module,
    layer: str,
    inactive: Integer[np.ndarray, "inactive"],
    active: Integer[np.ndarray, "active"],
    validation: Images,
    fewer: Images,
    *,
    minibatch: int,
    unit_draws: int,
    draws: int,
    sweep_draws: int,
    sigmas: list[float],
    resamples: int,
    generator: Callable[..., torch.Generator],
) -> dict[str, Any]:
    """Changes of the loss by noise: KS table 1 for one network, its control and a sweep over the level of the noise.

    ``delta_loss`` (KS: dL) is the mean loss with noise on all inactive units minus the plain loss, and
    ``delta_loss_random`` (dL_rnd) the same with noise on one of them, drawn anew for every mini-batch. Both are near 0
    where the noise changes nothing. Beyond the paper there are intervals (95%): of dL over images, and of dL_rnd over
    mini-batches, because a mini-batch has one unit, and another draw gives another value. dL_rnd is the mean over
    ``unit_draws`` such draws. Also beyond the paper are
    the same noise on active units, and other levels. The control puts noise on as many random active units as are
    inactive: on all active units where they are fewer, and on one where no unit is inactive.

    Args:
        layer: noise is added to its output.
        inactive, active: numbers of units of the layer.
        validation: all images, for ``delta_loss`` and ``delta_loss_random``.
        fewer: some of them, for the control and the sweep, which take many passes.
        minibatch: images that share the unit of ``delta_loss_random``.
        unit_draws: how often every mini-batch draws a unit, independently.
        draws: how many sets of active units the control has; the first ``sweep_draws`` of them also enter the sweep.
        sigmas: levels of the sweep; the paper's is 1.
        resamples: of the intervals.
        generator: gives the generator of the draw with these names.

    Returns:
        Numbers and lists of them; None where there is no unit to add noise to.

    Raises:
        ReceptiveError: see ``rest_after``.
    """
    inactive, active = np.asarray(inactive), np.asarray(active)

    def normal(number: int, shape: tuple[int, ...]) -> Float[Tensor, "slot y x"]:
        return torch.randn(shape, generator=generator("noise", number))

    def change(
        plain: Float64[Tensor, "image"], noised: Float64[Tensor, "image"], *names: str | float
    ) -> tuple[float, list[float]]:
        # one difference per image: what makes one image harder than another drops out
        difference = noised - plain
        chance = np.random.default_rng(generator("bootstrap", *names).initial_seed())
        _, *interval = bootstrap(difference.numpy(), rng=chance, resamples=resamples)
        return float(difference.mean()), interval

    # the whole set: dL, dL_rnd, and noise on one active unit per mini-batch
    noises: dict[str, Noise] = {}  # by the quantity and the number of the draw
    if len(inactive):
        noises["delta_loss"] = on_units(inactive, len(validation))
    one_unit = {"delta_loss_random": (inactive, "unit"), "delta_loss_random_active": (active, "active unit")}
    for name, (units, called) in one_unit.items():
        for number in range(unit_draws if len(units) else 0):
            noises[f"{name} {number}"] = on_one_unit(units, len(validation), minibatch, generator(called, number))
    plain, noised = losses_under_noise(
        network, layer, validation.batches, validation.labels, list(noises.values()), normal
    )
    result: dict[str, Any] = {
        "inactive_units": inactive.tolist(),
        "images": len(validation),
        "loss": float(plain.mean()),
    }
    losses = dict(zip(noises, noised, strict=True))
    value, interval = change(plain, losses["delta_loss"], "delta_loss") if len(inactive) else (None, None)
    result |= {"delta_loss": value, "delta_loss_interval": interval, "unit_draws": unit_draws}
    for name, (units, _) in one_unit.items():
        of_draws = [losses[f"{name} {number}"] - plain for number in range(unit_draws if len(units) else 0)]
        chance = np.random.default_rng(generator("bootstrap", name).initial_seed())
        estimate = over_minibatches(torch.stack(of_draws), minibatch, chance, resamples) if of_draws else None
        result |= {
            name: estimate[0] if estimate else None,
            f"{name}_interval": list(estimate[1:]) if estimate else None,
        }

    # fewer images: many sets of active units, and other noise levels
    size = min(len(inactive) or 1, len(active))
    sets = random_sets(active, size, draws, generator("control"))
    levels = sorted({1.0, *sigmas})
    of_set: dict[tuple[float, int | str], Noise] = {}
    for sigma in levels:
        if len(inactive):
            of_set[sigma, "inactive"] = on_units(inactive, len(fewer), sigma)
        for draw, units in enumerate(sets if sigma == 1 else sets[:sweep_draws]):
            of_set[sigma, draw] = on_units(units, len(fewer), sigma)
    plain, noised = losses_under_noise(network, layer, fewer.batches, fewer.labels, list(of_set.values()), normal)
    measured = dict(zip(of_set, noised, strict=True))

    def control(sigma: float, count: int) -> list[float]:
        return [float((measured[sigma, draw] - plain).mean()) for draw in range(min(count, len(sets)))]

    sweep: list[dict[str, Any]] = []
    for sigma in levels:
        exists = (sigma, "inactive") in measured
        value, interval = change(plain, measured[sigma, "inactive"], "sweep", sigma) if exists else (None, None)
        sweep.append(
            {
                "sigma": sigma,
                "delta_loss": value,
                "delta_loss_interval": interval,
                "control": control(sigma, sweep_draws),
            }
        )
    drawn = control(1.0, draws)
    at_one = next(row for row in sweep if row["sigma"] == 1)
    result["control"] = {
        "images": len(fewer),
        "units_each": size,
        "units": [units.tolist() for units in sets],
        "delta_loss": drawn,
        "mean": float(np.mean(drawn)) if drawn else None,
        "low": float(np.quantile(drawn, 0.025)) if drawn else None,
        "high": float(np.quantile(drawn, 0.975)) if drawn else None,
        "inactive_delta_loss": at_one["delta_loss"],  # on these same images
        "inactive_delta_loss_interval": at_one["delta_loss_interval"],
        "share_at_least_inactive": (
            float(np.mean(np.array(drawn) >= at_one["delta_loss"])) if drawn and len(inactive) else None
        ),
    }
    result["sweep"] = sweep
    return result
