"""Activation maximization: images made by gradient ascent on one unit's response (KS 2.3, equation 2; TG 3 and 4.2).

Many units are optimised in one batch. In evaluation mode the images of a batch do not see each other, so the
gradient of the sum of all objectives holds each image's own gradient, and the result does not depend on which
units share a batch. The network runs no deeper than the unit's layer, and for one neuron no wider than its
receptive field (``receptive_field_crop``).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture
from receptive.methods.receptive_field.fields import Axis, Field

OBJECTIVES = ("neuron", "channel", "class")
INITIALISATIONS = ("zero", "noise", "mean")
STATUSES = ("ok", "zero_gradient", "diverged")

Position = tuple[int, int]


@dataclass(frozen=True)
class Preset:
    """How an image is optimised.

    The penalised objective is ``f(x) - l1 * |x|_1 - l2 / 2 * |x|^2``, x the normalised image and f the unit's
    response; the penalties' gradients, ``l1 * sign(x)`` (0 at 0) and ``l2 * x``, are subtracted from f's before
    the optimiser sees it, as in the weight decay of Adam (not AdamW).

    Attributes:
        initialisation: "zero", "noise" (standard normal) or "mean" (of the class's images); with ``fourier``
            only "noise", on the coefficients.
        optimiser: "adam", or "ascent": x <- x + rate * gradient.
        rate, iterations: step size and number of steps.
        l1, l2: weights of the penalties.
        unit_gradient: scale f's gradient to root mean square 1 in every image before the penalties come in.
        fourier: optimise the coefficients of ``Fourier`` instead of pixels.
        redirected: let the gradient through closed rectifiers where otherwise none would arrive
            (``redirected_gradients``).
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
        """Whether the image is moved at random before each step."""
        return bool(self.shift or self.zoom or self.turn)


PRESETS = {
    # KS 3.4. Their equation 2 has the norm, not its square; the weight decay that they set is the square's.
    "ks": Preset("zero", "adam", 0.1, 31, l2=1e-6),
    # The same for units that are silent at the zero image, where the letter of the paper has no gradient.
    "ks_redirected": Preset("zero", "adam", 0.1, 31, l2=1e-6, redirected=True),
    # TG 3.2. Step size and scaling are not given. Their title, their 20 iterations and "stuck in 0" are those of
    # Chollet's "How convolutional neural networks see the world" (2016): gradient of root mean square 1, step 1.
    "tg_channel": Preset("noise", "ascent", 1.0, 20, unit_gradient=True),
    # TG 3.3. Iterations and scaling are not given: as in 3.2. Unscaled, alpha = 0.1 a pixel outweighs the gradient
    # of a score (root mean square 0.001 to 0.014 on noise), and the image would mostly shrink to zero.
    "tg_class": Preset("noise", "ascent", 0.5, 20, l1=0.1, unit_gradient=True),
    # After Olah, Mordvintsev & Schubert, "Feature visualization" (2017), and their library lucid: rate 0.05;
    # the transforms are lucid's in kind, for small images, and the iterations fewer.
    "robust": Preset("noise", "adam", 0.05, 64, fourier=True, redirected=True, shift=0.06, zoom=0.05, turn=5.0),
}
"""The papers' settings, and a modern one for layers where theirs give noise."""


@dataclass(frozen=True)
class Maximised:
    """What came out for each unit.

    Attributes:
        images: unit x channel x y x x, normalised; of a diverged unit the last finite image.
        activation: the unit's response to its image, without penalties and transforms; NaN where diverged.
        status: "ok"; "zero_gradient": the response's gradient ended exactly zero and the response no higher than at
            the start, so the image holds nothing of the unit (a closed rectifier, also when the unit fell silent on
            the way); "diverged": the response or the image left the finite numbers.
    """

    images: Tensor
    activation: Tensor
    status: tuple[str, ...]


def maximise(
    network: nn.Module,
    layer: str,
    units: Sequence[int],
    objective: str,
    preset: Preset,
    start: Tensor,
    *,
    position: Position | None = None,
    parametrise: Callable[[Tensor], Tensor] | None = None,
    draws: Tensor | None = None,
    batch_size: int = 32,
    on_step: Callable[[int], object] = lambda images: None,
) -> Maximised:
    """The images that excite units of one layer most, by gradient ascent from ``start``.

    Evaluation mode holds during the call; weights, their ``requires_grad``, hooks and mode are afterwards as before.

    Args:
        network: any module, from normalised images to scores.
        layer: name of the submodule whose output is the response, image x unit x y x x or image x unit.
        units: numbers of the channels or classes, in any order.
        objective: "neuron": the response at ``position``, by default the centre of the map (KS; of an even number
            of positions the later of the two middle ones); "channel": the mean over the map; "class": the response
            itself, where there is no map.
        preset: how.
        start: unit x channel x y x x (normalised), or unit x coefficients for ``parametrise``.
        position: y, x in the map of ``start``'s images.
        parametrise: from what is optimised to normalised images, each by itself; default: they are the same.
        draws: iteration x 4 numbers in [-1, 1] for ``transformed``; needed if, and only if, the preset has transforms.
            All units see the same ones.
        batch_size: units in one pass.
        on_step: called after every step with the number of images in it.

    Raises:
        ReceptiveError: unknown objective or layer, units that the layer does not have, or an objective that
            does not fit the layer.
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
            parts.append(_maximise_batch(ask, preset, start[chosen], parametrise or (lambda z: z), draws, on_step))
    return Maximised(
        torch.cat([part.images for part in parts]),
        torch.cat([part.activation for part in parts]),
        sum((part.status for part in parts), ()),
    )


def _maximise_batch(ask, preset, start, parametrise, draws, on_step) -> Maximised:
    z = start.detach().clone()
    each = (len(z), *[1] * (z.dim() - 1))
    finite = torch.ones(len(z), dtype=torch.bool, device=z.device)
    advance = Adam(preset.rate) if preset.optimiser == "adam" else Ascent(preset.rate)
    with torch.no_grad():
        at_start = ask(parametrise(z))
    for step in range(preset.iterations):
        leaf = z.requires_grad_()
        images = parametrise(leaf)
        with redirected_gradients(ask.network) if preset.redirected else nullcontext():
            value = ask(transformed(images, draws[step], preset) if preset.transforms else images)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        with torch.no_grad():
            z = leaf.detach()
            if preset.unit_gradient:
                size = gradient.flatten(1).square().mean(1).sqrt().view(each)
                gradient = torch.where(size > 0, gradient / size, gradient)
            gradient = gradient - preset.l1 * z.sign() - preset.l2 * z
            moved = z + advance(gradient)
            finite &= value.isfinite() & moved.flatten(1).isfinite().all(1)
            z = torch.where(finite.view(each), moved, z)
        on_step(len(z))
    leaf = z.requires_grad_()
    images = parametrise(leaf)
    activation = ask(images)
    (gradient,) = torch.autograd.grad(activation.sum(), leaf)
    images, activation = images.detach(), activation.detach()
    finite &= activation.isfinite()
    stuck = gradient.flatten(1).eq(0).all(1) & (activation <= at_start)
    status = tuple(
        "diverged" if not whole else "zero_gradient" if idle else "ok"
        for whole, idle in zip(finite.tolist(), stuck.tolist(), strict=True)
    )
    return Maximised(images, torch.where(finite, activation, torch.nan), status)


class _Question:
    """The objective of each image of a batch: image i is asked about unit i."""

    def __init__(self, network: nn.Module, layer: str, units: Sequence[int], objective: str, position: Position | None):
        self.network, self.layer, self.objective, self.position = network, layer, objective, position
        self.units = list(units)

    def __call__(self, images: Tensor) -> Tensor:
        # what is read keeps its graph; nothing that follows the layer runs and could change it in place
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

    def _check(self, response: Tensor) -> None:
        if max(self.units) >= response.shape[1] or min(self.units) < 0:
            wrong = next(unit for unit in self.units if not 0 <= unit < response.shape[1])
            raise ReceptiveError(f"layer '{self.layer}' has no unit {wrong}: choose from 0 to {response.shape[1] - 1}")
        has_map = response.dim() == 4
        if has_map and self.objective == "class" and response[0, 0].numel() > 1:
            raise ReceptiveError(f"layer '{self.layer}' is a map: ask for the objective neuron or channel")
        if not has_map and self.objective != "class":
            raise ReceptiveError(f"layer '{self.layer}' has no map: ask for the objective class")


# ---------------------------------------------------------------- optimisers


class Ascent:
    """Plain gradient ascent: the change of the image is ``rate * gradient``."""

    def __init__(self, rate: float):
        self.rate = rate

    def __call__(self, gradient: Tensor) -> Tensor:
        """The change for this step's gradient."""
        return self.rate * gradient


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1, upwards) with torch's defaults: beta 0.9 and 0.999, epsilon 1e-8.

    It works on every number by itself, so on a batch it does the same as on each image alone.
    """

    def __init__(self, rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8):
        self.rate, self.betas, self.epsilon = rate, betas, epsilon
        self.steps = 0
        self.mean: Tensor | float = 0.0
        self.square: Tensor | float = 0.0

    def __call__(self, gradient: Tensor) -> Tensor:
        """The change for this step's gradient."""
        first, second = self.betas
        self.steps += 1
        self.mean = first * self.mean + (1 - first) * gradient
        self.square = second * self.square + (1 - second) * gradient.square()
        mean = self.mean / (1 - first**self.steps)
        square = self.square / (1 - second**self.steps)
        return self.rate * mean / (square.sqrt() + self.epsilon)


