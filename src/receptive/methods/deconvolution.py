"""Deconvolution: what a layer's representation, or one response in it, comes from in the image.

The response is carried back to the pixels layer by layer (Zeiler & Fergus 2014; YU 4.2):

- through a convolution by its flipped filters, without bias; through a fully connected layer as through a convolution;
- through a rectification by setting what is negative in the *reconstruction* to zero, whatever was negative in the
  forward pass. The gradient instead sets to zero where the input was negative, and guided backpropagation does both;
- through a max pool by its switches. Where windows overlap and share a winner their values add, as in the adjoint
  (Zeiler & Fergus fill in one value, and do not say what happens where windows overlap);
- through an average pool by its adjoint, through batch normalisation, in evaluation mode, by its scale alone, and
  through dropout unchanged.

The papers have no skip connections. Reading: a sum is carried back into both of its branches, and at a branch point
what arrives from both is added (the transposed sum).

All of this but the rectification is the transposed Jacobian. So it is computed as a vector-Jacobian product, whose rule
is changed in the recorded graph of that one forward pass. The network itself is not changed. Rectifications are found
as modules, shared modules and functions, in place or not. What is neither linear nor a rectification is refused. The
graph shows only what autograd sees: a network that multiplies by a mask made without gradient counts as one that
multiplies by a constant.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Integer, Shaped
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture

# Names of autograd's nodes without "Backward" and its number.
_RECTIFICATIONS = {"Relu"}
_LINEAR = {
    "Add", "AdaptiveAvgPool2D", "AsStrided", "AvgPool2D", "Cat", "ChannelShuffle", "Clone", "ConstantPadNd", "Expand",
    "Flip", "Mean", "Neg", "Permute", "PixelShuffle", "PixelUnshuffle", "ReflectionPad2D", "ReplicationPad2D",
    "Repeat", "Roll", "Select", "Slice", "Split", "SplitWithSizes", "Squeeze", "Stack", "Sub", "Sum", "T", "ToCopy",
    "Transpose", "Unsqueeze", "UnsafeView", "UpsampleBilinear2D", "UpsampleNearest2D", "View",
}  # fmt: skip
_SWITCHES = {"AdaptiveMaxPool2D", "MaxPool2DWithIndices"}
_LINEAR_IN_ONE = {"Addmm", "Bmm", "Convolution", "Mm", "Mul"}
"""Linear as long as only one of the factors depends on the image."""
_LINEAR_IN_FIRST = {"CudnnBatchNorm", "Div", "MiopenBatchNorm", "NativeBatchNorm"}
"""Linear as long as nothing but the first input depends on the image."""

Signal = Callable[[str, Tensor], Tensor]
Node = torch.autograd.graph.Node


def whole_representation(layer: str, response: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """All of a layer's response, with negative values set to zero: what YU 4.2 carry back.

    After a rectification no value is negative. Class scores are rectified too (reading: all maps in the papers are
    positive), so evidence against a class is not carried back.
    """
    return response.clamp(min=0)


def deconvolve(
    network: nn.Module,
    images: Float[Tensor, "image channel y x"],
    layers: Sequence[str],
    signal: Signal = whole_representation,
) -> dict[str, Float[Tensor, "image channel y x"]]:
    """What in each image a layer's representation comes from: 0 at pixels that it does not come from.

    YU 4.2, figures 4 and 5. One forward pass serves all layers, and images do not act on each other. The network is in
    evaluation mode and runs no deeper than needed; afterwards its mode is as before.

    Args:
        network: any module that takes images.
        images: normalised.
        layers: modules whose output is the response; each must be called once in a pass.
        signal: makes what is carried back of the layer's name and its response, in the response's shape. The default
            is the whole rectified representation.

    Returns:
        The reconstruction by layer: signed, in normalised space. Its scale is arbitrary, because the sizes of the
        filters multiply on the way back.

    Raises:
        ReceptiveError: there is no such layer, a layer is called more than once, or an operation between the image and
            the layer has no rule. The line names the module.
    """
    layers = list(dict.fromkeys(layers))
    _check_called_once(network, images[:1], layers)
    with _recorded(network, images, layers) as (leaf, responses, modules):
        prepared: set[Node] = set()
        reconstructions = {}
        for layer in layers:
            response = responses[layer]
            if not isinstance(response, Tensor):
                raise ReceptiveError(f"layer '{layer}' puts out a {type(response).__name__}: choose one of tensors")
            _change_rules(layer, response, leaf, modules, prepared)
            (reconstructions[layer],) = torch.autograd.grad(
                response, leaf, signal(layer, response.detach()), retain_graph=layer != layers[-1]
            )
    return reconstructions


def deconvolve_units(
    network: nn.Module,
    images: Float[Tensor, "image channel y x"],
    layer: str,
    units: Integer[Tensor, "image"],
    y: Integer[Tensor, "image"] | int = 0,
    x: Integer[Tensor, "image"] | int = 0,
) -> tuple[Float[Tensor, "image channel y x"], Float[Tensor, "image"]]:
    """What in each image one response comes from: exactly 0 at every pixel outside its receptive field.

    Zeiler & Fergus 2014, section 2.1: all other responses of the layer are set to zero before the response is carried
    back. YU figure 7 show it for the greatest responses of each unit.

    Args:
        images: normalised; one for each response.
        layer: a module whose output is (image, unit, y, x) or (image, unit).
        units: the unit of each response.
        y, x: its row and column in the map; not used for a layer without a map.

    Returns:
        (reconstructions, responses): signed, in normalised space; and the responses that were carried back, 0 where
        they were negative.

    Raises:
        ReceptiveError: as ``deconvolve``.
    """
    chosen = torch.zeros(len(images), dtype=images.dtype, device=images.device)

    def one_response(layer: str, response: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        rows = torch.arange(len(response), device=response.device)
        at: tuple[Any, ...] = (rows, units, y, x) if response.dim() == 4 else (rows, units)
        chosen.copy_(response[at].clamp(min=0))
        alone = torch.zeros_like(response)
        alone[at] = chosen
        return alone

    return deconvolve(network, images, [layer], one_response)[layer], chosen


def energy_outside(
    reconstructions: Float[Tensor, "image channel y x"], subject: Bool[Tensor, "image y x"]
) -> Float64[Tensor, "image"]:
    """Share of a reconstruction's energy outside the subject: 0, only the subject was kept; 1, only the rest.

    YU 4.2 and 5 say in words that unrelated information is removed. The reference is the share of the image's own
    energy: a representation that does not tell the subject from the rest has about as much.

    Args:
        reconstructions: energy is the sum of squares.
        subject: True on the subject.

    Returns:
        Of each image the share; NaN where the reconstruction is 0 everywhere.
    """
    return (relative_energy(reconstructions) * ~subject).sum((1, 2))


def relative_energy(reconstructions: Float[Tensor, "image channel y x"]) -> Float64[Tensor, "image y x"]:
    """Where a reconstruction's energy lies: the share of each pixel, 1 in all; NaN where it is 0 everywhere."""
    energy = reconstructions.double().square().sum(1)
    return energy / energy.sum((1, 2), keepdim=True)


