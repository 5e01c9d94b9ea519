"""Reads the responses of a network's layers while it runs, and leaves the network as it was."""

import copy
import logging
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from receptive.errors import ReceptiveError

_LOG = logging.getLogger(__name__)


class _Enough(Exception):
    """Ends the forward pass when the last wanted layer has been read."""


def _clone(layer: str, response: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    return response.detach().clone()


@contextmanager
def capture(
    network: nn.Module,
    layers: Iterable[str],
    read: Callable[[str, Tensor], Any] = _clone,
    stop: bool = False,
) -> Iterator[dict[str, Any]]:
    """Within the block, every forward pass fills the dict with what ``read`` makes of each layer's output.

    The hooks are gone after the block, also after an exception or an interrupt. The output is read at once, before a
    later in-place operation can change it.

    Args:
        network: any module; its weights and mode are not touched.
        layers: names of submodules, as in ``network.named_modules()``.
        read: called with the layer's name and its output, (image, unit, y, x) or (image, unit). Its result is stored.
            The default stores a copy.
        stop: whether the forward pass ends when every layer has been read. The call of the network then returns None
            instead of scores, and layers deeper than the last one cost nothing.

    Raises:
        ReceptiveError: the network has no such layer.
    """
    layers = list(dict.fromkeys(layers))
    modules = dict(network.named_modules())
    for layer in layers:
        if layer not in modules:
            raise ReceptiveError(f"the network has no layer '{layer}': 'receptive fields NETWORK' lists its layers")
    responses: dict[str, Any] = {}
    read_now: set[str] = set()

    def hook(layer: str, module: nn.Module, inputs: tuple, output: Any) -> None:
        responses[layer] = read(layer, output)
        read_now.add(layer)
        # after the network itself, forward has ended and nothing would catch this
        if stop and len(read_now) == len(layers) and module is not network:
            read_now.clear()
            raise _Enough

    forward, own_forward = network.forward, network.__dict__.get("forward")
    handles = [modules[layer].register_forward_hook(partial(hook, layer)) for layer in layers]
    if stop and layers:

        def stopping(*args: Any, **kwargs: Any) -> Any:
            read_now.clear()
            try:
                return forward(*args, **kwargs)
            except _Enough:
                return None

        network.__dict__["forward"] = stopping
    try:
        yield responses
    finally:
        for handle in handles:
            handle.remove()
        if stop and layers:
            del network.__dict__["forward"]  # the class's method shows again
            if own_forward is not None:
                network.__dict__["forward"] = own_forward


@torch.no_grad()
def responses_to(
    network: nn.Module, images: Float[Tensor, "image channel y x"], layers: Iterable[str]
) -> dict[str, Shaped[Tensor, "image ..."]]:
    """The responses of ``layers`` to normalised images; the network runs no deeper than needed.

    Returns:
        By layer (image, unit, y, x) or (image, unit), in the order of the forward pass.
    """
    with capture(network, layers, stop=True) as responses:
        network(images)
    return responses


def outputs_of(network: nn.Module, layers: Iterable[str]) -> nn.Module | None:
    """A module that returns the responses of ``layers`` in their order, and computes nothing after them.

    Unlike hooks it is one graph, which ``torch.compile`` takes as a whole. It holds the maps of all layers of a batch
    at once. The weights are those of ``network``, not copies.

    Returns:
        None where the network cannot be traced (with a warning in the log), a layer is not exactly one call of a leaf
        of its graph, or an operation works in place, which would change a response after it was made.
    """
    try:
        traced = fx.symbolic_trace(network)
    except Exception as error:  # tracing fails in many ways; hooks do without it
        _warn_untraced(network, error, "its layers are read by hooks, uncompiled")
        return None
    graph, wanted = traced.graph, list(layers)
    calls = {
        layer: [node for node in graph.nodes if node.op == "call_module" and node.target == layer] for layer in wanted
    }
    if any(len(nodes) != 1 for nodes in calls.values()) or any(_in_place(network, node) for node in graph.nodes):
        return None
    output = next(node for node in graph.nodes if node.op == "output")
    output.args = (tuple(nodes[0] for nodes in calls.values()),)
    graph.eliminate_dead_code()
    traced.recompile()
    return traced.eval()


def _in_place(network: nn.Module, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_function":  # a += b is operator.iadd
        return bool(node.kwargs.get("inplace", False)) or node.target in (operator.iadd, operator.isub, operator.imul)
    return node.op == "call_method" and str(node.target).endswith("_")


def _warn_untraced(network: nn.Module, error: Exception, instead: str) -> None:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    _LOG.warning("%s cannot be traced (%s): %s", type(network).__name__, reason, instead)


def for_inference(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode that computes the same responses faster.

    Batch norms are folded into the convolutions before them (Jacob et al. 2018, equation 14), and the memory format is
    channels-last. Every layer keeps its name; a folded batch norm becomes an identity, whose output is what it was.
    A network that torch.fx cannot trace is only copied, with a warning in the log.
    """
    copied = copy.deepcopy(network).eval()
    try:
        copied = _folded(copied)
    except Exception as error:  # tracing fails in many ways; the plain copy is right, only slower
        _warn_untraced(network, error, "its batch norms are not folded, so it runs slower")
        copied = copy.deepcopy(network).eval()
    whole: Any = copied.eval()  # folding makes new modules in training mode
    return whole.to(memory_format=torch.channels_last)


def _folded(network: nn.Module) -> fx.GraphModule:
    """``network`` as a graph in which every batch norm is folded that alone follows a convolution or linear layer."""
    folding: dict[type, tuple[type, Callable]] = {
        nn.Conv2d: (nn.BatchNorm2d, fuse_conv_bn_eval),
        nn.Linear: (nn.BatchNorm1d, fuse_linear_bn_eval),
    }
    traced = network if isinstance(network, fx.GraphModule) else fx.symbolic_trace(network)
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        layer: Any = modules[str(before.target)]
        norm: Any = modules[str(node.target)]
        norm_type, fold = folding.get(type(layer), (None, None))
        alone = calls[node.target] == calls[before.target] == 1  # a module called again would be folded twice
        foldable = type(norm) is norm_type and getattr(norm, "track_running_stats", False)
        if fold is not None and foldable and alone:
            traced.add_submodule(str(before.target), fold(layer, norm))
            traced.add_submodule(str(node.target), nn.Identity())
    return traced
