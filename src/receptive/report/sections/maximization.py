"""Activation maximization: KS figures 8 and 9, TG figures 3.2, 3.3 and 4.2, and one sheet per layer."""

import numpy as np
import pandas as pd

from receptive.artifacts.activations import read_preferred
from receptive.artifacts.maximization import maximization_group, read_maximization, read_paths
from receptive.artifacts.networks import read_description
from receptive.datasets.prepared import Prepared
from receptive.figures import maximization as figures
from receptive.methods.maximization_trust import FLAGGED
from receptive.networks.layers import Layer, overview_layers
from receptive.params.schema import Params
from receptive.report.images import images_of
from receptive.report.page import Part, Picture, Section
from receptive.report.sections.stimuli import channel_words, stimuli_of
from receptive.report.writer import Writer

Kind = tuple[str, str, str]
"""How an image was maximized: objective, preset, initialisation."""

_KINDS: dict[str, Kind] = {
    "KS*, neuron": ("neuron", "ks_redirected", "zero"),
    "KS*, channel": ("channel", "ks_redirected", "zero"),
    "robust, channel": ("channel", "robust", "noise"),
}
_CLASS_ROWS: dict[str, Kind] = {
    "TG, from noise": ("class", "tg_class", "noise"),
    "TG, from mean": ("class", "tg_class", "mean"),
    "robust": ("class", "robust", "noise"),
}
_AS_IN = {"vggcnn": "As TG figure 3.3: images", "fivecnn": "As TG figure 4.2: images"}


