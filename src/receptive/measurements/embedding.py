"""Representation spaces: maps of patches of some layers, and what the neighbours of every layer share (YU 4.1)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from receptive.artifacts.deconvolution import UnitPatches
from receptive.artifacts.embedding import COLUMNS, STRONGEST, Embedding, LayerMap
from receptive.errors import ReceptiveError
from receptive.measurements.deconvolution import unit_patches
from receptive.measurements.embedding_purity import purity_by_layer, shown_boxes
from receptive.measurements.subject import Subject
from receptive.methods.embedding import (
    Constant,
    Sample,
    TooFew,
    distinct,
    embed,
    sample_positions,
    strongest_units,
    vectors_at,
)
from receptive.methods.embedding_purity import chance, mean_purity
from receptive.methods.embedding_regions import (
    Region,
    dense_pure_regions,
    fill_grid,
    region_around,
    selected_members,
    square_at,
    whole_plane,
)
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.layers import Layer, corresponding_layers, find_layer
from receptive.params.sections import Embed as Settings
from receptive.seeds import named_seed

REGIONS = 3
"""Regions of a map that are looked at where no centres are given."""

Advance = Callable[[], object]
"""Called after every step of the work."""


@dataclass(frozen=True)
class Plan:
    """What is mapped and what is measured.

    Attributes:
        settings: section ``embed``.
        seed: of all draws.
        largest: a position that sees more than this, px, is shown with the whole image.
        mapped: layers whose space is laid out as a plane.
        named: whether ``embed.layers`` asks for them: then a layer that cannot be mapped is an error.
        centres: by layer the centres of regions given by hand, [across, up], as parts of the plane.
        map_samples: positions of the mapped layers.
        spatial: layers whose label purity is measured: all convolutions and pools.
        purity_samples: positions of those, one per image, the same images in every layer.
    """

    settings: Settings
    seed: int
    largest: float
    mapped: list[Layer]
    named: bool
    centres: dict[str, list[list[float]]]
    map_samples: list[Sample]
    spatial: list[Layer]
    purity_samples: list[Sample]


def plan(subject: Subject, settings: Settings, seed: int, largest: float) -> Plan:
    """The layers that ``settings`` ask for, and random positions of them: the same for all trainings of a network.

    Raises:
        ReceptiveError: the network has no such layer, or a region is asked for in a layer that is not mapped.
    """
    named = settings.layers.get(subject.base)
    mapped = [find_layer(subject.layers, word) for word in named] if named else corresponding_layers(subject.layers)
    spatial = [layer for layer in subject.layers if layer.kind in ("conv", "pool") and layer.readable]
    labels = subject.prepared.labels

    def draw(*names: str) -> np.random.Generator:
        return np.random.default_rng(named_seed(seed, "embed", subject.base, *names))

    def sample(layer: Layer, images: np.ndarray, positions: int, name: str) -> Sample:
        return sample_positions(layer.name, images, positions, layer.map_size, draw(name, layer.name))

    drawn = draw("images").permutation(labels.loc[labels["split"] == "validation", "image"].to_numpy())
    few, one_each = drawn[: settings.images], drawn[: settings.purity_images]
    return Plan(
        settings=settings,
        seed=seed,
        largest=largest,
        mapped=mapped,
        named=bool(named),
        centres=centres_by_hand(settings.regions.get(subject.base, {}), mapped, subject.base),
        map_samples=[sample(layer, few, settings.positions, "positions") for layer in mapped],
        spatial=spatial,
        purity_samples=[sample(layer, one_each, len(one_each), "purity") for layer in spatial],
    )


def centres_by_hand(
    regions: dict[str, list[list[float]]], mapped: list[Layer], network: str
) -> dict[str, list[list[float]]]:
    """``embed.regions`` of one network by the layers' own names.

    Args:
        regions: centres by the name or alias of a layer.

    Raises:
        ReceptiveError: a layer is not among the mapped ones.
    """
    try:
        return {find_layer(mapped, word).name: centres for word, centres in regions.items()}
    except ReceptiveError as error:
        raise ReceptiveError(
            f"embed.regions.{network}: {error} (the layers that are mapped), or name it in embed.layers.{network}"
        ) from None


def measure(subject: Subject, chosen: Plan, preferred: pd.DataFrame, advance: Advance) -> Embedding:
    """The maps of the mapped layers, and the label purity of all layers of ``chosen``.

    Args:
        preferred: preferred.parquet of the training.

    Raises:
        ReceptiveError: no layer can be mapped, or one that was asked for by name cannot.
    """
    settings = chosen.settings
    trained = _vectors(subject, chosen.map_samples + chosen.purity_samples, settings.batch_size, advance)
    maps = len(chosen.map_samples)
    states = {
        "trained": trained[maps:],
        "untrained": _vectors(subject.untrained(), chosen.purity_samples, settings.batch_size, advance),
    }
    purity = purity_by_layer(subject, chosen.spatial, chosen.purity_samples, states, settings, chosen.largest, advance)
    mapped = map_layers(subject, chosen, trained[:maps], advance)
    layers = pd.DataFrame([each.row for each in mapped]).reindex(columns=list(COLUMNS["layers.parquet"]))
    regions = pd.DataFrame([row for each in mapped for row in each.regions], columns=list(COLUMNS["regions.parquet"]))
    region_units = pd.DataFrame(
        [row for each in mapped for row in each.units], columns=list(COLUMNS["region_units.parquet"])
    )
    return Embedding(
        layers=layers,
        maps={each.layer.name: each.map for each in mapped if each.map is not None},
        regions=regions,
        region_units=region_units,
        units=_top_patches(
            subject, chosen, [each.layer for each in mapped if each.map is not None], region_units, preferred, advance
        ),
        purity=purity.table,
        purity_images=purity.images,
        purity_neighbours=purity.neighbours,
        metrics=metrics_of(layers, purity.table),
    )


def metrics_of(layers: pd.DataFrame, purity: pd.DataFrame) -> dict[str, float]:
    """The maps' quality and the trained layers' purity by alias; what is not finite is left out."""
    quality = ["kl_divergence", "trustworthiness", "purity_space", "purity_map"]
    mapped = layers[layers["reason"] == ""]
    values = {f"{name}.{row['alias']}": row[name] for row in mapped.to_dict("records") for name in quality}
    trained = purity[purity["state"] == "trained"]
    values |= {f"purity.{alias}": value for alias, value in zip(trained["alias"], trained["value"], strict=True)}
    return {name.replace(" ", "_"): float(value) for name, value in values.items() if np.isfinite(value)}


def _vectors(subject: Subject, samples: list[Sample], batch_size: int, advance: Advance) -> list[np.ndarray]:
    """The response vectors of the sampled positions (``methods.embedding.vectors_at``), in one pass."""
    numbers = np.unique(np.concatenate([sample.image for sample in samples]))

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for batch in subject.views(batch_size, numbers=numbers):
            yield batch
            advance()

    return vectors_at(subject.network, samples, batches())


def _top_patches(
    subject: Subject,
    chosen: Plan,
    layers: list[Layer],
    region_units: pd.DataFrame,
    preferred: pd.DataFrame,
    advance: Advance,
) -> UnitPatches:
    """The top patches of the regions' units, carried back to the pixels."""
    wanted = region_units[["layer", "unit"]].drop_duplicates()
    best = preferred[(preferred["rank"] < chosen.settings.patches) & (preferred["activation"] > 0)]
    best = best.merge(wanted, on=["layer", "unit"]).sort_values(["layer", "unit", "rank"], ignore_index=True)
    batch_size = chosen.settings.batch_size
    return unit_patches(subject, best, layers, chosen.largest, batch_size, lambda patches: advance())


