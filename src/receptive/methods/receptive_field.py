"""Receptive fields of every node of a network, read from its traced graph.

A receptive field is the patch of the image that one position of a feature map can see (Kobayashi &
Shouno 2.2; Yu et al. 3.2). Along one axis it follows from the layers alone, by three numbers:

    size   <- size + (kernel - 1) * dilation * stride
    start  <- start - padding * stride
    stride <- stride * layer_stride

and position ``i`` sees the pixels ``start + i * stride`` up to, not including, that plus ``size``.
Where branches meet, the field is the hull of theirs, which needs equal strides.

The box is the hull of what a position can see, and it may leave the image. Cut to the image it is
exact wherever the whole box lies inside, and also at the borders as long as no layer skips pixels
(dilation 1, stride <= kernel), pads a whole window (padding < kernel) or leaves the last pixels of
its input unread; otherwise the true support at the border is a little smaller, never larger.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from receptive.errors import ReceptiveError

Positions = Any  # an int, or an integer array of any shape
BOX = ["top_px", "left_px", "bottom_px", "right_px"]
"""The columns of a box in every table: half-open, in px, and it may leave the image (``Field.box``)."""


@dataclass(frozen=True)
class Axis:
    """The receptive field along one axis of the image, in pixels; size 1, stride 1, start 0 is the image.

    Args:
        size: Pixels seen by one position.
        stride: Pixels between the boxes of neighbouring positions.
        start: First pixel seen by position 0; negative where padding is seen.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def through(self, kernel: int, stride: int = 1, padding_before: int = 0, dilation: int = 1) -> "Axis":
        """The field after one more convolution or pooling layer; padding is what precedes position 0."""
        return Axis(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding_before * self.stride,
        )

    def interval(self, position: Positions) -> tuple[Positions, Positions]:
        """First pixel seen by a position, and the first one after it; may leave the image."""
        first = self.start + position * self.stride
        return first, first + self.size

    def inside(self, positions: int, length: int) -> tuple[int, int]:
        """Half-open range of positions that see only pixels of an image of this length; (0, 0) if none."""
        first = max(0, -(self.start // self.stride))
        after = min(positions, (length - self.size - self.start) // self.stride + 1)
        return (first, after) if first < after else (0, 0)


@dataclass(frozen=True)
class Field:
    """The receptive field of a node: one axis down, one across, on images of one size.

    Args:
        y: Along the height; None means that every position sees the full height.
        x: Along the width; None means that every position sees the full width.
        image_size: Height and width of the image in pixels.
    """

    y: Axis | None
    x: Axis | None
    image_size: tuple[int, int]

    @property
    def whole_image(self) -> bool:
        """Whether every position sees the whole image: after global pooling and in linear layers."""
        return self.y is None and self.x is None

    @property
    def size(self) -> int | tuple[int | None, int | None] | None:
        """Side in pixels; (height, width) if they differ; None stands for the full extent of the image."""
        return self._both("size")

    @property
    def stride(self) -> int | tuple[int | None, int | None] | None:
        """Pixels between neighbouring positions; (y, x) if they differ; None for the whole image."""
        return self._both("stride")

    @property
    def start(self) -> int | tuple[int | None, int | None] | None:
        """First pixel of position 0, negative if padding; (y, x) if they differ; None for the whole image."""
        return self._both("start")

    def box(self, y: Positions, x: Positions) -> tuple[Positions, Positions, Positions, Positions]:
        """The pixels seen by positions: ``top, left, bottom, right``, half-open, and may leave the image.

        Args:
            y: Row in the feature map, an int or an integer array.
            x: Column, likewise; the shapes of y and x broadcast.
        """
        (top, bottom), (left, right) = self._intervals(y, x)
        return top, left, bottom, right

    def centre(self, y: Positions, x: Positions) -> tuple[Positions, Positions]:
        """Centre of the box in pixel coordinates (y, x); whole numbers are centres of pixels."""
        (top, bottom), (left, right) = self._intervals(y, x)
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    def inside(self, map_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Half-open ranges of the rows and columns of a map whose boxes lie wholly inside the image.

        Both ranges are (0, 0) where no position qualifies; a whole-image field always lies inside.
        """
        rows, columns = (
            (0, count) if axis is None else axis.inside(count, length)
            for axis, count, length in zip((self.y, self.x), map_size, self.image_size, strict=True)
        )
        return (rows, columns) if rows[1] and columns[1] else ((0, 0), (0, 0))

    def _both(self, number: str) -> Any:
        down, across = (None if axis is None else getattr(axis, number) for axis in (self.y, self.x))
        return down if down == across else (down, across)

    def _intervals(self, y: Positions, x: Positions) -> list[tuple[Positions, Positions]]:
        # Positions are often stored in 16 bits; pixels may need more, and a sign.
        y, x = (at if isinstance(at, int) else np.asarray(at).astype(np.int64) for at in (y, x))
        return [
            (0 * at, 0 * at + length) if axis is None else axis.interval(at)
            for axis, at, length in zip((self.y, self.x), (y, x), self.image_size, strict=True)
        ]


@dataclass(frozen=True)
class NodeField:
    """One node of the traced network and what it sees.

    Args:
        name: Name of the node in the traced graph, unique also where one module is called twice.
        module: Path of the module that is called; '' for functions and methods.
        call: How many times that module was called before in the same pass.
        operation: Type of the module, or name of the function: 'Conv2d', 'relu', 'add'.
        kind: 'input', 'conv', 'linear', 'norm', 'activation', 'pool', 'global_pool', 'add' (of two
            branches), 'concat' or 'other'.
        depth: Weight layers (convolutions and linear layers) on the longest path from the input up to
            and including this node.
        field: The receptive field.
        channels: Size of the channel axis.
        map_size: Height and width of the feature map; None for vectors.
        inputs: Names of the nodes that it reads.
    """

    name: str
    module: str
    call: int
    operation: str
    kind: str
    depth: int
    field: Field
    channels: int
    map_size: tuple[int, int] | None
    inputs: tuple[str, ...]

    @property
    def interior(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Ranges of rows and columns whose boxes lie wholly inside the image; (0, 0) twice if none."""
        return self.field.inside(self.map_size or (1, 1))


@dataclass(frozen=True)
class Site:
    """A place where the network's responses are read.

    Args:
        node: The node whose output is the response, for instance the activation after a convolution.
        kind: 'conv', 'pool', 'global_pool' or 'linear': the layer that the response belongs to.
        layer: Name of that layer's own node (the convolution, where ``node`` is its activation).
        module: Path of that layer's module; '' for functional pooling.
    """

    node: NodeField
    kind: str
    layer: str
    module: str

    @property
    def name(self) -> str:
        """Name of the node that is read."""
        return self.node.name


def receptive_fields(network: nn.Module, image_size: int | tuple[int, int], channels: int = 3) -> dict[str, NodeField]:
    """Receptive field of every node of a network, in graph order.

    The graph is traced with torch.fx from a weightless copy in evaluation mode, and the shapes are
    found without computing: the network itself is neither run nor changed, and its hooks stay silent.

    Sees the whole image: what follows global pooling, a mean over the map, or flattening; every merge
    with such a branch (squeeze-and-excitation); and adaptive pooling into windows of unequal size,
    which have no common box. Padding counts as outside the image, whatever fills it.

    Args:
        network: Any module from images (image, channel, y, x) to maps or scores.
        image_size: Height and width in pixels, or the side of a square.
        channels: Channels of the image.

    Returns:
        The nodes by name. Nodes that do not depend on the image, or are not tensors, are left out.

    Raises:
        ReceptiveError: the network cannot be traced, does not accept such images, merges branches of
            unequal stride, or holds an operation whose receptive field is not known. The line names
            the node and the operation.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    try:
        # No images at all: every operation gives its shape and computes nothing.
        return _walk(network, torch.empty(0, channels, int(height), int(width)))
    except ReceptiveError:
        # A view of nothing has no shape, for one. Torch's shape functions take one image and tell the true cause;
        # they come second because they import torch's compiler: a second for every stage.
        return _walk(network, torch.empty(1, channels, int(height), int(width), device="meta"))


def _walk(network: nn.Module, images: Tensor) -> "dict[str, NodeField]":
    """The nodes of a network that is given these images, which hold no values."""
    weightless = _weightless_copy(network, images.device)
    try:
        graph = weightless.graph if _is_traced(weightless) else _Tracer().trace(weightless)
        traced = fx.GraphModule(weightless, graph)
    except Exception as error:  # tracing runs the network's own code, which can fail in any way
        raise ReceptiveError(
            f"cannot trace {type(network).__name__}: {_first_line(error)}; receptive fields need a forward "
            "pass that does not depend on the values of the image: remove such branches or loops"
        ) from error
    dtype = next((p.dtype for p in weightless.parameters() if p.is_floating_point()), torch.float32)
    walk = _Walk(traced, (images.shape[-2], images.shape[-1]))
    walk.run(images.to(dtype))
    return walk.nodes


def response_sites(nodes: Mapping[str, NodeField]) -> list[Site]:
    """The places where a network's responses are read, in graph order.

    - For each convolution the activation that follows it, across normalisation and an addition that it
      ends (the papers read a residual block after the addition and the ReLU); without an activation
      before the next weight layer, pooling or concatenation, the last of the convolution, its
      normalisation and its addition.
    - Every pooling layer; an adaptive pooling that changes nothing at this image size is none.
    - For each linear layer its activation likewise, but for the last weight layer itself its plain
      output: the class scores before any softmax.

    The projection of a residual block has no site of its own: a convolution that only joins an addition
    and is not on the longest path to it.

    Args:
        nodes: What :func:`receptive_fields` returned.
    """
    order = {name: index for index, name in enumerate(nodes)}
    readers: dict[str, list[NodeField]] = {name: [] for name in nodes}
    for node in nodes.values():
        for name in node.inputs:
            readers[name].append(node)
    deepest = max((node.depth for node in nodes.values()), default=0)

    sites: dict[str, Site] = {}
    for node in nodes.values():
        if node.kind in ("pool", "global_pool"):
            read: NodeField | None = node
        elif node.kind == "linear" and node.depth == deepest:
            read = node
        elif node.kind in ("conv", "linear"):
            read = _response(node, readers)
        else:
            continue
        if read is not None:
            sites.setdefault(read.name, Site(read, node.kind, node.name, node.module))
    return sorted(sites.values(), key=lambda site: order[site.name])


def _response(layer: NodeField, readers: Mapping[str, list[NodeField]]) -> NodeField | None:
    """The node at which a weight layer's response is read, or None for a projection."""
    last, frontier = layer, [layer]
    while frontier:
        node = frontier.pop(0)
        if node.kind in ("norm", "add"):
            last = node
        # A reader of greater depth is reached by a longer path: there this layer is only the shortcut.
        followers = [r for r in readers[node.name] if r.depth == layer.depth and r.map_size == layer.map_size]
        for follower in followers:
            if follower.kind == "activation":
                return follower
        frontier += [f for f in followers if f.kind in ("norm", "add", "other")]
    ends = readers[last.name]
    return None if ends and all(end.kind == "add" and end.depth > layer.depth for end in ends) else last


class Sum(nn.Module):
    """The sum of two branches as a module, so that it can be read; known here as the function is."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Elementwise sum of two tensors of one shape (or of shapes that torch broadcasts)."""
        return one + other


# Operations, by the type of the module and by the name of the function or method (in-place or not).

_ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink,
    nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LocalResponseNorm)
_MAP_NORMS = (nn.LayerNorm, nn.GroupNorm)  # their statistics are those of the whole map
_POSITIONWISE = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.Softmax2d, nn.ChannelShuffle,
)  # fmt: skip
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
_ADAPTIVE_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_PADS = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
SKIPPED_IN_TRAINING = ("StochasticDepth", "DropPath")
"""Modules of torchvision and timm that leave out whole branches while training, and do nothing otherwise."""
_SHAPES = (nn.Flatten, nn.Unflatten)
_SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin)
_LEAVES = (
    nn.Conv2d, nn.Linear, *_ACTIVATIONS, *_NORMS, *_MAP_NORMS, *_POSITIONWISE, *_POOLS, *_ADAPTIVE_POOLS,
    *_PADS, *_SHAPES, *_SOFTMAXES, Sum,
)  # fmt: skip


def is_known(module: nn.Module) -> bool:
    """Whether a module is one of those above; a subclass that computes something else is not."""
    return any(isinstance(module, known) and type(module).forward is known.forward for known in _LEAVES)


_ACTIVATION_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "sigmoid", "logsigmoid", "hardsigmoid", "hardswish", "hardtanh", "hardshrink", "softshrink",
    "softplus", "softsign", "tanh", "tanhshrink", "threshold", "clamp", "clamp_min",
}  # fmt: skip
_ADD_NAMES = {"add", "iadd"}
_NORM_NAMES = {"batch_norm", "local_response_norm"}
_POSITIONWISE_NAMES = {
    "sub", "isub", "mul", "imul", "div", "truediv", "itruediv", "neg", "abs", "square",
    "sqrt", "rsqrt", "pow", "exp", "log", "clamp_max", "maximum", "minimum", "dropout", "dropout2d",
    "alpha_dropout", "feature_dropout", "stochastic_depth", "contiguous", "clone", "detach", "to",
    "float", "double", "half", "type", "type_as", "channel_shuffle",
}  # fmt: skip
_SHAPE_NAMES = {"flatten", "view", "reshape"}
# Arguments of functions as (keyword, position, default): the windows of pooling ...
_POOL_ARGUMENTS: dict[str, tuple[tuple[str, int, Any], ...]] = {
    "max_pool2d": (("kernel_size", 1, None), ("stride", 2, None), ("padding", 3, 0), ("dilation", 4, 1)),
    "avg_pool2d": (("kernel_size", 1, None), ("stride", 2, None), ("padding", 3, 0)),
    "lp_pool2d": (("kernel_size", 2, None), ("stride", 3, None)),
}
# ... and the axes that an operation works along.
_AXIS_ARGUMENTS: dict[str, tuple[str, int, Any]] = {
    "cat": ("dim", 1, 0),
    "concat": ("dim", 1, 0),
    "chunk": ("dim", 2, 0),
    "split": ("dim", 2, 0),
    "softmax": ("dim", 1, None),
    "log_softmax": ("dim", 1, None),
    "mean": ("dim", 1, None),
    "sum": ("dim", 1, None),
    "amax": ("dim", 1, None),
    "unsqueeze": ("dim", 1, None),
    "squeeze": ("dim", 1, None),
}
_REDUCTIONS = {"mean", "sum", "amax", "squeeze"}
_UNKNOWN = (
    "not supported; known are Conv2d, 2-d pooling, Linear after flattening, batch norm and positionwise "
    "operations; replace it by these"
)


