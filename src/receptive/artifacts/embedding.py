"""``data/embedding/<network>``: maps of layers' representation spaces, and label purity of every layer."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_json, write_table, writing

EMBEDDING = Path("data/embedding")


def write_embedding(
    network: str,
    layers: "pd.DataFrame",
    points: "dict[str, pd.DataFrame]",
    grids: dict[str, dict[str, np.ndarray]],
    regions: "pd.DataFrame",
    region_units: "pd.DataFrame",
    units: "pd.DataFrame",
    patches: dict[str, np.ndarray],
    purity: "pd.DataFrame",
    purity_images: "pd.DataFrame",
) -> Path:
    """``data/embedding/<network>``: maps of layers' representation spaces, and what every layer groups.

    - layers.parquet: one row a layer asked for, ``network, layer, alias, depth, kind, reason`` (empty, or why there is
      no map), ``points, images, coinciding`` (points left out because their vector came before) and the map's quality:
      the fields of ``methods.embedding.Map``, ``purity_space, purity_map`` and ``purity_chance`` (``methods.purity``).
    - <layer>.parquet: one row a point, ``image, y, x, label, class_name, e1, e2`` (its place in the plane), the box of
      its patch ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image; the whole image for layers
      that see more), and ``unit_1, activation_1, ...``, its strongest units (-1 and 0 where fewer are active).
    - <layer>.npz: rows of that table: ``grid_<cells>`` (row x column, the top row first), ``regions`` (region x row x
      column) and ``selected`` (region x patch, -1 where there is none).
    - regions.parquet: ``layer, region, chosen_by, left, low, side`` (in the plane's units), ``points, label,
      class_name, label_fraction``; region_units.parquet: ``layer, region, rank, unit, activation`` (mean over the
      region).
    - units.parquet and units.npz: top patches of those units, carried back to the pixels, as in
      ``write_deconvolution``.
    - purity.parquet: one row a state ("trained", "untrained", "pixels") and conv or pool layer, ``network, state,
      layer, alias, depth, kind, value, chance, points``; purity_images.parquet: ``network, state, layer, image, label,
      value``, the image's part in it.
    """
    folder = EMBEDDING / network
    quality = ["kl_divergence", "trustworthiness", "purity_space", "purity_map"]
    mapped = layers[layers["reason"] == ""]
    metrics = {f"{name}.{row['alias']}": row[name] for row in mapped.to_dict("records") for name in quality}
    trained = purity[purity["state"] == "trained"]
    metrics |= {f"purity.{alias}": value for alias, value in zip(trained["alias"], trained["value"], strict=True)}
    with writing(folder) as new:
        for name, table in (("layers", layers), ("purity", purity), ("purity_images", purity_images)):
            table.insert(0, "network", network)
            write_table(new / f"{name}.parquet", table)
        for layer, table in points.items():
            write_table(new / f"{layer}.parquet", table)
            np.savez(new / f"{layer}.npz", **grids[layer])
        write_table(new / "regions.parquet", regions)
        write_table(new / "region_units.parquet", region_units)
        write_table(new / "units.parquet", units)
        np.savez_compressed(new / "units.npz", **patches)
        finite = {name.replace(" ", "_"): value for name, value in metrics.items() if np.isfinite(value)}
        write_json(new / "metrics.json", finite)
    return folder


def read_embedding(network: str, table: str) -> "pd.DataFrame":
    """One of the tables of ``write_embedding``: "layers", "regions", "region_units", "purity", "purity_images", or the
    name of a layer that has a map, for its points."""
    return read_table(EMBEDDING / network / f"{table}.parquet", f"embed@{network}")


def read_grids(network: str, layer: str) -> dict[str, np.ndarray]:
    """The grids of a layer's map, rows of its table of points."""
    return read_arrays(EMBEDDING / network / f"{layer}.npz", f"embed@{network}")


def read_region_patches(network: str) -> "tuple[pd.DataFrame, dict[str, np.ndarray]]":
    """The rows of units.parquet of the regions' units, and by layer their deconvolved patches, in the rows' order."""
    return read_embedding(network, "units"), read_arrays(EMBEDDING / network / "units.npz", f"embed@{network}")