# ---------------------------------------------------------------- maps


@dataclass(frozen=True)
class Mapped:
    """What one layer adds to ``Embedding``.

    Attributes:
        layer: the layer.
        row: its row of layers.parquet; without a map the quality is missing and ``reason`` says why.
        map: None where there is no map.
        regions: rows of regions.parquet.
        units: rows of region_units.parquet.
    """

    layer: Layer
    row: dict[str, Any]
    map: LayerMap | None = None
    regions: list[dict[str, Any]] = field(default_factory=list)
    units: list[dict[str, Any]] = field(default_factory=list)


def map_layers(subject: Subject, chosen: Plan, vectors: list[np.ndarray], advance: Advance) -> list[Mapped]:
    """The maps of the mapped layers; those that cannot be mapped have a reason instead.

    Args:
        vectors: of each layer point x unit, at the positions of ``chosen.map_samples``.

    Raises:
        ReceptiveError: no layer can be mapped, or one that was asked for by name cannot.
    """
    maps = []
    for layer, sample, every in zip(chosen.mapped, chosen.map_samples, vectors, strict=True):
        kept = points_to_map(every)
        distinct_sample = Sample(layer.name, sample.image[kept], sample.y[kept], sample.x[kept])
        heading = {"network": subject.name, **layer.heading(), "reason": "", "points": len(kept)}
        heading |= {"images": len(np.unique(distinct_sample.image)), "coinciding": len(every) - len(kept)}
        try:
            maps.append(map_layer(subject, chosen, layer, distinct_sample, every[kept], heading))
        except (TooFew, Constant) as error:
            if chosen.named:
                raise
            maps.append(Mapped(layer, heading | {"reason": str(error)}))
        advance()
    if all(each.map is None for each in maps):
        raise ReceptiveError("; ".join(each.row["reason"] for each in maps))
    return maps


