"""The representation spaces: maps of patches of two layers, and what the neighbours of every layer share (YU 4.1)."""

import sys
from typing import Annotated

import typer

from receptive.stages import run

BOX = ["top_px", "left_px", "bottom_px", "right_px"]

STRONGEST = 3
"""Units named at each point."""


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/embedding/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import numpy as np
    import pandas as pd
    import torch
    from tqdm import tqdm

    from receptive.errors import ReceptiveError
    from receptive.io import artifacts
    from receptive.methods.capture import for_inference
    from receptive.methods.embedding import Constant, Sample, TooFew, sample_positions, vectors_at
    from receptive.networks import base_name
    from receptive.networks.layers import corresponding_layers, find_layer, layers
    from receptive.networks.parts.normalisation import pixels
    from receptive.parallel.device import pick_device
    from receptive.seeds import named_seed
    from receptive.stages.deconvolve import unit_patches

    settings, base = params.embed, base_name(network)
    prepared = artifacts.read_images(params, network)
    net, normalisation, description = artifacts.read_network(network)
    untrained, _, _ = artifacts.read_network(network, trained=False)
    size = description["image_size"]
    known = layers(net, size, description["channels"])
    named = settings.layers.get(base)
    chosen = [find_layer(known, word) for word in named] if named else corresponding_layers(known)
    centres = centres_by_hand(settings.regions.get(base, {}), chosen, base)
    spatial = [layer for layer in known if layer.kind in ("conv", "pool") and layer.readable]
    device = pick_device(params.device)
    net, untrained = (for_inference(one).to(device) for one in (net, untrained))
    normalisation = normalisation.to(device)

    def seen(numbers):
        return normalisation(pixels(torch.from_numpy(np.ascontiguousarray(prepared.images[numbers])).to(device)))

    def chance(*names):  # the same for all trainings of a network
        return np.random.default_rng(named_seed(params.seed, "embed", base, *names))

    validation = prepared.labels[prepared.labels["split"] == "validation"]
    drawn = chance("images").permutation(validation["image"].to_numpy())
    few, one_each = drawn[: settings.images], drawn[: settings.purity_images]
    maps = [
        sample_positions(layer.name, few, settings.positions, layer.map_size, chance("positions", layer.name))
        for layer in chosen
    ]
    places = [
        sample_positions(layer.name, one_each, len(one_each), layer.map_size, chance("purity", layer.name))
        for layer in spatial
    ]

    with tqdm(desc=f"embed {network}", unit="step") as bar:

        def batches(samples):
            numbers = np.unique(np.concatenate([sample.image for sample in samples]))
            for start in range(0, len(numbers), settings.batch_size):
                some = numbers[start : start + settings.batch_size]
                yield torch.from_numpy(some), seen(some)
                bar.update()

        found = vectors_at(net, maps + places, batches(maps + places))
        states = {
            "trained": found[len(maps) :],
            "untrained": vectors_at(untrained, places, batches(places)),
        }
        largest = params.stimuli.largest_field * size
        purity, purity_images = purity_by_layer(spatial, places, states, seen, validation, size, largest, settings, bar)
        rows, points, grids, regions, region_units, reasons = [], {}, {}, [], [], []
        for layer, sample, vectors in zip(chosen, maps, found, strict=False):
            kept = points_to_map(vectors)
            coinciding = len(vectors) - len(kept)
            vectors, sample = vectors[kept], Sample(layer.name, sample.image[kept], sample.y[kept], sample.x[kept])
            heading = {"layer": layer.name, "alias": layer.alias, "depth": layer.depth, "kind": layer.kind}
            heading |= {"reason": "", "points": len(vectors), "images": len(np.unique(sample.image))}
            heading |= {"coinciding": coinciding}
            table = point_table(layer, sample, vectors, validation, size, largest)
            seed = named_seed(params.seed, "embed", base, layer.name)
            try:
                quality, plane = plane_of(vectors, table, f"{network}, {layer.alias}", settings, seed)
            except (TooFew, Constant) as error:
                if named:
                    raise
                reasons.append(str(error))
                rows.append({**heading, "reason": str(error)})
                continue
            rows.append({**heading, **quality})
            points[layer.name] = table.assign(e1=plane[:, 0], e2=plane[:, 1])[COLUMNS]
            its = regions_of(layer, plane, vectors, table, centres.get(layer.name), settings)
            grids[layer.name] = its[0]
            regions += its[1]
            region_units += its[2]
            bar.update()
        if not points:
            raise ReceptiveError("; ".join(reasons))
        for reason in reasons:
            tqdm.write(f"warning: no map: {reason}", file=sys.stderr)
        regions = pd.DataFrame(regions, columns=REGION)
        region_units = pd.DataFrame(region_units, columns=["layer", "region", "rank", "unit", "activation"])
        preferred = artifacts.read_preferred(network)
        wanted = region_units[["layer", "unit"]].drop_duplicates()
        best = preferred[(preferred["rank"] < settings.patches) & (preferred["activation"] > 0)]
        best = best.merge(wanted, on=["layer", "unit"]).sort_values(["layer", "unit", "rank"], ignore_index=True)
        carried = [layer for layer in chosen if layer.name in points]
        units, patches = unit_patches(net, seen, best, carried, size, largest, settings.batch_size, bar.update)
    layers_table = pd.DataFrame(rows).reindex(columns=[*heading, *QUALITY])
    folder = artifacts.write_embedding(
        network, layers_table, points, grids, regions, region_units, units, patches, purity, purity_images
    )
    names = ", ".join(layer.alias for layer in carried)
    print(f"{folder}: maps of {names}, purity of {len(spatial)} layers")


