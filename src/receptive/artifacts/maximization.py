"""``data/maximization/<network>``: images that excite units and classes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_json, write_table, writing

FOLDER = Path("data/maximization")
STAGE = "maximize"
COLUMNS = {
    "results.parquet": (
        *("network", "layer", "alias", "unit", "start", "objective", "preset", "initialisation", "status"),
        *("activation", "activation_unclipped", "outside_fraction", "quantile", "natural_max", "iterations", "seed"),
        *("top_px", "left_px", "bottom_px", "right_px"),
    ),
    "paths.parquet": (
        "network",
        "layer",
        "alias",
        "unit",
        "start",
        "objective",
        "preset",
        "initialisation",
        "path",
    ),
}
"""``paths.parquet``: of the same images the similarity of their path with that of the unit's top natural images: 1 as
alike as these among themselves, 0 another path (``methods.maximization_trust``); NaN where it is not known."""


class Maximization(NamedTuple):
    """The maximized images of one network.

    Attributes:
        results: one row per image, group by group; ``start`` numbers the draws of noise that a unit starts from.
            ``activation`` is the response to the image as it can be shown, with pixels clipped to [0, 1], and
            ``activation_unclipped`` to the image as it was optimised; ``outside_fraction`` is the share of its values
            outside [0, 1]. ``quantile`` and ``natural_max`` compare ``activation`` with the responses to natural
            images; the box, in px, is the picture's (half-open; it may leave the image).
        images: pixels of each group's rows in their order, by ``maximization_group``; float32, row x y x x x channel:
            the part of the box inside the image. Values may leave [0, 1].
    """

    results: pd.DataFrame
    images: dict[str, np.ndarray]


def maximization_group(layer: str, objective: str, preset: str, initialisation: str) -> str:
    """Key in ``Maximization.images`` of the results with these properties."""
    return "/".join((layer, objective, preset, initialisation))


def write_maximization(network: str, maximization: Maximization, metrics: dict, paths: pd.DataFrame) -> Path:
    """Writes results.parquet, images.npz, metrics.json and paths.parquet of a network; returns their folder."""
    folder = FOLDER / network
    with writing(folder) as new:
        write_table(new / "results.parquet", maximization.results)
        write_arrays(new / "images.npz", maximization.images)
        write_json(new / "metrics.json", metrics)
        write_table(new / "paths.parquet", paths[list(COLUMNS["paths.parquet"])])
    return folder


def read_maximization(network: str) -> Maximization:
    """Results and images of a network."""
    folder, made_by = FOLDER / network, f"{STAGE}@{network}"
    results = read_table(folder / "results.parquet", made_by, COLUMNS["results.parquet"])
    return Maximization(results, read_arrays(folder / "images.npz", made_by))


def read_paths(network: str) -> pd.DataFrame:
    """The path similarity of every maximized image of a network (``COLUMNS``)."""
    return read_table(FOLDER / network / "paths.parquet", f"{STAGE}@{network}", COLUMNS["paths.parquet"])
