"""Tuning to orientation, spatial frequency and colour, unit by unit, beside two controls (KS 4)."""

import numpy as np
import pandas as pd

from receptive.figures import selectivity
from receptive.io import artifacts
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report.page import Picture, Section, Table
from receptive.report.writer import Writer

SHOWN = 6
"""Units of a kind on a sheet."""
PATCHES = 4

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Selectivity by layer, preferred orientations, opponency, single units, and the tables."""
    probed = {network: artifacts.read_probe(network) for network in params.models}
    units = pd.concat(probed.values(), ignore_index=True)
    settings = params.selectivity
    low = [
        its[its["layer"].isin(low_layers(layers[network], artifacts.read_description(network)["image_size"]))]
        for network, its in probed.items()
    ]
    parts = [
        write.picture(
            "osi_by_layer",
            selectivity.osi_by_layer(units, settings.osi),
            "Orientation selectivity by depth, beside two controls",
            "Orientation selectivity index (1 - circular variance; 0: all orientations alike, 1: one alone) of every "
            "convolution's units: median and, shaded, the middle half of the trained. Dotted: from here on a unit "
            "counts as selective. Silent units, and units that luminance hardly moves, have none.",
        ),
        write.picture(
            "preferred_orientations",
            selectivity.preferred_orientations(pd.concat(low, ignore_index=True), settings.orientations),
            "Preferred orientations of the selective units of the low layers",
            "Orientations of the bars that selective units prefer, in the layers whose receptive field fits in the "
            "image: 0° is horizontal, 90° vertical. Areas are shares of the selective units; each half shows the same.",
        ),
        write.picture(
            "selective_and_opponent_units",
            selectivity.shares_by_layer(units, list(selectivity.VERDICTS)),
            "Shares of orientation-selective, single-opponent and double-opponent units by depth",
            "Shares of the units of each convolution, with 95% intervals (Wilson) over units. Single opponent: answers "
            "isoluminant colour more than luminance, tells the ends of the axis apart, and answers uniform colour. "
            "Double opponent: the same, but it needs a pattern of colours.",
        ),
    ]
    parts += [_units(params, network, layers[network], write) for network in params.models]
    parts += [_table(units, write), _filters(params, write)]
    axes = "L-M (red to green) and S (violet to yellow-green), the cardinal axes of Derrington, Krauskopf & Lennie"
    return Section(
        "selectivity",
        "Orientation and colour",
        f"Full-field gratings of {settings.orientations} orientations, {len(settings.frequencies)} spatial "
        f"frequencies and {settings.phases} phases around grey, shown to every network; responses are those of the "
        "units at the middle of each map. Luminance gratings give orientation tuning (Ringach, Shapley & Hawken 2002), "
        f"gratings and uniform fields along two isoluminant axes, {axes}, give opponency (Johnson, Hawken & Shapley "
        "2001; Shapley & Hawken 2011). Isoluminant holds to first order around the grey background. All gratings "
        "change pixel values by the same length. Every "
        "count stands beside the same network before training and beside the trained one with the places of every "
        "kernel permuted, its batch-norm statistics measured anew.",
        parts,
    )


def low_layers(layers: list[Layer], image_size: int) -> list[str]:
    """Names of the convolutions whose receptive field fits in the image."""
    return [
        layer.name
        for layer in layers
        if layer.kind == "conv"
        and not layer.field.whole_image
        and max(layer.field.y.size, layer.field.x.size) <= image_size
    ]


def _units(params: Params, network: str, layers: list[Layer], write: Writer) -> Picture:
    """The most selective and the most opponent units of the low layers, at most two a layer."""
    low = low_layers(layers, artifacts.read_description(network)["image_size"])
    its = artifacts.read_probe(network)
    its = its[(its["state"] == "trained") & its["layer"].isin(low)]
    kinds = {
        "Most orientation-selective": its[its["selective"].fillna(False).astype(bool)].sort_values(
            "osi", ascending=False, kind="stable"
        )
    }
    if its["colour_index"].notna().any():
        double = its[its["double_opponent"].fillna(False).astype(bool)]
        kinds["Double opponent, those that prefer colour most"] = double.sort_values(
            "colour_index", ascending=False, kind="stable"
        )
    sources = _Sources(params, network)
    groups = {
        words: [sources.unit(row) for row in chosen.groupby("layer", sort=False).head(2).head(SHOWN).itertuples()]
        for words, chosen in kinds.items()
    }
    return write.picture(
        f"tuned_units_{network}",
        selectivity.tuned_units(network, groups, sources.images.shape[1], SHOWN),
        f"Orientation-selective and opponent units of {network} with their tuning",
        f"Units of {network}, in layers whose receptive field fits in the image, at most two a layer: their "
        f"{PATCHES} best natural patches, their answers to luminance gratings of their preferred frequency by "
        "orientation, and to gratings of each frequency along each axis (the best orientation; 0 is the uniform "
        "field).",
    )


class _Sources:
    """What a network's tuned units are drawn from, read once."""

    def __init__(self, params: Params, network: str):
        self.images = artifacts.read_images(params, network).images
        self.preferred = artifacts.read_preferred(network)
        self.shown = artifacts.read_probe(network, "stimuli")
        self.tuning = artifacts.read_tuning(network)

    def unit(self, row) -> selectivity.TunedUnit:
        strengths = pd.Series(self.tuning[f"strength/{row.layer}"][:, row.unit])
        rates = pd.Series(self.tuning[f"rate/{row.layer}"][:, row.unit])
        light = self.shown[(self.shown["axis"] == "luminance") & (self.shown["frequency"] == row.frequency)]
        best = strengths.groupby([self.shown["axis"], self.shown["frequency"]], sort=False).max()
        axes = list(dict.fromkeys(self.shown["axis"]))
        notes = [] if np.isnan(row.osi) else [f"OSI {row.osi:.2f}"]
        if not np.isnan(row.colour_index):
            notes.append(f"colour {row.colour_index:.1f}" if np.isfinite(row.colour_index) else "colour alone")
        its = self.preferred
        its = its[
            (its["layer"] == row.layer)
            & (its["unit"] == row.unit)
            & (its["rank"] < PATCHES)
            & (its["activation"] > 0)  # a unit without a row is never active
        ]
        boxes = its[_BOX].to_numpy()
        patches = np.zeros((0, 1, 1, self.images.shape[3]), np.uint8)
        if len(its):
            sides = (int(boxes[0, 2] - boxes[0, 0]), int(boxes[0, 3] - boxes[0, 1]))
            patches = cut_patches(self.images[its["image"].to_numpy()], boxes, sides)
        return selectivity.TunedUnit(
            f"{row.alias}, unit {row.unit}",
            ", ".join(notes),
            patches,
            boxes,
            light["orientation"].to_numpy(),
            rates[light.index].to_numpy(),
            np.unique(self.shown["frequency"]),
            {axis: best[axis].sort_index().to_numpy() for axis in axes},
        )


