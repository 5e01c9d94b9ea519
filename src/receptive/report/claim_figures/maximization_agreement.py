"""Figure of claim 5: mean stimuli beside maximized images, their fine detail by depth, and the rows."""

import numpy as np
from matplotlib.figure import Figure

from receptive.claims.maximization_agreement import KINDS, NETWORK, Quantity, Shown, shown_layers
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.maximization_agreement import Detail, agreement

_WORDS = {
    Quantity.AGREEMENT: "correlation with its own maximized image minus that with others'",
    Quantity.BROAD: "fine detail: maximized image's share minus the mean stimulus's",
    Quantity.LOSS: "part of natural detail that is kept: lowest layer minus highest",
}


def figure(study: Study, rows: list[Row]) -> Figure:
    """Mean stimuli beside maximized images in the lowest and the highest layer, detail by depth, and the rows.

    Rows that were not measured are drawn where they decide.
    """
    network = NETWORK if NETWORK in study.networks else study.networks[0]
    shown = {name: shown_layers(study, name) for name in study.networks}
    pictures = {layer.alias: layer.units for layer in shown[network][:1] + shown[network][1:][-1:]}
    drawn = [row for row in rows if row.value is not None or row.decides]
    parts = {words: [row for row in drawn if row.quantity == quantity] for quantity, words in _WORDS.items()}
    return agreement(network, pictures, {name: details(layers) for name, layers in shown.items()}, parts)


def details(layers: list[Shown]) -> dict[str, list[Detail]]:
    """By kind of picture ("mean", "maximized", "natural") the shares of energy in fine detail, layer by layer."""
    kinds = {kind: [_detail(layer.depth, layer.detail(kind)) for layer in layers] for kind in KINDS}
    return kinds | {"natural": [_detail(layer.depth, np.array([layer.natural])) for layer in layers]}


def _detail(depth: int, shares: np.ndarray) -> Detail:
    return Detail(depth, shares, float(shares.mean()) if len(shares) else np.nan)
