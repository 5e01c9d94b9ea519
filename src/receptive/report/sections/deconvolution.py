"""Deconvolutions: what each layer keeps of an image, and what a unit's best responses come from (YU 4, 5 and 7)."""

import numpy as np
import pandas as pd

from receptive.figures import deconvolution
from receptive.figures.deconvolution import Representations, UnitPatches, spread
from receptive.io import artifacts
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report.page import Picture, Section
from receptive.report.writer import Writer

COMPARED = ("vggcnn", "alexcnn")
"""The two networks of YU figure 5, its four images side by side."""

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """YU figure 4 for every network, figure 5 where both its networks are, the energies, and YU figure 7's sheets."""
    energies = [artifacts.read_energy(network) for network in params.models]
    energies = [table for table in energies if table is not None]
    energy = pd.concat(energies, ignore_index=True) if energies else None
    order = sorted(params.models, key=lambda network: network != COMPARED[0])  # the paper's own network first
    parts = [_representations(params, network, layers[network], energy, write) for network in order]
    if all(network in params.models for network in COMPARED):
        parts.insert(1, _comparison(params, layers, energy, write))
    if energy is not None:
        parts.append(
            write.picture(
                "yu_energy_outside",
                deconvolution.energy_outside_by_depth(energy),
                "Share of the reconstructions' energy outside the subject, by depth",
                "How much of what a layer keeps lies outside the subject: the energy (sum of squares) of its "
                "reconstruction there, as a share of all; mean over "
                f"{energy['image'].groupby(energy['network']).nunique().max()} validation images with a 95% interval. "
                "Dotted: the share of the normalised image itself. Thin dashed: the same networks before training. "
                "Open squares: the last fully connected layer.",
            )
        )
        parts.append(_table(energy, write))
    for network in order:
        parts += _sheets(params, network, layers[network], write)
    return Section(
        "deconvolution",
        "Deconvolution",
        "A layer's response is carried back to the pixels: through flipped filters, through the switches of the pools, "
        "and at every rectification by setting negative values to zero. The papers do not say what happens at a skip "
        "connection; here both branches receive the signal. The result is signed and of arbitrary scale; each picture "
        "is drawn by itself, in the network's normalised colours: grey is zero, and what is large (from the 99th "
        "percentile on) is black or white in its channel. The last fully connected layer starts from its positive "
        "scores.",
        parts,
    )


def _representations(
    params: Params, network: str, layers: list[Layer], energy: pd.DataFrame | None, write: Writer
) -> Picture:
    images, names, masks = _images(params, network)
    kept = _kept(network, layers, energy)
    figure = deconvolution.representations(images, names, masks, kept)
    drawn = spread(len(kept.layers), 8)
    which = "every second convolution" if len(drawn) == len(kept.layers) else "convolutions spread evenly over depth"
    share = " Below each: the share of its energy outside the outlined subject." if kept.outside is not None else ""
    return write.picture(
        f"yu4_representations_{network}",
        figure,
        f"What the layers of {network} keep of {len(images)} images",
        f"As YU figure 4: {len(images)} validation images, the first of as many classes, and what {which} and the last "
        f"fully connected layer of {network} keep of them.{share}",
    )


def _comparison(params: Params, layers: dict[str, list[Layer]], energy: pd.DataFrame | None, write: Writer) -> Picture:
    images, names, masks = _images(params, COMPARED[0])
    count = min(4, len(images))
    masks = None if masks is None else masks[:count]
    both = [_kept(network, layers[network], energy) for network in COMPARED]
    return write.picture(
        "yu5_comparison",
        deconvolution.comparison(images[:count], names[:count], masks, both),
        f"What {COMPARED[0]} and {COMPARED[1]} keep of the same {count} images, and their predictions",
        f"As YU figure 5: the same images through {COMPARED[0]} (above) and {COMPARED[1]} (below), each with its top-5 "
        "predictions; the true class is bold.",
    )


