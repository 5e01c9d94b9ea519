"""What the networks are shown."""

import numpy as np

from receptive.figures import prepared as data
from receptive.io import artifacts
from receptive.params.schema import Params
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, write: Writer) -> Section:
    """Samples of every prepared set."""
    parts = []
    for name in params.datasets:
        prepared = artifacts.read_prepared(name)
        rows = prepared.labels[prepared.labels["split"] == "validation"].sort_values(["label", "image"])
        # two of every class, up to twenty
        rows = rows.groupby("label", sort=True).head(2).iloc[:20]
        numbers = rows["image"].to_numpy()
        masks = None if prepared.subject_mask is None else np.asarray(prepared.subject_mask[numbers])
        outlined = "" if masks is None else " The outlined leaf is the subject: the label names its photograph."
        counts = prepared.labels["split"].value_counts()
        parts.append(
            write.picture(
                f"data_{name}",
                data.samples(np.asarray(prepared.images[numbers]), rows["class_name"].tolist(), masks),
                f"Validation images of {name}, two of every class",
                f"{name}: {counts['train']:,} training and {counts['validation']:,} validation images of "
                f"{prepared.images.shape[2]} px in {len(prepared.classes)} classes.{outlined}",
            )
        )
    text = (
        "Collages are dead leaves cut from photographs: a background, small leaves, and one large subject leaf on "
        "top. Training and validation share the photographs, never a composition, so accuracy here says how well a "
        "network tells these photographs apart in clutter, not how well it would know new objects."
        if "collages" in params.datasets
        else "The images that the networks learned and are judged on."
    )
    return Section("images", "Images", text, parts)
