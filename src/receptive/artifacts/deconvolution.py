"""``data/deconvolution/<network>``: what layers keep of images, carried back to the pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, reading, write_arrays, write_json, write_table, writing

FOLDER = Path("data/deconvolution")
STAGE = "deconvolve"
COLUMNS = {
    "images.parquet": ("image", "label", "class_name"),
    "energy.parquet": (
        *("network", "state", "layer", "alias", "depth", "kind", "image", "label", "energy"),
        *("energy_outside_fraction", "outside_others_fraction", "others_outside_fraction"),
        *("area_outside_fraction", "image_energy_outside_fraction"),
    ),
    "predictions.parquet": ("network", "image", "label", "class_name", "rank", "predicted", "probability"),
    "units.parquet": (
        *("network", "layer", "unit", "rank", "image", "y", "x", "activation"),
        *("top_px", "left_px", "bottom_px", "right_px", "alias", "depth", "response", "peak"),
    ),
}
"""The columns of each table, in order."""


class UnitPatches(NamedTuple):
    """Single responses, each carried back alone and cut to what it sees.

    Attributes:
        rows: units.parquet, one row per patch: the response's row of preferred.parquet with the box that was
            cut, the layer's ``alias`` and ``depth``, ``response`` (what was carried back) and ``peak`` (the greatest
            absolute value of the reconstruction). A unit without a row is dead.
        patches: by layer, patch x y x x x channel, float16, in the order of the layer's rows; times ``peak`` they are
            the reconstructions. A layer of dead units has none.
    """

    rows: pd.DataFrame
    patches: dict[str, np.ndarray]


class LayerPatches(NamedTuple):
    """The part of ``UnitPatches`` that belongs to one layer.

    Attributes:
        rows: units.parquet, one row per patch.
        patches: patch x y x x x channel, float16, in the same order.
    """

    rows: pd.DataFrame
    patches: np.ndarray


@dataclass(frozen=True)
class Deconvolution:
    """What was carried back to the pixels: signed, in normalised space.

    Attributes:
        images: images.parquet, one row per image shown.
        representations: by layer, shallow layers first, image x y x x x channel, float32, in the order of ``images``.
        energy: energy.parquet, one row per state ("trained", "untrained"), layer and image: the sum of squares
            of the reconstruction, and the shares that lie outside the subject; None where nobody knows the subject.
            ``outside_others_fraction`` is the reconstruction's share outside the subjects of the other images, and
            ``others_outside_fraction`` the other reconstructions' share outside this image's subject, both on average.
        predictions: predictions.parquet, one row per image and rank.
        units: single responses of units.
        metrics: small numbers, for MLflow; empty where ``energy`` is None.
    """

    images: pd.DataFrame
    representations: dict[str, np.ndarray]
    energy: pd.DataFrame | None
    predictions: pd.DataFrame
    units: UnitPatches
    metrics: dict[str, float]


def write_deconvolution(network: str, content: Deconvolution) -> Path:
    """Writes ``data/deconvolution/<network>``.

    Files: images.parquet, representations.npz, predictions.parquet, units.parquet and units.npz; where the subject is
    known also energy.parquet and metrics.json.

    Returns:
        The folder.
    """
    folder = FOLDER / network
    with writing(folder) as new:
        _write(new, "images", content.images)
        write_arrays(new / "representations.npz", content.representations)
        _write(new, "predictions", content.predictions)
        write_unit_patches(new, content.units)
        if content.energy is not None:
            _write(new, "energy", content.energy)
            write_json(new / "metrics.json", content.metrics)
    return folder


def write_unit_patches(folder: Path, units: UnitPatches) -> None:
    """Writes units.parquet and units.npz into a folder that is being filled."""
    _write(folder, "units", units.rows)
    # most patches are 0 in most places
    np.savez_compressed(folder / "units.npz", **units.patches)  # type: ignore[arg-type]


def read_deconvolution(network: str, table: str) -> pd.DataFrame:
    """One table of ``Deconvolution``: "images", "predictions" or "units"."""
    return read_table(FOLDER / network / f"{table}.parquet", f"{STAGE}@{network}", COLUMNS[f"{table}.parquet"])


def read_energy(network: str) -> pd.DataFrame | None:
    """The energies of the reconstructions, trained and untrained; None where nobody knows the subject."""
    path = FOLDER / network / "energy.parquet"
    read_deconvolution(network, "images")  # an error where the whole folder is missing
    return read_table(path, f"{STAGE}@{network}", COLUMNS["energy.parquet"]) if path.exists() else None


def read_representations(network: str) -> dict[str, np.ndarray]:
    """The reconstructions from whole representations by layer, shallow layers first (``Deconvolution``)."""
    return read_arrays(FOLDER / network / "representations.npz", f"{STAGE}@{network}")


def read_unit_patches(network: str, layer: str) -> LayerPatches | None:
    """The deconvolved top patches of one layer's units; None where the layer has none."""
    units = read_deconvolution(network, "units")
    path = FOLDER / network / "units.npz"
    with reading(path, f"{STAGE}@{network}"), np.load(path) as arrays:
        return LayerPatches(units[units["layer"] == layer], arrays[layer]) if layer in arrays else None


def _write(folder: Path, name: str, table: pd.DataFrame) -> None:
    write_table(folder / f"{name}.parquet", table[list(COLUMNS[f"{name}.parquet"])])
