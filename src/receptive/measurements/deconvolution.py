"""Deconvolution: what whole representations and single units' top responses come from (YU 4.2, figures 4, 5, 7)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.artifacts.deconvolution import COLUMNS, Deconvolution, UnitPatches
from receptive.measurements.subject import Subject
from receptive.methods.deconvolution import OutsideOthers, deconvolve, deconvolve_units, energy_outside
from receptive.methods.preferred_stimuli import cut_patches
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.layers import Layer
from receptive.params.sections import Deconvolve as Settings

MOST_CONVS = 16
"""Networks with more convolutions show the units of every second one; VGGCNN's 13 are all shown (YU figure 7)."""

PREDICTIONS = 5
"""Classes that are named for each image shown, the most probable first."""

Advance = Callable[[int], object]
"""Called with the number of images that have been carried back since the last call."""


@dataclass(frozen=True)
class Plan:
    """What is carried back.

    Attributes:
        settings: section ``deconvolve``.
        largest: a position that sees more than this, px, is shown with the whole image.
        whole: layers whose whole representations are carried back.
        by_unit: layers whose units' best responses are carried back alone.
        images: rows of labels.parquet, the images of the whole representations.
        control: those of them whose reconstructions are measured in the untrained network, too.
        responses: rows of preferred.parquet, the best responses.
    """

    settings: Settings
    largest: float
    whole: list[Layer]
    by_unit: list[Layer]
    images: pd.DataFrame
    control: pd.DataFrame
    responses: pd.DataFrame

    @property
    def steps(self) -> int:
        """How far ``Advance`` counts."""
        return (len(self.images) + len(self.control)) * len(self.whole) + len(self.responses)


def plan(subject: Subject, preferred: pd.DataFrame, settings: Settings, largest: float) -> Plan:
    """The layers, images and responses that ``settings`` ask for.

    Args:
        preferred: preferred.parquet of the training.
    """
    convs = [layer for layer in subject.layers if layer.kind == "conv"]
    by_unit = convs if len(convs) <= MOST_CONVS else convs[::2]
    measured = settings.energy_images if subject.prepared.subject_mask is not None else 0
    images = in_turn(subject.prepared.labels).head(max(settings.images, measured))
    shown = (
        preferred["layer"].isin([layer.name for layer in by_unit])
        & (preferred["unit"] < settings.units)
        & (preferred["rank"] < settings.patches)
        & (preferred["activation"] > 0)  # a unit without a row is dead
    )
    return Plan(
        settings=settings,
        largest=largest,
        whole=convs[::2] + [layer for layer in subject.layers if layer.kind == "fc"][-1:],
        by_unit=by_unit,
        images=images,
        control=images.head(measured),
        responses=preferred[shown],
    )


def in_turn(labels: pd.DataFrame) -> pd.DataFrame:
    """The validation images: the first of each class, then the second of each class, and so on."""
    rows = labels[labels["split"] == "validation"].sort_values(["label", "image"])
    return rows.assign(turn=rows.groupby("label").cumcount()).sort_values(["turn", "label"]).drop(columns="turn")


def measure(subject: Subject, chosen: Plan, advance: Advance) -> Deconvolution:
    """Carries back everything that is ``chosen``."""
    settings = chosen.settings
    whole = whole_representations(subject, chosen.images, chosen.whole, settings, advance)
    energy = whole.energy
    if energy is not None and len(chosen.control):
        control = energies(subject.untrained(), "untrained", chosen.control, chosen.whole, settings.batch_size, advance)
        energy = pd.concat([energy, control], ignore_index=True)
    return Deconvolution(
        images=chosen.images.head(settings.images)[list(COLUMNS["images.parquet"])].reset_index(drop=True),
        representations=whole.reconstructions,
        energy=energy,
        predictions=whole.predictions,
        units=unit_patches(subject, chosen.responses, chosen.by_unit, chosen.largest, settings.batch_size, advance),
        metrics={} if energy is None else metrics_of(energy),
    )


def metrics_of(energy: pd.DataFrame) -> dict[str, float]:
    """By alias the mean share of the trained reconstructions' energy that lies outside the subject."""
    trained = energy[energy["state"] == "trained"]
    shares = trained.groupby("alias", sort=False)["energy_outside_fraction"].mean().dropna()
    return {f"energy_outside.{alias}": float(share) for alias, share in shares.items()}


