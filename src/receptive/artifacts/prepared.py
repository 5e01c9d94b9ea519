"""``data/prepared/<dataset>``: images, labels, statistics, subject masks."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from receptive.artifacts.files import (
    digest_files,
    read_arrays,
    read_json,
    read_table,
    reading,
    write_json,
    write_table,
    writing,
)
from receptive.artifacts.root import project_root
from receptive.datasets.jpegs import JpegImages
from receptive.datasets.prepared import Prepared, centre_view, check, select_classes
from receptive.errors import ReceptiveError

FOLDER = Path("data/prepared")
STAGE = "prepare"


def raw_folder(dataset: str, path: str | None) -> Path:
    """The folder of the user's own files of a data set: ``path``, else the variable, else ``data/raw/<dataset>``.

    The variable is ``RECEPTIVE_`` and the data set's name in capitals. Relative paths start from the project's
    own folder, also in the temporary copies that DVC makes for experiments.
    """
    chosen = path or os.environ.get(f"RECEPTIVE_{dataset.upper()}") or f"data/raw/{dataset}"
    return project_root() / Path(chosen).expanduser()


def write_prepared(prepared: Prepared, folder: Path | None = None) -> Path:
    """Writes images, labels, statistics, mean image and, where known, subject masks; returns the folder.

    Of a set decoded from files (``prepared.origin``) also ``files.parquet`` and ``damaged.parquet``. Its images are
    moved, not copied, with all that surrounds the views (``view_px`` in stats.json): ``images.npy``, or JPEGs in
    ``images.jpegs`` and their index in ``images.npz`` (``store`` in stats.json; ``datasets.jpegs.write_jpegs``).
    """
    folder = folder or FOLDER / prepared.name
    origin = prepared.origin
    facts = {}
    if prepared.surround is not None:
        facts["view_px"] = prepared.images.shape[1]
    if prepared.folders:
        facts["folders"] = list(prepared.folders)
    with writing(folder) as new:
        images = new / "images.npy"
        if origin is None:
            np.save(images, prepared.images if prepared.surround is None else prepared.surround)
        else:
            images = origin.decoded
            if images.suffix == ".jpegs":
                facts["store"] = "jpeg"
            write_table(new / "files.parquet", origin.files)
            write_table(new / "damaged.parquet", origin.damaged)
            facts["sources"] = {"files": len(origin.files) + len(origin.damaged), "digest": origin.digest}
        write_table(new / "labels.parquet", prepared.labels)
        np.save(new / "mean_image.npy", prepared.mean_image)
        if prepared.subject_mask is not None:
            np.save(new / "subject_mask.npy", prepared.subject_mask)
        write_json(
            new / "stats.json",
            {
                "name": prepared.name,
                "classes": list(prepared.classes),
                "images": len(prepared.images),
                "mean": prepared.mean.tolist(),
                "std": prepared.std.tolist(),
                "covariance": prepared.covariance.tolist(),
                "digest": digest_files(images, new / "labels.parquet"),
                **facts,
            },
        )
        if origin is not None:  # last: whatever fails before leaves hours of decoding where they are
            if images.suffix == ".jpegs":
                shutil.copy(images.with_suffix(".npz"), new / "images.npz")
            shutil.move(images, new / f"images{images.suffix}")
    return folder


def read_prepared(dataset: str, folder: Path | None = None) -> Prepared:
    """The prepared set; its images stay on the disk and are read where they are used.

    Raises:
        ReceptiveError: The folder or a file is missing or damaged, or the files do not belong together.
    """
    folder = folder or FOLDER / dataset
    made_by = f"{STAGE}@{dataset}"
    stats = read_json(folder / "stats.json", made_by)
    arrays: dict[str, Any] = {}
    jpegs = folder / "images.jpegs"
    for name in ("images", "mean_image", "subject_mask"):
        path = folder / f"{name}.npy"
        if name == "images" and stats.get("store") == "jpeg":
            index = read_arrays(jpegs.with_suffix(".npz"), made_by)
            with reading(jpegs, made_by):
                cure = f"remove it and run 'dvc checkout', or 'dvc repro {made_by}'"
                arrays[name] = JpegImages(jpegs, index, cure)
            continue
        if name == "subject_mask" and not path.exists():
            arrays[name] = None
            continue
        with reading(path, made_by):
            arrays[name] = np.load(path, mmap_mode="r")
    labels = read_table(folder / "labels.parquet", made_by)
    with reading(folder, made_by):
        if "view_px" in stats:
            arrays["surround"] = arrays["images"]
            arrays["images"] = centre_view(arrays["images"], stats["view_px"])
        prepared = Prepared(
            name=stats["name"],
            folders=tuple(stats.get("folders", ())),
            labels=labels,
            classes=tuple(stats["classes"]),
            mean=np.array(stats["mean"]),
            std=np.array(stats["std"]),
            covariance=np.array(stats["covariance"]),
            **arrays,
        )
        if len(prepared.images) != stats["images"]:
            raise ValueError(f"{len(prepared.images)} images where stats.json says {stats['images']}")
        try:
            check(prepared)
        except ReceptiveError as error:
            raise ValueError(error) from None
    return prepared


def read_images(dataset: str, classes: Sequence[str] | None = None) -> Prepared:
    """The prepared images of a data set, reduced to ``classes`` where these are given.

    Raises:
        ReceptiveError: As ``read_prepared``, or the set has no such class.
    """
    prepared = read_prepared(dataset)
    return prepared if classes is None else select_classes(prepared, classes)


def prepared_digest(dataset: str) -> str:
    """A digest of the images and labels, as ``write_prepared`` recorded it."""
    return read_json(FOLDER / dataset / "stats.json", f"{STAGE}@{dataset}", ["digest"])["digest"]


def prepared_sources(dataset: str) -> str | None:
    """The digest of the files that a prepared set was decoded from; None where there is no such set."""
    path = FOLDER / dataset / "stats.json"
    return read_json(path, f"{STAGE}@{dataset}").get("sources", {}).get("digest") if path.exists() else None
