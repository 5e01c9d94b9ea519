"""The representation spaces: planes of patches (YU figure 3), and label purity by depth."""

import numpy as np
import pandas as pd

from receptive.artifacts.embedding import read_embedding, read_grids, read_region_patches
from receptive.artifacts.networks import read_description
from receptive.figures import embedding as figures
from receptive.figures.embedding import TILE_PX, RegionUnit, RegionView, Space, tile
from receptive.methods.embedding_regions import whole_plane
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report.images import images_of
from receptive.report.page import Part, Picture, Section, Table
from receptive.report.sections import embedding_maps
from receptive.report.writer import Writer

FIRST = "vggcnn"
"""The network of YU figure 3."""

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]
_STATES = {"trained": "trained", "untrained": "before training", "pixels": "pixels of the patch"}
_QUALITY = ["kl_divergence", "trustworthiness", "purity_space", "purity_map", "purity_chance"]


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Purity by depth and the maps' quality of all networks, then YU figure 3 of every layer that has a map."""
    order = sorted(params.models, key=lambda network: network != FIRST)
    purity = pd.concat([read_embedding(network, "purity") for network in params.models], ignore_index=True)
    mapped = pd.concat([read_embedding(network, "layers") for network in params.models], ignore_index=True)
    parts: list[Part] = [
        _purity(purity, write),
        _quality_table(mapped, write),
        _purity_table(purity, write),
        *embedding_maps.links(params, write),
    ]
    for network in order:
        by_name = {layer.name: layer for layer in layers[network]}
        rows = mapped[mapped["network"] == network].sort_values("depth", ascending=False)  # as YU: high layer first
        parts += [_plane(params, network, by_name[row["layer"]], row, write) for row in rows.to_dict("records")]
    return Section(
        "embedding",
        "Representation spaces",
        "The units of a layer span a space in which every patch of every image has a place. t-SNE lays sampled patches "
        "out on a plane so that those close in the space come close. It does not know the labels; so they can say what "
        "the layer groups by. A patch is the receptive field, or the whole image where a layer sees more than that. "
        f"Label purity is the share of a patch's {params.embed.neighbours} nearest neighbours, from other images, "
        "whose image has the same label. On the embedded collages a class is one photograph or texture, so grouping by "
        "category and by that texture cannot be told apart here.",
        parts,
    )


def _purity(purity: pd.DataFrame, write: Writer) -> Picture:
    points = purity.groupby("network")["points"].max()
    count = f"{points.min()}" if points.min() == points.max() else f"{points.min()} to {points.max()}"
    return write.picture(
        "yu_purity_by_depth",
        figures.purity_by_depth(purity),
        "Nearest-neighbour label purity of every layer, by depth",
        "Label purity of every convolution (filled) and pooling layer (open), of one random position in each of "
        f"{count} validation images, with 95% intervals over the images. Dashed: the same places in the same network "
        "before training. Dotted: the normalised pixels of the layer's patches, 0 outside the image. Thin: chance. A "
        "rise that the dashed and dotted lines share comes from seeing more of the image, not from what was learned.",
    )


def _quality_table(mapped: pd.DataFrame, write: Writer) -> Table:
    table = mapped.assign(reason=mapped["reason"].where(mapped["reason"] != "", None))
    shown = ["network", "alias", "points", "images", "coinciding", "method", "perplexity", "components"]
    shown += ["variance_fraction", *_QUALITY]
    if table["reason"].notna().any():
        shown.append("reason")
    return write.table(
        "embedding_quality",
        table[shown],
        "The maps, and how far to trust them. KL divergence: 0 is perfect; it grows with the number of points. "
        "Trustworthiness: the share of neighbours in the plane that are neighbours in the space, in ranks. Purity: "
        "in the layer's own space, in the map, and by chance. Coinciding: points left out because another has the "
        "same vector.",
        dict.fromkeys([*_QUALITY, "variance_fraction"], ".3f"),
    )


def _purity_table(purity: pd.DataFrame, write: Writer) -> Table:
    keys = ["network", "alias", "depth", "kind"]
    purity = purity.assign(order=range(len(purity)))
    wide = purity.pivot(index=keys, columns="state", values="value").rename(columns=_STATES).reset_index()
    first = purity.groupby(keys, as_index=False)["order"].min()
    wide = wide.merge(first, on=keys).sort_values("order", ignore_index=True)[[*keys, *_STATES.values()]]
    return write.table(
        "purity",
        wide.assign(chance=wide["network"].map(purity.groupby("network")["chance"].first())),
        "Label purity by layer",
        dict.fromkeys([*_STATES.values(), "chance"], ".3f"),
        folded=True,
    )