def off_the_record(units: UnitPatches) -> int:
    """How many responses are more than 1% off the activation that the stage ``extract`` recorded."""
    rows = units.rows
    return int((rows["response"] - rows["activation"]).abs().gt(0.01 * rows["activation"]).sum())


# ---------------------------------------------------------------- whole representations


@dataclass(frozen=True)
class Whole:
    """What whole representations of images come from, and what the network takes the images for.

    Attributes:
        reconstructions: by layer, image x y x x x channel, float32, of the images shown.
        energy: energy.parquet, of all images; None where nobody knows the subject.
        predictions: predictions.parquet, of the images shown.
    """

    reconstructions: dict[str, np.ndarray]
    energy: pd.DataFrame | None
    predictions: pd.DataFrame


@dataclass(frozen=True)
class Batch:
    """Some images and what each layer's representation of them comes from.

    Attributes:
        rows: their rows of labels.parquet.
        images: normalised, image x channel x y x x.
        reconstructions: by layer, shaped as the images.
    """

    rows: pd.DataFrame
    images: Tensor
    reconstructions: dict[str, Tensor]


def whole_representations(
    subject: Subject, images: pd.DataFrame, layers: list[Layer], settings: Settings, advance: Advance
) -> Whole:
    """Each layer's representation of the images, carried back and measured; the first ``settings.images`` are shown.

    Args:
        images: rows of labels.parquet.
    """
    shown: dict[str, list[np.ndarray]] = {layer.name: [] for layer in layers}
    energy, predictions = Energies(subject, "trained", images), []
    to_show = settings.images
    for batch in _carried_back(subject, images, layers, settings.batch_size):
        for layer in layers:
            shown[layer.name].append(_channel_last(batch.reconstructions[layer.name][:to_show]))
            if subject.prepared.subject_mask is not None:
                energy.add(layer, batch)
            advance(len(batch.rows))
        if to_show:
            predictions.append(_predictions(subject, batch, to_show))
        to_show = max(0, to_show - len(batch.rows))
    return Whole(
        reconstructions={name: np.concatenate(parts) for name, parts in shown.items()},
        energy=energy.table() if subject.prepared.subject_mask is not None else None,
        predictions=pd.concat(predictions, ignore_index=True),
    )


def energies(
    subject: Subject, state: str, images: pd.DataFrame, layers: list[Layer], batch_size: int, advance: Advance
) -> pd.DataFrame:
    """The energy of each layer's reconstructions against the subject's mask: energy.parquet.

    Args:
        state: what the table calls the network: "trained" or "untrained".
        images: rows of labels.parquet.
    """
    energy = Energies(subject, state, images)
    for batch in _carried_back(subject, images, layers, batch_size):
        for layer in layers:
            energy.add(layer, batch)
            advance(len(batch.rows))
    return energy.table()


def _carried_back(subject: Subject, images: pd.DataFrame, layers: list[Layer], batch_size: int) -> Iterator[Batch]:
    for start in range(0, len(images), batch_size):
        rows = images.iloc[start : start + batch_size]
        normalised = subject.seen(rows["image"].to_numpy())
        yield Batch(rows, normalised, deconvolve(subject.network, normalised, [layer.name for layer in layers]))


class Energies:
    """Gathers energy.parquet: of each layer and image the reconstruction's energy, and how it lies to the subjects.

    Args:
        state: what the table calls the network.
        images: rows of labels.parquet: all images that will be added, whose subjects are each other's controls.
    """

    def __init__(self, subject: Subject, state: str, images: pd.DataFrame):
        self.subject, self.state, self.images = subject, state, images
        self.tables: list[pd.DataFrame] = []
        self.others: dict[str, OutsideOthers] = {}

    def masks(self, images: pd.DataFrame) -> Tensor:
        """True on the subjects of these images: image x y x x, on the device."""
        assert self.subject.prepared.subject_mask is not None
        masks = np.ascontiguousarray(self.subject.prepared.subject_mask[images["image"].to_numpy()])
        return torch.from_numpy(masks).to(self.subject.device)

    def add(self, layer: Layer, batch: Batch) -> None:
        """One row per image of a batch."""
        mask, reconstructions = self.masks(batch.rows), batch.reconstructions[layer.name]
        if layer.name not in self.others:
            self.others[layer.name] = OutsideOthers(self.masks(self.images).double().sum(0), len(self.images))
        measured = {
            "energy": reconstructions.double().square().sum((1, 2, 3)),
            "energy_outside_fraction": energy_outside(reconstructions, mask),
            "outside_others_fraction": self.others[layer.name].add(reconstructions, mask),
            "area_outside_fraction": 1 - mask.double().mean((1, 2)),
            "image_energy_outside_fraction": energy_outside(batch.images, mask),
        }
        of_images = {name: batch.rows[name].to_numpy() for name in ("image", "label")}
        values = {name: value.cpu().numpy() for name, value in measured.items()}
        heading = {"network": self.subject.name, "state": self.state, **layer.heading()}
        self.tables.append(pd.DataFrame({**heading, **of_images, **values}))

    def table(self) -> pd.DataFrame:
        """All rows, with the other images' energy outside each image's subject, once all images are added."""
        table = pd.concat(self.tables, ignore_index=True)
        table["others_outside_fraction"] = np.nan
        for name, others in self.others.items():
            rows = table["layer"] == name
            own = torch.from_numpy(table.loc[rows, "energy_outside_fraction"].to_numpy().copy()).to(self.subject.device)
            values = others.of_others(own, self.masks(table[rows]))
            table.loc[rows, "others_outside_fraction"] = values.cpu().numpy()
        return table[list(COLUMNS["energy.parquet"])]


