"""Small studies in the current folder, written by the contracts' own writers, and what a section makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from receptive.artifacts.finished import Finished, write_network
from receptive.artifacts.networks import COLUMNS as HISTORY
from receptive.artifacts.prepared import write_prepared
from receptive.artifacts.stimuli import LayerStimuli, write_choices
from receptive.datasets.prepared import Prepared, prepare
from receptive.networks import build
from receptive.networks.layers import Layer, layers
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import load_params
from receptive.params.schema import Params
from receptive.report.page import Picture, Section
from receptive.report.writer import Writer

PROJECT = Path(__file__).parents[1]
SIZE = 32
CLASSES = ("cat", "dog")
TRAINING, VALIDATION = 4, 8


class Kept(Writer):
    """A writer that keeps figures and tables in memory; figures are not drawn."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.figures: dict[str, Figure] = {}
        self.tables: dict[str, pd.DataFrame] = {}

    def picture(self, name: str, figure: Figure, alt: str, caption: str) -> Picture:
        self.figures[name] = figure
        return Picture(f"figures/{name}.png", alt, caption)

    def table(self, name: str, table: pd.DataFrame, *given: Any, **named: Any):
        self.tables[name] = table
        return super().table(name, table, *given, **named)


def parameters(*networks: str, data: str = "collages", **sections: Any) -> Params:
    """The project's parameters for some networks, all trained on all classes of one data set.

    Args:
        sections: changes: a whole value, or a dict of the fields of a section that change.
    """
    params = load_params(PROJECT / "params.yaml")
    facts = {"images": data, "classes": None}
    trainings = {name: params.trainings[name].model_copy(update=facts) for name in networks}
    update: dict[str, Any] = {"models": list(networks), "trainings": trainings, "datasets": [data], "channels": {}}
    for name, changes in sections.items():
        old = getattr(params, name)
        update[name] = old.model_copy(update=changes) if hasattr(old, "model_copy") else changes
    return params.model_copy(update=update)


def repeated(params: Params, network: str, count: int) -> Params:
    """The same parameters with ``count`` trainings of a network: ``vggcnn``, ``vggcnn-2``, ..."""
    more = {f"{network}-{number}": params.trainings[network] for number in range(2, count + 1)}
    return params.model_copy(update={"trainings": {**params.trainings, **more}})


def write_images(name: str = "collages", classes=CLASSES, masks: bool = True, channels: int = 3) -> Prepared:
    """Twelve images of noise, classes in turn, the first four for training; subjects are the upper left quarter."""
    count = TRAINING + VALIDATION
    images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, channels), dtype=np.uint8)
    labels = np.arange(count) % len(classes)
    table = pd.DataFrame(
        {
            "image": np.arange(count),
            "split": ["train"] * TRAINING + ["validation"] * VALIDATION,
            "label": labels,
            "class_name": [classes[label] for label in labels],
        }
    )
    mask = np.zeros((count, SIZE, SIZE), bool)
    mask[:, : SIZE // 2, : SIZE // 2] = True
    prepared = prepare(name, images, table, classes, mask if masks else None)
    write_prepared(prepared)
    return prepared


def write_small_network(
    name: str, training: str | None = None, classes=CLASSES, channels: int = 3, top1: float = 0.75, **options: float
) -> list[Layer]:
    """A narrow network that was never trained, as stage train leaves it, with two epochs; returns its layers."""
    options = {"width": 0.0625, **options}
    network = build(name, classes=len(classes), image_size=SIZE, channels=channels, **options)
    history = [
        {"epoch": epoch, "split": split, "loss": 2.0 / epoch, "top1": top1 * epoch / 2, "top5": 1.0}
        for epoch in (1, 2)
        for split in ("train", "validation")
    ]
    first = next(key for key, value in network.named_parameters() if value.dim() == 4)
    write_network(
        training or name,
        Finished(
            network=network,
            normalisation=Normalisation(torch.zeros(channels, 1, 1), torch.eye(channels)),
            untrained=network.state_dict(),
            description={
                "classes": list(classes),
                "image_size": SIZE,
                "channels": channels,
                "options": options,
                "first_filters": first,
                "dataset": "collages",
            },
            history=[{column: row.get(column, 0.0) for column in HISTORY} for row in history],
            metrics={
                "parameters": 1234,
                "train": {"top1": 0.9, "top5": 1.0, "loss": 0.1},
                "validation": {"top1": top1, "top5": 0.95, "loss": 0.5},
            },
        ),
    )
    return layers(network, SIZE, channels)


def captions(section: Section) -> dict[str, str]:
    """Name of each picture to its caption."""
    return {Path(part.file).stem: part.caption for part in section.parts if isinstance(part, Picture)}


def table_names(section: Section) -> list[str]:
    """Names of the tables in the order of the page."""
    return [Path(part.files[0]).stem for part in section.parts if part.kind == "table"]


def with_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """The table with all columns of a contract: those that it lacks hold zeros."""
    return table.assign(**{name: 0.0 for name in columns if name not in table})[list(columns)]


def four_corners(count: int) -> pd.DataFrame:
    """Boxes of 8 px in the corners of an image, in turn; the second leaves the image by 4 px."""
    boxes = [(0, 0), (-4, SIZE - 8), (SIZE - 8, 0), (SIZE - 8, SIZE - 8)]
    table = pd.DataFrame([boxes[i % 4] for i in range(count)], columns=["top_px", "left_px"])
    return table.assign(bottom_px=table["top_px"] + 8, right_px=table["left_px"] + 8)


def write_small_choices(network: str, known: list[Layer], training: str | None = None) -> None:
    """Shares of right choices of the units of the layers that fit: 0.9 trained, 0.6 before; unit 0 has none."""
    tables = [
        pd.DataFrame(
            {
                **{"network": training or network, "state": state, **layer.heading(), "unit": np.arange(layer.units)},
                "right": np.where(np.arange(layer.units) == 0, np.nan, right),
            }
        )
        for state, right in (("trained", 0.9), ("untrained", 0.6))
        for layer in known
        if layer.fits(SIZE)
    ]
    write_choices(training or network, pd.concat(tables, ignore_index=True), {})


def small_stimuli(layer: Layer, interior: bool = True) -> LayerStimuli:
    """Patches of 6 px: rank r of channel c has the value 20 c + r, the mean of channel c is bright in row c modulo 6.

    Channel 1 is dead, channel 2 has no mean.

    Args:
        interior: whether the layer has interior positions.
    """
    units = layer.units
    unit, rank = (places.ravel() for places in np.indices((units, 16)))
    mean = np.full((units, 6, 6, 3), 0.25)
    mean[range(units), np.arange(units) % 6] = 0.75
    count = np.where(np.arange(units) == 2, 0, 1000 + np.arange(units))
    arrays = {
        "patches": (20 * unit + rank).astype(np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 3), np.uint8),
        "unit": unit,
        "rank": rank,
        "box": np.tile([0, 0, 6, 6], (len(unit), 1)),
        "activation": np.where(unit == 1, 0.0, 1.0),
    }
    for mode in ("all", "interior", "center"):
        present = interior or mode != "interior"
        arrays[f"mean_{mode}"] = mean if present else np.zeros(0)
        arrays[f"count_{mode}"] = count if present else np.zeros(0)
        arrays[f"baseline_{mode}"] = np.full((6, 6, 3), 0.25) if present else np.zeros(0)
    return LayerStimuli(layer.name, arrays)
