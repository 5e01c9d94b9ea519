"""Effective receptive fields of every layer, before and after training (Luo et al. 2016)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from receptive.measurements.subject import Subject
from receptive.methods.effective_field import energies, random_signs, side, spread, visible
from receptive.networks.layers import Layer
from receptive.seeds import generator


class EffectiveFields(NamedTuple):
    """What ``measure`` finds; ``artifacts.activations`` describes both.

    Attributes:
        table: one row per state and layer.
        energies: by state and layer ("trained c1.relu"), y x x.
    """

    table: pd.DataFrame
    energies: dict[str, np.ndarray]


def layers_with_maps(layers: list[Layer]) -> list[Layer]:
    """Convolutions and pools whose map has a central position that can be read."""
    return [layer for layer in layers if layer.kind in ("conv", "pool") and layer.readable]


def measure(subject: Subject, untrained: Subject, images: int) -> EffectiveFields:
    """The effective fields of the central position of each layer, trained and untrained.

    Args:
        untrained: ``subject`` before training.
        images: how many validation images, evenly spaced; they and the signs of the units are the same for both.
    """
    layers = layers_with_maps(subject.layers)
    validation = subject.validation
    numbers = validation[np.linspace(0, len(validation) - 1, min(images, len(validation))).round().astype(int)]
    drawn = generator(0, "effective fields")  # not by the study's seed: any signs give the same on average
    signs = {layer.name: random_signs(len(numbers), layer.units, drawn) for layer in layers}
    rows, maps = [], {}
    for state, one in (("trained", subject), ("untrained", untrained)):
        seen = one.seen(numbers).contiguous(memory_format=torch.channels_last)
        found = energies(one.network, seen, {name: each.to(one.device) for name, each in signs.items()})
        for layer in layers:
            energy = found[layer.name].cpu()
            rows.append(
                {
                    "network": subject.name,
                    "state": state,
                    **layer.heading(),
                    "images": len(numbers),
                    "field_px": layer.field.side_within(layer.map_size),
                    "side_px": side(energy),
                    "spread_px": spread(energy),
                    "visible_px": visible(energy),
                }
            )
            maps[f"{state} {layer.name}"] = (energy / energy.sum().clamp(min=torch.finfo().tiny)).numpy()
    return EffectiveFields(pd.DataFrame(rows), maps)
