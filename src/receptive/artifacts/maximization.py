"""``data/maximization/<network>``: images made to excite units and classes."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_table, reading, write_json, write_table, writing

MAXIMIZATION = Path("data/maximization")


def write_maximization(network: str, results: "pd.DataFrame", images: dict[str, np.ndarray], metrics: dict) -> Path:
    """``data/maximization/<network>``: results.parquet, images.npz and, for MLflow, metrics.json.

    Args:
        results: one row a result, group by group: ``network, layer, alias, unit, objective, preset, initialisation,
            status, activation, quantile, natural_max, iterations, seed`` and the box of what is shown,
            ``top_px, left_px, bottom_px, right_px`` (half-open, may leave the image).
        images: by ``maximization_group`` the pixels of its rows in their order, float32, row x y x x x channel: the
            part of the box inside the image; values leave [0, 1] where no real image lies.
    """
    folder = MAXIMIZATION / network
    with writing(folder) as new:
        write_table(new / "results.parquet", results)
        np.savez(new / "images.npz", **images)
        write_json(new / "metrics.json", metrics)
    return folder


def maximization_group(layer: str, objective: str, preset: str, initialisation: str) -> str:
    """The name under which the images of such results lie."""
    return "/".join((layer, objective, preset, initialisation))


def read_maximization(network: str) -> "tuple[pd.DataFrame, dict[str, np.ndarray]]":
    """results.parquet, and the pixels of every group."""
    folder, made_by = MAXIMIZATION / network, f"maximize@{network}"
    results = read_table(folder / "results.parquet", made_by)
    with reading(folder / "images.npz", made_by), np.load(folder / "images.npz") as arrays:
        return results, dict(arrays)