def _table(energy: pd.DataFrame, write: Writer):
    columns = ["energy_outside_fraction", "image_energy_outside_fraction", "area_outside_fraction"]
    by_layer = energy.groupby(["network", "state", "alias", "depth"], sort=False)[columns]
    table = by_layer.mean().reset_index().merge(by_layer.size().rename("images").reset_index())
    return write.table(
        "energy_outside",
        table,
        "Energy of the reconstructions outside the subject, by layer: means over images, beside the image's own "
        "energy and area there",
        dict.fromkeys(columns, ".3f"),
        folded=True,
    )


def _sheets(params: Params, network: str, layers: list[Layer], write: Writer) -> list[Picture]:
    """A sheet each of every layer of YU's two networks; of the others' some, spread evenly over depth.

    Of the others not of the first layer, where a unit's responses all come from the same filter. The arrays of what
    is not shown lie in data/.
    """
    prepared = artifacts.read_images(params, network)
    size = prepared.images.shape[1]
    all_of_them = network in COMPARED
    known = [(layer, artifacts.read_unit_patches(network, layer.name)) for layer in layers]
    there = [(layer, found) for layer, found in known if found is not None and (all_of_them or layer.depth > 1)]
    parts = []
    sheets = len(there) if all_of_them else params.report.deconvolution_sheets
    for layer, (rows, found) in [there[at] for at in spread(len(there), sheets)]:
        seen = cut_patches(prepared.images[rows["image"].to_numpy()], rows[_BOX].to_numpy(), found.shape[1:3])
        units = []
        for unit in range(min(params.deconvolve.units, layer.units)):
            own = (rows["unit"] == unit).to_numpy()
            units.append(UnitPatches(f"unit {unit}", seen[own], rows.loc[own, _BOX].to_numpy(), found[own]))
        field = "the whole image" if layer.field.whole_image else f"{layer.field.size} px"
        if not layer.field.whole_image and layer.field.size != found.shape[1]:
            field += ", more than the image, so all of the image is shown"
        parts.append(
            write.picture(
                f"yu7_units_{network}_{layer.alias.replace(' ', '_')}",
                deconvolution.unit_sheet(
                    f"{network}, {layer.alias}: units 0 to {len(units) - 1}", units, size, params.deconvolve.patches
                ),
                f"Deconvolved top patches of the first {len(units)} units of {network}, {layer.alias}",
                f"As YU figure 7: {network}, {layer.alias} (receptive field {field}): the first {len(units)} units, "
                "not chosen. Left of each pair the deconvolutions of the unit's best responses alone, right the "
                "patches that they answer to. Chequered: outside the image; crossed out: nothing of the response "
                "arrives at the pixels.",
            )
        )
    return parts


def _images(params: Params, network: str) -> tuple[np.ndarray, list[str], np.ndarray | None]:
    prepared = artifacts.read_images(params, network)
    shown = artifacts.read_deconvolution(network, "images")
    numbers = shown["image"].to_numpy()
    masks = None if prepared.subject_mask is None else np.asarray(prepared.subject_mask[numbers])
    return np.asarray(prepared.images[numbers]), shown["class_name"].tolist(), masks


def _kept(network: str, layers: list[Layer], energy: pd.DataFrame | None) -> Representations:
    shown = artifacts.read_deconvolution(network, "images")["image"]
    by_layer = artifacts.read_representations(network)
    aliases = {layer.name: layer.alias for layer in layers}
    outside = None
    if energy is not None and network in set(energy["network"]):
        measured = energy[(energy["network"] == network) & (energy["state"] == "trained")]
        table = measured.pivot(index="layer", columns="image", values="energy_outside_fraction")
        outside = table.loc[list(by_layer), shown].to_numpy()
    predicted = artifacts.read_deconvolution(network, "predictions")
    predictions = [
        list(zip(rows["predicted"], rows["probability"], strict=True))
        for rows in (predicted[predicted["image"] == image].sort_values("rank") for image in shown)
    ]
    return Representations(
        network, [aliases[name] for name in by_layer], np.stack(list(by_layer.values())), outside, predictions
    )