class OutsideOthers:
    """Energy outside the subjects of *other* images: what ``energy_outside`` has by where those mostly lie.

    A reconstruction that knows nothing of its own subject has as much energy outside the others' subjects as outside
    its own. So only what it has less outside its own was kept of the subject. Images stream past; two pictures are
    kept, the sum of all subjects and the sum of all energies.

    Args:
        subjects: how many of all images' subjects lie on each pixel.
        images: how many images there are; all of them must be added.
    """

    def __init__(self, subjects: Float64[Tensor, "y x"], images: int):
        self.subjects, self.images = subjects, images
        self.energy = torch.zeros_like(subjects)
        self.count = 0

    def add(
        self, reconstructions: Float[Tensor, "image channel y x"], subject: Bool[Tensor, "image y x"]
    ) -> Float64[Tensor, "image"]:
        """Takes a batch in; gives each reconstruction's share outside a subject, mean over the subjects of the others.

        NaN where the reconstruction is 0 everywhere, and where there are no others.
        """
        energy = relative_energy(reconstructions)
        lit = energy.isfinite().all(2).all(1)
        self.energy += energy[lit].sum(0)
        self.count += int(lit.sum())
        of_others = (self.subjects - subject.double()) / (self.images - 1 or torch.nan)
        return (energy * (1 - of_others)).sum((1, 2))

    def of_others(self, own: Float64[Tensor, "image"], subject: Bool[Tensor, "image y x"]) -> Float64[Tensor, "image"]:
        """The other way round: the share of the others' reconstructions outside each image's subject, their mean.

        Args:
            own: share of each image's own reconstruction outside its subject (``energy_outside``).
            subject: of the same images; all images have been added before.

        Returns:
            NaN where the own share is, and where there are no others.
        """
        outside = (self.energy * ~subject).sum((1, 2))
        return (outside - own) / (self.count - 1 or torch.nan)


