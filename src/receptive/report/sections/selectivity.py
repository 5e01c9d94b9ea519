"""Tuning to orientation, spatial frequency and colour, unit by unit, beside two controls (KS 4)."""

import numpy as np
import pandas as pd

from receptive.artifacts.activations import read_preferred
from receptive.artifacts.networks import read_description
from receptive.artifacts.selectivity import read_selectivity, read_tuning
from receptive.figures import selectivity as figures
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.images import images_of
from receptive.report.page import Part, Picture, Section, Table
from receptive.report.sections import selectivity_card
from receptive.report.writer import Writer

SHOWN = 6
"""Units of one kind on a sheet."""
PATCHES = 4
"""Natural patches of each of them."""
VERDICTS = list(figures.VERDICTS)
"""Columns of units.parquet that say what a unit is; NA where this cannot be said."""

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Selectivity by layer, preferred orientations, opponency, single units, and the tables."""
    by_network = {network: read_selectivity(network) for network in params.models}
    units = pd.concat(by_network.values(), ignore_index=True)
    settings = params.selectivity
    low = pd.concat(
        [
            table[table["layer"].isin(low_layers(layers[network], read_description(network)["image_size"]))]
            for network, table in by_network.items()
        ],
        ignore_index=True,
    )
    parts: list[Part] = [
        write.picture(
            "osi_by_layer",
            figures.osi_by_depth(tables.osi_by_depth(units), settings.osi),
            "Orientation selectivity by depth, beside two controls",
            "Orientation selectivity index (1 - circular variance; 0: all orientations alike, 1: one alone) of every "
            "convolution's units: median and, shaded, the middle half of the trained. Dotted: from here on a unit "
            "counts as selective. Silent units, and units that luminance hardly moves, have none.",
        ),
        write.picture(
            "preferred_orientations",
            figures.preferred_orientations(tables.preferred_orientations(low, settings.orientations)),
            "Preferred orientations of the selective units of the low layers",
            "Orientations of the bars that selective units prefer, in the layers whose receptive field fits in the "
            "image: 0° is horizontal, 90° vertical. Areas are shares of the selective units; each half shows the same.",
        ),
        write.picture(
            "selective_and_opponent_units",
            figures.shares_by_depth(tables.shares_by_depth(units, VERDICTS), list(by_network), VERDICTS),
            "Shares of orientation-selective, single-opponent and double-opponent units by depth",
            "Shares of the units of each convolution, with 95% intervals (Wilson) over units. Single opponent: answers "
            "isoluminant colour more than luminance, tells the ends of the axis apart, and answers uniform colour. "
            "Double opponent: the same, but it needs a pattern of colours.",
        ),
    ]
    parts += [_units(params, network, layers[network], write) for network in params.models]
    parts += [_table(units, write), _filters(params, write), *selectivity_card.parts(params, write)]
    axes = "L-M (red to green) and S (violet to yellow-green), the cardinal axes of Derrington, Krauskopf & Lennie"
    return Section(
        "selectivity",
        "Orientation and colour",
        f"Full-field gratings of {settings.orientations} orientations, {len(settings.frequencies)} spatial "
        f"frequencies and {settings.phases} phases around grey, shown to every network; responses are those of the "
        "units at the middle of each map. Luminance gratings give orientation tuning (Ringach, Shapley & Hawken 2002). "
        f"Gratings and uniform fields along two isoluminant axes, {axes}, give opponency (Johnson, Hawken & Shapley "
        "2001; Shapley & Hawken 2011). Isoluminant holds to first order around the grey background. All gratings "
        "change pixel values by the same length. Every count stands beside two controls: the same network before "
        "training, and the trained network with the places of every kernel permuted and its batch-norm statistics "
        f"measured anew.\n\n{selectivity_card.text(params)}",
        parts,
    )


def low_layers(layers: list[Layer], image_size: int) -> list[str]:
    """Names of the convolutions whose receptive field fits in the image."""
    return [layer.name for layer in layers if layer.kind == "conv" and layer.fits(image_size)]


def _units(params: Params, network: str, layers: list[Layer], write: Writer) -> Picture:
    """The most selective and the most opponent units of the low layers, at most two per layer."""
    low = low_layers(layers, read_description(network)["image_size"])
    units = read_selectivity(network)
    units = units[(units["state"] == "trained") & units["layer"].isin(low)]
    kinds = {"Most orientation-selective": _strongest(units, "selective", "osi")}
    if units["colour_index"].notna().any():
        words = "Double opponent, those that prefer colour most"
        kinds[words] = _strongest(units, "double_opponent", "colour_index")
    sources = _Sources(params, network)
    groups = {
        words: [sources.unit(row) for row in chosen.groupby("layer", sort=False).head(2).head(SHOWN).itertuples()]
        for words, chosen in kinds.items()
    }
    return write.picture(
        f"tuned_units_{network}",
        figures.tuned_units(network, groups, sources.images.shape[1], SHOWN),
        f"Orientation-selective and opponent units of {network} with their tuning",
        f"Units of {network}, in layers whose receptive field fits in the image, at most two per layer: their "
        f"{PATCHES} best natural patches, their answers to luminance gratings of their preferred frequency by "
        "orientation, and to gratings of each frequency along each axis (the best orientation; 0 is the uniform "
        "field).",
    )


def _strongest(units: pd.DataFrame, verdict: str, measure: str) -> pd.DataFrame:
    """The units with a verdict, those with the greatest measure first."""
    return units[units[verdict].fillna(False).astype(bool)].sort_values(measure, ascending=False, kind="stable")


class _Sources:
    """What a network's tuned units are drawn from, read once."""

    def __init__(self, params: Params, network: str):
        self.images = images_of(params, network).images
        self.preferred = read_preferred(network)
        self.stimuli = read_selectivity(network, "stimuli")
        self.tuning = read_tuning(network)

    def unit(self, row) -> figures.TunedUnit:
        """One unit.

        Args:
            row: of it in units.parquet, as a named tuple.
        """
        strengths = pd.Series(self.tuning[f"strength/{row.layer}"][:, row.unit])
        rates = pd.Series(self.tuning[f"rate/{row.layer}"][:, row.unit])
        light = self.stimuli[(self.stimuli["axis"] == "luminance") & (self.stimuli["frequency"] == row.frequency)]
        best = strengths.groupby([self.stimuli["axis"], self.stimuli["frequency"]], sort=False).max()
        notes = [] if np.isnan(row.osi) else [f"OSI {row.osi:.2f}"]
        if not np.isnan(row.colour_index):
            notes.append(f"colour {row.colour_index:.1f}" if np.isfinite(row.colour_index) else "colour alone")
        patches, boxes = self._patches(row.layer, row.unit)
        return figures.TunedUnit(
            f"{row.alias}, unit {row.unit}",
            ", ".join(notes),
            patches,
            boxes,
            light["orientation"].to_numpy(),
            rates[light.index].to_numpy(),
            np.unique(self.stimuli["frequency"]),
            {axis: best[axis].sort_index().to_numpy() for axis in self.stimuli["axis"].unique()},
        )

    def _patches(self, layer: str, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """The unit's best patches, uint8, rank x y x x x channel, and their boxes; none where it is never active."""
        rows = self.preferred[(self.preferred["layer"] == layer) & (self.preferred["unit"] == unit)]
        rows = rows[(rows["rank"] < PATCHES) & (rows["activation"] > 0)]
        boxes = rows[_BOX].to_numpy()
        if not len(rows):
            return np.zeros((0, 1, 1, self.images.shape[3]), np.uint8), boxes
        side = (int(boxes[0, 2] - boxes[0, 0]), int(boxes[0, 3] - boxes[0, 1]))
        return cut_patches(self.images[rows["image"].to_numpy()], boxes, side), boxes


def _table(units: pd.DataFrame, write: Writer) -> Table:
    by_layer = units.groupby(["network", "alias", "depth", "state"], sort=False)
    table = by_layer.agg(units=("unit", "size"), responding=("responds", "sum"), osi=("osi", "median")).reset_index()
    for verdict in VERDICTS:
        table[verdict] = by_layer[verdict].sum(min_count=1).astype("Int64").to_numpy()
    return write.table(
        "selectivity",
        table,
        "Units by layer and state: how many there are, answer any grating, and are selective or opponent",
        {"osi": ".3f"},
        folded=True,
    )


def _filters(params: Params, write: Writer) -> Table:
    """The first convolution measured in two ways: from its kernels alone and from its rectified responses."""
    rows = []
    for network in params.models:
        by_kernel, units = read_selectivity(network, "filters"), read_selectivity(network)
        by_response = units[units["layer"] == by_kernel["layer"][0]]
        for source, table in (("kernels", by_kernel), ("responses", by_response)):
            for state, of_state in table.groupby("state", sort=False):
                rows.append(
                    {
                        "network": network,
                        "state": state,
                        "from": source,
                        "units": len(of_state),
                        "osi": of_state["osi"].median(),
                        **{verdict: of_state[verdict].sum(min_count=1) for verdict in VERDICTS},
                    }
                )
    return write.table(
        "first_filters_selectivity",
        pd.DataFrame(rows).astype(dict.fromkeys(VERDICTS, "Int64")),
        "The first convolution from its kernels alone and from its responses",
        {"osi": ".3f"},
        folded=True,
    )
