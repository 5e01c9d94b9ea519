"""The layers of a network as the papers count and name them.

A layer here is a place where responses are read: a convolution after its rectification (in a residual
block after the addition, as KS's channel identity across layers asks for), a pooling layer, a fully
connected layer. They are found in the traced graph (``methods.receptive_field``), so any module has them.
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
        alias: the paper's name ("c5_3", "layer 3"); for other networks c, p or fc with the count of weight layers, or
            where that is ambiguous the name of the layer's module. No two layers share one.
        depth: weight layers on the longest path up to here; conv1 is 1 (KS).
        kind: "conv", "pool", "global_pool" or "fc".
        units: number of channels.
        map_size: height and width of the map; (1, 1) for fully connected layers.
        field: what a position sees; the whole image behind a global pool or a fully connected layer.
        readable: whether ``name`` is a module that is called once, so that a hook can read it.
    """

    name: str
    alias: str
    depth: int
    kind: str
    units: int
    map_size: tuple[int, int]
    field: Field
    readable: bool

    def fits(self, px: float) -> bool:
        """Whether a position sees at most ``px`` pixels along either side, and not the whole image by construction."""
        return not self.field.whole_image and max(self.field.y.size, self.field.x.size) <= px

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
    found = []
    for site in response_sites(nodes):
        node = site.node
        readable = bool(node.module) and calls[node.module] == 1
        name = node.module if readable else node.name
        kind = _KINDS.get(site.kind, site.kind)
        found.append(
            Layer(
                name=name,
                alias=site.module or name,
                depth=node.depth,
                kind=kind,
                units=node.channels,
                map_size=node.map_size or (1, 1),
                field=node.field,
                readable=readable,
            )
        )
    naming = _NAMING.get(getattr(network, "naming", ""), _by_depth)
    given = getattr(network, "aliases", {})
    aliases = [given.get(layer.name) or alias for layer, alias in zip(found, naming(found), strict=True)]
    # in networks that branch several layers have one depth: those keep the name of their own module
    return [
        replace(layer, alias=alias) if aliases.count(alias) == 1 else layer
        for layer, alias in zip(found, aliases, strict=True)
    ]


def _by_depth(found: list[Layer]) -> list[str]:
    """c, p or fc with the count of weight layers: "c3", "p3", "fc8"."""
    return [f"{ {'conv': 'c', 'fc': 'fc'}.get(layer.kind, 'p') }{layer.depth}" for layer in found]


def _residual(found: list[Layer]) -> list[str]:
    """The weight layers counted as KS count them: "layer 3"; "max pool", "average pool" and "scores"."""
    words = {"pool": "max pool", "global_pool": "average pool", "fc": "scores"}
    return [words.get(layer.kind, f"layer {layer.depth}") for layer in found]


def _grouped(found: list[Layer]) -> list[str]:
    """Group and place in it, groups ended by pools, as YU name VGG's: "c5_3", "p5"; then "fc6" and on."""
    aliases, group, place, full = [], 1, 0, 5
    for layer in found:
        place += layer.kind == "conv"
        full += layer.kind == "fc"
        words = {"conv": f"c{group}_{place}", "pool": f"p{group}", "fc": f"fc{full}"}
        aliases.append(words.get(layer.kind, "average pool"))
        if layer.kind == "pool":
            group, place = group + 1, 0
    return aliases


_NAMING = {"residual": _residual, "grouped": _grouped}
"""How a network's ``naming`` names its layers; its ``aliases``, by module, come first."""


def find_layer(known: list[Layer], wanted: str) -> Layer:
    """The layer called ``wanted``, by its name or its alias ("c5_3", "c5.3" and "layer 3" alike).

    Raises:
        ReceptiveError: there is none; the line lists those there are.
    """
    spelled = wanted.replace(".", "_")
    for layer in known:
        if wanted in (layer.name, layer.alias) or spelled == layer.alias:
            return layer
    raise ReceptiveError(f"no layer '{wanted}': choose one of {', '.join(layer.alias for layer in known)}")


KS_LAYERS = ("max pool", "layer 3", "layer 7")
"""The layers of KS figures 4 to 9."""


def overview_layers(known: list[Layer], largest_px: float) -> list[Layer]:
    """The layers that the report shows unit by unit: those of KS where the network has them, else its first pool
    and its deepest layer whose receptive field is at most ``largest_px``."""
    there = [layer for layer in known if layer.fits(largest_px)]
    papers = [layer for layer in there if layer.alias in KS_LAYERS]
    if len(papers) < 2:
        papers = [*[layer for layer in there if layer.kind == "pool"][:1], *there[-1:]]
    return list(dict.fromkeys(papers))


def corresponding_layers(known: list[Layer]) -> list[Layer]:
    """Two convolutions as deep as c4_1 and c5_3 among the 13 of VGGCNN (YU figure 3): the one 8/13 of the way, rounded,
    and the last. A network with one convolution has one."""
    convs = [layer for layer in known if layer.kind == "conv"]
    return list(dict.fromkeys([convs[max(0, round(len(convs) * 8 / 13) - 1)], convs[-1]])) if convs else []


def select_layers(known: list[Layer], wanted: list[str], largest_px: float) -> list[Layer]:
    """The layers that ``wanted`` names, each once.

    Args:
        wanted: names or aliases, or "first conv", "second conv", "last conv", "scores" (the last layer), "overview"
            (``overview_layers``).

    Raises:
        ReceptiveError: there is no such layer.
    """
    convs = [layer for layer in known if layer.kind == "conv"]
    words = {"first conv": convs[:1], "second conv": convs[1:2], "last conv": convs[-1:], "scores": known[-1:]}
    words["overview"] = overview_layers(known, largest_px)
    found = [layer for word in wanted for layer in (words[word] if word in words else [find_layer(known, word)])]
    return list(dict.fromkeys(found))


def comparable_layers(network: nn.Module, known: list[Layer]) -> list[list[Layer]]:
    """Groups of layers in which channel k of one can be compared with channel k of another, shallow layers first.

    Layers in a row with as many units on maps of the same size. In residual networks, and in those without the skips,
    these are the blocks' outputs and the pool before them (KS figure 5: max pool, layer 3, layer 7); elsewhere
    convolutions, since behind a pool a channel is itself by construction.

    Args:
        known: of ``layers``.
    """
    from receptive.networks.families.resnet import Block

    blocks = [name for name, module in network.named_modules() if isinstance(module, Block)]
    if blocks:
        outputs = [[layer for layer in known if layer.name.startswith(f"{block}.")][-1] for block in blocks]
        chosen = [layer for layer in known if layer.kind == "pool" or layer in outputs]
    else:
        chosen = [layer for layer in known if layer.kind == "conv"]
    readable = [layer for layer in chosen if layer.readable]
    groups = [list(group) for _, group in groupby(readable, key=lambda layer: (layer.units, layer.map_size))]
    return [group for group in groups if len(group) > 1]


def field_rows(known: list[Layer]) -> list[dict]:
    """The receptive-field table: one row a layer with a map, ``layer, alias, kind, size, stride, start`` in px.

    Layers that see the whole image (fully connected ones, global pools) have no size of their own and
    are left out. Where height and width differ, the numbers are written as "3x5" (down x across).
    """
    return [
        {
            "layer": layer.name,
            "alias": layer.alias,
            "kind": layer.kind,
            **{number: _square(getattr(layer.field, number)) for number in ("size", "stride", "start")},
        }
        for layer in known
        if not layer.field.whole_image
    ]


def _square(number: int | tuple) -> int | str:
    return number if isinstance(number, int) else "x".join("whole" if n is None else str(n) for n in number)