@contextmanager
def _recorded(
    network: nn.Module, images: Float[Tensor, "image channel y x"], layers: list[str]
) -> Iterator[tuple[Tensor, dict[str, Any], dict[Node, str]]]:
    """One forward pass with its graph: the images in it, the layers' responses, and the module of each last node."""
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(network):
        leaf = images.detach().clone().requires_grad_()
        names = [name for name, _ in network.named_modules() if name]

        # a copy, which a later in-place operation cannot change
        def read(_: str, output: object) -> object:
            return output.clone() if isinstance(output, Tensor) else output

        def last_node(_: str, output: object) -> Node | None:
            return getattr(output, "grad_fn", None)

        with capture(network, names, last_node) as nodes, capture(network, layers, read, stop=True) as responses:
            network(leaf)
        types = {name: type(module).__name__ for name, module in network.named_modules()}
        modules = {node: f"'{name}' ({types[name]})" for name, node in reversed(nodes.items()) if node is not None}
        yield leaf, responses, modules


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode; afterwards each module is in its own mode again."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def _check_called_once(network: nn.Module, image: Float[Tensor, "1 channel y x"], layers: list[str]) -> None:
    calls = dict.fromkeys(layers, 0)

    def count(layer: str, _: object) -> None:
        calls[layer] += 1

    with _evaluating(network), capture(network, layers, count):
        network(image)
    for layer, times in calls.items():
        if times != 1:
            raise ReceptiveError(
                f"layer '{layer}' is called {times} times in one pass: choose the module around it, or give every "
                "site its own module"
            )


def _change_rules(
    layer: str,
    response: Shaped[Tensor, "..."],
    leaf: Float[Tensor, "image channel y x"],
    modules: dict[Node, str],
    prepared: set[Node],
) -> None:
    """Gives the rectifications between image and response their rule; refuses operations that have none.

    Args:
        prepared: nodes that have their rule already; this adds to it. The rules end with the graph.
    """
    seen = _ancestors_that_see(leaf, response.grad_fn)
    if not seen:
        raise ReceptiveError(f"layer '{layer}' does not depend on the image in a way that can be followed")
    for node in seen:
        if node in prepared:
            continue
        prepared.add(node)
        operation = node.name().partition("Backward")[0]
        dependent = [i for i, (source, _) in enumerate(node.next_functions) if source in seen]
        if operation in _RECTIFICATIONS:
            node.register_hook(_rectify)
        elif not (
            operation in _LINEAR | _SWITCHES
            or (operation in _LINEAR_IN_ONE and len(dependent) == 1)
            or (operation in _LINEAR_IN_FIRST and dependent == [0])
            or not node.next_functions  # the image itself
        ):
            raise ReceptiveError(
                f"no deconvolution through {_place(node, modules)}: only linear operations, max pools and ReLU have a "
                "rule; choose a layer before it, or put a ReLU in its place"
            )


def _rectify(going_down: tuple[Tensor | None, ...], arrived: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    """The rule of a rectification: the positive part of what arrives, whatever the gradient would be."""
    (reconstruction,) = arrived
    return (None if reconstruction is None else reconstruction.clamp(min=0),)


def _ancestors_that_see(leaf: Float[Tensor, "image channel y x"], last: Node | None) -> dict[Node, None]:
    """The nodes between the image and the last one that depend on the image, each after its sources."""
    sees: dict[Node, bool] = {}
    stack = [last] if last is not None else []
    while stack:
        node = stack[-1]
        sources = [source for source, _ in node.next_functions if source is not None]
        waiting = [source for source in sources if source not in sees]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        sees[node] = getattr(node, "variable", None) is leaf or any(sees[source] for source in sources)
    return {node: None for node, does in sees.items() if does}


def _place(node: Node, modules: dict[Node, str]) -> str:
    """Names the module that a node belongs to, or the function and the module after it."""
    if node in modules:
        return f"module {modules[node]}"
    operation = node.name().partition("Backward")[0]
    for last, module in reversed(modules.items()):
        stack: list[Node | None] = [last]
        reached: set[Node] = set()
        while stack:
            at = stack.pop()
            if at is node:
                return f"the function '{operation}' in or before module {module}"
            if at is not None and at not in reached:
                reached.add(at)
                stack += [source for source, _ in at.next_functions]
    return f"the function '{operation}'"