COLUMNS = [
    *("image", "y", "x", "label", "class_name", "e1", "e2", *BOX),
    *(f"{name}_{rank}" for rank in range(1, STRONGEST + 1) for name in ("unit", "activation")),
]
REGION = [
    *("layer", "region", "chosen_by", "left", "low", "side", "points", "label", "class_name", "label_fraction"),
]
QUALITY = [
    *("method", "perplexity", "components", "variance_fraction", "kl_divergence", "trustworthiness"),
    *("purity_space", "purity_map", "purity_chance"),
]


def centres_by_hand(regions: dict[str, list], chosen: list, network: str) -> dict[str, list]:
    """``embed.regions`` of one network by the layers' own names.

    Args:
        regions: name or alias of a layer to centres; chosen: the layers that are mapped.

    Raises:
        ReceptiveError: a layer is not among those.
    """
    from receptive.errors import ReceptiveError
    from receptive.networks.layers import find_layer

    try:
        return {find_layer(chosen, word).name: centres for word, centres in regions.items()}
    except ReceptiveError as error:
        raise ReceptiveError(
            f"embed.regions.{network}: {error} (the layers that are mapped), or name it in embed.layers.{network}"
        ) from None


def points_to_map(vectors):
    """Numbers of the points that a map is made of: the distinct ones (``methods.embedding.distinct``).

    All of them where none can be left out before ``methods.embedding.check`` has told what is wrong: where a value is
    not finite, or all vectors are equal.

    Args:
        vectors: point x unit.
    """
    import numpy as np

    from receptive.methods.embedding import distinct

    kept = distinct(vectors) if np.isfinite(vectors).all() else []
    return kept if len(kept) > 1 else np.arange(len(vectors))


def shown_boxes(layer, y, x, size: int, largest: float) -> tuple:
    """The patch of each position: its receptive field, or the whole image where a layer sees more than ``largest`` px.

    Returns:
        (side, boxes): (height, width) and point x (top, left, bottom, right).
    """
    import numpy as np

    if layer.field.whole_image or max(layer.field.y.size, layer.field.x.size) > largest:
        return (size, size), np.tile([0, 0, size, size], (len(y), 1))
    return (layer.field.y.size, layer.field.x.size), np.stack(layer.field.box(y, x), 1)


def point_table(layer, sample, vectors, labels, size: int, largest: float):
    """One row a point, all but its place in the plane."""
    import pandas as pd

    from receptive.methods.embedding import strongest_units

    table = pd.DataFrame({"image": sample.image, "y": sample.y, "x": sample.x})
    of_images = labels.set_index("image").loc[table["image"]]
    table["label"], table["class_name"] = of_images["label"].to_numpy(), of_images["class_name"].to_numpy()
    table[BOX] = shown_boxes(layer, sample.y, sample.x, size, largest)[1]
    strongest = strongest_units(vectors, STRONGEST)
    for rank in range(STRONGEST):
        table[f"unit_{rank + 1}"] = strongest.unit[:, rank]
        table[f"activation_{rank + 1}"] = strongest.activation[:, rank]
    return table


def plane_of(vectors, table, name: str, settings, seed: int) -> tuple[dict, object]:
    """The map of a layer's vectors: its quality (``QUALITY``) and the plane, point x 2."""
    from dataclasses import asdict

    import numpy as np

    from receptive.methods.embedding import embed
    from receptive.methods.embedding_purity import chance, mean_purity

    found = embed(
        vectors,
        name,
        perplexity=settings.perplexity,
        components=settings.components,
        opentsne_from=settings.opentsne_from,
        neighbours=settings.neighbours,
        seed=seed,
    )
    quality = asdict(found)
    plane = quality.pop("plane")
    labels, images = table["label"].to_numpy(), table["image"].to_numpy()
    for where, space in (("purity_space", vectors), ("purity_map", plane)):
        quality[where] = mean_purity(space, labels, images, settings.neighbours)
    return {**quality, "purity_chance": float(np.nanmean(chance(labels, images)))}, plane


