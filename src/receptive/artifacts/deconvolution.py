"""``data/deconvolution/<network>``: what layers keep of images, carried back to the pixels."""

from pathlib import Path

import numpy as np
import pandas as pd

from receptive.artifacts.files import read_arrays, read_table, reading, write_json, write_table, writing

DECONVOLUTION = Path("data/deconvolution")


def write_deconvolution(
    network: str,
    images: "pd.DataFrame",
    representations: dict[str, np.ndarray],
    energy: "pd.DataFrame | None",
    predictions: "pd.DataFrame",
    units: "pd.DataFrame",
    patches: dict[str, np.ndarray],
) -> Path:
    """``data/deconvolution/<network>``: what was carried back to the pixels, signed, in normalised space.

    - images.parquet: one row an image shown, ``image, label, class_name``; representations.npz: under each
      layer's name, in the order of depth, image x y x x x channel, float32, in the same order.
    - energy.parquet: one row a state ("trained", "untrained"), layer and image, ``network, state, layer, alias, depth,
      kind, image, label, energy`` (sum of squares), ``energy_outside_fraction, area_outside_fraction,
      image_energy_outside_fraction``; only where the subject's mask is known.
    - predictions.parquet: one row an image and rank, ``network, image, label, class_name, rank, predicted,
      probability``.
    - units.parquet: one row a patch, the columns of preferred.parquet with the box that was cut, and ``alias, depth,
      response, peak``; units.npz: under each layer's name, patch x y x x x channel, float16, in the same
      order; times ``peak`` they are the reconstructions. A unit without a row is dead, a layer of dead units
      has no patches.
    """
    folder = DECONVOLUTION / network
    with writing(folder) as new:
        write_table(new / "images.parquet", images)
        np.savez(new / "representations.npz", **representations)
        predictions.insert(0, "network", network)
        write_table(new / "predictions.parquet", predictions)
        write_table(new / "units.parquet", units)
        np.savez_compressed(new / "units.npz", **patches)  # most patches are 0 in most places
        if energy is not None:
            energy.insert(0, "network", network)
            write_table(new / "energy.parquet", energy)
            trained = energy[energy["state"] == "trained"]
            shares = trained.groupby("alias", sort=False)["energy_outside_fraction"].mean().dropna()
            write_json(new / "metrics.json", {f"energy_outside.{alias}": share for alias, share in shares.items()})
    return folder


def read_deconvolution(network: str, table: str) -> "pd.DataFrame":
    """One of the tables of ``write_deconvolution``: "images", "predictions" or "units"."""
    return read_table(DECONVOLUTION / network / f"{table}.parquet", f"deconvolve@{network}")


def read_energy(network: str) -> "pd.DataFrame | None":
    """The energies of the reconstructions outside the subject, trained and untrained; None where nobody knows it."""
    path = DECONVOLUTION / network / "energy.parquet"
    read_deconvolution(network, "images")  # that the folder is there at all
    return read_table(path, f"deconvolve@{network}") if path.exists() else None


def read_representations(network: str) -> dict[str, np.ndarray]:
    """Layer to what its representation of each image shown was carried back to; shallow layers first."""
    return read_arrays(DECONVOLUTION / network / "representations.npz", f"deconvolve@{network}")


def read_unit_patches(network: str, layer: str) -> "tuple[pd.DataFrame, np.ndarray] | None":
    """The rows of units.parquet of one layer and its deconvolved patches; None where it has none."""
    units = read_deconvolution(network, "units")
    path = DECONVOLUTION / network / "units.npz"
    with reading(path, f"deconvolve@{network}"), np.load(path) as arrays:
        return (units[units["layer"] == layer], arrays[layer]) if layer in arrays else None