@torch.no_grad()
def _predictions(subject: Subject, batch: Batch, count: int) -> pd.DataFrame:
    """predictions.parquet of the first ``count`` images of a batch."""
    classes = subject.prepared.classes
    scores = subject.network(batch.images[:count])
    probability, label = scores.softmax(1).topk(min(PREDICTIONS, len(classes)))
    rows = batch.rows.head(count)[["image", "label", "class_name"]]
    ranks = label.shape[1]
    table = rows.loc[rows.index.repeat(ranks)].assign(
        network=subject.name,
        rank=np.tile(np.arange(ranks), len(rows)),
        predicted=np.array(classes, dtype=object)[label.flatten().cpu().numpy()],
        probability=probability.flatten().cpu().numpy(),
    )
    return table[list(COLUMNS["predictions.parquet"])]


# ---------------------------------------------------------------- single responses


def shown_side(layer: Layer, largest: float) -> tuple[int, int]:
    """Height and width of the patches that stand for a layer's positions, px.

    They are the receptive field, or the whole image where a position sees more than ``largest`` px.
    """
    if not layer.fits(largest):
        return layer.field.image_size
    assert layer.field.y is not None
    assert layer.field.x is not None
    return layer.field.y.size, layer.field.x.size


def unit_patches(
    subject: Subject, responses: pd.DataFrame, layers: list[Layer], largest: float, batch_size: int, advance: Advance
) -> UnitPatches:
    """Each response carried back alone and cut to its receptive field, or to the image where ``shown_side`` says so.

    Args:
        responses: rows of preferred.parquet; those of other layers are left out.
        batch_size: responses per batch.
    """
    tables, patches = [], {}
    for layer in layers:
        rows = responses[responses["layer"] == layer.name].assign(alias=layer.alias, depth=layer.depth)
        side = shown_side(layer, largest)
        if not layer.fits(largest):
            rows[BOX] = (0, 0, *side)
        cut, peaks, carried = [], [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
        for start in range(0, len(rows), batch_size):
            batch = rows.iloc[start : start + batch_size]
            reconstructions, response = _responses_carried_back(subject, layer, batch)
            peak = reconstructions.abs().amax((1, 2, 3))
            smallest = torch.finfo(peak.dtype).tiny
            scaled = reconstructions / peak.clamp(min=smallest)[:, None, None, None]
            cut.append(cut_patches(_channel_last(scaled).astype(np.float16), batch[BOX].to_numpy(), side, outside=0))
            peaks.append(peak.cpu().numpy())
            carried.append(response.cpu().numpy())
            advance(len(batch))
        if cut:  # a layer of dead units has none
            patches[layer.name] = np.concatenate(cut)
        tables.append(rows.assign(response=np.concatenate(carried), peak=np.concatenate(peaks)))
    return UnitPatches(pd.concat(tables, ignore_index=True), patches)


def _responses_carried_back(subject: Subject, layer: Layer, rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
    images = subject.seen(rows["image"].to_numpy())
    unit, y, x = (torch.from_numpy(rows[name].to_numpy().copy()).to(subject.device) for name in ("unit", "y", "x"))
    return deconvolve_units(subject.network, images, layer.name, unit, y, x)


def _channel_last(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
