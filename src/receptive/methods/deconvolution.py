"""Deconvolution: what a layer's representation, or one response in it, comes from in the image.

The response is carried back to the pixels layer by layer (Zeiler & Fergus 2014; Yu et al. 4.2):

- a convolution by its flipped filters, without bias; a fully connected layer as the convolution it is;
- a rectification by setting what is negative in the *reconstruction* to zero, whatever was negative on the way
  up. That is neither the gradient, which zeroes where the input was negative, nor guided
  backpropagation, which does both;
- a max pool by its switches; where windows overlap and share a winner their values add, so that it is the
  adjoint (Zeiler & Fergus fill in one value; their windows' overlap is not mentioned again);
- an average pool by its adjoint; batch normalisation, in evaluation mode, by its scale alone; dropout not at all.

The papers have no skip connections. Reading: a sum is carried back into both of its branches, and what
arrives in a branch point from both is added: the transposed sum.

But for the rectification all of this is the transposed Jacobian, so it is computed as a vector-Jacobian product whose
rule is changed in the recorded graph of that one forward pass. The network is not touched, and
rectifications are found wherever they are: as modules, shared modules, functions, in place or not. What is
neither linear nor a rectification is refused. The graph shows only what autograd sees: a network that
multiplies by a mask it made without gradient is taken to multiply by a constant.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
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


def whole_representation(layer: str, response: Tensor) -> Tensor:
    """The start of YU 4.2: all of a layer's response, its negative values set to zero.

    Behind a rectification there are none. Class scores are rectified too (reading: the papers' maps are all
    positive), so evidence against a class is not carried back.
    """
    return response.clamp(min=0)


def deconvolve(
    network: nn.Module, images: Tensor, layers: Sequence[str], signal: Signal = whole_representation
) -> dict[str, Tensor]:
    """What each layer's representation of each image comes from: 0 where nothing of it lies, large where much does.

    Yu et al. 4.2, figures 4 and 5. One forward pass serves all layers, and no image knows of another. The
    network runs in evaluation mode and no deeper than needed; afterwards its mode is as before.

    Args:
        network: any module from images to anything.
        images: normalised, image x channel x y x x.
        layers: modules whose output is the response; each must be called once in a pass.
        signal: what is carried back, from the layer's name and its response; the response's shape. The default is
            the whole rectified representation.

    Returns:
        Layer to reconstruction, shaped as the images. Signed, in normalised space, of arbitrary scale: the
        filters' sizes multiply on the way down.

    Raises:
        ReceptiveError: no such layer, or a layer that is called more often than once; or between the image and the
            layer lies something without a rule. The line names the module.
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
    network: nn.Module, images: Tensor, layer: str, units: Tensor, y: Tensor | int = 0, x: Tensor | int = 0
) -> tuple[Tensor, Tensor]:
    """What one response of each image comes from: everything outside its receptive field is exactly 0.

    Zeiler & Fergus 2014, section 2.1: all other responses of the layer are set to zero before it is carried
    back. Yu et al. figure 7 show it for the best responses of each unit.

    Args:
        images: normalised, row x channel x y x x; a row an image and the response chosen in it.
        layer: a module whose output is row x unit x y x x or row x unit.
        units: the unit of each row, int64.
        y, x: the position of each row, int64; not used where the layer has no map.

    Returns:
        (reconstructions, responses): shaped as the images, signed, in normalised space; and the response that
        was carried back, (row,), 0 where it was negative.

    Raises:
        ReceptiveError: as ``deconvolve``.
    """
    chosen = torch.zeros(len(images), dtype=images.dtype, device=images.device)

    def one_response(layer: str, response: Tensor) -> Tensor:
        rows = torch.arange(len(response), device=response.device)
        at = (rows, units, y, x) if response.dim() == 4 else (rows, units)
        chosen.copy_(response[at].clamp(min=0))
        alone = torch.zeros_like(response)
        alone[at] = chosen
        return alone

    return deconvolve(network, images, [layer], one_response)[layer], chosen


def energy_outside(reconstructions: Tensor, subject: Tensor) -> Tensor:
    """Share of a reconstruction's energy outside the subject: 0, only the subject was kept; 1, only the rest.

    A representation blind to what is the subject has the share of the image's area outside it, more or less: the
    image's own energy is the reference (YU 4.2 and 5 say in words that unrelated information is removed).

    Args:
        reconstructions: image x channel x y x x; energy is the sum of squares.
        subject: bool, image x y x x, True on the subject.

    Returns:
        (image,), float64; NaN where the reconstruction is 0 everywhere.
    """
    energy = reconstructions.double().square().sum(1)
    return (energy * ~subject).sum((1, 2)) / energy.sum((1, 2))


@contextmanager
def _recorded(network: nn.Module, images: Tensor, layers: list[str]) -> Iterator[tuple[Tensor, dict, dict]]:
    """One forward pass with its graph: the images in it, the layers' responses, and each module's last node."""
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(network):
        leaf = images.detach().clone().requires_grad_()
        names = [name for name, _ in network.named_modules() if name]

        # the copy is what a later in-place operation cannot change
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
    """Evaluation mode within the block; each module's own mode as before after it."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@torch.no_grad()
def _check_called_once(network: nn.Module, image: Tensor, layers: list[str]) -> None:
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


def _change_rules(layer: str, response: Tensor, leaf: Tensor, modules: dict[Node, str], prepared: set[Node]) -> None:
    """Puts the rectification's rule into the graph between image and response, or refuses what has no rule.

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
    """The rule: the positive part of what arrives, whatever the gradient would be."""
    return (arrived[0].clamp(min=0),)


def _ancestors_that_see(leaf: Tensor, last: Node | None) -> dict[Node, None]:
    """Nodes from the last one down to the image, the sources of each before it; weights alone are not among them."""
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
    """Which module a node belongs to, as far as that can be known."""
    if node in modules:
        return f"module {modules[node]}"
    operation = node.name().partition("Backward")[0]
    for last, module in reversed(modules.items()):
        stack, reached = [last], set()
        while stack:
            at = stack.pop()
            if at is node:
                return f"the function '{operation}' in or before module {module}"
            if at is not None and at not in reached:
                reached.add(at)
                stack += [source for source, _ in at.next_functions]
    return f"the function '{operation}'"