@dataclass(frozen=True)
class _Seen:
    """What the walk knows of a value; unless the field is the whole image, its last two axes are the map."""

    field: Field
    depth: int
    names: tuple[str, ...]


def _is_traced(network: nn.Module) -> bool:
    """Whether a network is a graph of known modules already, so that tracing again would only lose their places."""
    return isinstance(network, fx.GraphModule) and all(
        is_known(module) or type(module).__name__ in SKIPPED_IN_TRAINING
        for module in (network.get_submodule(n.target) for n in network.graph.nodes if n.op == "call_module")
    )


class _Tracer(fx.Tracer):
    """Traces into every module but those of known geometry and torch's own."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return is_known(module) or super().is_leaf_module(module, qualified_name)


class _Walk(fx.Interpreter):
    """Runs a traced network on shapes alone and derives each node's field from its inputs' fields."""

    def __init__(self, traced: fx.GraphModule, image_size: tuple[int, int]):
        super().__init__(traced, garbage_collect_values=False)
        self.extra_traceback = False  # it would add lines to the one line of a ReceptiveError
        self.image_size = image_size
        self.nodes: dict[str, NodeField] = {}
        self._seen: dict[fx.Node, _Seen] = {}
        self._calls: dict[str, int] = {}

    def run_node(self, node: fx.Node) -> Any:
        try:
            result = super().run_node(node)
        except Exception as error:
            size = "x".join(map(str, self.image_size))
            raise ReceptiveError(
                f"node {node.name!r} ({self._operation(node)}) fails on one image of {size} px: "
                f"{_first_line(error)}; choose an image size and channels that the network accepts"
            ) from error
        sources = [source for source in node.all_input_nodes if source in self._seen]
        if node.op == "output" or not _holds_tensor(result) or not (sources or node.op == "placeholder"):
            return result  # a shape, a number or a constant
        if node.op == "placeholder":
            kind, field = "input", Field(Axis(), Axis(), self.image_size)
        else:
            args, kwargs = self.fetch_args_kwargs_from_env(node)
            field = self._merge(node, {source.name: self._seen[source].field for source in sources})
            step = self._through_module if node.op == "call_module" else self._through_function
            kind, field = step(node, field, args, kwargs, result)
            if kind == "add" and len(sources) == 1:
                kind = "other"  # a constant is added
        depth = max((self._seen[source].depth for source in sources), default=0)
        depth += kind in ("conv", "linear")
        names = tuple(dict.fromkeys(name for source in sources for name in self._seen[source].names))
        if isinstance(result, Tensor):
            self._record(node, kind, depth, field, result, names)
            names = (node.name,)
        self._seen[node] = _Seen(field, depth, names)
        return result

    def _record(
        self, node: fx.Node, kind: str, depth: int, field: Field, result: Tensor, inputs: tuple[str, ...]
    ) -> None:
        module = str(node.target) if node.op == "call_module" else ""
        call = self._calls.get(module, 0)
        self._calls[module] = call + 1
        self.nodes[node.name] = NodeField(
            name=node.name,
            module=module,
            call=call if module else 0,
            operation=self._operation(node),
            kind=kind,
            depth=depth,
            field=field,
            channels=result.shape[1] if result.ndim > 1 else 1,
            map_size=(result.shape[-2], result.shape[-1]) if result.ndim == 4 else None,
            inputs=inputs,
        )

    def _operation(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return type(self.fetch_attr(str(node.target))).__name__
        return str(getattr(node.target, "__name__", node.target))

    def _refuse(self, node: fx.Node, reason: str) -> ReceptiveError:
        # a module's own name is that of its node; what a function works in is on the tracer's stack
        inside = "" if node.op == "call_module" else next(reversed(node.meta.get("nn_module_stack") or {"": ""}))
        place = f" in module '{inside.partition('@')[0]}'" if inside else ""
        return ReceptiveError(f"no receptive field for node {node.name!r} ({self._operation(node)}){place}: {reason}")

    def _merge(self, node: fx.Node, fields: Mapping[str, Field]) -> Field:
        """The hull of the fields of several branches; one that sees the whole axis settles that axis."""
        axes: list[Axis | None] = []
        for along in ("y", "x"):
            branches = {name: getattr(field, along) for name, field in fields.items()}
            local = [(name, axis) for name, axis in branches.items() if axis is not None]
            if len(local) < len(branches):
                axes.append(None)
                continue
            if len({axis.stride for _, axis in local}) > 1:
                strides = ", ".join(f"{name!r} has {axis.stride}" for name, axis in local)
                raise self._refuse(node, f"it merges branches of unequal stride along {along} ({strides})")
            start = min(axis.start for _, axis in local)
            end = max(axis.start + axis.size for _, axis in local)
            axes.append(Axis(end - start, local[0][1].stride, start))
        return Field(axes[0], axes[1], self.image_size)

    def _through_module(
        self, node: fx.Node, field: Field, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> tuple[str, Field]:
        """Kind of a node that calls a module, and its field given the hull of its inputs' fields."""
        module = self.fetch_attr(str(node.target))
        entering = [*args, *kwargs.values()][0]
        if isinstance(module, nn.Conv2d):
            if module.padding_mode == "circular":
                raise self._refuse(node, "circular padding sees the opposite border; use zeros")
            return "conv", _windows(field, *_geometry(module))
        if isinstance(module, nn.Linear):
            if not field.whole_image:
                raise self._refuse(node, "it mixes positions of a map; flatten the map before it")
            return "linear", field
        if isinstance(module, _POOLS):
            padding, dilation = getattr(module, "padding", 0), getattr(module, "dilation", 1)
            return "pool", _windows(field, module.kernel_size, module.stride, padding, dilation)
        if isinstance(module, _ADAPTIVE_POOLS):
            return _adaptive(field, entering, result)
        if isinstance(module, Sum):
            return "add", field
        if isinstance(module, _ACTIVATIONS):
            return "activation", field
        if isinstance(module, _NORMS) or (field.whole_image and isinstance(module, _MAP_NORMS)):
            return "norm", field
        if isinstance(module, _POSITIONWISE) or type(module).__name__ in SKIPPED_IN_TRAINING:
            return "other", field
        if isinstance(module, _PADS):
            return "other", _padded(field, module.padding)
        if isinstance(module, _SHAPES):
            return "other", self._reshaped(node, field, entering, result)
        if isinstance(module, _SOFTMAXES):
            return "other", self._along(node, field, entering.ndim, module.dim)
        raise self._refuse(node, _UNKNOWN)

    def _through_function(
        self, node: fx.Node, field: Field, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> tuple[str, Field]:
        """The same for a function or method, known by its name; in-place ones end in an underscore."""
        name = self._operation(node).rstrip("_")

        def argument(keyword: str, position: int, default: Any = None) -> Any:
            return args[position] if len(args) > position else kwargs.get(keyword, default)

        entering = argument("input", 0, kwargs.get("tensors"))
        if name in _ACTIVATION_NAMES:
            return "activation", field
        if name in _NORM_NAMES:
            return "norm", field
        if name in _ADD_NAMES:
            return "add", field
        if name in _POSITIONWISE_NAMES:
            return "other", field
        if name in _POOL_ARGUMENTS:
            return "pool", _windows(field, *(argument(*number) for number in _POOL_ARGUMENTS[name]))
        if name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
            return _adaptive(field, entering, result)
        if name == "pad" and len(argument("pad", 1)) == 4 and argument("mode", 2, "constant") != "circular":
            return "other", _padded(field, argument("pad", 1))
        if name in _SHAPE_NAMES:
            return "other", self._reshaped(node, field, entering, result)
        if name == "getitem":
            return "other", self._indexed(node, field, entering, args[1])
        if name == "transpose":
            dims = (argument("dim0", 1), argument("dim1", 2))
            return "other", self._along(node, field, entering.ndim, dims)
        if name == "linear" and field.whole_image:
            return "linear", field
        if name in _AXIS_ARGUMENTS:
            dims = argument(*_AXIS_ARGUMENTS[name])
            rank = (entering if isinstance(entering, Tensor) else entering[0]).ndim + (name == "unsqueeze")
            if name in _REDUCTIONS:
                return _reduced(name, field, rank, dims, result)
            return ("concat" if name in ("cat", "concat") else "other"), self._along(node, field, rank, dims)
        raise self._refuse(node, _UNKNOWN)

    def _along(self, node: fx.Node, field: Field, rank: int, dims: int | Sequence[int] | None) -> Field:
        """Unchanged by an operation that leaves the map, the last two axes, alone."""
        if field.whole_image or (dims is not None and not _on_map(rank, dims)):
            return field
        raise self._refuse(node, "it works along the axes of the map; only channels may be mixed")

    def _reshaped(self, node: fx.Node, field: Field, entering: Tensor, result: Tensor) -> Field:
        """Kept if only channels are regrouped; the whole image if everything becomes one vector."""
        if field.whole_image or (result.ndim >= 4 and result.shape[-2:] == entering.shape[-2:]):
            return field
        if result.ndim <= 2:
            return Field(None, None, self.image_size)
        raise self._refuse(node, f"it turns the shape {tuple(entering.shape)} into {tuple(result.shape)}, "
                                 "in which positions of the map are lost")  # fmt: skip

    def _indexed(self, node: fx.Node, field: Field, entering: Any, index: Any) -> Field:
        if field.whole_image or not isinstance(entering, Tensor):
            return field  # one of several tensors
        index = index if isinstance(index, tuple) else (index,)
        if len(index) <= entering.ndim - 2 and all(isinstance(part, int | slice) for part in index):
            return field
        raise self._refuse(node, "it cuts the map; only indexing of images and channels keeps the field")


def _geometry(conv: nn.Conv2d) -> tuple[Any, Any, Any, Any]:
    """Kernel, stride, leading padding and dilation of a convolution, each (y, x)."""
    padding: Any = conv.padding
    if padding == "valid":
        padding = 0
    elif padding == "same":  # an odd total puts the extra pixel after the map
        padding = tuple((k - 1) * d // 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return conv.kernel_size, conv.stride, padding, conv.dilation


def _pair(number: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(number, int):
        return number, number
    return (number[0], number[-1])


def _windows(field: Field, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Field:
    """The field after sliding windows; the stride of a pooling layer is by default its kernel.

    ceil_mode needs no word here: it adds positions at the end and moves none.
    """
    stride = kernel if stride is None or stride == [] else stride
    steps = zip(*map(_pair, (kernel, stride, padding, dilation)), strict=True)
    y, x = (None if axis is None else axis.through(*step) for axis, step in zip((field.y, field.x), steps, strict=True))
    return Field(y, x, field.image_size)


def _adaptive(field: Field, entering: Tensor, result: Any) -> tuple[str, Field]:
    """Adaptive pooling: nothing, equal windows, or (to one position, or unequal windows) the whole image."""
    result = result if isinstance(result, Tensor) else result[0]
    axes: list[Axis | None] = []
    for axis, before, after in zip((field.y, field.x), entering.shape[-2:], result.shape[-2:], strict=True):
        if axis is None or after == 1 or before % after:
            axes.append(None)
        else:
            axes.append(axis.through(before // after, before // after))
    pooled = Field(axes[0], axes[1], field.image_size)
    if entering.shape == result.shape and max(result.shape[-2:]) > 1:
        return "other", field
    return ("global_pool" if None in axes else "pool"), pooled


def _reduced(name: str, field: Field, rank: int, dims: int | Sequence[int] | None, result: Tensor) -> tuple[str, Field]:
    """Mean, sum, maximum or squeeze: over an axis of the map it sees that whole axis of the image."""
    on_map = {0, 1} if dims is None else _on_map(rank, dims)
    if not field.whole_image and not on_map:
        return "other", field
    pooled = name != "squeeze" and on_map and (result.ndim == 2 or result.shape[2:] == (1, 1))
    kind = "global_pool" if pooled else "other"
    if result.ndim < rank:  # the last two axes are no longer the map
        return kind, Field(None, None, field.image_size)
    y, x = (None if axis in on_map else along for axis, along in enumerate((field.y, field.x)))
    return kind, Field(y, x, field.image_size)


def _padded(field: Field, padding: Sequence[int]) -> Field:
    """Explicit padding, given as torch does: left, right, top, bottom."""
    return _windows(field, 1, 1, (padding[2], padding[0]))


def _on_map(rank: int, dims: int | Sequence[int]) -> set[int]:
    """Which of the map's axes (0 for y, 1 for x) are among the axes of a tensor of this rank."""
    dims = (dims,) if isinstance(dims, int) else dims
    return {dim % rank - (rank - 2) for dim in dims} & {0, 1}


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(map(_holds_tensor, value)))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _weightless_copy(network: nn.Module, device: torch.device) -> nn.Module:
    """A copy in evaluation mode, without hooks and with weights that have a shape but no values."""
    # The memo tells deepcopy what stands for the weights and hooks, so that neither is ever copied.
    memo: dict[int, Any] = {}
    for module in network.modules():
        for name, value in (*vars(module).items(), *module._parameters.items(), *module._buffers.items()):
            if isinstance(value, nn.Parameter):
                memo[id(value)] = nn.Parameter(_shape_of(value, device), requires_grad=False)
            elif isinstance(value, Tensor):
                memo[id(value)] = _shape_of(value, device)
            elif "_hooks" in name and isinstance(value, dict):
                memo[id(value)] = type(value)()
    # The walk meets modules through their parent, so a bare layer gets one.
    network = nn.Sequential(network) if isinstance(network, _LEAVES) else network
    return copy.deepcopy(network, memo).eval()


def _shape_of(weight: Tensor, device: torch.device) -> Tensor:
    """A tensor of the same shape and type whose elements share one place in memory."""
    return torch.zeros((), dtype=weight.dtype, device=device).expand(weight.shape)
