"""``data/activations/<network>``: responses of every unit to the validation images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, write_arrays, write_table, writing

FOLDER = Path("data/activations")
STAGE = "extract"
COLUMNS = {
    "units.parquet": (
        *("network", "layer", "alias", "depth", "kind", "unit"),
        *("images", "positions", "mean", "max", "zero_fraction", "positive_images"),
    ),
    "preferred.parquet": (
        *("network", "layer", "unit", "rank", "image", "y", "x", "activation"),
        *("top_px", "left_px", "bottom_px", "right_px"),
    ),
    "zeros.parquet": ("network", "state", "layer", "alias", "depth", "kind", "image", "zero_fraction"),
    "effective_fields.parquet": (
        *("network", "state", "layer", "alias", "depth", "kind", "images"),
        *("field_px", "side_px", "spread_px", "visible_px"),
    ),
}


class Activations(NamedTuple):
    """Everything that one pass over the validation images measures.

    Attributes:
        units: one row per layer and unit. ``images`` and ``positions`` count what was seen; ``mean`` and ``max`` are of
            the responses; ``zero_fraction`` is the share of responses that are exactly zero, in [0, 1];
            ``positive_images`` is the number of images with a positive response.
        preferred: one row per layer, unit and rank, greatest response first: ``image``, position (``y``, ``x``) in the
            map, ``activation``, and the box of the image patch in px (half-open; it may leave the image).
        zeros: one row per state ("trained", "untrained"), layer and image: ``zero_fraction`` in [0, 1]. The untrained
            network has seen the first of the images only.
        effective_fields: one row per state, and per convolution and pooling layer: of the central position the side of
            the box within the image (``field_px``), and ``side``, ``spread`` and ``visible`` of
            ``methods.effective_field``, in px; NaN where no unit responds there.
        histograms: ``edges`` of the bins (``methods.response_histogram.histogram_edges``) and, by the layer's name,
            counts of all responses, unit x bin.
        energies: by state and layer ("trained c1.relu") the gradient's energy at each pixel of the image, y x x; the
            shares sum to 1, or to 0 where no unit responds.
    """

    units: pd.DataFrame
    preferred: pd.DataFrame
    zeros: pd.DataFrame
    effective_fields: pd.DataFrame
    histograms: dict[str, np.ndarray]
    energies: dict[str, np.ndarray]


def write_activations(network: str, activations: Activations) -> Path:
    """Writes the four tables, histograms.npz and energies.npz of a network; returns their folder."""
    folder = FOLDER / network
    with writing(folder) as new:
        write_table(new / "units.parquet", activations.units)
        write_table(new / "preferred.parquet", activations.preferred)
        write_table(new / "zeros.parquet", activations.zeros)
        write_table(new / "effective_fields.parquet", activations.effective_fields)
        write_arrays(new / "histograms.npz", activations.histograms)
        write_arrays(new / "energies.npz", activations.energies)
    return folder


def read_units(network: str) -> pd.DataFrame:
    """``Activations.units``: one row per layer and unit."""
    return _read(network, "units.parquet")


def read_preferred(network: str) -> pd.DataFrame:
    """``Activations.preferred``: one row per layer, unit and rank."""
    return _read(network, "preferred.parquet")


def read_zeros(network: str) -> pd.DataFrame:
    """``Activations.zeros``: one row per state, layer and image."""
    return _read(network, "zeros.parquet")


def read_effective_fields(network: str) -> pd.DataFrame:
    """``Activations.effective_fields``: one row per state and layer with a map."""
    return _read(network, "effective_fields.parquet")


def read_energies(network: str) -> dict[str, np.ndarray]:
    """``Activations.energies``: by state and layer the share of the gradient's energy at each pixel, y x x."""
    return read_arrays(FOLDER / network / "energies.npz", f"{STAGE}@{network}")


def read_histograms(network: str) -> dict[str, np.ndarray]:
    """``Activations.histograms``: ``edges`` and, by layer, counts (unit x bin)."""
    return read_arrays(FOLDER / network / "histograms.npz", f"{STAGE}@{network}")


def _read(network: str, file: str) -> pd.DataFrame:
    return read_table(FOLDER / network / file, f"{STAGE}@{network}", COLUMNS[file])
