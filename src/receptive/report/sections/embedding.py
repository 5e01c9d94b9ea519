"""The representation spaces: planes of patches (YU figure 3), and label purity by depth."""

import numpy as np
import pandas as pd

from receptive.figures import embedding
from receptive.figures.embedding import TILE_PX, RegionView, Space, Unit, tile
from receptive.io import artifacts
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.report.page import Picture, Section
from receptive.report.sections import embedding_maps as maps
from receptive.report.writer import Writer

FIRST = "vggcnn"
"""The network of YU figure 3."""

_BOX = ["top_px", "left_px", "bottom_px", "right_px"]
_STATES = {"trained": "trained", "untrained": "before training", "pixels": "pixels of the patch"}


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Purity by depth and the maps' quality of all networks, then YU figure 3 for every layer that has a map."""
    order = sorted(params.models, key=lambda network: network != FIRST)
    purity = pd.concat([purity_with_intervals(network) for network in params.models], ignore_index=True)
    mapped = pd.concat([artifacts.read_embedding(network, "layers") for network in params.models], ignore_index=True)
    parts = [_purity(params, purity, write), *_tables(purity, mapped, write), *maps.links(params, write)]
    for network in order:
        known = {layer.name: layer for layer in layers[network]}
        rows = mapped[mapped["network"] == network].sort_values("depth", ascending=False)  # as YU: high layer first
        parts += [_plane(params, network, known[row["layer"]], row, write) for row in rows.to_dict("records")]
    return Section(
        "embedding",
        "Representation spaces",
        "The units of a layer span a space in which every patch of every image has a place. t-SNE lays sampled patches "
        "out on a plane so that those close in the space come close; the labels, which it does not know, then say what "
        "the layer groups by. A patch is the receptive field, or the whole image where a layer sees more than that. "
        f"Label purity is the share of a patch's {params.embed.neighbours} nearest neighbours, from other images, "
        "whose image has the same label. On the embedded collages a class is one photograph or texture, so grouping by "
        "category and by that texture cannot be told apart here.",
        parts,
    )


def purity_with_intervals(network: str) -> pd.DataFrame:
    """purity.parquet with ``low`` and ``high``: the mean over images and 1.96 standard errors, neighbours held
    fixed."""
    table = artifacts.read_embedding(network, "purity")
    by_image = artifacts.read_embedding(network, "purity_images")
    error = by_image.groupby(["state", "layer"])["value"].sem().rename("error").reset_index()
    table = table.merge(error, on=["state", "layer"], how="left", validate="one_to_one")
    half = 1.96 * table.pop("error")
    return table.assign(low=table["value"] - half, high=table["value"] + half)


def _purity(params: Params, purity: pd.DataFrame, write: Writer) -> Picture:
    points = purity.groupby("network")["points"].max()
    count = f"{points.min()}" if points.min() == points.max() else f"{points.min()} to {points.max()}"
    return write.picture(
        "yu_purity_by_depth",
        embedding.purity_by_depth(purity),
        "Nearest-neighbour label purity of every layer, by depth",
        "Label purity of every convolution (filled) and pooling layer (open), of one random position in each of "
        f"{count} validation images, with 95% intervals over the images. Dashed: the same places in the same network "
        "before training. Dotted: the normalised pixels of the layer's patches, 0 outside the image. Thin: chance. A "
        "rise that the dashed and dotted lines share comes from seeing more of the image, not from what was learned.",
    )


def _tables(purity: pd.DataFrame, mapped: pd.DataFrame, write: Writer) -> list:
    keys = ["network", "alias", "depth", "kind"]
    purity = purity.assign(order=range(len(purity)))
    wide = purity.pivot(index=keys, columns="state", values="value").rename(columns=_STATES).reset_index()
    first = purity.groupby(keys, as_index=False)["order"].min()
    wide = wide.merge(first, on=keys).sort_values("order", ignore_index=True)[[*keys, *_STATES.values()]]
    chance = purity.groupby("network")["chance"].first()
    quality = ["kl_divergence", "trustworthiness", "purity_space", "purity_map", "purity_chance", "row_perplexity"]
    shown = [
        "network",
        "alias",
        "points",
        "images",
        "coinciding",
        "method",
        "perplexity",
        "row_perplexity",
        "components",
    ]
    shown += ["variance_fraction", *quality[:-1], "reason"]
    reasons = mapped["reason"].where(mapped["reason"] != "", None)
    return [
        write.table(
            "embedding_quality",
            mapped.assign(reason=reasons)[shown if reasons.notna().any() else shown[:-1]],
            "The maps and how far to trust them. KL divergence: 0 is perfect; it grows with the number of points. "
            "Trustworthiness: the share of neighbours in the plane that are neighbours in the space, in ranks. Purity "
            "in the layer's own space and in the map, and what chance gives. Coinciding: points left out because "
            "another has the same vector.",
            dict.fromkeys([*quality, "variance_fraction"], ".3f"),
        ),
        write.table(
            "purity",
            wide.assign(chance=wide["network"].map(chance)),
            "Label purity by layer",
            dict.fromkeys([*_STATES.values(), "chance"], ".3f"),
            folded=True,
        ),
    ]


