"""The cards of V1 properties: a figure per network, and all numbers beside those of cells in one table."""

import numpy as np
import pandas as pd

from receptive.artifacts.selectivity import read_selectivity
from receptive.figures import selectivity_card as figures
from receptive.methods.selectivity_card import PROPERTIES
from receptive.params.schema import Params
from receptive.published import V1
from receptive.report.page import Part, Table
from receptive.report.writer import Writer


def parts(params: Params, write: Writer) -> list[Part]:
    """A figure per network, then the table."""
    summaries = {network: read_selectivity(network, "card") for network in params.models}
    pictures: list[Part] = [
        write.picture(
            f"v1_card_{network}",
            figures.card(network, summary, read_selectivity(network, "card_units"), _cells()),
            f"Fifteen grating properties of the units of {network}, layer by layer, and of cells of macaque V1",
            f"Card of V1 properties of {network}: each dot is a unit, the bar holds the middle half of the units, the "
            "mark is the median, or the share of the units, with its 95% interval over units. Grey: before training. "
            "Yellow: cells of macaque V1, where the literature gives the same quantity.",
        )
        for network, summary in summaries.items()
    ]
    return [*pictures, _table(pd.concat(summaries.values(), ignore_index=True), write)]


def text(params: Params) -> str:
    """What the cards show, and from which stimuli."""
    card = params.selectivity.card
    return (
        "A card of V1 properties belongs to some layers of each network: the fifteen grating properties by which "
        "Marques, Schrimpf & DiCarlo (2021) compare artificial units with cells, each as its paper defines it. They "
        f"come from luminance gratings of {card.orientations} orientations and {card.per_octave} spatial frequencies "
        "an octave, and from gratings in discs of growing diameter. Frequencies and diameters are in pixels, those of "
        "cells in degrees, so only pure numbers and octaves are compared. Where a property cannot be measured the card "
        "says why."
    )


def _cells() -> dict[str, tuple]:
    return {
        name: (np.divide(*cells["share"]),) if "share" in cells else (cells["edges"], cells["counts"])
        for name, cells in V1.items()
    }


def _of_cells(name: str) -> str:
    """The published number in words; "" where there is none."""
    if name not in V1:
        return ""
    cells = V1[name]
    if "share" in cells:
        return f"{np.divide(*cells['share']):.2f} of {cells['share'][1]} ({cells['source']})"
    total = np.concatenate([[0], np.cumsum(cells["counts"])]) / np.sum(cells["counts"])
    return f"{np.interp(0.5, total, cells['edges']):.2f}, {np.sum(cells['counts'])} cells ({cells['source']})"


def _table(summary: pd.DataFrame, write: Writer) -> Table:
    keys = ["network", "alias", "property", "statistic"]
    words = summary.assign(text=[_words(row) for row in summary.to_dict("records")])
    table = words.pivot_table(index=keys, columns="state", values="text", aggfunc="first", sort=False).reset_index()
    table = table[[*keys, "trained", "untrained"]].rename_axis(columns=None)
    units = {name: facts.unit for name, facts in PROPERTIES.items()}
    table.insert(4, "unit", table["property"].map(units).fillna(""))
    table["cells of macaque V1"] = table["property"].map(_of_cells)
    return write.table(
        "v1_card",
        table,
        "Cards of V1 properties: medians or shares with 95% intervals over units, the number of units that have the "
        "property, and the reason where none has",
        folded=True,
    )


def _words(row: dict) -> str:
    if not row["measured"]:
        return row["reason"]
    interval = "" if np.isnan(row["low"]) else f" [{row['low']:.3g}, {row['high']:.3g}]"
    remark = f"; {row['reason']}" if row["reason"] else ""
    return f"{row['value']:.3g}{interval}, {row['measured']} of {row['units']} units{remark}"
