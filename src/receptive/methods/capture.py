"""Reads the responses of a network's layers while it runs, and leaves no trace of having done so."""

import copy
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from receptive.errors import ReceptiveError


class _Enough(Exception):
    """Thrown out of the forward pass when the last wanted layer has been read."""


def _clone(layer: str, response: Tensor) -> Tensor:
    return response.detach().clone()


@contextmanager
def capture(
    network: nn.Module,
    layers: Iterable[str],
    read: Callable[[str, Tensor], object] = _clone,
    stop: bool = False,
) -> Iterator[dict[str, object]]:
    """Within the block, every forward pass leaves what ``read`` makes of each layer's output in the dict.

    The hooks are gone after the block, also after an exception or an interrupt. The output is read
    at once, before a later in-place operation can change it.

    Args:
        network: any module; its weights and mode are not touched.
        layers: names of submodules, as in ``network.named_modules()``.
        read: called with the layer's name and its output (image x unit x y x x, or image x unit); its result
            is stored. The default stores a copy.
        stop: end the forward pass when every layer has been read; the call of the network then returns
            None instead of scores. Layers deeper than the last one cost nothing.

    Raises:
        ReceptiveError: the network has no such layer.
    """
    layers = list(dict.fromkeys(layers))
    modules = dict(network.named_modules())
    for layer in layers:
        if layer not in modules:
            raise ReceptiveError(f"the network has no layer '{layer}': 'receptive fields NETWORK' lists its layers")
    responses: dict[str, object] = {}
    read_now: set[str] = set()

    def hook_for(layer: str):
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            responses[layer] = read(layer, output)
            read_now.add(layer)
            # behind the network itself, forward has ended and nothing would catch this
            if stop and len(read_now) == len(layers) and module is not network:
                read_now.clear()
                raise _Enough

        return hook

    forward, own_forward = network.forward, network.__dict__.get("forward")
    handles = [modules[layer].register_forward_hook(hook_for(layer)) for layer in layers]
    if stop and layers:

        def stopping(*args, **kwargs):
            read_now.clear()
            try:
                return forward(*args, **kwargs)
            except _Enough:
                return None

        network.forward = stopping
    try:
        yield responses
    finally:
        for handle in handles:
            handle.remove()
        if stop and layers:
            del network.forward  # the class's method shows again
            if own_forward is not None:
                network.forward = own_forward


@torch.no_grad()
def responses_to(network: nn.Module, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """The responses of ``layers`` to normalised images, running no deeper than needed.

    Returns:
        Layer to image x unit x y x x (or image x unit), in the order of the forward pass.
    """
    with capture(network, layers, stop=True) as responses:
        network(images)
    return responses


def outputs_of(network: nn.Module, layers: Iterable[str]) -> nn.Module | None:
    """A module that returns the responses of ``layers`` in their order and computes nothing behind them.

    Unlike hooks it is one graph, which ``torch.compile`` takes as a whole; it holds the maps of all layers of a
    batch at once. The weights are those of ``network``, not copies.

    Returns:
        None where the network cannot be traced, a layer is not exactly one call of a leaf of its graph, or something
        works in place: it would change a response after it was made.
    """
    try:
        traced = fx.symbolic_trace(network)
    except Exception:  # tracing fails in many ways; hooks do without it
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


def _in_place(network: nn.Module, node) -> bool:
    if node.op == "call_module":
        return getattr(network.get_submodule(node.target), "inplace", False)
    if node.op == "call_function":  # a += b is operator.iadd
        return node.kwargs.get("inplace", False) or node.target in (operator.iadd, operator.isub, operator.imul)
    return node.op == "call_method" and node.target.endswith("_")


def for_inference(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode that computes the same responses faster.

    Batch norms are folded into the convolutions before them (Jacob et al. 2018, equation 14) and the
    memory format is channels-last; every layer keeps its name, a folded batch norm as an identity whose output is
    what it was. Networks that torch.fx cannot trace are only copied.
    """
    copied = copy.deepcopy(network).eval()
    try:
        copied = _folded(copied)
    except Exception:  # tracing fails in many ways; the plain copy is right, only slower
        copied = copy.deepcopy(network).eval()
    return copied.eval().to(memory_format=torch.channels_last)  # folding makes new modules in training mode


def _folded(network: nn.Module) -> fx.GraphModule:
    """``network`` as a graph with every batch norm folded that follows a convolution (or a linear layer) alone."""
    folding = {nn.Conv2d: (nn.BatchNorm2d, fuse_conv_bn_eval), nn.Linear: (nn.BatchNorm1d, fuse_linear_bn_eval)}
    traced = network if isinstance(network, fx.GraphModule) else fx.symbolic_trace(network)
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        norm_type, fold = folding.get(type(modules[before.target]), (None, None))
        norm = modules[node.target]
        alone = calls[node.target] == calls[before.target] == 1  # a module called again would be folded twice
        if type(norm) is norm_type and norm.track_running_stats and alone:
            traced.add_submodule(before.target, fold(modules[before.target], norm))
            traced.add_submodule(node.target, nn.Identity())
    return traced
