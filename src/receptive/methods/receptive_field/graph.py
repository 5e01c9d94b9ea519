"""The walk through a network's traced graph, which gives every node its receptive field."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, fx, nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.fields import Axis, Field, NodeField
from receptive.methods.receptive_field.operations import (
    ACTIVATION_NAMES,
    ACTIVATIONS,
    ADAPTIVE_POOLS,
    ADD_NAMES,
    AXIS_ARGUMENTS,
    LEAVES,
    MAP_NORMS,
    NORM_NAMES,
    NORMS,
    PADS,
    POOL_ARGUMENTS,
    POOLS,
    POSITIONWISE,
    POSITIONWISE_NAMES,
    REDUCTIONS,
    SHAPE_NAMES,
    SHAPES,
    SKIPPED_IN_TRAINING,
    SOFTMAXES,
    UNKNOWN,
    conv_geometry,
    is_known,
    map_axes,
    through_adaptive_pool,
    through_padding,
    through_reduction,
    through_windows,
)
from receptive.methods.receptive_field.sites import Sum


def receptive_fields(network: nn.Module, image_size: int | tuple[int, int], channels: int = 3) -> dict[str, NodeField]:
    """Receptive field of every node of a network, in graph order.

    torch.fx traces the graph from a copy without weights, in evaluation mode, and the shapes are found without
    computing. The network itself is neither run nor changed, and its hooks are not called.

    Three kinds of node see the whole image: what follows global pooling, a mean over the map, or flattening; what
    merges with such a branch (squeeze-and-excitation); and adaptive pooling into windows of unequal size, which have
    no common box. Padding counts as outside the image, whatever fills it.

    Args:
        network: any module from normalised images to maps or scores.
        image_size: height and width in px, or the side of a square.
        channels: of the image.

    Returns:
        The nodes by name. Nodes that do not depend on the image, or are not tensors, are left out.

    Raises:
        ReceptiveError: the network cannot be traced, does not accept such images, merges branches of unequal stride,
            or holds an operation without a rule. The line names the node and the operation.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    try:
        # On a batch of no images every operation gives its shape and computes nothing.
        return _walk(network, torch.empty(0, channels, int(height), int(width)))
    except ReceptiveError:
        # Some operations fail on a batch of none, for instance a view with a size of -1. torch's shape functions take
        # one image and name the true cause. They come second because they import torch's compiler, which takes 1 s.
        return _walk(network, torch.empty(1, channels, int(height), int(width), device="meta"))


def _walk(network: nn.Module, images: Float[Tensor, "image channel y x"]) -> dict[str, NodeField]:
    """The nodes of a network on images that have a shape but no values."""
    weightless = _weightless_copy(network, images.device)
    try:
        graph: Any = weightless.graph if _is_traced(weightless) else _Tracer().trace(weightless)
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


@dataclass(frozen=True)
class _Seen:
    """What the walk knows of a value.

    Attributes:
        field: its receptive field. Unless that is the whole image, the value's last two axes are those of the map.
        depth: weight layers on the longest path to it.
        names: of the nodes that it is made of.
    """

    field: Field
    depth: int
    names: tuple[str, ...]


def _is_traced(network: nn.Module) -> bool:
    """Whether a network is a graph of known modules already. Tracing it again would lose the modules' places."""
    return isinstance(network, fx.GraphModule) and all(
        is_known(module) or type(module).__name__ in SKIPPED_IN_TRAINING
        for module in (network.get_submodule(n.target) for n in network.graph.nodes if n.op == "call_module")
    )