class Results:
    """The maximized images of one network by layer, kind and unit.

    Args:
        table: results.parquet (``artifacts.maximization``) with the column ``path`` of paths.parquet.
        images: the pixels of each of its groups.
        image_size: side of the images, px.
    """

    def __init__(self, table: pd.DataFrame, images: dict[str, np.ndarray], image_size: int):
        self.table = table
        self.image_size = image_size
        self._panels: dict[tuple[str, str, str, str, int], figures.MaximizedUnit] = {}
        keys = ["layer", "objective", "preset", "initialisation"]
        for key, rows in table.groupby(keys, sort=False):
            for pixels, row in zip(images[maximization_group(*key)], rows.itertuples(), strict=True):
                box = (row.top_px, row.left_px, row.bottom_px, row.right_px)
                reached = row.activation / row.natural_max if row.natural_max > 0 else None
                path = None if np.isnan(row.path) else row.path
                unit = figures.MaximizedUnit(pixels, box, image_size, row.status, reached, path)
                self._panels.setdefault((*key, row.unit), unit)  # of several starts the first

    @classmethod
    def read(cls, network: str) -> "Results":
        """The results of stage ``maximize`` for one network."""
        table, images = read_maximization(network)
        keys = ["network", "layer", "alias", "unit", "start", "objective", "preset", "initialisation"]
        table = table.merge(read_paths(network), on=keys, how="left", validate="one_to_one")
        return cls(table, images, read_description(network)["image_size"])

    def units(self, layer: Layer, kind: Kind) -> list[int]:
        """The units of a layer that were maximized in this way."""
        return [key[-1] for key in self._panels if key[:-1] == (layer.name, *kind)]

    def panel(self, layer: Layer, kind: Kind, unit: int) -> figures.MaximizedUnit | None:
        """The image of one unit; None where it was not asked for."""
        return self._panels.get((layer.name, *kind, unit))


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """The papers' figures, class images and sheets of every network, and a table of how many ascents succeeded."""
    results = {network: Results.read(network) for network in params.models}
    parts: list[Part] = []
    for network in params.models:
        parts += _paper_figures(params, network, layers[network], results[network], write)
    for network in params.models:
        parts += _first_and_last(network, layers[network], results[network], write)
        parts += _classes(params, network, layers[network], results[network], write)
    for network in params.models:
        parts += _sheets(params, network, layers[network], results[network], write)
    table = pd.concat([of_network.table for of_network in results.values()], ignore_index=True)
    parts.append(
        write.table(
            "maximization",
            summary(table),
            "Results of the maximizations, by layer and setting. Reached: the median, over the results that are ok, of "
            "the response over the greatest natural response, to the image with its pixels clipped to what can be "
            "shown, and as it was optimised (unclipped). Outside: the median share of pixel values outside [0, 1]. "
            "Path: the median similarity of their path with that of the unit's top natural images; other path: how "
            f"many lie below {FLAGGED:g}. Of several starts the first.",
            {"reached": ".2f", "reached unclipped": ".2f", "outside": ".2f", "quantile": ".3f", "path": ".2f"},
            folded=True,
        )
    )
    return Section(
        "maximization",
        "Activation maximization",
        "Images made by gradient ascent to excite one neuron (the centre of the map), one channel (the mean of the "
        "map) or one class (its score before the softmax). KS start from a zero image (the mean colour), TG from noise "
        "or from the class's mean image; “robust” optimises spatial frequencies and decorrelated colours under small "
        "random movements, for layers where the papers' settings give noise. Below each image stands the response over "
        "the greatest that any validation image gets (for a channel: greatest mean over the map); it is the response "
        "to the image with its pixels clipped to what can be shown, as every photograph is. Red and "
        f"“weak” marks images that reach less than {figures.WEAK:g} of it: the ascent failed, and they say little of "
        "what the unit prefers. Contrast is stretched, each image by itself. A unit whose rectifier is closed at the "
        "start has no gradient; it is named, not drawn. “Redirected” lets gradients through closed rectifiers where "
        "otherwise none would pass. Of a pool's neuron only the window that wins at the start climbs; the rest of its "
        "receptive field stays as it was. Path (Geirhos et al. 2024): what earlier channels contribute to the unit's "
        "response to this image beside what they contribute to its responses to its top natural images; 1 is as alike "
        f"as these among themselves, and below {FLAGGED:g} (red, “other path”) the image excites the unit in another "
        "way and should not be taken for what the unit prefers. A pool right after the first convolution has one path.",
        parts,
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Counts of results by status, and how far the results that are ok came: one row per layer and setting.

    Args:
        table: as in ``Results``, of any number of networks.
    """
    table = table[table["start"] == 0].copy()
    good = table["status"] == "ok"
    for name, column in (("reached", "activation"), ("reached unclipped", "activation_unclipped")):
        table[name] = (table[column] / table["natural_max"]).where(good & (table["natural_max"] > 0))
    table["outside"] = table["outside_fraction"].where(good)
    table["quantile"] = table["quantile"].where(good)
    for status in ("ok", "zero_gradient", "diverged"):
        table[status.replace("_", " ")] = table["status"] == status
    keys = ["network", "alias", "objective", "preset", "initialisation"]
    counts = {name: (name, "sum") for name in ("ok", "zero gradient", "diverged")}
    table["other path"] = table["path"] < FLAGGED
    counts["other path"] = ("other path", "sum")
    medians = {name: (name, "median") for name in ("quantile", "reached", "reached unclipped", "outside", "path")}
    return table.groupby(keys, sort=False).agg(units=("unit", "size"), **counts, **medians).reset_index()


def _shown(params: Params, layers: list[Layer], results: Results) -> list[Layer]:
    return overview_layers(layers, params.stimuli.largest_field * results.image_size)


def _paper_figures(params: Params, network: str, layers: list[Layer], results: Results, write: Writer) -> list[Picture]:
    """KS figures 8 and 9, for the networks that have a channel of their own."""
    if network not in params.channels:
        return []
    parts = []
    presets = {"maximized as KS": "ks", "same, redirected": "ks_redirected"}
    for number, objective, words in ((8, "neuron", "centre neuron"), (9, "channel", "whole channel")):
        shown, channels = [], {}
        for layer in _shown(params, layers, results):
            channel = params.channel_of(network, layer.units)
            drawn = [results.panel(layer, (objective, preset, "zero"), channel) for preset in presets.values()]
            if any(drawn):
                channels[layer.alias] = channel
                (natural,) = stimuli_of(network, layer, [channel])
                shown.append((f"{layer.alias}, {layer.field.size} px", drawn, natural))
        if shown:
            which = channel_words(channels)
            parts.append(
                write.picture(
                    f"ks{number}_{objective}_{network}",
                    figures.maximized_and_natural(f"{network}, {which}: {words}", list(presets), shown),
                    f"Maximized images for the {words} of {which} of {network} in three layers",
                    f"As KS figure {number}: an image that maximizes the {words} of {which} of {network}, to the "
                    "letter and with redirected gradients; below, what natural images say: the mean preferred stimulus "
                    "minus the mean of all patches, and the top patches.",
                )
            )
    return parts


def _first_and_last(network: str, layers: list[Layer], results: Results, write: Writer) -> list[Picture]:
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
            figures.panels(f"{network}: channel means maximized from noise", rows, [str(unit) for unit in units]),
            f"Maximized images of {len(units)} channels of the first, second and last convolution of {network}",
            f"As TG figure 3.2: images that maximize the mean of the first {len(units)} channels, not chosen, of "
            f"{network}'s first, second and last convolution, after 20 steps from noise.",
        )
    ]


def _classes(params: Params, network: str, layers: list[Layer], results: Results, write: Writer) -> list[Picture]:
    """TG figures 3.3 and 4.2, with the robust images and a real one beside them."""
    layer = layers[-1]
    kinds = {name: kind for name, kind in _CLASS_ROWS.items() if results.units(layer, kind)}
    if not kinds:
        return []
    names = read_description(network)["classes"]
    prepared, preferred = images_of(params, network), read_preferred(network)
    preferred = preferred[preferred["layer"] == layer.name]
    rows: dict[str, list[figures.Panel]] = {
        "real": [figures.Photograph(best_of_class(prepared, preferred, label)) for label in range(len(names))]
    }
    for name, kind in kinds.items():
        rows[name] = [results.panel(layer, kind, label) for label in range(len(names))]
    return [
        write.picture(
            f"classes_{network}",
            figures.panels(f"{network}: class scores maximized", rows, list(names)),
            f"Images that maximize the class scores of {network}, below a real image of each class",
            f"{_AS_IN.get(network, 'Images')} that maximize the scores of {network}, below the validation image of the "
            "class with the highest score.",
        )
    ]


def best_of_class(prepared: Prepared, preferred: pd.DataFrame, label: int) -> np.ndarray:
    """The validation image of a class that has the highest score of it among the kept ones; else the class's first.

    Args:
        preferred: the rows of preferred.parquet of the class scores.

    Returns:
        uint8, y x x x channel.
    """
    own = prepared.labels[(prepared.labels["split"] == "validation") & (prepared.labels["label"] == label)]["image"]
    best = preferred[preferred["unit"] == label].sort_values("rank")["image"]
    best = best[best.isin(own)]
    return np.asarray(prepared.images[best.iloc[0] if len(best) else own.iloc[0]])


def _sheets(params: Params, network: str, layers: list[Layer], results: Results, write: Writer) -> list[Picture]:
    """One sheet per layer: the same channels as the sheets of preferred stimuli."""
    parts = []
    for layer in _shown(params, layers, results)[-2:]:
        kinds = {name: kind for name, kind in _KINDS.items() if results.units(layer, kind)}
        count = min(params.maximize.channels, layer.units)
        if not kinds:
            continue
        natural = stimuli_of(network, layer, range(count))
        units = [
            (str(channel), [results.panel(layer, kind, channel) for kind in kinds.values()], natural[channel])
            for channel in range(count)
        ]
        parts.append(
            write.picture(
                f"maximized_{network}_{layer.alias.replace(' ', '_')}",
                figures.overview(f"{network}, {layer.alias}: channels 0 to {count - 1}", list(kinds), units),
                f"Maximized images and natural patches of the first {count} channels of {network}, {layer.alias}",
                f"{network}, {layer.alias} (receptive field {layer.field.size} px): maximized images of the first "
                f"{count} channels, not chosen, beside the mean preferred stimulus minus the mean of all patches, and "
                "the patches that excite them most. "
                "*: KS's settings with redirected gradients, since most units are silent at the zero image.",
            )
        )
    return parts