def regions_of(layer, plane, vectors, table, centres, settings) -> tuple[dict, list[dict], list[dict]]:
    """The filled grids, the regions to look at and their strongest units.

    Args:
        centres: by hand, [across, up] as parts of the plane; None: the densest and purest.

    Returns:
        (grids, regions, units), as ``artifacts.write_embedding`` takes them.
    """
    import numpy as np

    from receptive.methods.embedding import strongest_units
    from receptive.methods.embedding_regions import (
        dense_pure_regions,
        fill_grid,
        region_around,
        selected_members,
        square_at,
        whole_plane,
    )

    whole, labels = whole_plane(plane), table["label"].to_numpy()
    side = settings.region_cells / settings.cells[1] * whole.side
    if centres is None:
        regions = dense_pure_regions(plane, labels, 3, side)
    else:
        middles = [np.array(whole[:2]) + np.array(at) * whole.side for at in centres]
        regions = [region_around(plane, labels, square_at(middle, side, whole)) for middle in middles]
    grids = {f"grid_{cells}": fill_grid(plane, whole, cells) for cells in settings.cells}
    cells = settings.region_cells
    zoomed = [fill_grid(plane, region.square, cells) for region in regions]
    grids["regions"] = np.stack(zoomed) if zoomed else np.zeros((0, cells, cells), np.int64)
    grids["selected"] = np.full((len(regions), settings.patches), -1)
    names = dict(zip(table["label"], table["class_name"], strict=True))
    rows, units = [], []
    for number, region in enumerate(regions):
        selected = selected_members(plane, region, settings.patches)
        grids["selected"][number, : len(selected)] = selected
        rows.append(
            {
                "layer": layer.name,
                "region": number,
                "chosen_by": "density and purity" if centres is None else "hand",
                **region.square._asdict(),
                "points": len(region.members),
                "label": region.label,
                "class_name": names.get(region.label, ""),
                "label_fraction": region.label_fraction,
            }
        )
        if len(region.members):
            best = strongest_units(vectors[region.members].mean(0, keepdims=True), settings.units)
            units += [
                {
                    "layer": layer.name,
                    "region": number,
                    "rank": rank,
                    "unit": int(unit),
                    "activation": float(activation),
                }
                for rank, (unit, activation) in enumerate(zip(best.unit[0], best.activation[0], strict=True))
                if unit >= 0
            ]
    return grids, rows, units


def purity_by_layer(layers, places, states, seen, labels, size: int, largest: float, settings, bar) -> tuple:
    """Label purity of every layer in every state, and of the pixels of its patches, normalised; 0 outside the image.

    Args:
        places: of each layer, its sample; states: name to the vectors of each.

    Returns:
        (purity, purity_images), as ``artifacts.write_embedding`` takes them.
    """
    import numpy as np
    import pandas as pd

    from receptive.methods.embedding_purity import chance, label_purity, nearest_neighbours
    from receptive.methods.preferred_stimuli import cut_patches

    by_image = labels.set_index("image")["label"]
    images = places[0].image  # one position each, the same images in every layer
    pictures = np.concatenate(
        [
            seen(images[start : start + settings.batch_size]).permute(0, 2, 3, 1).cpu().numpy()
            for start in range(0, len(images), settings.batch_size)
        ]
    )
    of_points = by_image.loc[images].to_numpy()
    expected = float(np.nanmean(chance(of_points, images)))
    rows, parts, of_whole = [], [], None
    for at, (layer, sample) in enumerate(zip(layers, places, strict=True)):
        side, boxes = shown_boxes(layer, sample.y, sample.x, size, largest)
        whole = bool((boxes == [0, 0, size, size]).all())

        def purity_of(vectors):
            near, _ = nearest_neighbours(vectors.reshape(len(vectors), -1), settings.neighbours, images)
            return label_purity(of_points, near)

        if whole and of_whole is None:
            of_whole = purity_of(pictures)
        values = {name: purity_of(vectors[at]) for name, vectors in states.items()}
        values["pixels"] = of_whole if whole else purity_of(cut_patches(pictures, boxes, side, outside=0))
        heading = {"layer": layer.name, "alias": layer.alias, "depth": layer.depth, "kind": layer.kind}
        for state, value in values.items():
            mean = float(np.nanmean(value)) if np.isfinite(value).any() else np.nan
            rows.append({"state": state, **heading, "value": mean, "chance": expected, "points": len(value)})
            parts.append(
                pd.DataFrame({"state": state, "layer": layer.name, "image": images, "label": of_points, "value": value})
            )
        bar.update()
    table = pd.DataFrame(rows)
    order = {state: at for at, state in enumerate([*states, "pixels"])}
    table = table.sort_values("state", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return table, pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    run(main)