class _Tracer(fx.Tracer):
    """Traces into every module, except those that have a rule and those of torch itself."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return is_known(module) or super().is_leaf_module(module, qualified_name)


class _Walk(fx.Interpreter):
    """Runs a traced network on shapes alone, and derives each node's field from those of its inputs."""

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
            return result  # a shape, a number or a constant: it sees nothing of the image
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
        self, node: fx.Node, kind: str, depth: int, field: Field, result: Shaped[Tensor, "..."], inputs: tuple[str, ...]
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
        # a module is named by its node; of a function, the tracer's stack names the module around it
        inside = "" if node.op == "call_module" else next(reversed(node.meta.get("nn_module_stack") or {"": ""}))
        place = f" in module '{inside.partition('@')[0]}'" if inside else ""
        return ReceptiveError(f"no receptive field for node {node.name!r} ({self._operation(node)}){place}: {reason}")

    def _merge(self, node: fx.Node, fields: Mapping[str, Field]) -> Field:
        """The hull of the fields of several branches. Where one branch sees a whole axis, so does the hull."""
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
        """Kind and field of a node that calls a module.

        Args:
            field: the hull of its inputs' fields; result: what the module gave.
        """
        module = self.fetch_attr(str(node.target))
        entering = [*args, *kwargs.values()][0]
        if isinstance(module, nn.Conv2d):
            if module.padding_mode == "circular":
                raise self._refuse(node, "circular padding sees the opposite border; use zeros")
            return "conv", through_windows(field, *conv_geometry(module))
        if isinstance(module, nn.Linear):
            if not field.whole_image:
                raise self._refuse(node, "it mixes positions of a map; flatten the map before it")
            return "linear", field
        if isinstance(module, POOLS):
            padding, dilation = getattr(module, "padding", 0), getattr(module, "dilation", 1)
            return "pool", through_windows(field, module.kernel_size, module.stride, padding, dilation)
        if isinstance(module, ADAPTIVE_POOLS):
            return through_adaptive_pool(field, entering, result)
        if isinstance(module, Sum):
            return "add", field
        if isinstance(module, ACTIVATIONS):
            return "activation", field
        if isinstance(module, NORMS) or (field.whole_image and isinstance(module, MAP_NORMS)):
            return "norm", field
        if isinstance(module, POSITIONWISE) or type(module).__name__ in SKIPPED_IN_TRAINING:
            return "other", field
        if isinstance(module, PADS):
            return "other", through_padding(field, module.padding)
        if isinstance(module, SHAPES):
            return "other", self._reshaped(node, field, entering, result)
        if isinstance(module, SOFTMAXES):
            return "other", self._along(node, field, entering.ndim, module.dim)
        raise self._refuse(node, UNKNOWN)

    def _through_function(
        self, node: fx.Node, field: Field, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> tuple[str, Field]:
        """Kind and field of a node that calls a function or method."""
        name = self._operation(node).rstrip("_")

        def argument(keyword: str, position: int, default: Any = None) -> Any:
            return args[position] if len(args) > position else kwargs.get(keyword, default)

        entering = argument("input", 0, kwargs.get("tensors"))
        if name in ACTIVATION_NAMES:
            return "activation", field
        if name in NORM_NAMES:
            return "norm", field
        if name in ADD_NAMES:
            return "add", field
        if name in POSITIONWISE_NAMES:
            return "other", field
        if name in POOL_ARGUMENTS:
            return "pool", through_windows(field, *(argument(*number) for number in POOL_ARGUMENTS[name]))
        if name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
            return through_adaptive_pool(field, entering, result)
        if name == "pad" and len(argument("pad", 1)) == 4 and argument("mode", 2, "constant") != "circular":
            return "other", through_padding(field, argument("pad", 1))
        if name in SHAPE_NAMES:
            return "other", self._reshaped(node, field, entering, result)
        if name == "getitem":
            return "other", self._indexed(node, field, entering, args[1])
        if name == "transpose":
            dims = (argument("dim0", 1), argument("dim1", 2))
            return "other", self._along(node, field, entering.ndim, dims)
        if name == "linear" and field.whole_image:
            return "linear", field
        if name in AXIS_ARGUMENTS:
            dims = argument(*AXIS_ARGUMENTS[name])
            rank = (entering if isinstance(entering, Tensor) else entering[0]).ndim + (name == "unsqueeze")
            if name in REDUCTIONS:
                return through_reduction(name, field, rank, dims, result)
            return ("concat" if name in ("cat", "concat") else "other"), self._along(node, field, rank, dims)
        raise self._refuse(node, UNKNOWN)

    def _along(self, node: fx.Node, field: Field, rank: int, dims: int | Sequence[int] | None) -> Field:
        """The same field, if the operation works along none of the map's axes, the last two; else it is refused."""
        if field.whole_image or (dims is not None and not map_axes(rank, dims)):
            return field
        raise self._refuse(node, "it works along the axes of the map; only channels may be mixed")

    def _reshaped(
        self, node: fx.Node, field: Field, entering: Shaped[Tensor, "..."], result: Shaped[Tensor, "..."]
    ) -> Field:
        """The same field, if only channels are regrouped; the whole image, if everything becomes one vector."""
        if field.whole_image or (result.ndim >= 4 and result.shape[-2:] == entering.shape[-2:]):
            return field
        if result.ndim <= 2:
            return Field(None, None, self.image_size)
        raise self._refuse(node, f"it turns the shape {tuple(entering.shape)} into {tuple(result.shape)}, "
                                 "in which positions of the map are lost")  # fmt: skip

    def _indexed(self, node: fx.Node, field: Field, entering: Any, index: Any) -> Field:
        """The same field, if only images and channels are picked, or one of several tensors; else it is refused."""
        if field.whole_image or not isinstance(entering, Tensor):
            return field
        index = index if isinstance(index, tuple) else (index,)
        if len(index) <= entering.ndim - 2 and all(isinstance(part, int | slice) for part in index):
            return field
        raise self._refuse(node, "it cuts the map; only indexing of images and channels keeps the field")


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(map(_holds_tensor, value)))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _weightless_copy(network: nn.Module, device: torch.device) -> nn.Module:
    """A copy in evaluation mode, without hooks; its weights have shapes but no values."""
    # The memo tells deepcopy what to put in place of weights and hooks, so that neither is ever copied.
    memo: dict[int, Any] = {}
    for module in network.modules():
        for name, value in (*vars(module).items(), *module._parameters.items(), *module._buffers.items()):
            if isinstance(value, nn.Parameter):
                memo[id(value)] = nn.Parameter(_shape_of(value, device), requires_grad=False)
            elif isinstance(value, Tensor):
                memo[id(value)] = _shape_of(value, device)
            elif "_hooks" in name and isinstance(value, dict):
                memo[id(value)] = type(value)()
    # The walk meets modules through their parent, so a single layer gets a parent.
    network = nn.Sequential(network) if isinstance(network, LEAVES) else network
    return copy.deepcopy(network, memo).eval()


def _shape_of(weight: Shaped[Tensor, "*shape"], device: torch.device) -> Shaped[Tensor, "*shape"]:
    """A tensor of the same shape and type, all of whose elements share one place in memory."""
    return torch.zeros((), dtype=weight.dtype, device=device).expand(weight.shape)
