"""Activation maximization: images made by gradient ascent on one unit's response (KS 2.3, equation 2; TG 3 and 4.2).

Many units are optimised in one batch. In evaluation mode the images of a batch do not act on each other. So the
gradient of the sum of all objectives holds each image's own gradient, and the result does not depend on which units
share a batch. The network runs no deeper than the unit's layer, and for one neuron no wider than its receptive field
(``receptive_field_crop``). Images described by their frequencies are in ``methods.maximization_parametrisation``.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture
from receptive.methods.receptive_field.fields import Axis, Field

OBJECTIVES = ("neuron", "channel", "class")
INITIALISATIONS = ("zero", "noise", "mean")
STATUSES = ("ok", "zero_gradient", "diverged")

Position = tuple[int, int]
"""A row and a column of a map."""


@dataclass(frozen=True)
class Preset:
    """How an image is optimised.

    The penalised objective is ``f(x) - l1 * |x|_1 - l2 / 2 * |x|^2``, with x the normalised image and f the unit's
    response. The gradients of the penalties, ``l1 * sign(x)`` (0 at 0) and ``l2 * x``, are subtracted from that of f
    before the optimiser works on it. That is the weight decay of Adam, not of AdamW.

    Attributes:
        initialisation: "zero", "noise" (standard normal) or "mean" (of the class's images). With ``fourier`` only
            "noise", on the coefficients.
        optimiser: "adam" (torch's), or "ascent": x <- x + rate * gradient.
        rate, iterations: step size and number of steps.
        l1, l2: weights of the penalties.
        unit_gradient: whether f's gradient is scaled to root mean square 1 in every image, before the penalties.
        fourier: whether the coefficients of ``Fourier`` are optimised instead of pixels.
        redirected: whether gradients pass closed rectifiers where otherwise none would (``redirected_gradients``).
        shift, zoom, turn: greatest random shift (fraction of the side), change of size (fraction) and rotation
            (degrees) of the image at each step.
    """

    initialisation: Literal["zero", "noise", "mean"]
    optimiser: Literal["adam", "ascent"]
    rate: float
    iterations: int
    l1: float = 0.0
    l2: float = 0.0
    unit_gradient: bool = False
    fourier: bool = False
    redirected: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0

    @property
    def transforms(self) -> bool:
        """Whether the image is shifted, zoomed or turned at random before each step."""
        return bool(self.shift or self.zoom or self.turn)


PRESETS = {
    # KS 3.4. Their equation 2 has the norm, not its square; the weight decay that they set is the square's.
    "ks": Preset("zero", "adam", 0.1, 31, l2=1e-6),
    # The same for units that are silent at the zero image, where the letter of the paper has no gradient.
    "ks_redirected": Preset("zero", "adam", 0.1, 31, l2=1e-6, redirected=True),
    # TG 3.2. Step size and scaling are not given. Their title, their 20 iterations and "stuck in 0" are those of
    # Chollet's "How convolutional neural networks see the world" (2016): gradient of root mean square 1, step 1.
    "tg_channel": Preset("noise", "ascent", 1.0, 20, unit_gradient=True),
    # TG 3.3. Iterations and scaling are not given: as in 3.2. Unscaled, alpha = 0.1 per pixel outweighs the gradient
    # of a score (root mean square 0.001 to 0.014 on noise), and the image would mostly shrink to zero.
    "tg_class": Preset("noise", "ascent", 0.5, 20, l1=0.1, unit_gradient=True),
    # After Olah, Mordvintsev & Schubert, "Feature visualization" (2017), and their library lucid: rate 0.05;
    # the transforms are lucid's in kind, for small images, and the iterations fewer.
    "robust": Preset("noise", "adam", 0.05, 64, fourier=True, redirected=True, shift=0.06, zoom=0.05, turn=5.0),
}
"""The papers' settings, and a modern one for layers where theirs give noise."""


@dataclass(frozen=True)
class Maximized:
    """The images that ``maximize`` ends with, and what the units answer to them.

    Attributes:
        images: normalised; of a diverged unit the last finite image.
        activation: the unit's response to its image, without penalties and transforms; NaN where diverged.
        status: of each unit. "diverged": the response or the image left the finite numbers. "zero_gradient": the
            response's gradient ended exactly zero, and the response no higher than at the start; so the image shows
            nothing of the unit (a rectifier is closed, from the start or on the way). "ok": neither.
    """

    images: Float[Tensor, "unit channel y x"]
    activation: Float[Tensor, "unit"]
    status: tuple[str, ...]


def maximize(
    network: nn.Module,
    layer: str,
    units: Sequence[int],
    objective: str,
    preset: Preset,
    start: Float[Tensor, "unit ..."],
    *,
    position: Position | None = None,
    parametrise: Callable[[Tensor], Tensor] | None = None,
    draws: Float[Tensor, "iteration 4"] | None = None,
    batch_size: int = 32,
    on_step: Callable[[int], object] = lambda images: None,
) -> Maximized:
    """The images that excite units of one layer most, by gradient ascent from ``start``.

    During the call the network is in evaluation mode. Afterwards its weights, their ``requires_grad``, its hooks and
    its mode are as before.

    Args:
        network: any module, from normalised images to scores.
        layer: name of the submodule whose output is the response: (image, unit, y, x) or (image, unit).
        units: numbers of the channels or classes, in any order.
        objective: "neuron": the response at ``position``, by default the centre of the map (KS; of an even number
            of positions the later of the two middle ones). "channel": the mean over the map. "class": the response
            itself, of a layer without a map.
        preset: how.
        start: of each unit its normalised image, or its coefficients for ``parametrise``.
        position: row and column in the map of ``start``'s images.
        parametrise: makes normalised images of what is optimised, each by itself; by default it is the image.
        draws: of each iteration four numbers in [-1, 1] for ``transformed``; needed if the preset has transforms. All
            units share them.
        batch_size: units in one pass.
        on_step: called after every step with the number of images in it.

    Raises:
        ReceptiveError: unknown objective or layer, units that the layer does not have, or an objective that does not
            fit the layer.
        ValueError: ``draws`` are missing.
    """
    if objective not in OBJECTIVES:
        raise ReceptiveError(f"unknown objective '{objective}': choose one of {', '.join(OBJECTIVES)}")
    if preset.transforms and (draws is None or len(draws) < preset.iterations):
        raise ValueError(f"the preset moves the images: draws must be {preset.iterations} x 4")
    parts = []
    with _evaluation_mode(network), _each_image_by_itself(network):
        for first in range(0, len(units), batch_size):
            chosen = slice(first, first + batch_size)
            ask = _Question(network, layer, units[chosen], objective, position)
            parts.append(_maximize_batch(ask, preset, start[chosen], parametrise or (lambda z: z), draws, on_step))
    return Maximized(
        torch.cat([part.images for part in parts]),
        torch.cat([part.activation for part in parts]),
        sum((part.status for part in parts), ()),
    )


@torch.no_grad()
def responses(
    network: nn.Module,
    layer: str,
    units: Sequence[int],
    objective: str,
    images: Float[Tensor, "unit channel y x"],
    *,
    position: Position | None = None,
    batch_size: int = 32,
) -> Float[Tensor, "unit"]:
    """What each unit answers to an image of its own, as ``maximize`` measures it; nothing is optimised.

    Args:
        images: normalised, of each unit one; the other arguments as for ``maximize``.
    """
    parts = []
    with _evaluation_mode(network), _each_image_by_itself(network):
        for first in range(0, len(units), batch_size):
            chosen = slice(first, first + batch_size)
            parts.append(_Question(network, layer, units[chosen], objective, position)(images[chosen]))
    return torch.cat(parts)


def _maximize_batch(
    ask: "_Question",
    preset: Preset,
    start: Float[Tensor, "unit ..."],
    parametrise: Callable[[Tensor], Tensor],
    draws: Float[Tensor, "iteration 4"] | None,
    on_step: Callable[[int], object],
) -> Maximized:
    z = start.detach().clone().requires_grad_()
    each = (len(z), *[1] * (z.dim() - 1))
    finite = torch.ones(len(z), dtype=torch.bool, device=z.device)
    adam = torch.optim.Adam([z], lr=preset.rate, weight_decay=preset.l2, maximize=True)
    with torch.no_grad():
        at_start = ask(parametrise(z))
    for step in range(preset.iterations):
        images = parametrise(z)
        if draws is not None and preset.transforms:
            images = transformed(images, draws[step], preset)
        with redirected_gradients(ask.network) if preset.redirected else nullcontext():
            value = ask(images)
        (gradient,) = torch.autograd.grad(value.sum(), z)
        with torch.no_grad():
            if preset.unit_gradient:
                size = gradient.flatten(1).square().mean(1).sqrt().view(each)
                gradient = torch.where(size > 0, gradient / size, gradient)
            gradient = gradient - preset.l1 * z.sign()
            before = z.clone()
            if preset.optimiser == "adam":
                z.grad = gradient
                adam.step()
            else:
                z.add_(preset.rate * (gradient - preset.l2 * z))
            finite &= value.isfinite() & z.flatten(1).isfinite().all(1)
            z.copy_(torch.where(finite.view(each), z, before))  # a diverged unit keeps its last finite image
        on_step(len(z))
    images = parametrise(z)
    activation = ask(images)
    (gradient,) = torch.autograd.grad(activation.sum(), z)
    images, activation = images.detach(), activation.detach()
    finite &= activation.isfinite()
    stuck = gradient.flatten(1).eq(0).all(1) & (activation <= at_start)
    status = tuple(
        "diverged" if not whole else "zero_gradient" if idle else "ok"
        for whole, idle in zip(finite.tolist(), stuck.tolist(), strict=True)
    )
    return Maximized(images, torch.where(finite, activation, torch.nan), status)


class _Question:
    """The objective of each image of a batch: the response of unit i to image i."""

    def __init__(self, network: nn.Module, layer: str, units: Sequence[int], objective: str, position: Position | None):
        self.network, self.layer, self.objective, self.position = network, layer, objective, position
        self.units = list(units)

    def __call__(self, images: Float[Tensor, "image channel y x"]) -> Float[Tensor, "image"]:
        # The response is read without a copy, so it keeps its graph. Nothing after the layer runs, so nothing changes
        # it in place.
        with capture(self.network, [self.layer], lambda _, response: response, stop=True) as responses:
            self.network(images)
        response = responses[self.layer]
        self._check(response)
        own = response[torch.arange(len(images)), self.units]
        if self.objective == "class":
            return own.flatten(1)[:, 0] if own.dim() > 1 else own
        if self.objective == "channel":
            return own.mean((1, 2))
        y, x = self.position or (own.shape[1] // 2, own.shape[2] // 2)
        return own[:, y, x]

    def _check(self, response: Float[Tensor, "image unit ..."]) -> None:
        if max(self.units) >= response.shape[1] or min(self.units) < 0:
            wrong = next(unit for unit in self.units if not 0 <= unit < response.shape[1])
            raise ReceptiveError(f"layer '{self.layer}' has no unit {wrong}: choose from 0 to {response.shape[1] - 1}")
        has_map = response.dim() == 4
        if has_map and self.objective == "class" and response[0, 0].numel() > 1:
            raise ReceptiveError(f"layer '{self.layer}' is a map: ask for the objective neuron or channel")
        if not has_map and self.objective != "class":
            raise ReceptiveError(f"layer '{self.layer}' has no map: ask for the objective class")


# ---------------------------------------------------------------- the receptive field's own part of the image


@dataclass(frozen=True)
class Crop:
    """A part of the image on which one position of a map answers exactly as on the whole image.

    Attributes:
        top, left, bottom, right: half-open, in px, inside the image.
        position: row and column of the position in the crop's own map.
    """

    top: int
    left: int
    bottom: int
    right: int
    position: Position


def receptive_field_crop(field: Field, position: Position) -> Crop:
    """The smallest crop, aligned to the layer's stride, on which ``position`` answers as on the whole image.

    Along each axis it begins at a multiple of the stride, so that every layer on the way samples the same pixels, and
    ends with the receptive field. Where the field reaches over an edge of the image the crop ends at that edge, and
    the padding there is the network's own. It does not hold for layers that adapt their windows to the image's size
    (adaptive pooling): in a crop they have other windows.

    Args:
        field: of the layer, for the whole image.
        position: row and column in the map of the whole image.
    """
    (top, bottom, y), (left, right, x) = (
        _span(axis, at, length) for axis, at, length in zip((field.y, field.x), position, field.image_size, strict=True)
    )
    return Crop(top, left, bottom, right, (y, x))


def _span(axis: Axis | None, position: int, length: int) -> tuple[int, int, int]:
    """First pixel, the one after the last, and the position in the crop's map, along one axis."""
    if axis is None:
        return 0, length, position
    # the first position of any map whose field does not reach over the crop's beginning
    clear = max(0, math.ceil(-axis.start / axis.stride))
    local = min(position, clear)
    _, end = axis.interval(position)
    return axis.stride * (position - local), min(end, length), local


# ---------------------------------------------------------------- what happens to images and network


def transformed(
    images: Float[Tensor, "image channel y x"], draw: Float[Tensor, "4"], preset: Preset
) -> Float[Tensor, "image channel y x"]:
    """All images shifted, zoomed and turned alike; interpolated bilinearly, and mirrored at the edges.

    Args:
        draw: four numbers in [-1, 1]: shift down and across, zoom, turn, as fractions of the preset's greatest.
    """
    down, across, zoom, turn = draw.tolist()
    scale = 1 + preset.zoom * zoom
    angle = math.radians(preset.turn * turn)
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    # affine_grid's coordinates run from -1 to 1, so a side is 2 long
    matrix = [[cosine, -sine, 2 * preset.shift * across], [sine, cosine, 2 * preset.shift * down]]
    theta = torch.tensor([matrix], dtype=images.dtype, device=images.device)
    grid = F.affine_grid(theta, [1, *images.shape[1:]], align_corners=False)
    return F.grid_sample(
        images, grid.expand(len(images), -1, -1, -1), mode="bilinear", padding_mode="reflection", align_corners=False
    )


class _Redirected(torch.autograd.Function):
    """A rectification whose gradient passes where otherwise none of an image's would."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "image ..."], rectified: Float[Tensor, "image ..."]
    ) -> Float[Tensor, "image ..."]:
        ctx.save_for_backward(x)
        return rectified.view_as(rectified)

    @staticmethod
    def backward(ctx: Any, arriving: Float[Tensor, "image ..."]) -> tuple[Float[Tensor, "image ..."], None]:
        (x,) = ctx.saved_tensors
        usual = torch.where(x > 0, arriving, 0)
        through = usual.abs().amax(tuple(range(1, x.dim())), keepdim=True) != 0
        if through.all():
            return usual, None
        opened = torch.where((x > 0) | (arriving > 0), arriving, 0)  # nothing closed is pushed further down
        return torch.where(through, usual, opened), None


@contextmanager
def redirected_gradients(network: nn.Module) -> Iterator[None]:
    """Within the block, rectifiers pass gradients upwards for images that would get none at all (lucid).

    A unit that is silent at the start has no gradient and would stay silent. The responses are the same. Only
    ``nn.ReLU`` modules that do not work in place take part, each by a hook that is gone afterwards.
    """
    handles = [
        module.register_forward_hook(lambda _, inputs, output: _Redirected.apply(inputs[0], output.detach()))
        for module in network.modules()
        if isinstance(module, nn.ReLU) and not module.inplace
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _each_image_by_itself(network: nn.Module) -> Iterator[None]:
    """Within the block, linear layers multiply image by image.

    A matrix product rounds differently for different numbers of rows, and tens of steps of Adam enlarge that until it
    can be seen (a change of batch size moved single pixels by 0.85).
    """

    def hook(
        linear: nn.Linear, inputs: tuple[Tensor, ...], output: Shaped[Tensor, "*rows value"]
    ) -> Shaped[Tensor, "*rows value"]:
        return torch.cat([F.linear(image, linear.weight, linear.bias) for image in inputs[0].split(1)])

    handles = [module.register_forward_hook(hook) for module in network.modules() if isinstance(module, nn.Linear)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode; afterwards each module is in its own mode again."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
