"""What noise on a layer's units does to the loss: inactive units, and active ones as the control (KS 3.5, table 1)."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import responses_to
from receptive.methods.inference import bootstrap


def inactive_units(largest: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """The units whose greatest response over all images and positions is at most ``threshold``, rising.

    KS 3.5: a channel of the first max pool that is 0 on every validation image is an "inactive neuron"; that is
    threshold 0.

    Args:
        largest: (unit,), after a rectification, so never below 0.
    """
    return np.flatnonzero(np.asarray(largest) <= threshold)


@dataclass(frozen=True)
class Noise:
    """Rectified noise on some units of a layer: ``sigma * max(x, 0)``, x ~ N(0, 1), added at every position.

    Attributes:
        units: image x slot, int64: the units that the noise of each image is added to; no unit twice in a row.
        sigma: 1 in the paper; 0 adds nothing.
    """

    units: Tensor
    sigma: float = 1.0


def on_units(units: Iterable[int], images: int, sigma: float = 1.0) -> Noise:
    """Noise on all of ``units``, in every image (KS: dL)."""
    return Noise(torch.as_tensor(list(units), dtype=torch.int64).expand(images, -1), sigma)


def on_one_unit(units: Iterable[int], images: int, minibatch: int, generator: torch.Generator) -> Noise:
    """Noise on one of ``units``, drawn anew for every mini-batch of ``minibatch`` images in their order (KS: dL_rnd).

    The mini-batch is part of the definition: all its images share the unit. KS print no size. How many
    images are computed at once is another matter and changes nothing.
    """
    units = torch.as_tensor(list(units), dtype=torch.int64)
    drawn = torch.randint(len(units), (-(-images // minibatch),), generator=generator)
    return Noise(units[drawn].repeat_interleave(minibatch)[:images, None])


def random_sets(units: np.ndarray, size: int, draws: int, generator: torch.Generator) -> list[np.ndarray]:
    """Different random sets of ``size`` of the units, each rising: ``draws`` of them, or all there are if fewer."""
    units = np.asarray(units)
    possible = math.comb(len(units), size) if size else 0
    sets: dict[tuple, np.ndarray] = {}
    while len(sets) < min(draws, possible):
        chosen = np.sort(units[torch.randperm(len(units), generator=generator).numpy()[:size]])
        sets.setdefault(tuple(chosen.tolist()), chosen)
    return list(sets.values())


def with_noise(response: Tensor, units: Tensor, normal: Tensor, sigma: float = 1.0) -> Tensor:
    """A layer's output with ``sigma * max(normal, 0)`` added to some of its units; the output itself stays.

    Args:
        response: image x unit x y x x; units: image x slot; normal: image x slot x y x x, standard normal.
    """
    rectified = normal.clamp(min=0) * sigma
    return response.scatter_add(1, units[:, :, None, None].expand_as(rectified), rectified.to(response.dtype))


def rest_after(network: nn.Module, layer: str) -> fx.GraphModule:
    """The part of a network behind one layer: it takes that layer's output and gives the scores.

    It shares the network's modules, so their weights and mode are the network's own; the network is not
    changed.

    Raises:
        ReceptiveError: there is no such layer, or a path leads around it, so that its output is not all that the
            rest sees.
    """
    traced = network if isinstance(network, fx.GraphModule) else fx.symbolic_trace(network)
    calls = [node for node in traced.graph.nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        raise ReceptiveError(
            f"the network calls no layer '{layer}' exactly once: 'receptive fields NETWORK' lists its layers"
        )
    graph = fx.Graph()
    copies = {calls[0]: graph.placeholder("response")}
    before, behind = set(), {calls[0]}  # nodes that see the image around the layer, and through it
    for node in traced.graph.nodes:
        if node is calls[0]:
            continue
        around = [source for source in node.all_input_nodes if source in before]
        through = any(source in behind for source in node.all_input_nodes)
        if around and through:
            raise ReceptiveError(f"'{layer}' cannot be cut at: '{node.name}' also sees '{around[0].name}', before it")
        if node.op == "placeholder" or around:
            before.add(node)
            continue
        copies[node] = graph.node_copy(node, lambda source: copies[source])
        if through:
            behind.add(node)
    rest = fx.GraphModule(traced, graph)
    rest.training = network.training  # the flag of the shell alone; the modules keep theirs
    return rest


@torch.no_grad()
def losses_under_noise(
    network: nn.Module,
    layer: str,
    batches: Iterable[tuple[Tensor, Tensor]],
    labels: Tensor,
    noises: list[Noise],
    normal: Callable[[int, tuple[int, ...]], Tensor],
) -> tuple[Tensor, list[Tensor]]:
    """The loss of every image, plain and with each of ``noises`` on the layer's output.

    The network runs up to the layer once a batch, and from there on once a noise. Every image has noise of its
    own, which is the same for all ``noises`` (so that their differences are not the noise's), and the result does
    not depend on the batch size (to float tolerance).

    Args:
        network: in evaluation mode; its weights and mode are not touched.
        layer: name of a module whose output is image x unit x y x x.
        batches: pairs of the images' numbers (int64) and the normalised images (image x channel x y x x).
        labels: (image,), int64, in the order of ``batches``.
        noises: row i of their ``units`` is for the i-th image of ``batches``.
        normal: gives x ~ N(0, 1) of one image, called with its number and the shape slot x y x x.

    Returns:
        (plain, noised): cross entropies in nats, float64, (image,) each, ``noised`` in the order of ``noises``.

    Raises:
        ReceptiveError: see ``rest_after``.
    """
    rest = rest_after(network, layer)
    slots = max((noise.units.shape[1] for noise in noises), default=0)
    found: list[list[Tensor]] = [[] for _ in range(1 + len(noises))]
    start = 0
    for numbers, images in batches:
        rows = slice(start, start := start + len(numbers))
        target = labels[rows].to(images.device)
        response = responses_to(network, images.contiguous(memory_format=torch.channels_last), [layer])[layer]
        drawn = [normal(int(number), (slots, *response.shape[2:])) for number in numbers]
        drawn = torch.stack(drawn).to(response.device)
        found[0].append(_losses(rest(response.clone()), target))  # the rest may work in place
        for noise, losses in zip(noises, found[1:], strict=True):
            units = noise.units[rows].to(response.device)
            noised = with_noise(response, units, drawn[:, : units.shape[1]], noise.sigma)
            losses.append(_losses(rest(noised), target))
    plain, *noised = (torch.cat(losses) for losses in found)
    return plain, noised


def _losses(scores: Tensor, labels: Tensor) -> Tensor:
    # float64: KS report differences of 1e-6, which float32's logarithm would round away
    return F.cross_entropy(scores.double(), labels, reduction="none").cpu()


@dataclass(frozen=True)
class Images:
    """Images to measure on: ``batches`` of (numbers, normalised images), and their ``labels`` in that order."""

    batches: Iterable[tuple[Tensor, Tensor]]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def ablate(
    network: nn.Module,
    layer: str,
    inactive: np.ndarray,
    active: np.ndarray,
    validation: Images,
    fewer: Images,
    *,
    minibatch: int,
    draws: int,
    sweep_draws: int,
    sigmas: list[float],
    resamples: int,
    generator: Callable[..., torch.Generator],
) -> dict:
    """KS table 1 for one network, its control and a sweep over the noise; near 0 where the noise changes nothing.

    ``delta_loss`` (KS: dL) is the mean loss with noise on all inactive units minus the plain one,
    ``delta_loss_random`` (dL_rnd) with noise on one of them, drawn anew for every mini-batch. Beyond the paper:
    intervals (95%, ``inference.bootstrap`` over the images), the same on active units, and other noise levels.
    The control noises as many random active units as are inactive (all, where there are fewer; one, where none is
    inactive, so that the reader still sees what such noise does).

    Args:
        layer: its output is where noise is added.
        inactive, active: units of the layer.
        validation: all images, for ``delta_loss`` and ``delta_loss_random``; ``fewer``: some of them, for the control
            and the sweep, which take many passes.
        minibatch: images that share the unit of ``delta_loss_random``.
        draws: sets of active units; the first ``sweep_draws`` of them also enter the sweep.
        sigmas: noise levels of the sweep; the paper's is 1.
        generator: gives the generator of the draw with these names.

    Returns:
        Plain numbers and lists; None where there is no unit to add noise to.

    Raises:
        ReceptiveError: see ``rest_after``.
    """
    inactive, active = np.asarray(inactive), np.asarray(active)

    def normal(number: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator("noise", number))

    def change(plain: Tensor, noised: Tensor, *names: str | float) -> tuple[float, list[float]]:
        # one difference per image: what makes one image harder than another drops out
        difference = noised - plain
        chance = np.random.default_rng(generator("bootstrap", *names).initial_seed())
        _, *interval = bootstrap(difference.numpy(), rng=chance, resamples=resamples)
        return float(difference.mean()), interval

    # the whole set: dL, dL_rnd, and one active unit a mini-batch
    noises = {}
    if len(inactive):
        noises["delta_loss"] = on_units(inactive, len(validation))
        noises["delta_loss_random"] = on_one_unit(inactive, len(validation), minibatch, generator("unit"))
    if len(active):
        noises["delta_loss_random_active"] = on_one_unit(active, len(validation), minibatch, generator("active unit"))
    plain, noised = losses_under_noise(
        network, layer, validation.batches, validation.labels, list(noises.values()), normal
    )
    result = {"inactive_units": inactive.tolist(), "images": len(validation), "loss": float(plain.mean())}
    measured = dict(zip(noises, noised, strict=True))
    for name in ("delta_loss", "delta_loss_random", "delta_loss_random_active"):
        value, interval = change(plain, measured[name], name) if name in measured else (None, None)
        result |= {name: value, f"{name}_interval": interval}

    # fewer images: many sets of active units, and other noise levels
    size = min(len(inactive) or 1, len(active))
    sets = random_sets(active, size, draws, generator("control"))
    levels = sorted({1.0, *sigmas})
    noises = {}
    for sigma in levels:
        if len(inactive):
            noises[sigma, "inactive"] = on_units(inactive, len(fewer), sigma)
        for draw, units in enumerate(sets if sigma == 1 else sets[:sweep_draws]):
            noises[sigma, draw] = on_units(units, len(fewer), sigma)
    plain, noised = losses_under_noise(network, layer, fewer.batches, fewer.labels, list(noises.values()), normal)
    measured = dict(zip(noises, noised, strict=True))

    def control(sigma: float, count: int) -> list[float]:
        return [float((measured[sigma, draw] - plain).mean()) for draw in range(min(count, len(sets)))]

    sweep = []
    for sigma in levels:
        known = (sigma, "inactive") in measured
        value, interval = change(plain, measured[sigma, "inactive"], "sweep", sigma) if known else (None, None)
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