def _plane(params: Params, network: str, layer: Layer, row: dict, write: Writer) -> Picture:
    name = f"yu3_space_{network}_{layer.alias.replace(' ', '_')}"
    alt = f"The representation space of {network}, {layer.alias}, as a plane of patches"
    if row["reason"]:
        figure = embedding.no_map(f"{network}, {layer.alias}", "no map: " + row["reason"].partition(": ")[2])
        return write.picture(name, figure, alt, f"{network}, {layer.alias}: there is no map.")
    size = artifacts.read_description(network)["image_size"]
    space = read_space(params, network, layer, row, size)
    if layer.field.whole_image:
        field = "the whole image"
    elif max(layer.field.y.size, layer.field.x.size) > params.stimuli.largest_field * size:
        field = f"{layer.field.size} px, more than the image, so all of the image is shown"
    else:
        field = f"{layer.field.size} px"
    regions = artifacts.read_embedding(network, "regions")
    regions = regions[regions["layer"] == layer.name]
    chosen = "the densest and purest that do not overlap, of different classes if possible"
    if (regions["chosen_by"] == "hand").any():
        chosen = "chosen by hand"
    return write.picture(
        name,
        embedding.representation_space(space),
        alt,
        f"As YU figure 3: {network}, {layer.alias} (receptive field {field}), {row['points']} patches of "
        f"{row['images']} validation images. (a) The plane as two grids, every cell filled with the patch nearest to "
        f"it. (b) Regions, {chosen}, with the class of most of their patches. (c) Patches from the middle of "
        "each. (d) The units with the highest mean response there, each by the deconvolutions of its best responses on "
        "the validation images. Chequered: outside the image.",
    )


def read_space(params: Params, network: str, layer: Layer, row: dict, size: int) -> Space:
    """What ``figures.embedding.representation_space`` draws, from data/embedding."""
    from receptive.methods.embedding_regions import whole_plane

    points, grids = artifacts.read_embedding(network, layer.name), artifacts.read_grids(network, layer.name)
    planes = [grids[f"grid_{cells}"] for cells in params.embed.cells]
    used = np.unique(np.concatenate([at.ravel() for at in (*planes, grids["regions"], grids["selected"])]))
    used = used[used >= 0]
    place = np.full(len(points), -1)
    place[used] = np.arange(len(used))
    images = artifacts.read_images(params, network).images
    tiles = np.zeros((len(used), TILE_PX, TILE_PX, 3), np.uint8)
    boxes = points.loc[used, _BOX].to_numpy()
    for at, (number, box) in enumerate(zip(points.loc[used, "image"], boxes, strict=True)):
        side = (box[2] - box[0], box[3] - box[1])
        tiles[at] = tile(cut_patches(images[number][None], box[None], side)[0], box, size)
    whole = whole_plane(points[["e1", "e2"]].to_numpy())
    regions = artifacts.read_embedding(network, "regions")
    units = artifacts.read_embedding(network, "region_units")
    known, patches = artifacts.read_region_patches(network)
    known = known[known["layer"] == layer.name]
    views = []
    for region in regions[regions["layer"] == layer.name].to_dict("records"):
        number = region["region"]
        there = units[(units["layer"] == layer.name) & (units["region"] == number)].sort_values("rank")
        found = []
        for unit in there["unit"]:
            own = (known["unit"] == unit).to_numpy()
            pictures = patches[layer.name][own] if layer.name in patches else np.zeros((0, 1, 1, 1))
            found.append(Unit(f"unit {unit}", pictures, known.loc[own, _BOX].to_numpy()))
        selected = grids["selected"][number]
        words = f"{region['class_name']}: {region['label_fraction']:.0%} of {region['points']} points"
        views.append(
            RegionView(
                words if region["points"] else "empty",
                ((region["left"] - whole.left) / whole.side, (region["low"] - whole.low) / whole.side,
                 region["side"] / whole.side),
                place[grids["regions"][number]],
                place[selected[selected >= 0]],
                found,
            )
        )  # fmt: skip
    title = (
        f"{network}, {layer.alias}: {row['points']} patches; trustworthiness {row['trustworthiness']:.3f}, "
        f"label purity {row['purity_space']:.2f} in the space, {row['purity_map']:.2f} in the plane "
        f"(chance {row['purity_chance']:.2f})"
    )
    return Space(title, tiles, [place[plane] for plane in planes], views, size)
