"""Activation maximization: KS figures 8 and 9, TG figures 3.2, 3.3 and 4.2, and a sheet a layer."""

import numpy as np
import pandas as pd

from receptive.datasets.prepared import Prepared
from receptive.figures import maximization as figures
from receptive.io import artifacts
from receptive.networks.layers import Layer, overview_layers
from receptive.params.schema import Params
from receptive.report.page import Picture, Section
from receptive.report.sections.stimuli import channel_words, stimuli_of
from receptive.report.writer import Writer

_KINDS = {
    "KS*, neuron": ("neuron", "ks_redirected", "zero"),
    "KS*, channel": ("channel", "ks_redirected", "zero"),
    "robust, channel": ("channel", "robust", "noise"),
}
_CLASS_ROWS = {
    "TG, from noise": ("class", "tg_class", "noise"),
    "TG, from mean": ("class", "tg_class", "mean"),
    "robust": ("class", "robust", "noise"),
}


class _Results:
    """The maximised images of one network by layer, kind and unit."""

    def __init__(self, network: str):
        self.table, images = artifacts.read_maximization(network)
        self.size = artifacts.read_description(network)["image_size"]
        self.panels: dict[tuple, figures.MaximisedUnit] = {}
        keys = ["layer", "objective", "preset", "initialisation"]
        for key, rows in self.table.groupby(keys, sort=False):
            for pixels, row in zip(images[artifacts.maximization_group(*key)], rows.itertuples(), strict=True):
                box = (row.top_px, row.left_px, row.bottom_px, row.right_px)
                reached = row.activation / row.natural_max if row.natural_max > 0 else None
                unit = figures.MaximisedUnit(pixels, box, self.size, row.status, reached)
                self.panels[(*key, row.unit)] = unit

    def units(self, layer: Layer, kind: tuple[str, str, str]) -> list[int]:
        """The units of a layer that were maximised in this way."""
        return [key[-1] for key in self.panels if key[:-1] == (layer.name, *kind)]

    def panel(self, layer: Layer, kind: tuple[str, str, str], unit: int) -> figures.MaximisedUnit | None:
        """The image of one unit; None where it was not asked for."""
        return self.panels.get((layer.name, *kind, unit))


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """The papers' figures, class images and sheets of every network, and a table of what became of them."""
    results = {network: _Results(network) for network in params.models}
    parts = []
    for network in params.models:
        parts += _paper_figures(params, network, layers[network], results[network], write)
    for network in params.models:
        parts += _first_and_last(network, layers[network], results[network], write)
        parts += _classes(params, network, layers[network], results[network], write)
    for network in params.models:
        parts += _sheets(params, network, layers[network], results[network], write)
    table = pd.concat([found.table for found in results.values()], ignore_index=True)
    parts.append(
        write.table(
            "maximization",
            summary(table),
            "What became of the maximizations, by layer and setting. Reached: the median over the good ones of the "
            "response over the greatest natural response.",
            {"reached": ".2f", "quantile": ".3f"},
            folded=True,
        )
    )
    return Section(
        "maximization",
        "Activation maximization",
        "Images made by gradient ascent to excite one neuron (the centre of the map), one channel (the mean "
        "of the map) or "
        "one class (its score before the softmax). KS start from a zero image (the mean colour), TG from noise or from "
        "the class's mean image; “robust” optimises spatial frequencies and decorrelated colours under small random "
        "movements, for layers where the papers' settings give noise. Below each image stands its response over the "
        "greatest that any validation image gets (for a channel: greatest mean over the map); red and "
        f"“weak” marks images that reach less than {figures.WEAK:g} of it: the ascent failed, and they say little of "
        "what the unit prefers. Contrast is stretched, each image by itself. A unit whose rectifier is closed at the "
        "start has no gradient; it is named, not drawn. "
        "“Redirected” lets gradients through closed rectifiers where otherwise none would pass. Of a pool's "
        "neuron only the "
        "window that wins at the start climbs; the rest of its receptive field stays as it was.",
        parts,
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row a layer and setting: results of each status, and how far the good ones came."""
    table = table.copy()
    good = table["status"] == "ok"
    table["reached"] = (table["activation"] / table["natural_max"]).where(good & (table["natural_max"] > 0))
    table["quantile"] = table["quantile"].where(good)
    for status in ("ok", "zero_gradient", "diverged"):
        table[status.replace("_", " ")] = table["status"] == status
    keys = ["network", "alias", "objective", "preset", "initialisation"]
    counts = {name: (name, "sum") for name in ("ok", "zero gradient", "diverged")}
    medians = {name: (name, "median") for name in ("quantile", "reached")}
    return table.groupby(keys, sort=False).agg(units=("unit", "size"), **counts, **medians).reset_index()


def _shown(params: Params, network: str, layers: list[Layer]) -> list[Layer]:
    size = artifacts.read_description(network)["image_size"]
    return overview_layers(layers, params.stimuli.largest_field * size)


def _paper_figures(params, network, layers, results, write) -> list[Picture]:
    """KS figures 8 and 9, for the networks that have a channel of their own."""
    if network not in params.channels:
        return []
    parts = []
    kinds = {"maximised as KS": "ks", "same, redirected": "ks_redirected"}
    for number, objective, words in ((8, "neuron", "centre neuron"), (9, "channel", "whole channel")):
        shown, channels = [], {}
        for layer in _shown(params, network, layers):
            channel = params.channel_of(network, layer.units)
            drawn = [results.panel(layer, (objective, preset, "zero"), channel) for preset in kinds.values()]
            if any(drawn):
                channels[layer.alias] = channel
                natural = stimuli_of(params, network, layer, channel)
                shown.append((f"{layer.alias}, {layer.field.size} px", drawn, natural))
        if shown:
            which = channel_words(channels)
            parts.append(
                write.picture(
                    f"ks{number}_{objective}_{network}",
                    figures.maximised_and_natural(f"{network}, {which}: {words}", list(kinds), shown),
                    f"Maximised images for the {words} of {which} of {network} in three layers",
                    f"As KS figure {number}: an image that maximises the {words} of {which} of "
                    f"{network}, to the "
                    "letter and with redirected gradients; below, what natural images say: the mean preferred stimulus "
                    "minus the mean of all patches, and the top patches.",
                )
            )
    return parts


def _first_and_last(network, layers, results, write) -> list[Picture]:
    """TG figure 3.2."""
    kind = ("channel", "tg_channel", "noise")
    shown = [layer for layer in layers if results.units(layer, kind)]
    if not shown:
        return []
    units = results.units(shown[0], kind)
    rows = {layer.alias: [results.panel(layer, kind, unit) for unit in units] for layer in shown}
    return [
        write.picture(
            f"tg32_channels_{network}",
            figures.panels(f"{network}: channel means maximised from noise", rows, [str(unit) for unit in units]),
            f"Maximised images of {len(units)} channels of the first, second and last convolution of {network}",
            f"As TG figure 3.2: images that maximise the mean of the first {len(units)} channels, not chosen, of "
            f"{network}'s first, second and last convolution, after 20 steps from noise.",
        )
    ]


def _classes(params, network, layers, results, write) -> list[Picture]:
    """TG figures 3.3 and 4.2, with the robust images and a real one beside them."""
    layer = layers[-1]
    names = artifacts.read_description(network)["classes"]
    prepared, preferred = artifacts.read_images(params, network), artifacts.read_preferred(network)
    preferred = preferred[preferred["layer"] == layer.name]
    photographs = [_best_of_class(prepared, preferred, label) for label in range(len(names))]
    rows = {"real": [figures.Photograph(photograph) for photograph in photographs]}
    for name, kind in _CLASS_ROWS.items():
        if results.units(layer, kind):
            rows[name] = [results.panel(layer, kind, label) for label in range(len(names))]
    if len(rows) == 1:
        return []
    as_in = {"vggcnn": "As TG figure 3.3: images", "fivecnn": "As TG figure 4.2: images"}.get(network, "Images")
    return [
        write.picture(
            f"classes_{network}",
            figures.panels(f"{network}: class scores maximised", rows, list(names)),
            f"Images that maximise the class scores of {network}, below a real image of each class",
            f"{as_in} that maximise the scores of {network}, below the validation image of the class with the "
            "highest score.",
        )
    ]


def _best_of_class(prepared: Prepared, preferred: pd.DataFrame, label: int) -> np.ndarray:
    """The validation image of the class that has its highest score, among the kept ones; else its first.

    Args:
        preferred: the class scores' rows of preferred.parquet.
    """
    own = prepared.labels[(prepared.labels["split"] == "validation") & (prepared.labels["label"] == label)]["image"]
    best = preferred[preferred["unit"] == label].sort_values("rank")["image"]
    best = best[best.isin(own)]
    return np.asarray(prepared.images[best.iloc[0] if len(best) else own.iloc[0]])


def _sheets(params, network, layers, results, write) -> list[Picture]:
    """One sheet a layer: the same channels as the sheets of preferred stimuli."""
    parts = []
    for layer in _shown(params, network, layers)[-2:]:
        kinds = {name: kind for name, kind in _KINDS.items() if results.units(layer, kind)}
        count = min(params.maximize.channels, layer.units)
        if not kinds:
            continue
        units = [
            (
                str(channel),
                [results.panel(layer, kind, channel) for kind in kinds.values()],
                stimuli_of(params, network, layer, channel),
            )
            for channel in range(count)
        ]
        parts.append(
            write.picture(
                f"maximised_{network}_{layer.alias.replace(' ', '_')}",
                figures.overview(f"{network}, {layer.alias}: channels 0 to {count - 1}", list(kinds), units),
                f"Maximised images and natural patches of the first {count} channels of {network}, {layer.alias}",
                f"{network}, {layer.alias} (receptive field {layer.field.size} px): maximised images of the "
                f"first {count} "
                "channels, not chosen, beside the mean preferred stimulus minus the mean of all patches, and "
                "the patches "
                "that excite them most. "
                "*: KS's settings with redirected gradients, since most units are silent at the zero image.",
            )
        )
    return parts
