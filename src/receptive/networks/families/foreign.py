"""Networks of torchvision and timm, rewritten so that their responses can be read as those of our networks are.

Networks of other authors reuse one in-place ``nn.ReLU`` for several places, rectify by a function, or add without a
module. Responses are read by hooks on modules, so such places cannot be read. Here the network's traced graph
(torch.fx) is rewritten: each place gets its own module that does not work in place. Weights keep their names and
values, and in evaluation mode the outputs stay the same, to the bit.
"""

import copy
import operator
from collections import Counter, defaultdict
from collections.abc import Callable

import torch
from torch import fx, nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.operations import SKIPPED_IN_TRAINING, is_known
from receptive.methods.receptive_field.sites import Sum
from receptive.networks.libraries import timm_with, torchvision_models_with

_NAMING = {"ResNet": "residual", "VGG": "grouped"}
"""Classes of torchvision and timm whose layers have names in the papers."""
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh,
    "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "elu": nn.ELU, "selu": nn.SELU, "mish": nn.Mish,
}  # fmt: skip
"""Module of each activation function that has no settings."""
_POOLS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    "max_pool2d": (nn.MaxPool2d, ("kernel_size", "stride", "padding", "dilation")),
    "avg_pool2d": (
        nn.AvgPool2d,
        ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d, ("output_size",)),
    "adaptive_max_pool2d": (nn.AdaptiveMaxPool2d, ("output_size",)),
}
"""Module of each pooling function, and the function's arguments after the input, which are the module's."""


def build_foreign(library: str, name: str, classes: int, channels: int, options: dict[str, float]) -> fx.GraphModule:
    """A network of ``library`` with fresh weights, every response in a module of its own (``separate_sites``).

    Weights have the names that the library gives them. Those that only training uses (auxiliary classifiers) are
    gone; the attribute ``unused_weights`` lists their names.

    Args:
        library: "torchvision" or "timm".
        name: of the network there.
        classes: number of scores.
        channels: of the images, 1 or 3; torchvision's networks take 3.
        options: only ``width`` at 1 is possible.

    Raises:
        ReceptiveError: there is no such network or library, it takes no such option or images, or it cannot be traced.
    """
    spelled = f"{library}:{name}"
    for option, value in options.items():
        if not (option == "width" and value == 1):
            raise ReceptiveError(f"{spelled} takes no option '{option}'; leave it out")
    if library == "timm":
        network = timm_with(name).create_model(name, num_classes=classes, in_chans=channels)
    else:
        if channels != 3:
            raise ReceptiveError(
                f"{spelled} sees images of 3 channels and these have {channels}: choose colour images, or timm"
            )
        # googlenet and inception warn unless they are told how to begin
        extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network = torchvision_models_with(name).get_model(name, weights=None, num_classes=classes, **extra)
    kind, names = type(network).__name__, list(network.state_dict())
    try:
        separate = separate_sites(network)
    except ReceptiveError as error:
        raise ReceptiveError(f"{spelled}: {error}") from None
    kept = separate.state_dict()
    separate.unused_weights = [key for key in names if key not in kept]
    separate.naming = _NAMING.get(kind, "")
    return separate


def separate_sites(network: nn.Module) -> fx.GraphModule:
    """The same network in evaluation mode, with a module of its own for every activation, sum and pooling.

    - A module without weights that is called several times becomes several: ``layer1.0.relu`` becomes
      ``layer1.0.relu1`` and ``layer1.0.relu2`` in the order of the calls.
    - A module that works in place becomes one that does not.
    - Activation and pooling functions, means over the map and sums of two branches become modules within the
      module that calls them: ``conv1.relu``, ``features.3.sum``.

    Whatever the network's code decides by ``self.training`` is decided as in evaluation. So a branch that only
    training uses (auxiliary classifiers) is gone, and its weights with it. Dropout and batch norm keep both modes.

    Args:
        network: any module that torch.fx can trace. It shares its weights with the result: do not use it afterwards.

    Raises:
        ReceptiveError: it cannot be traced.
    """
    network.eval()
    tracer = _Tracer()
    try:
        graph = tracer.trace(network)
    except Exception as error:  # tracing runs the network's own code, which can fail in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ReceptiveError(
            f"cannot trace {type(network).__name__}: {reason}; its responses need a forward pass that does not depend "
            "on the values of the image: choose another network"
        ) from None
    traced = fx.GraphModule(network, graph, type(network).__name__)
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    wanted: dict[str, list[tuple[fx.Node, nn.Module]]] = defaultdict(list)
    for node in graph.nodes:
        own = _own_module(node, traced, calls)
        if own is not None:
            name, module = own
            wanted[name].append((node, module))
    for path, places in wanted.items():
        for number, (node, module) in enumerate(places, 1):
            name = path if len(places) == 1 else f"{path}{number}"
            while name != node.target and _taken(traced, name):
                name += "_"
            _call_instead(node, name, module)
    graph.lint()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.eval()


