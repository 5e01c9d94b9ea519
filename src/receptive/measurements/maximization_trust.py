"""Whether maximized images excite their units along the same path as the natural images that excite these most."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.measurements.maximization import Group, GroupImages
from receptive.measurements.subject import Subject
from receptive.methods.maximization_trust import FLAGGED, contributions, path_similarity
from receptive.networks.layers import Layer

EARLIER = 4
"""Paths are compared in at most so many earlier layers, spread evenly over the depth."""


def path_similarities(
    subject: Subject,
    groups: Sequence[Group],
    made: Sequence[GroupImages],
    preferred: pd.DataFrame,
    tops: int,
) -> pd.DataFrame:
    """The path similarity of every maximized image (``methods.maximization_trust``).

    Of a unit's top images the response at the best position counts, or of a class the score. Of the maximized image it
    is what was maximized: the centre of the map, the mean of the map, or the score; around a neuron's box is the mean
    colour.

    Args:
        made: of ``measurements.maximization.maximize``, one per group.
        preferred: preferred.parquet of the network.
        tops: natural images of each unit.

    Returns:
        ``network, layer, alias, unit, start, objective, preset, initialisation, path``; NaN where the ascent failed,
        the layer is the first, or the unit's top images have no path in common.
    """
    tables, natural = [], {}
    for group, images in zip(groups, made, strict=True):
        earlier = earlier_layers(subject.layers, group.layer)
        paths = np.full(len(group.units), np.nan)
        for place, unit in enumerate(group.units):
            if images.status[place] != "ok" or not earlier:
                continue
            key = (group.layer.name, unit)
            if key not in natural:
                natural[key] = _natural(subject, group.layer, earlier, unit, preferred, tops)
            if len(natural[key][0]) > 1:
                picture = _picture(subject, group, earlier, unit, images.images[place])
                paths[place] = float(path_similarity(picture, natural[key])[0])
        heading = {"network": subject.name, "layer": group.layer.name, "alias": group.layer.alias}
        setting = {
            "objective": group.objective,
            "preset": group.preset_name,
            "initialisation": group.preset.initialisation,
        }
        tables.append(pd.DataFrame({**heading, "unit": group.units, "start": group.starts, **setting, "path": paths}))
    return pd.concat(tables, ignore_index=True)


def earlier_layers(layers: Sequence[Layer], layer: Layer) -> list[str]:
    """Names of at most ``EARLIER`` layers before one: the one just before it, and others evenly down to the first."""
    before = [other.name for other in layers[: list(layers).index(layer)] if other.readable]
    places = np.linspace(0, len(before) - 1, min(EARLIER, len(before))).round().astype(int)
    return [before[place] for place in places]


def _natural(
    subject: Subject, layer: Layer, earlier: list[str], unit: int, preferred: pd.DataFrame, tops: int
) -> list[Tensor]:
    """Contributions of the earlier layers to a unit's responses to its top images, by layer."""
    of_unit = (preferred["layer"] == layer.name) & (preferred["unit"] == unit) & (preferred["rank"] < tops)
    rows = preferred[of_unit & (preferred["activation"] > 0)] if layer.kind != "fc" else preferred[of_unit]
    if len(rows) < 2:
        return [torch.zeros(0, 0)]
    y, x = (torch.tensor(rows[axis].to_numpy(), device=subject.device) for axis in ("y", "x"))
    each = torch.arange(len(rows), device=subject.device)

    def response(maps: Tensor) -> Tensor:
        return maps[each, unit, y, x] if maps.dim() > 2 else maps[:, unit]

    return list(
        contributions(subject.network, subject.seen(rows["image"].to_numpy()), earlier, layer.name, response).values()
    )


def _picture(subject: Subject, group: Group, earlier: list[str], unit: int, pixels: np.ndarray) -> list[Tensor]:
    """The same of a maximized image, as it can be shown."""
    top, left, bottom, right = group.box
    height, width = group.layer.field.image_size
    whole = torch.zeros(1, subject.channels, height, width, device=subject.device)
    shown = subject.normalisation.inverse(whole)
    box = (slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width)))
    shown[0][:, box[0], box[1]] = torch.from_numpy(pixels).clamp(0, 1).to(subject.device).movedim(-1, 0)
    centre = group.centre

    def response(maps: Tensor) -> Tensor:
        if maps.dim() == 2:
            return maps[:, unit]
        return maps[:, unit, centre[0], centre[1]] if group.objective == "neuron" else maps[:, unit].mean((1, 2))

    images = subject.normalisation(shown)
    return list(contributions(subject.network, images, earlier, group.layer.name, response).values())


def metrics(paths: pd.DataFrame) -> dict[str, float]:
    """Share of the maximized images whose path is known and is another than the natural one."""
    known = paths["path"].dropna()
    return {"other_path": float((known < FLAGGED).mean())} if len(known) else {}
