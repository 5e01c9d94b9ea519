"""The layers of a network as the papers count and name them.

A layer here is a place where responses are read: a convolution after its rectification (in a residual block after
the addition, which KS's comparison of channels across layers needs), a pooling layer, or a fully connected layer.
Layers are found in the traced graph (``methods.receptive_field``), so any module that can be traced has them.
"""

from dataclasses import dataclass, replace
from itertools import groupby

from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.fields import Field
from receptive.methods.receptive_field.graph import receptive_fields
from receptive.methods.receptive_field.sites import response_sites

_KINDS = {"linear": "fc"}


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        name: name of the module (or, for a function, of the node) whose output is the response.
        alias: the paper's name ("c5_3", "layer 3"). In other networks c, p or fc with the number of weight layers so
            far, or the name of the layer's module where that is ambiguous. No two layers of a network share an alias.
        depth: weight layers on the longest path up to here; conv1 is 1 (KS).
        kind: "conv", "pool", "global_pool" or "fc".
        units: number of channels.
        map_size: height and width of the map; (1, 1) for fully connected layers.
        field: what a position sees, px; the whole image after a global pool or a fully connected layer.
        readable: whether ``name`` is a module that is called once. Only then a hook can read it.
        local: the same without what operations over the whole map add (``NodeField.local``); None where they add
            nothing.
        whole_from: the operation from which on every position sees the whole image (``NodeField.whole_from``).
    """

    name: str
    alias: str
    depth: int
    kind: str
    units: int
    map_size: tuple[int, int]
    field: Field
    readable: bool
    local: Field | None = None
    whole_from: str = ""

    def fits(self, px: float) -> bool:
        """Whether a position sees at most ``px`` pixels along either side, and not the whole image by construction."""
        axes = (self.field.y, self.field.x)
        return all(axis is not None and axis.size <= px for axis in axes)

    def heading(self) -> dict[str, str | int]:
        """The columns that name a layer in every table: ``layer, alias, depth, kind``."""
        return {"layer": self.name, "alias": self.alias, "depth": self.depth, "kind": self.kind}


def layers(network: nn.Module, image_size: int | tuple[int, int], channels: int = 3) -> list[Layer]:
    """All layers of ``network`` for images of this size, in the order of the graph.

    Raises:
        ReceptiveError: the network cannot be traced, or one of its operations has no known field.
    """
    nodes = receptive_fields(network, image_size, channels)
    calls: dict[str, int] = {}
    for node in nodes.values():
        calls[node.module] = calls.get(node.module, 0) + 1
    sites = []
    for site in response_sites(nodes):
        node = site.node
        readable = bool(node.module) and calls[node.module] == 1
        name = node.module if readable else node.name
        kind = _KINDS.get(site.kind, site.kind)
        sites.append(
            Layer(
                name=name,
                alias=site.module or name,
                depth=node.depth,
                kind=kind,
                units=node.channels,
                map_size=node.map_size or (1, 1),
                field=node.field,
                readable=readable,
                local=None if node.local == node.field else node.local,
                whole_from=node.whole_from,
            )
        )
    naming = _NAMING.get(getattr(network, "naming", ""), _by_depth)
    own = getattr(network, "aliases", {})
    aliases = [own.get(layer.name) or alias for layer, alias in zip(sites, naming(sites), strict=True)]
    # in networks that branch several layers have the same depth: these keep the names of their modules
    return [
        replace(layer, alias=alias) if aliases.count(alias) == 1 else layer
        for layer, alias in zip(sites, aliases, strict=True)
    ]


def _by_depth(sites: list[Layer]) -> list[str]:
    """c, p or fc with the number of weight layers so far: "c3", "p3", "fc8"."""
    return [f"{ {'conv': 'c', 'fc': 'fc'}.get(layer.kind, 'p') }{layer.depth}" for layer in sites]


def _residual(sites: list[Layer]) -> list[str]:
    """The weight layers counted as KS count them: "layer 3"; "max pool", "average pool" and "scores"."""
    words = {"pool": "max pool", "global_pool": "average pool", "fc": "scores"}
    return [words.get(layer.kind, f"layer {layer.depth}") for layer in sites]


def _grouped(sites: list[Layer]) -> list[str]:
    """Number of the group and place in it, as YU name the layers of VGG: "c5_3", "p5"; a pool ends a group."""
    aliases, group, place, full = [], 1, 0, 5
    for layer in sites:
        place += layer.kind == "conv"
        full += layer.kind == "fc"
        words = {"conv": f"c{group}_{place}", "pool": f"p{group}", "fc": f"fc{full}"}
        aliases.append(words.get(layer.kind, "average pool"))
        if layer.kind == "pool":
            group, place = group + 1, 0
    return aliases


_NAMING = {"residual": _residual, "grouped": _grouped}
"""By the attribute ``naming`` of a network: how its layers are named. Its ``aliases``, by module, come first."""


def find_layer(all_layers: list[Layer], wanted: str) -> Layer:
    """The layer called ``wanted``, by its name or its alias ("c5_3", "c5.3" and "layer 3" alike).

    Raises:
        ReceptiveError: there is no such layer; the line lists the layers that there are.
    """
    spelled = wanted.replace(".", "_")
    for layer in all_layers:
        if wanted in (layer.name, layer.alias) or spelled == layer.alias:
            return layer
    raise ReceptiveError(f"no layer '{wanted}': choose one of {', '.join(layer.alias for layer in all_layers)}")


KS_LAYERS = ("max pool", "layer 3", "layer 7")
"""The layers of KS figures 4 to 9."""


def overview_layers(all_layers: list[Layer], largest_px: float) -> list[Layer]:
    """The layers that the report shows unit by unit.

    These are KS's layers (``KS_LAYERS``) where the network has at least two of them. Elsewhere they are the first pool
    and the deepest layer, both among the layers whose receptive field is at most ``largest_px`` px.
    """
    fitting = [layer for layer in all_layers if layer.fits(largest_px)]
    shown = [layer for layer in fitting if layer.alias in KS_LAYERS]
    if len(shown) < 2:
        shown = [*[layer for layer in fitting if layer.kind == "pool"][:1], *fitting[-1:]]
    return list(dict.fromkeys(shown))


def corresponding_layers(all_layers: list[Layer]) -> list[Layer]:
    """Two convolutions as deep as c4_1 and c5_3 among the 13 of VGGCNN (YU figure 3).

    They are the convolution at 8/13 of the network's convolutions, rounded, and the last one. In a network with one
    convolution both are that one, which is given once.
    """
    convs = [layer for layer in all_layers if layer.kind == "conv"]
    return list(dict.fromkeys([convs[max(0, round(len(convs) * 8 / 13) - 1)], convs[-1]])) if convs else []


def select_layers(all_layers: list[Layer], wanted: list[str], largest_px: float) -> list[Layer]:
    """The layers that ``wanted`` names, each once.

    Args:
        all_layers: all layers of the network.
        wanted: names or aliases of layers, or the words "first conv", "second conv", "last conv", "scores" (the last
            layer) and "overview" (``overview_layers``).
        largest_px: of ``overview_layers``.

    Raises:
        ReceptiveError: there is no such layer.
    """
    convs = [layer for layer in all_layers if layer.kind == "conv"]
    words = {"first conv": convs[:1], "second conv": convs[1:2], "last conv": convs[-1:], "scores": all_layers[-1:]}
    words["overview"] = overview_layers(all_layers, largest_px)
    selected = [
        layer for word in wanted for layer in (words[word] if word in words else [find_layer(all_layers, word)])
    ]
    return list(dict.fromkeys(selected))


def comparable_layers(network: nn.Module, all_layers: list[Layer]) -> list[list[Layer]]:
    """Groups of layers in which channel k of one layer can be compared with channel k of another, shallow ones first.

    A group is a run of layers with the same number of units and the same size of map. In our ResNets and PlainNets
    these are the outputs of the blocks and the pool before them (KS figure 5: max pool, layer 3, layer 7). Elsewhere
    they are convolutions: after a pool a channel is the same channel by construction.

    Args:
        network: whose ``layers`` are ``all_layers``.
        all_layers: all its layers.
    """
    blocks = [name for name, module in network.named_modules() if getattr(module, "is_block", False)]
    if blocks:
        outputs = [[layer for layer in all_layers if layer.name.startswith(f"{block}.")][-1] for block in blocks]
        chosen = [layer for layer in all_layers if layer.kind == "pool" or layer in outputs]
    else:
        chosen = [layer for layer in all_layers if layer.kind == "conv"]
    readable = [layer for layer in chosen if layer.readable]
    groups = [list(group) for _, group in groupby(readable, key=lambda layer: (layer.units, layer.map_size))]
    return [group for group in groups if len(group) > 1]


def field_rows(all_layers: list[Layer]) -> list[dict[str, int | str]]:
    """The table of receptive fields, in px: ``layer, alias, kind, size, stride, start, whole_from``.

    One row per layer with windows on the image. ``whole_from`` names the operation that lets every position see the
    whole image besides (squeeze and excitation, normalisation over the map); the numbers are then those of the local
    part. Layers that see the whole image and have no local part are left out (fully connected ones, global pools,
    attention). Where height and width differ, a number is written as "3x5" (down x across).
    """
    return [
        {
            "layer": layer.name,
            "alias": layer.alias,
            "kind": layer.kind,
            **{number: _square(getattr(layer.local or layer.field, number)) for number in ("size", "stride", "start")},
            "whole_from": layer.whole_from,
        }
        for layer in all_layers
        if not (layer.local or layer.field).whole_image
    ]


def _square(number: int | tuple) -> int | str:
    return number if isinstance(number, int) else "x".join("whole" if n is None else str(n) for n in number)