# ---------------------------------------------------------------- the receptive field's own part of the image


@dataclass(frozen=True)
class Crop:
    """A part of the image on which one position of a map answers exactly as on the whole image.

    Attributes:
        top, left, bottom, right: half-open, in px, inside the image.
        position: y, x of the position in the crop's own map.
    """

    top: int
    left: int
    bottom: int
    right: int
    position: Position


def receptive_field_crop(field: Field, position: Position) -> Crop:
    """The smallest crop, aligned to the layer's stride, on which ``position`` answers as on the whole image.

    Along each axis it begins a multiple of the stride into the image, so that every layer on the way samples
    the same pixels, and ends with the receptive field. Where the field reaches over an edge of the image the
    crop ends at that edge, and the padding there is the real one. Layers that adapt their windows to the
    image's size (adaptive pooling) would see other windows in a crop.

    Args:
        field: of the layer, for the whole image; position: y, x in the whole image's map.
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


# ---------------------------------------------------------------- the robust preset's images


def colour_basis(covariance: Tensor) -> Tensor:
    """The symmetric square root B of a covariance of colours: B times white noise has it, B B' = covariance.

    Args:
        covariance: channel x channel, of natural pixels.
    """
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


@dataclass(frozen=True)
class Fourier:
    """Images by their spatial frequencies and decorrelated colours (Olah et al. 2017; lucid's ``fft_image``).

    Steps of equal size in these coefficients are steps along natural statistics: a frequency's weight falls
    as 1 / frequency, and colours go together as in real images. Pixels pass a sigmoid into [0, 1].

    Attributes:
        size: height and width in px.
        colour: channel x channel, of ``colour_basis``; lucid scales its own to greatest column norm 1, so
            that the natural contrast drops out; so does this.
        to_input: from pixels in [0, 1] to normalised images.
    """

    size: tuple[int, int]
    colour: Tensor
    to_input: Callable[[Tensor], Tensor] = lambda pixels: pixels

    @property
    def coefficients(self) -> tuple[int, ...]:
        """Shape of one image's coefficients: channel x frequency y x frequency x x (real, imaginary)."""
        height, width = self.size
        return (len(self.colour), height, width // 2 + 1, 2)

    def picture(self, coefficients: Tensor) -> Tensor:
        """The real picture of the coefficients, before colours and sigmoid: image x channel x y x x."""
        height, width = self.size
        like = {"dtype": coefficients.dtype, "device": coefficients.device}
        down = torch.fft.fftfreq(height, **like)[:, None]
        across = torch.fft.rfftfreq(width, **like)[None, :]
        frequency = (down.square() + across.square()).sqrt().clamp(min=1 / max(height, width))
        weights = (height * width) ** 0.5 / 4 / frequency  # lucid's, its division of the image by 4 included
        spectrum = torch.view_as_complex(coefficients.contiguous()) * weights
        return torch.fft.irfft2(spectrum, s=self.size)

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Normalised images, image x channel x y x x."""
        scaled = self.colour / self.colour.norm(dim=0).max()
        coloured = torch.einsum("dc,nchw->ndhw", scaled, self.picture(coefficients))
        # image by image: a sigmoid's last digit depends on where a number lies in its batch
        return self.to_input(torch.cat([torch.sigmoid(image) for image in coloured.split(1)]))


FOURIER_START = 0.01
"""Standard deviation of the coefficients at the start (lucid's)."""


def transformed(images: Tensor, draw: Tensor, preset: Preset) -> Tensor:
    """All images shifted, zoomed and turned alike; bilinear, and mirrored at the edges.

    Args:
        images: image x channel x y x x.
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
    """Rectification whose gradient opens where it is closed on the whole of an image."""

    @staticmethod
    def forward(ctx, x: Tensor, rectified: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return rectified.view_as(rectified)

    @staticmethod
    def backward(ctx, arriving: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        usual = torch.where(x > 0, arriving, 0)
        through = usual.abs().amax(tuple(range(1, x.dim())), keepdim=True) != 0
        if through.all():
            return usual, None
        opened = torch.where((x > 0) | (arriving > 0), arriving, 0)  # nothing closed is pushed further down
        return torch.where(through, usual, opened), None


@contextmanager
def redirected_gradients(network: nn.Module) -> Iterator[None]:
    """In the block rectifiers let gradients upwards through for images of which otherwise none would pass (lucid).

    A unit that is silent at the start has no gradient and would stay silent. The responses are the same. Only
    ``nn.ReLU`` modules that do not work in place are touched, each by a hook that is gone afterwards.
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
    """In the block linear layers multiply image by image.

    A matrix product rounds differently for different numbers of rows, and tens of steps of Adam blow that up to what
    can be seen (a change of batch size moved single pixels by 0.85).
    """

    def hook(linear: nn.Linear, inputs: tuple, output: Tensor) -> Tensor:
        return torch.cat([F.linear(image, linear.weight, linear.bias) for image in inputs[0].split(1)])

    handles = [module.register_forward_hook(hook) for module in network.modules() if isinstance(module, nn.Linear)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """In the block the network is in evaluation mode; afterwards every module is in its own mode again."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
