"""Receptive fields beside the published ones."""

from receptive.networks.layers import Layer, field_rows
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """One table per network."""
    parts = []
    for network in params.models:
        table = tables.receptive_fields(network, field_rows(layers[network]))
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
        parts.append(write.table(f"fields_{network}", table, f"{network}: {agree}.", folded=True, open=is_open))
    return Section(
        "fields",
        "Receptive fields",
        "The patch of the image that one position of a layer can see, in px, from the traced graph. Position i sees "
        "size pixels, from pixel start + i × stride on. A negative start lies in the padding. "
        "Published: YU tables 1 and 2, KS figure 4.",
        parts,
    )
