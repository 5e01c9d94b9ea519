"""Deconvolutions: what each layer keeps of an image, and what a unit's best responses come from (YU 4, 5 and 7)."""

import numpy as np
import pandas as pd

from receptive.artifacts.deconvolution import (
    read_deconvolution,
    read_energy,
    read_representations,
    read_unit_patches,
)
from receptive.figures import deconvolution as figures
from receptive.figures.deconvolution import Representations, UnitPatches, spread
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.images import images_of
from receptive.report.page import Part, Picture, Section, Table
from receptive.report.writer import Writer

COMPARED = ("vggcnn", "alexcnn")
"""The two networks of YU figure 5, whose four images stand side by side."""

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """YU figure 4 of every network, figure 5 where both its networks are, the energies, and YU figure 7's sheets."""
    energies = [table for table in map(read_energy, params.models) if table is not None]
    energy = pd.concat(energies, ignore_index=True) if energies else None
    order = sorted(params.models, key=lambda network: network != COMPARED[0])  # the paper's own network first
    parts: list[Part] = [_representations(params, network, layers[network], energy, write) for network in order]
    if all(network in params.models for network in COMPARED):
        parts.insert(1, _comparison(params, layers, energy, write))
    if energy is not None:
        parts += [_energy(energy, write), _table(energy, write)]
    for network in order:
        parts += _sheets(params, network, layers[network], write)
    return Section(
        "deconvolution",
        "Deconvolution",
        "A layer's response is carried back to the pixels: through flipped filters, through the switches of the pools, "
        "and at every rectification by setting negative values to zero. The papers do not say what happens at a skip "
        "connection; here both branches receive the signal. The result is signed and of arbitrary scale. Each picture "
        "is drawn by itself, in the colours that the network sees: grey is zero, and values from the 99th percentile "
        "of the sizes on are black or white in their channel. The last fully connected layer starts from its positive "
        "scores.",
        parts,
    )


def _representations(
    params: Params, network: str, layers: list[Layer], energy: pd.DataFrame | None, write: Writer
) -> Picture:
    images, names, masks = _images(params, network)
    kept = _kept(network, layers, energy)
    drawn = spread(len(kept.layers), 8)
    which = "every second convolution" if len(drawn) == len(kept.layers) else "convolutions spread evenly over depth"
    share = " Below each: the share of its energy outside the outlined subject." if kept.outside is not None else ""
    return write.picture(
        f"yu4_representations_{network}",
        figures.representations(images, names, masks, kept),
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
        figures.comparison(images[:count], names[:count], masks, both),
        f"What {COMPARED[0]} and {COMPARED[1]} keep of the same {count} images, and their predictions",
        f"As YU figure 5: the same images through {COMPARED[0]} (above) and {COMPARED[1]} (below), each with its top-5 "
        "predictions; the true class is bold.",
    )


def _energy(energy: pd.DataFrame, write: Writer) -> Picture:
    images = energy["image"].groupby(energy["network"]).nunique().max()
    return write.picture(
        "yu_energy_outside",
        figures.energy_outside_by_depth(tables.energy_by_depth(energy)),
        "Share of the reconstructions' energy outside the subject, by depth",
        "How much of what a layer keeps lies outside the subject: the energy (sum of squares) of its reconstruction "
        f"there, as a share of all; mean over {images} validation images with a 95% interval. Dotted: the share of the "
        "normalised image itself. Thin dashed: the same networks before training. Dash-dotted: the trained network's "
        "share outside the subjects of the other images; only what lies below it was kept of the own subject. Open "
        "squares: the last fully connected layer.",
    )


def _table(energy: pd.DataFrame, write: Writer) -> Table:
    columns = [
        "energy_outside_fraction",
        "outside_others_fraction",
        "image_energy_outside_fraction",
        "area_outside_fraction",
    ]
    by_layer = energy.groupby(["network", "state", "alias", "depth"], sort=False)[columns]
    table = by_layer.mean().reset_index().merge(by_layer.size().rename("images").reset_index())
    return write.table(
        "energy_outside",
        table,
        "Energy of the reconstructions outside the subject, and outside the subjects of the other images, by layer: "
        "means over images, beside the energy and the area of the image itself there",
        dict.fromkeys(columns, ".3f"),
        folded=True,
    )


def _sheets(params: Params, network: str, layers: list[Layer], write: Writer) -> list[Picture]:
    """One sheet per layer: of YU's two networks every layer, of the others some, spread evenly over depth.

    The others leave out the first layer, where all responses of a unit come from the same filter. The arrays of the
    layers that are not shown lie in data/.
    """
    images = images_of(params, network).images
    every_layer = network in COMPARED
    patches = [(layer, read_unit_patches(network, layer.name)) for layer in layers]
    available = [(layer, of_layer) for layer, of_layer in patches if of_layer and (every_layer or layer.depth > 1)]
    count = len(available) if every_layer else params.report.deconvolution_sheets
    parts = []
    for layer, (rows, reconstructions) in [available[at] for at in spread(len(available), count)]:
        side = reconstructions.shape[1:3]
        natural = cut_patches(images[rows["image"].to_numpy()], rows[_BOX].to_numpy(), side)
        units = []
        for unit in range(min(params.deconvolve.units, layer.units)):
            own = (rows["unit"] == unit).to_numpy()
            units.append(
                UnitPatches(f"unit {unit}", natural[own], rows.loc[own, _BOX].to_numpy(), reconstructions[own])
            )
        field = "the whole image" if layer.field.whole_image else f"{layer.field.size} px"
        if not layer.field.whole_image and layer.field.size != side[0]:
            field += ", more than the image, so all of the image is shown"
        parts.append(
            write.picture(
                f"yu7_units_{network}_{layer.alias.replace(' ', '_')}",
                figures.unit_sheet(
                    f"{network}, {layer.alias}: units 0 to {len(units) - 1}",
                    units,
                    images.shape[1],
                    params.deconvolve.patches,
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
    """The images shown, their classes, and the masks of their subjects where these are known."""
    prepared = images_of(params, network)
    shown = read_deconvolution(network, "images")
    numbers = shown["image"].to_numpy()
    masks = None if prepared.subject_mask is None else np.asarray(prepared.subject_mask[numbers])
    return np.asarray(prepared.images[numbers]), shown["class_name"].tolist(), masks


def _kept(network: str, layers: list[Layer], energy: pd.DataFrame | None) -> Representations:
    shown = read_deconvolution(network, "images")["image"]
    by_layer = read_representations(network)
    aliases = {layer.name: layer.alias for layer in layers}
    outside = None
    if energy is not None and network in set(energy["network"]):
        trained = energy[(energy["network"] == network) & (energy["state"] == "trained")]
        table = trained.pivot(index="layer", columns="image", values="energy_outside_fraction")
        outside = table.loc[list(by_layer), shown].to_numpy()
    predicted = read_deconvolution(network, "predictions")
    predictions = [
        list(zip(rows["predicted"], rows["probability"], strict=True))
        for rows in (predicted[predicted["image"] == image].sort_values("rank") for image in shown)
    ]
    return Representations(
        network, [aliases[name] for name in by_layer], np.stack(list(by_layer.values())), outside, predictions
    )
