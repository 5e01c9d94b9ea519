"""The images that the networks learned, and where they come from."""

import numpy as np
import pandas as pd

from receptive.artifacts.prepared import read_prepared
from receptive.datasets.collages import PHOTOGRAPHS
from receptive.figures import prepared as figures
from receptive.params.schema import Params
from receptive.report.page import Section, Table
from receptive.report.writer import Writer

_SHOWN = 32  # images of a set, two of every class


def section(params: Params, write: Writer) -> Section:
    """Samples of every prepared set and, of the collages, the photographs with their licences."""
    parts = []
    for name in params.datasets:
        images = read_prepared(name)
        rows = images.labels[images.labels["split"] == "validation"].sort_values(["label", "image"])
        rows = rows.groupby("label", sort=True).head(2).iloc[:_SHOWN]
        numbers = rows["image"].to_numpy()
        masks = None if images.subject_mask is None else np.asarray(images.subject_mask[numbers])
        outlined = "" if masks is None else " The outlined leaf is the subject: the label names what it shows."
        counts = images.labels["split"].value_counts()
        parts.append(
            write.picture(
                f"data_{name}",
                figures.samples(np.asarray(images.images[numbers]), rows["class_name"].tolist(), masks),
                f"Validation images of {name}, two of every class",
                f"{name}: {counts['train']:,} training and {counts['validation']:,} validation images of "
                f"{images.images.shape[2]} px in {len(images.classes)} classes.{outlined}",
            )
        )
        if name == "collages":
            parts.append(_credits(params, write))
    text = (
        "Collages are dead leaves cut from photographs: a background, small leaves, and one subject leaf on top, "
        "anywhere in the frame. The label names the motif of the subject. Every leaf has its own hue, saturation and "
        "contrast, so colour says little of the motif. Training and validation images share the photographs, but never "
        "a composition. So accuracy here says how well a network tells these motifs apart in clutter, not how well it "
        "would recognise new objects."
        if "collages" in params.datasets
        else "The images that the networks learned, and those that they are measured on."
    )
    return Section("prepared", "Images", text, parts)


def _credits(params: Params, write: Writer) -> Table:
    """Authors and licences: subjects show the classes, small leaves and backgrounds the other photographs."""
    return write.table(
        "photographs",
        photographs(params.prepare.collages.classes),
        "The photographs that the collages are made of, with authors and licences. Parts of them were cut out, scaled, "
        "mirrored, turned, recoloured, brightened or darkened, and covered by each other. Small leaves and backgrounds "
        "also show textures that are made by rule.",
        folded=True,
    )


def photographs(classes: list[str]) -> pd.DataFrame:
    """One row per motif: whether it is a class of the collages, the package that ships it, and its credit."""
    libraries = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
    return pd.DataFrame(
        [
            {
                "photograph": name,
                "shown as": "class" if name in classes else "small leaf and background",
                "shipped with": libraries.get(source.package, source.package),
                "author and licence": source.credit,
            }
            for name, source in PHOTOGRAPHS.items()
        ]
    )
