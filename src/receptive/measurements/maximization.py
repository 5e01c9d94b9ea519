"""Which units the study maximises, from where, and how their responses compare with natural ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from receptive.datasets.prepared import Prepared
from receptive.io.artifacts import maximization_group
from receptive.methods.capture import capture
from receptive.methods.maximization import (
    FOURIER_START,
    PRESETS,
    STATUSES,
    Crop,
    Fourier,
    Preset,
    colour_basis,
    maximise,
    receptive_field_crop,
)
from receptive.methods.unit_statistics import quantile_of
from receptive.networks import base_name
from receptive.networks.layers import Layer, select_layers
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.schema import Params
from receptive.seeds import generator


@dataclass(frozen=True)
class Group:
    """Units of one layer that are maximised in the same way."""

    layer: Layer
    units: tuple[int, ...]
    objective: str
    preset_name: str
    preset: Preset

    @property
    def name(self) -> str:
        """Under which its images are kept."""
        return maximization_group(self.layer.name, self.objective, self.preset_name, self.preset.initialisation)

    @property
    def centre(self) -> tuple[int, int]:
        """The middle position of the layer's map, the later one of two."""
        return self.layer.map_size[0] // 2, self.layer.map_size[1] // 2

    @property
    def crop(self) -> Crop:
        """The part of the image that is optimised: what the neuron needs, or the whole image."""
        height, width = self.layer.field.image_size
        if self.objective != "neuron":
            return Crop(0, 0, height, width, (0, 0))
        return receptive_field_crop(self.layer.field, self.centre)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """What is shown: the neuron's receptive field (may leave the image), or the whole image."""
        height, width = self.layer.field.image_size
        return self.layer.field.box(*self.centre) if self.objective == "neuron" else (0, 0, height, width)


def plan(params: Params, network: str, known: list[Layer], classes: int) -> list[Group]:
    """The groups of ``params.maximize`` that concern a network, each once.

    Raises:
        ReceptiveError: a group names a layer that the network does not have.
    """
    height = known[0].field.image_size[0]
    groups: dict[str, Group] = {}
    for entry in params.maximize.groups:
        if entry.networks is not None and base_name(network) not in entry.networks:
            continue
        preset = PRESETS[entry.preset]
        preset = replace(
            preset,
            initialisation=entry.initialisation or preset.initialisation,
            iterations=params.maximize.iterations.get(entry.preset, preset.iterations),
        )
        for layer in select_layers(known, entry.layers, params.stimuli.largest_field * height):
            shown = {*range(min(params.maximize.channels, layer.units)), params.channel_of(network, layer.units)}
            units = range(classes) if entry.objective == "class" else sorted(shown)
            group = Group(layer, tuple(units), entry.objective, entry.preset, preset)
            groups.setdefault(group.name, group)
    return list(groups.values())


class Study:
    """One network and its images, ready to maximise groups of units.

    Args:
        network: in evaluation mode, on the device where it is to run; normalisation: there, too.
        prepared: the images that the network learned: the class means and the covariance of colours.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        network: nn.Module,
        normalisation: Normalisation,
        prepared: Prepared,
        batch_size: int,
    ):
        self.seed, self.name, self.network, self.normalisation = seed, name, network, normalisation
        self.prepared, self.batch_size = prepared, batch_size
        self.device = next(network.parameters()).device

    def maximise(self, group: Group, on_step: Callable[[int], object]) -> dict[str, np.ndarray]:
        """``images`` (pixels of the box inside the image, unit x y x x x channel), ``activation`` and ``status``."""
        crop = group.crop
        fourier = self._fourier(group) if group.preset.fourier else None
        draws = None
        if group.preset.transforms:
            # one path of shifts and turns a group: the same for every unit, whatever the batch
            chance = generator(self.seed, "maximize", self.name, group.name, "transforms")
            draws = torch.rand(group.preset.iterations, 4, generator=chance) * 2 - 1
        result = maximise(
            self.network,
            group.layer.name,
            group.units,
            group.objective,
            group.preset,
            self._start(group, fourier).to(self.device),
            position=crop.position if group.objective == "neuron" else None,
            parametrise=fourier,
            draws=draws,
            batch_size=self.batch_size,
            on_step=on_step,
        )
        return {
            "images": self._pixels(group, result.images),
            "activation": result.activation.cpu().numpy(),
            "status": np.array(result.status),
        }

    def _start(self, group: Group, fourier: Fourier | None) -> Tensor:
        """What the optimisation of each unit starts from; noise has a generator of its own for every unit."""
        crop, channels = group.crop, self.prepared.images.shape[3]
        shape = (channels, crop.bottom - crop.top, crop.right - crop.left)
        if group.preset.initialisation == "zero":
            return torch.zeros(len(group.units), *shape)
        if group.preset.initialisation == "mean":
            means = torch.stack([self._class_mean(unit) for unit in group.units])
            return self.normalisation(means.to(self.device))
        shape, scale = (fourier.coefficients, FOURIER_START) if fourier else (shape, 1.0)
        chances = (generator(self.seed, "maximize", self.name, group.name, unit) for unit in group.units)
        return scale * torch.stack([torch.randn(shape, generator=chance) for chance in chances])

    def _class_mean(self, label: int) -> Tensor:
        """Mean pixel by pixel of the class's training images, channel x y x x, in [0, 1]."""
        labels = self.prepared.labels
        rows = labels.loc[(labels["split"] == "train") & (labels["label"] == label), "image"].to_numpy()
        total = torch.zeros(self.prepared.images.shape[1:], dtype=torch.float64)
        for first in range(0, len(rows), 256):
            total += torch.from_numpy(np.asarray(self.prepared.images[rows[first : first + 256]])).double().sum(0)
        return (total / len(rows) / 255).float().movedim(-1, 0)

    def _fourier(self, group: Group) -> Fourier:
        covariance = torch.as_tensor(np.asarray(self.prepared.covariance), dtype=torch.float64)
        return Fourier(
            group.layer.field.image_size, colour_basis(covariance).float().to(self.device), self.normalisation
        )

    def _pixels(self, group: Group, images: Tensor) -> np.ndarray:
        crop, (height, width) = group.crop, group.layer.field.image_size
        # a mean image is subtracted place by place, so the crop goes back to its place first
        whole = images.new_zeros(*images.shape[:2], height, width)
        whole[:, :, crop.top : crop.bottom, crop.left : crop.right] = images
        top, left, bottom, right = group.box
        shown = self.normalisation.inverse(whole)[:, :, max(top, 0) : bottom, max(left, 0) : right]
        return shown.movedim(1, -1).contiguous().cpu().numpy()