def _table(units: pd.DataFrame, write: Writer) -> Table:
    by_layer = units.groupby(["network", "alias", "depth", "state"], sort=False)
    table = by_layer.agg(units=("unit", "size"), responding=("responds", "sum"), osi=("osi", "median")).reset_index()
    for verdict in selectivity.VERDICTS:
        counted = by_layer[verdict].sum(min_count=1).astype("Int64")
        table[verdict] = counted.to_numpy()
    return write.table(
        "selectivity",
        table,
        "Units by layer and state: how many there are, answer any grating, and are selective or opponent",
        {"osi": ".3f"},
        folded=True,
    )


def _filters(params: Params, write: Writer) -> Table:
    """The first convolution asked in two ways: through its kernels alone and through its rectified responses."""
    rows = []
    for network in params.models:
        by_kernel, units = artifacts.read_probe(network, "filters"), artifacts.read_probe(network)
        for source, table in (("kernels", by_kernel), ("responses", units[units["layer"] == by_kernel["layer"][0]])):
            for state, its in table.groupby("state", sort=False):
                counts = {verdict: its[verdict].sum(min_count=1) for verdict in selectivity.VERDICTS}
                rows.append(
                    {
                        "network": network,
                        "state": state,
                        "from": source,
                        "units": len(its),
                        "osi": its["osi"].median(),
                        **counts,
                    }
                )
    table = pd.DataFrame(rows).astype(dict.fromkeys(selectivity.VERDICTS, "Int64"))
    return write.table(
        "first_filters_selectivity",
        table,
        "The first convolution from its kernels alone and from its responses",
        {"osi": ".3f"},
        folded=True,
    )
