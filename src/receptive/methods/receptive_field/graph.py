"""The walk through a network's traced graph, which gives every node its receptive field."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, fx, nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.nodes import NodeField
from receptive.methods.receptive_field.operations import (
    LEAVES,
    PADS,
    SKIPPED_IN_TRAINING,
    WEIGHT_LAYERS,
    is_known,
    repeats,
)
from receptive.methods.receptive_field.rules import NoRule, through_function, through_module
from receptive.methods.receptive_field.sights import Sight, View, merged


def receptive_fields(network: nn.Module, image_size: int | tuple[int, int], channels: int = 3) -> dict[str, NodeField]:
    """Receptive field of every node of a network, in graph order.

    torch.fx traces the graph from a copy without weights, in evaluation mode, and the shapes are found without
    computing. The network itself is neither run nor changed, and its hooks are not called.

    These nodes see the whole image (``NodeField.field``): what follows global pooling, a mean over the map, attention,
    or flattening; what is normalised by statistics over the map (instance, group and layer norm, batch norm without
    stored statistics); what merges with any of these (squeeze and excitation), or with a branch of one position that is
    spread over the map. ``NodeField.local`` leaves out what these add. Adaptive pooling into windows of unequal size
    has no common box either. Padding counts as outside the image, whatever fills it; ``NodeField.seen`` gives the
    pixels that reflection and replication repeat.

    Args:
        network: any module from normalised images to maps or scores.
        image_size: height and width in px, or the side of a square.
        channels: of the image.

    Returns:
        The nodes by name. Nodes that do not depend on the image, or are not tensors, are left out; so is padding that
        repeats pixels from beyond its own window.

    Raises:
        ReceptiveError: the network cannot be traced, does not accept such images, merges branches of unequal stride,
            holds an operation without a rule, or one position sees pixels outside its box, because padding repeats
            them. The line names the node and the operation.
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
        exact: what its positions see. Unless that is the whole image, the value's last two axes are those of the map.
        local: the same without what operations over the whole map add; the same object where they add nothing.
        depth: weight layers on the longest path to it.
        names: of the nodes that it is made of.
        whole_from: of ``NodeField``.
        repeated: how padding before it repeats pixels.
    """

    exact: View
    local: View
    depth: int
    names: tuple[str, ...]
    whole_from: str
    repeated: frozenset[str]


def _is_traced(network: nn.Module) -> bool:
    """Whether a network is a graph of known modules already. Tracing it again would lose the modules' places."""
    return isinstance(network, fx.GraphModule) and all(
        is_known(module) or type(module).__name__ in SKIPPED_IN_TRAINING
        for module in (network.get_submodule(n.target) for n in network.graph.nodes if n.op == "call_module")
    )


