"""Receptive fields beside the published ones, and where in them the gradient's energy lies."""

import numpy as np
import pandas as pd

from receptive.artifacts.activations import read_effective_fields, read_energies
from receptive.figures import effective_fields as figures
from receptive.methods.receptive_field.fields import central
from receptive.networks.layers import Layer, field_rows
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.page import Section, Table
from receptive.report.writer import Writer

_SHOWN = 8
"""Largest number of layers in a picture of energies."""


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """One table per network, and the effective fields of all."""
    effective = pd.concat([read_effective_fields(network) for network in params.models], ignore_index=True)
    parts = [_exact(network, layers[network], write) for network in params.models]
    parts.append(
        write.picture(
            "effective_fields",
            figures.by_depth(effective),
            "Side of exact and effective receptive fields by depth",
            "Exact and effective receptive fields of the central position, cut to the image. Effective is the side of "
            "the square with as many pixels as hold 95.45% of the gradient's energy. Pools stand half a step behind.",
        )
    )
    for network in params.models:
        parts.append(
            write.picture(
                f"effective_fields_{network}",
                figures.energies(network, _energies(network, layers[network])),
                f"Where the gradient's energy of layers of {network} lies in the image",
                f"{network}: root of the gradient's energy of the central position, mean of all units, from black "
                "(nothing) to each picture's greatest value. Dotted: the exact field, cut to the image.",
            )
        )
    parts.append(
        write.table(
            "effective_fields",
            tables.effective_fields(effective),
            "Effective receptive fields, in px",
            dict.fromkeys(("exact", "effective, trained", "effective, untrained", "spread, trained"), ".1f"),
            folded=True,
        )
    )
    return Section(
        "fields",
        "Receptive fields",
        "The patch of the image that one position of a layer can see, in px, from the traced graph. Position i sees "
        "size pixels, from pixel start + i × stride on. A negative start lies in the padding. "
        "Published: YU tables 1 and 2, KS figure 4. The effective field (Luo et al. 2016) is where in this patch the "
        "gradient's energy lies: the squared gradient of a response by the pixels, averaged over units and images.",
        parts,
    )


def _exact(network: str, layers: list[Layer], write: Writer) -> Table:
    """The receptive fields of one network, beside the published ones."""
    table = tables.receptive_fields(network, field_rows(layers))
    published = table["agrees"] != ""
    agree = (
        f"{(table['agrees'] == 'yes').sum()} of {published.sum()} published layers agree"
        if published.any()
        else "the paper gives none"
    )
    if not published.any():
        table = table.drop(columns=["published size", "published stride", "agrees"])
    # the two tables that YU print are open
    is_open = published.sum() > 3
    return write.table(f"fields_{network}", table, f"{network}: {agree}.", folded=True, open=is_open)


def _energies(network: str, layers: list[Layer]) -> list[figures.LayerEnergy]:
    """The energies of at most eight layers, from the first to the last at even steps."""
    energies = read_energies(network)
    measured = [layer for layer in layers if f"trained {layer.name}" in energies]
    shown = np.unique(np.linspace(0, len(measured) - 1, min(_SHOWN, len(measured))).round().astype(int))
    return [
        figures.LayerEnergy(
            f"{layer.alias}, {layer.field.size} px" if isinstance(layer.field.size, int) else layer.alias,
            layer.field.box(*central(layer.map_size)),
            {state: energies[f"{state} {layer.name}"] for state in ("trained", "untrained")},
        )
        for layer in (measured[at] for at in shown)
    ]
