"""Rectifications that write over their input, where nobody else reads it: one map less to make and to fetch."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn

from receptive.methods.receptive_field.sites import Sum

_OWN = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, Sum)
_HANDED_ON = (nn.Identity, nn.Dropout)  # in evaluation mode the output is the input itself


@contextmanager
def overwriting(network: nn.Module) -> Iterator[None]:
    """Within the block, rectifications of a traced network work in place where that changes no other response.

    A hook that reads a map at once sees what it saw before; one that keeps the input of a rectification would not.

    Args:
        network: in evaluation mode. Only a graph (``capture.for_inference``) tells who reads what; any other network
            stays as it is.
    """
    rectifications = _that_may(network) if isinstance(network, fx.GraphModule) else []
    for module in rectifications:
        module.inplace = True
    try:
        yield
    finally:
        for module in rectifications:
            module.inplace = False


def _that_may(network: fx.GraphModule) -> list[nn.ReLU]:
    """Rectifications that do not work in place and might, at every place where they are called."""
    modules = dict(network.named_modules())
    calls: dict[str, list[fx.Node]] = {}
    for node in network.graph.nodes:
        if node.op == "call_module" and type(modules[str(node.target)]) is nn.ReLU:
            calls.setdefault(str(node.target), []).append(node)
    found = [modules[name] for name, nodes in calls.items() if all(_own(node.args[0], modules) for node in nodes)]
    return [module for module in found if isinstance(module, nn.ReLU) and not module.inplace]


def _own(node: object, modules: dict[str, nn.Module]) -> bool:
    """Whether a node makes a map of its own, which a single other node reads."""
    if not isinstance(node, fx.Node) or len(node.users) != 1:
        return False
    if node.op == "call_function":
        return node.target in (operator.add, torch.add)
    if node.op != "call_module":
        return False
    module = modules[str(node.target)]
    return _own(node.args[0], modules) if isinstance(module, _HANDED_ON) else type(module) in _OWN