class _Tracer(fx.Tracer):
    """Traces into every module, except those that have a rule and those of torch itself."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return is_known(module) or ("forward" not in vars(module) and super().is_leaf_module(module, qualified_name))


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
            kind, exact = "input", View(Sight.of_image(self.image_size[0]), Sight.of_image(self.image_size[1]))
            local = exact
        else:
            kind, exact, local = self._after(node, sources, result)
        before = [self._seen[source] for source in sources]
        inherited = [seen.whole_from for seen in before if seen.whole_from and not seen.exact.in_a_row]
        inherited += [seen.whole_from for seen in before if seen.whole_from and exact.in_a_row]
        seen = _Seen(
            exact=exact,
            local=local,
            depth=max((seen.depth for seen in before), default=0) + (kind in WEIGHT_LAYERS),
            names=tuple(dict.fromkeys(name for seen in before for name in seen.names)),
            whole_from=[*inherited, self._title(node)][0] if None in (exact.y.axis, exact.x.axis) else "",
            repeated=self._repeats(node).union(*(seen.repeated for seen in before)),
        )
        if isinstance(result, Tensor) and self._has_boxes(node, seen):
            self._record(node, kind, seen, result)
            seen = replace(seen, names=(node.name,))
        self._seen[node] = seen
        return result

    def _after(self, node: fx.Node, sources: Sequence[fx.Node], result: Any) -> tuple[str, View, View]:
        """Kind of a node, what is seen after it, and the local part of that."""
        before, part = self._before(node, sources)
        kind, exact = self._step(node, before, result)
        if kind == "norm":
            local = part  # statistics over the map have no place in it
        elif part is before:
            local = exact
        else:
            local = self._step(node, part, result)[1]
        if isinstance(result, Tensor) and result.ndim >= 4:
            exact, local = exact.on_map(*result.shape[-2:]), local.on_map(*result.shape[-2:])
        if kind == "add" and len(sources) == 1:
            kind = "other"  # a constant is added
        return kind, exact, exact if local == exact else local

    def _before(self, node: fx.Node, sources: Sequence[fx.Node]) -> tuple[View, View]:
        """What a node's inputs see together, and the local part of that."""
        seen = [self._seen[source] for source in sources]
        if len(seen) == 1:
            return seen[0].exact, seen[0].local
        sizes = [size for size in map(_map_size, (self.env[source] for source in sources)) if size]
        rows, columns = (max(lengths) for lengths in zip(*sizes, strict=True)) if sizes else (1, 1)
        try:
            exact = merged([one.exact.on_map(rows, columns) for one in seen], local=False)
            local = merged([one.local.on_map(rows, columns) for one in seen], local=True)
        except ValueError as error:
            axes = [(along, [getattr(one.local.field, along) for one in seen]) for along in ("y", "x")]
            strides = "; ".join(
                f"along {along}: "
                + ", ".join(
                    f"{source.name!r} has {axis.stride}" for source, axis in zip(sources, both, strict=True) if axis
                )
                for along, both in axes
            )
            raise self._refuse(node, f"it merges branches of {error} ({strides})") from None
        return exact, exact if local == exact else local

    def _step(self, node: fx.Node, view: View, result: Any) -> tuple[str, View]:
        """Kind of a node, and what is seen after it."""
        args, kwargs = self.fetch_args_kwargs_from_env(node)

        def argument(keyword: str, position: int, default: Any = None) -> Any:
            return args[position] if len(args) > position else kwargs.get(keyword, default)

        try:
            if node.op == "call_module":
                return through_module(self._module(node), view, [*args, *kwargs.values()][0], result)
            name = self._operation(node).rstrip("_")
            if name == "conv2d" and node.args[1:2] and node.args[1] in self._seen:
                raise NoRule("its kernel depends on the image")
            entering = argument("input", 0, kwargs.get("tensors"))
            return through_function(name, node.target, view, entering, argument, result)
        except NoRule as reason:
            raise self._refuse(node, str(reason)) from None

    def _record(self, node: fx.Node, kind: str, seen: _Seen, result: Shaped[Tensor, "..."]) -> None:
        module = str(node.target) if node.op == "call_module" else ""
        call = self._calls.get(module, 0)
        self._calls[module] = call + 1
        self.nodes[node.name] = NodeField(
            name=node.name,
            module=module,
            call=call if module else 0,
            operation=self._operation(node),
            kind=kind,
            depth=seen.depth,
            field=seen.exact.field,
            local=seen.local.field,
            whole_from=seen.whole_from,
            sights=(seen.exact.y, seen.exact.x),
            channels=result.shape[1] if result.ndim > 1 else 1,
            map_size=_map_size(result),
            inputs=seen.names,
        )

    def _has_boxes(self, node: fx.Node, seen: _Seen) -> bool:
        """Whether every position sees only what its box holds. Padding by itself need not; the layer after it must."""
        for view in dict.fromkeys((seen.exact, seen.local)):
            for along, sight in (("y", view.y), ("x", view.x)):
                at = sight.strays()
                if at is None:
                    continue
                if self._is_padding(node):
                    return False
                raise self._refuse(
                    node,
                    f"{' and '.join(sorted(seen.repeated))} padding lets position {at} along {along} see pixels "
                    "outside its box; pad with zeros, or by less than half a kernel",
                )
        return True

    def _is_padding(self, node: fx.Node) -> bool:
        return isinstance(self._module(node), PADS) if node.op == "call_module" else self._operation(node) == "pad"

    def _repeats(self, node: fx.Node) -> frozenset[str]:
        """How the padding of this very node repeats pixels; nothing where it does not."""
        how = ""
        if node.op == "call_module":
            module: Any = self._module(node)
            how = repeats(getattr(module, "padding_mode", module))
        elif node.op == "call_function" and self._operation(node) == "pad":
            args, kwargs = self.fetch_args_kwargs_from_env(node)
            how = repeats(args[2] if len(args) > 2 else kwargs.get("mode", ""))
        return frozenset({how} - {""})

    def _module(self, node: fx.Node) -> nn.Module:
        return self.fetch_attr(str(node.target))

    def _title(self, node: fx.Node) -> str:
        """The module that a node calls, or the function and the module around it: 'features.1.se.avgpool', 'mean'."""
        if node.op == "call_module":
            return str(node.target)
        inside = _module_around(node)
        return f"{inside}.{self._operation(node)}" if inside else self._operation(node)

    def _operation(self, node: fx.Node) -> str:
        if node.op == "call_module":
            return type(self._module(node)).__name__
        return str(getattr(node.target, "__name__", node.target))

    def _refuse(self, node: fx.Node, reason: str) -> ReceptiveError:
        # a module is named by its node; of a function, the tracer's stack names the module around it
        inside = "" if node.op == "call_module" else _module_around(node)
        place = f" in module '{inside}'" if inside else ""
        return ReceptiveError(f"no receptive field for node {node.name!r} ({self._operation(node)}){place}: {reason}")


def _map_size(value: Any) -> tuple[int, int] | None:
    """Height and width of a map; None of anything else."""
    return (value.shape[-2], value.shape[-1]) if isinstance(value, Tensor) and value.ndim == 4 else None


def _module_around(node: fx.Node) -> str:
    """Path of the module whose forward pass holds a node."""
    return next(reversed(node.meta.get("nn_module_stack") or {"": ""})).partition("@")[0]


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