def map_layer(
    subject: Subject, chosen: Plan, layer: Layer, sample: Sample, vectors: np.ndarray, heading: dict[str, Any]
) -> Mapped:
    """The map of one layer's space: the plane, its quality, the filled grids and the regions.

    Args:
        vectors: point x unit, at the positions of ``sample``.
        heading: the columns of layers.parquet that do not depend on the map.

    Raises:
        ReceptiveError: as ``methods.embedding.embed``.
    """
    settings = chosen.settings
    points = point_table(layer, sample, vectors, subject.prepared.labels, chosen.largest)
    quality = asdict(
        embed(
            vectors,
            f"{subject.name}, {layer.alias}",
            perplexity=settings.perplexity,
            components=settings.components,
            opentsne_from=settings.opentsne_from,
            neighbours=settings.neighbours,
            seed=named_seed(chosen.seed, "embed", subject.base, layer.name),
        )
    )
    plane = quality.pop("plane")
    labels, images = points["label"].to_numpy(), points["image"].to_numpy()
    for name, space in (("purity_space", vectors), ("purity_map", plane)):
        quality[name] = mean_purity(space, labels, images, settings.neighbours)
    quality["purity_chance"] = float(np.nanmean(chance(labels, images)))
    points = points.assign(e1=plane[:, 0], e2=plane[:, 1])[list(COLUMNS["<layer>.parquet"])]
    parts = regions_of(layer, plane, vectors, points, chosen.centres.get(layer.name), settings)
    return Mapped(layer, heading | quality, LayerMap(points, parts.grids), parts.rows, parts.units)


def points_to_map(vectors: np.ndarray) -> np.ndarray:
    """Numbers of the points that a map is made of: the distinct ones (``methods.embedding.distinct``).

    All of them where none can be left out before ``methods.embedding.check`` has told what is wrong: where a value is
    not finite, or all vectors are equal.

    Args:
        vectors: point x unit.
    """
    if np.isfinite(vectors).all() and len(kept := distinct(vectors)) > 1:
        return kept
    return np.arange(len(vectors))


def point_table(
    layer: Layer, sample: Sample, vectors: np.ndarray, labels: pd.DataFrame, largest: float
) -> pd.DataFrame:
    """One row per point, <layer>.parquet but for its place in the plane.

    Args:
        vectors: point x unit, of the positions of ``sample``.
        labels: labels.parquet.
    """
    table = pd.DataFrame({"image": sample.image, "y": sample.y, "x": sample.x})
    of_images = labels.set_index("image").loc[table["image"]]
    table["label"], table["class_name"] = of_images["label"].to_numpy(), of_images["class_name"].to_numpy()
    table[BOX] = shown_boxes(layer, sample, largest)
    strongest = strongest_units(vectors, STRONGEST)
    for rank in range(STRONGEST):
        table[f"unit_{rank + 1}"] = strongest.unit[:, rank]
        table[f"activation_{rank + 1}"] = strongest.activation[:, rank]
    return table


@dataclass(frozen=True)
class Regions:
    """The filled plane of one layer and the regions to look at.

    Attributes:
        grids: as in ``artifacts.embedding.LayerMap``.
        rows: one row of regions.parquet per region.
        units: one row of region_units.parquet per region and rank.
    """

    grids: dict[str, np.ndarray]
    rows: list[dict[str, Any]]
    units: list[dict[str, Any]]


def regions_of(
    layer: Layer,
    plane: np.ndarray,
    vectors: np.ndarray,
    table: pd.DataFrame,
    centres: list[list[float]] | None,
    settings: Settings,
) -> Regions:
    """The filled grids, the regions to look at and their strongest units.

    Args:
        plane: point x 2; vectors: point x unit; table: one row per point.
        centres: of the regions, [across, up] as parts of the plane; None: the densest and purest are looked for.
    """
    whole, labels = whole_plane(plane), table["label"].to_numpy()
    side = settings.region_cells / settings.cells[1] * whole.side
    if centres is None:
        regions = dense_pure_regions(plane, labels, REGIONS, side)
    else:
        middles = [np.array(whole[:2]) + np.array(centre) * whole.side for centre in centres]
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
        chosen_by = "density and purity" if centres is None else "hand"
        heading = {"layer": layer.name, "region": number, "chosen_by": chosen_by}
        content = {"label": region.label, "class_name": names.get(region.label, "")}
        content["label_fraction"] = region.label_fraction
        rows.append({**heading, **region.square._asdict(), "points": len(region.members), **content})
        units += _strongest_in(layer, number, region, vectors, settings.units)
    return Regions(grids, rows, units)


def _strongest_in(layer: Layer, number: int, region: Region, vectors: np.ndarray, count: int) -> list[dict[str, Any]]:
    """One row of region_units.parquet per rank: the units that answer most to the region, on average."""
    if not len(region.members):
        return []
    best = strongest_units(vectors[region.members].mean(0, keepdims=True), count)
    return [
        {"layer": layer.name, "region": number, "rank": rank, "unit": int(unit), "activation": float(activation)}
        for rank, (unit, activation) in enumerate(zip(best.unit[0], best.activation[0], strict=True))
        if unit >= 0
    ]
