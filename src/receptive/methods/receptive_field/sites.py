"""Where a network's responses are read: after each convolution, pooling and linear layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import no_type_check

from torch import Tensor, nn

from receptive.methods.receptive_field.nodes import NodeField


@dataclass(frozen=True)
class Site:
    """A place where the network's responses are read.

    Attributes:
        node: the node whose output is the response, for instance the activation after a convolution.
        kind: 'conv', 'pool', 'global_pool' or 'linear': the layer that the response belongs to.
        layer: name of that layer's own node: the convolution, where ``node`` is its activation.
        module: path of that layer's module; '' for a pooling function.
    """

    node: NodeField
    kind: str
    layer: str
    module: str

    @property
    def name(self) -> str:
        """Name of the node that is read."""
        return self.node.name


def response_sites(nodes: Mapping[str, NodeField]) -> list[Site]:
    """The places where a network's responses are read, in graph order.

    - For each convolution: the activation that follows it. Normalisation may lie between, and an addition that the
      convolution ends (the papers read a residual block after its addition and ReLU). Where no activation comes before
      the next weight layer, pooling or concatenation: the last of the convolution, its normalisation and its addition.
    - Every pooling layer, except an adaptive one that changes nothing at this image size.
    - For each linear layer: its activation likewise. The last weight layer is read at its plain output: the class
      scores before any softmax.

    The projection of a residual block has no site. It is a convolution that only joins an addition, and is not on the
    longest path to it.

    Args:
        nodes: of ``receptive_fields``.
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
    """The node at which a weight layer's response is read; None for the projection of a residual block."""
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
    """The sum of two branches as a module, so that hooks can read it. The walk knows it as it knows ``+``."""

    @no_type_check  # torch.fx traces it with proxies in place of tensors
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Elementwise sum of two tensors of one shape, or of shapes that torch broadcasts."""
        return first + second
