"""``data/embedding/<network>``: maps of layers' representation spaces, and label purity of every layer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts import deconvolution
from receptive.artifacts.deconvolution import UnitPatches, write_unit_patches
from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_json, write_table, writing

FOLDER = Path("data/embedding")
STAGE = "embed"
STRONGEST = 3
"""Units named at each point."""
COLUMNS = {
    "layers.parquet": (
        *("network", "layer", "alias", "depth", "kind", "reason", "points", "images", "coinciding"),
        *("method", "perplexity", "components", "variance_fraction", "kl_divergence", "trustworthiness"),
        *("purity_space", "purity_map", "purity_chance"),
    ),
    "<layer>.parquet": (
        *("image", "y", "x", "label", "class_name", "e1", "e2", "top_px", "left_px", "bottom_px", "right_px"),
        *(f"{name}_{rank}" for rank in range(1, STRONGEST + 1) for name in ("unit", "activation")),
    ),
    "regions.parquet": (
        *("layer", "region", "chosen_by", "left", "low", "side", "points", "label", "class_name", "label_fraction"),
    ),
    "region_units.parquet": ("layer", "region", "rank", "unit", "activation"),
    "units.parquet": deconvolution.COLUMNS["units.parquet"],
    "purity.parquet": (
        "network",
        "state",
        "layer",
        "alias",
        "depth",
        "kind",
        "value",
        "low",
        "high",
        "chance",
        "points",
    ),
    "purity_images.parquet": ("network", "state", "layer", "image", "label", "value"),
}
"""The columns of each table, in order."""


@dataclass(frozen=True)
class LayerMap:
    """The map of one layer's representation space.

    Attributes:
        points: <layer>.parquet, one row per point: where it comes from, its place in the plane (``e1``, ``e2``),
            the box of its patch (half-open, may leave the image; the whole image for layers that see more) and its
            strongest units, strongest first (-1 and 0 where fewer are active).
        grids: row numbers of ``points``, -1 for none: ``grid_<cells>`` (row x column, the top row first), ``regions``
            (region x row x column) and ``selected`` (region x patch).
    """

    points: pd.DataFrame
    grids: dict[str, np.ndarray]


@dataclass(frozen=True)
class Embedding:
    """The maps of some layers, and what every layer groups.

    Attributes:
        layers: layers.parquet, one row per layer that was to be mapped: ``reason`` (why there is no map, or
            empty), ``coinciding`` (points left out because an earlier one has the same vector), and the map's quality
            (``methods.embedding.Map``, ``methods.embedding_purity``).
        maps: by layer; layers without a map are not there.
        regions: regions.parquet, one row per region of a map; its square is in the plane's units.
        region_units: region_units.parquet, one row per region and rank; ``activation`` is the mean over the
            region.
        units: top patches of those units, carried back to the pixels.
        purity: purity.parquet, one row per state ("trained", "untrained", "pixels") and conv or pool layer;
            ``low`` and ``high`` are the ends of its 95% interval over images.
        purity_images: purity_images.parquet, one row per state, layer and image.
        purity_neighbours: purity_neighbours.npz, by ``purity_space`` the nearest neighbours of each image's position:
            row numbers within the rows of ``purity_images`` of that state and layer, nearest first; -1 for none;
            int32, image x neighbour.
        metrics: small numbers, for MLflow.
    """

    layers: pd.DataFrame
    maps: dict[str, LayerMap]
    regions: pd.DataFrame
    region_units: pd.DataFrame
    units: UnitPatches
    purity: pd.DataFrame
    purity_images: pd.DataFrame
    purity_neighbours: dict[str, np.ndarray]
    metrics: dict[str, float]


def purity_space(state: str, layer: str) -> str:
    """Key in ``Embedding.purity_neighbours`` of a layer's space: "trained/<layer>"."""
    return f"{state}/{layer}"


def write_embedding(network: str, content: Embedding) -> Path:
    """Writes ``data/embedding/<network>``.

    Files: layers, regions, region_units, units, purity and purity_images (parquet), units.npz, purity_neighbours.npz,
    metrics.json, and <layer>.parquet and <layer>.npz of every map.

    Returns:
        The folder.
    """
    folder = FOLDER / network
    with writing(folder) as new:
        for name in ("layers", "regions", "region_units", "purity", "purity_images"):
            write_table(new / f"{name}.parquet", getattr(content, name)[list(COLUMNS[f"{name}.parquet"])])
        for layer, layer_map in content.maps.items():
            write_table(new / f"{layer}.parquet", layer_map.points[list(COLUMNS["<layer>.parquet"])])
            write_arrays(new / f"{layer}.npz", layer_map.grids)
        write_arrays(new / "purity_neighbours.npz", content.purity_neighbours)
        write_unit_patches(new, content.units)
        write_json(new / "metrics.json", content.metrics)
    return folder


def read_embedding(network: str, table: str) -> pd.DataFrame:
    """One table of ``Embedding`` by its name, or the points of a layer's map by the layer's name."""
    columns = COLUMNS.get(f"{table}.parquet", COLUMNS["<layer>.parquet"])
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", columns)


def read_neighbours(network: str) -> dict[str, np.ndarray]:
    """The nearest neighbours whose labels are counted, by ``purity_space`` (``Embedding.purity_neighbours``)."""
    return read_arrays(FOLDER / network / "purity_neighbours.npz", f"{STAGE}@{network}")


def read_grids(network: str, layer: str) -> dict[str, np.ndarray]:
    """The grids of a layer's map: row numbers of its points (``LayerMap``)."""
    return read_arrays(FOLDER / network / f"{layer}.npz", f"{STAGE}@{network}")


def read_region_patches(network: str) -> UnitPatches:
    """The deconvolved top patches of the regions' units."""
    patches = read_arrays(FOLDER / network / "units.npz", f"{STAGE}@{network}")
    return UnitPatches(read_embedding(network, "units"), patches)