class _Tracer(fx.Tracer):
    """Keeps whole the modules whose receptive field is known, and those that skip branches in training."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        if type(module).__name__ in SKIPPED_IN_TRAINING:  # traced, they would be fixed to evaluation
            return True
        return is_known(module) or super().is_leaf_module(module, qualified_name)


def _own_module(node: fx.Node, traced: fx.GraphModule, calls: Counter) -> tuple[str, nn.Module] | None:
    """Name and module that a node should call instead; None where it may stay, or where no module fits."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if module.state_dict() or (calls[node.target] == 1 and not getattr(module, "inplace", False)):
            return None  # weights keep their one name
        return str(node.target), _not_in_place(module)
    build = _FUNCTIONS.get(_operation(node)) if node.op in ("call_function", "call_method") else None
    module = build(node) if build else None
    if module is None:
        return None
    name = {"iadd": "sum", "add": "sum", "mean": "pool"}.get(_operation(node), _operation(node))
    # on this stack a module that is called again has the number of the call after an @
    inside = next(reversed(node.meta.get("nn_module_stack") or {"": None})).partition("@")[0]
    return (f"{inside}.{name}" if inside else name), module


def _operation(node: fx.Node) -> str:
    """Name of the function or method that a node calls, in place or not."""
    return str(getattr(node.target, "__name__", node.target)).rstrip("_")


def _not_in_place(module: nn.Module) -> nn.Module:
    """A module of the same kind and settings that does not work in place."""
    copied = copy.deepcopy(module)
    if getattr(copied, "inplace", False):
        copied.inplace = False
    return copied


def _activation(node: fx.Node) -> nn.Module | None:
    """The module of an activation function; None where it has settings of its own."""
    plain = set(node.kwargs) <= {"inplace", "input"} and all(isinstance(arg, bool) for arg in node.args[1:])
    return _ACTIVATIONS[_operation(node)]() if plain else None


def _pool(node: fx.Node) -> nn.Module | None:
    kind, names = _POOLS[_operation(node)]
    settings = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
    settings.pop("input", None)
    if settings.pop("return_indices", False) or any(isinstance(value, fx.Node) for value in settings.values()):
        return None
    return kind(**settings)


def _mean(node: fx.Node) -> nn.Module | None:
    """The pooling to one position that computes a mean over the map's two axes; None for another mean."""
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if not isinstance(dims, list | tuple) or sorted(dims) not in ([2, 3], [-2, -1]) or node.kwargs.get("dtype"):
        return None
    return nn.AdaptiveAvgPool2d(1)


def _loses_axes(node: fx.Node) -> bool:
    """Whether a mean drops the axes of the map, so that its shape is image x unit."""
    return _operation(node) == "mean" and not (node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim"))


def _sum(node: fx.Node) -> nn.Module | None:
    if node.kwargs or len(node.args) != 2 or not all(isinstance(arg, fx.Node) for arg in node.args):
        return None
    return None if any(_is_number(arg) for arg in node.args) else Sum()


def _is_number(node: fx.Node) -> bool:
    """Whether a node is a size and no tensor, as far as the graph shows it."""
    if node.target in ("size", "dim", "numel") or node.target is getattr:
        return True
    arithmetic = (operator.getitem, operator.add, operator.sub, operator.mul, operator.floordiv)
    return node.target in arithmetic and all(_is_number(arg) for arg in node.all_input_nodes)


_FUNCTIONS: dict[str, Callable[[fx.Node], nn.Module | None]] = {
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys(("add", "iadd"), _sum),
    "mean": _mean,
}


def _taken(traced: fx.GraphModule, path: str) -> bool:
    try:
        traced.get_submodule(path)
    except AttributeError:
        parent, _, name = path.rpartition(".")
        try:
            return hasattr(traced.get_submodule(parent), name)
        except AttributeError:
            return False
    return True


def _call_instead(node: fx.Node, name: str, module: nn.Module) -> None:
    """Replaces a node by a call of ``module``, called ``name``."""
    graph, traced = node.graph, node.graph.owning_module
    inputs = tuple(arg for arg in node.args if isinstance(arg, fx.Node)) or tuple(node.all_input_nodes)
    changed = inputs[0] if _works_in_place(node) else None
    traced.add_submodule(name, module)
    with graph.inserting_before(node):
        call = graph.call_module(name, inputs)
        call.meta["nn_module_stack"] = node.meta.get("nn_module_stack")
        if node.op != "call_module" and _loses_axes(node):
            call = graph.call_function(torch.flatten, (call, 1))
    if changed is not None:  # nodes that read the input after it was changed read the result
        later = node.next
        while later.op != "root":
            later.replace_input_with(changed, call)
            later = later.next
    node.replace_all_uses_with(call)
    graph.erase_node(node)


def _works_in_place(node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(node.graph.owning_module.get_submodule(str(node.target)), "inplace", False))
    if node.target is operator.iadd or (node.op == "call_method" and str(node.target).endswith("_")):
        return True
    return node.kwargs.get("inplace", False) or node.args[1:] == (True,)