@torch.no_grad()
def natural_means(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], groups: list[Group]
) -> dict[str, dict[int, np.ndarray]]:
    """By layer and unit the mean over the map of each natural image, for the units whose channel is maximised.

    The histograms of the stage ``extract`` hold single positions, and a mean over a map is less extreme than these.

    Args:
        batches: of the images' numbers and the normalised images.
    """
    units: dict[str, list[int]] = {}
    for group in groups:
        if group.objective == "channel":
            units[group.layer.name] = sorted({*units.get(group.layer.name, []), *group.units})
    if not units:
        return {}
    parts: dict[str, list[Tensor]] = {layer: [] for layer in units}

    def read(layer: str, response: Tensor) -> None:
        parts[layer].append(response[:, units[layer]].float().mean((2, 3)).cpu())

    with capture(network, units, read, stop=True):
        for _, images in batches:
            network(images.contiguous(memory_format=torch.channels_last))
    return {layer: dict(zip(units[layer], torch.cat(means).numpy().T, strict=True)) for layer, means in parts.items()}


def results_of(
    network: str,
    seed: int,
    group: Group,
    kept: dict[str, np.ndarray],
    histograms: dict[str, np.ndarray],
    units: pd.DataFrame,
    means: dict[int, np.ndarray] | None,
) -> pd.DataFrame:
    """The rows of results.parquet of one group.

    ``quantile`` is the share of natural responses that are smaller: for a neuron of all positions of all
    validation images, for a channel of the images' means over the map, for a class of the images' scores;
    ``natural_max`` is the greatest of these.

    Args:
        kept: of ``Study.maximise``; units: units.parquet; means: the layer's ``natural_means``.
    """
    chosen, layer = list(group.units), group.layer
    if group.objective == "channel":
        natural = np.stack([means[unit] for unit in chosen])
        greatest = natural.max(1)
        quantile = (natural < kept["activation"][:, None]).mean(1)
        quantile = np.where(np.isnan(kept["activation"]), np.nan, quantile)
    else:
        greatest = units[units["layer"] == layer.name].set_index("unit")["max"].loc[chosen].to_numpy()
        counts = histograms[layer.name][chosen]
        quantile = quantile_of(kept["activation"], counts, histograms["edges"], greatest)
    return pd.DataFrame(
        {
            "network": network,
            "layer": layer.name,
            "alias": layer.alias,
            "unit": chosen,
            "objective": group.objective,
            "preset": group.preset_name,
            "initialisation": group.preset.initialisation,
            "status": kept["status"].astype(object),
            "activation": kept["activation"],
            "quantile": quantile,
            "natural_max": greatest,
            "iterations": group.preset.iterations,
            "seed": seed,
            **dict(zip(("top_px", "left_px", "bottom_px", "right_px"), group.box, strict=True)),
        }
    )


def metrics_of(results: pd.DataFrame) -> dict[str, float]:
    """How many results have each status, and the share of good ones beyond every natural response."""
    good = results[results["status"] == "ok"]
    counts = {status: int((results["status"] == status).sum()) for status in STATUSES}
    return {**counts, "beyond_natural": float((good["activation"] > good["natural_max"]).mean()) if len(good) else 0.0}