def _plane(params: Params, network: str, layer: Layer, row: dict, write: Writer) -> Picture:
    """YU figure 3 of one layer.

    Args:
        row: of the layer in the table "layers" of ``artifacts.embedding``.
    """
    name = f"yu3_space_{network}_{layer.alias.replace(' ', '_')}"
    alt = f"The representation space of {network}, {layer.alias}, as a plane of patches"
    if row["reason"]:
        figure = figures.no_map(f"{network}, {layer.alias}", "no map: " + row["reason"].partition(": ")[2])
        return write.picture(name, figure, alt, f"{network}, {layer.alias}: there is no map.")
    size = read_description(network)["image_size"]
    if layer.field.whole_image:
        field = "the whole image"
    elif layer.fits(params.stimuli.largest_field * size):
        field = f"{layer.field.size} px"
    else:
        field = f"{layer.field.size} px, more than the image, so all of the image is shown"
    regions = read_embedding(network, "regions")
    by_hand = (regions.loc[regions["layer"] == layer.name, "chosen_by"] == "hand").any()
    automatic = "the densest and purest that do not overlap, of different classes if possible"
    return write.picture(
        name,
        figures.representation_space(read_space(params, network, layer, row, size)),
        alt,
        f"As YU figure 3: {network}, {layer.alias} (receptive field {field}), {int(row['points'])} patches of "
        f"{int(row['images'])} validation images. (a) The plane as two grids, every cell filled with the patch nearest "
        f"to it. (b) Regions, {'chosen by hand' if by_hand else automatic}, with the class of most of their patches. "
        "(c) Patches from the middle of each. (d) The units with the highest mean response there, each by the "
        "deconvolutions of its best responses on the validation images. Chequered: outside the image.",
    )


def read_space(params: Params, network: str, layer: Layer, row: dict, image_size: int) -> Space:
    """What ``figures.embedding.representation_space`` draws, from data/embedding."""
    points, grids = read_embedding(network, layer.name), read_grids(network, layer.name)
    planes = [grids[f"grid_{cells}"] for cells in params.embed.cells]
    used = np.unique(np.concatenate([numbers.ravel() for numbers in (*planes, grids["regions"], grids["selected"])]))
    used = used[used >= 0]
    place = np.full(len(points), -1)
    place[used] = np.arange(len(used))
    images = images_of(params, network).images
    tiles = np.zeros((len(used), TILE_PX, TILE_PX, 3), np.uint8)
    boxes = points.loc[used, _BOX].to_numpy()
    for at, (number, box) in enumerate(zip(points.loc[used, "image"], boxes, strict=True)):
        side = (box[2] - box[0], box[3] - box[1])
        tiles[at] = tile(cut_patches(images[number][None], box[None], side)[0], box, image_size)
    whole = whole_plane(points[["e1", "e2"]].to_numpy())
    regions, units = (read_embedding(network, table) for table in ("regions", "region_units"))
    units = units[units["layer"] == layer.name]
    patches, by_layer = read_region_patches(network)
    patches = patches[patches["layer"] == layer.name]
    reconstructions = by_layer.get(layer.name, np.zeros((len(patches), 1, 1, 1)))
    views = []
    for region in regions[regions["layer"] == layer.name].to_dict("records"):
        number = region["region"]
        selected = grids["selected"][number]
        words = f"{region['class_name']}: {region['label_fraction']:.0%} of {region['points']} points"
        left, low = region["left"] - whole.left, region["low"] - whole.low
        views.append(
            RegionView(
                words if region["points"] else "empty",
                (left / whole.side, low / whole.side, region["side"] / whole.side),
                place[grids["regions"][number]],
                place[selected[selected >= 0]],
                _region_units(units[units["region"] == number], patches, reconstructions),
            )
        )
    title = (
        f"{network}, {layer.alias}: {int(row['points'])} patches; trustworthiness {row['trustworthiness']:.3f}, "
        f"label purity {row['purity_space']:.2f} in the space, {row['purity_map']:.2f} in the plane "
        f"(chance {row['purity_chance']:.2f})"
    )
    return Space(title, tiles, [place[plane] for plane in planes], views, image_size)


def _region_units(units: pd.DataFrame, patches: pd.DataFrame, reconstructions: np.ndarray) -> list[RegionUnit]:
    """The units that answer most in a region, the strongest first.

    Args:
        units: the region's rows of region_units.parquet.
        patches: the layer's rows of units.parquet, one per patch.
        reconstructions: patch x y x x x channel, in the same order.
    """
    region_units = []
    for unit in units.sort_values("rank")["unit"]:
        own = (patches["unit"] == unit).to_numpy()
        region_units.append(RegionUnit(f"unit {unit}", reconstructions[own], patches.loc[own, _BOX].to_numpy()))
    return region_units
