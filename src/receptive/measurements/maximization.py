"""Activation maximization of one network: which units, from which start, and how natural responses compare."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from receptive.artifacts.checkpoints import keep, read_kept
from receptive.artifacts.maximization import Maximization, maximization_group
from receptive.errors import ReceptiveError
from receptive.measurements.subject import Subject
from receptive.methods.capture import capture
from receptive.methods.maximization import PRESETS, STATUSES, Crop, Preset, receptive_field_crop, responses
from receptive.methods.maximization import maximize as maximize_images
from receptive.methods.maximization_parametrisation import FOURIER_START, Fourier, colour_basis
from receptive.methods.receptive_field.fields import BOX
from receptive.methods.response_histogram import quantile_of
from receptive.networks.layers import Layer, select_layers
from receptive.params.schema import Params
from receptive.seeds import generator

_IMAGES_AT_ONCE = 256  # training images of a class that are in memory together


@dataclass(frozen=True)
class Group:
    """Units of one layer that are maximized in the same way.

    Attributes:
        layer: whose responses are maximized.
        units: channels, or for the objective "class" labels; where they start from several draws of noise, all of them
            once for the first draw, then for the second, and so on.
        objective: "neuron", "channel" or "class" (``methods.maximization.maximise``).
        preset_name: key of ``preset`` in ``methods.maximization.PRESETS``.
        preset: the settings, with the initialisation and the iterations that params.yaml asks for.
        seed: of the study; all random draws of the group begin with it.
    """

    layer: Layer
    units: tuple[int, ...]
    objective: str
    preset_name: str
    preset: Preset
    seed: int

    @property
    def name(self) -> str:
        """Key of the group's images in images.npz."""
        return maximization_group(self.layer.name, self.objective, self.preset_name, self.preset.initialisation)

    @property
    def starts(self) -> tuple[int, ...]:
        """Of each of ``units`` the number of its start: 0 where it stands for the first time, then 1, ..."""
        return tuple(self.units[:place].count(unit) for place, unit in enumerate(self.units))

    @property
    def centre(self) -> tuple[int, int]:
        """Middle position (y, x) of the layer's map; of an even number of positions the later one of the two."""
        return self.layer.map_size[0] // 2, self.layer.map_size[1] // 2

    @property
    def crop(self) -> Crop:
        """The part of the image that is optimised: for a neuron what it depends on, otherwise the whole image."""
        height, width = self.layer.field.image_size
        if self.objective != "neuron":
            return Crop(0, 0, height, width, (0, 0))
        return receptive_field_crop(self.layer.field, self.centre)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Box of the picture in px (top, left, bottom, right; half-open).

        For a neuron it is its receptive field, which may leave the image; otherwise it is the whole image.
        """
        height, width = self.layer.field.image_size
        return self.layer.field.box(*self.centre) if self.objective == "neuron" else (0, 0, height, width)

    @property
    def steps(self) -> int:
        """Steps of all units together, for a progress bar."""
        return len(self.units) * self.preset.iterations


class GroupImages(NamedTuple):
    """The maximized images of one group.

    Attributes:
        images: pixels of the group's box inside the image, unit x y x x x channel, float32.
        activation: response of each unit to its image as it can be shown, with pixels clipped to [0, 1]; NaN where
            the optimisation diverged.
        activation_unclipped: response to the image as it was optimised.
        status: of each unit (``methods.maximization.STATUSES``).
    """

    images: np.ndarray
    activation: np.ndarray
    activation_unclipped: np.ndarray
    status: np.ndarray


class Natural(NamedTuple):
    """Responses to the validation images, which the maximized responses are compared with.

    Attributes:
        units: units.parquet of the network.
        histograms: histograms.npz of the network: counts by layer (unit x bin), and ``edges``.
        means: of ``natural_means``.
    """

    units: pd.DataFrame
    histograms: dict[str, np.ndarray]
    means: dict[str, dict[int, np.ndarray]]


def plan(params: Params, subject: Subject) -> list[Group]:
    """The groups of ``params.maximize`` that concern a network, each once.

    Raises:
        ReceptiveError: a group names a layer that the network does not have.
    """
    groups: dict[str, Group] = {}
    for entry in params.maximize.groups:
        if entry.networks is not None and subject.base not in entry.networks:
            continue
        preset = PRESETS[entry.preset]
        preset = replace(
            preset,
            initialisation=entry.initialisation or preset.initialisation,
            iterations=params.maximize.iterations.get(entry.preset, preset.iterations),
        )
        for layer in select_layers(subject.layers, entry.layers, params.stimuli.largest_field * subject.image_size):
            if entry.objective == "class":
                units = tuple(range(len(subject.prepared.classes)))
            else:
                first = range(min(params.maximize.channels, layer.units))
                units = tuple(sorted({*first, params.channel_of(subject.name, layer.units)}))
            units *= entry.starts or 1
            group = Group(layer, units, entry.objective, entry.preset, preset, params.seed)
            groups.setdefault(group.name, group)
    return list(groups.values())


def find_group(groups: list[Group], layer_name: str, objective: str, preset: str, initialisation: str) -> Group:
    """The group with these properties.

    Args:
        layer_name: ``Layer.name``.

    Raises:
        ReceptiveError: there is no such group.
    """
    wanted = maximization_group(layer_name, objective, preset, initialisation)
    for group in groups:
        if group.name == wanted:
            return group
    raise ReceptiveError(f"maximize.groups makes no '{wanted}': add such a group, then run 'dvc repro maximize'")


def maximize(subject: Subject, groups: list[Group], batch_size: int, checkpoints: Path) -> list[GroupImages]:
    """The maximized images of all groups; an interrupted run goes on with the groups that are missing.

    Args:
        batch_size: units in one pass; it changes results by rounding only.
        checkpoints: folder where each group's images are kept.
    """
    made = []
    steps = sum(group.steps for group in groups)
    with tqdm(total=steps, desc=f"maximize {subject.name}", unit="step", dynamic_ncols=True) as bar:
        for number, group in enumerate(groups):
            file = checkpoints / f"{number}.npz"
            kept = read_kept(file)
            if kept is None:
                images = maximize_group(subject, group, batch_size, bar.update)
                keep(file, images._asdict())
            else:
                images = GroupImages(**kept)
                bar.update(group.steps)
            made.append(images)
    return made


def maximize_group(
    subject: Subject, group: Group, batch_size: int, on_step: Callable[[int], object] = lambda images: None
) -> GroupImages:
    """The images that excite the units of a group most.

    Args:
        batch_size: units in one pass; it changes results by rounding only.
        on_step: called after each step with the number of images that it moved.
    """
    draws = None
    if group.preset.transforms:
        # one path of shifts and turns per group: the same for all units, whatever the batch
        chance = generator(group.seed, "maximize", subject.name, group.name, "transforms")
        draws = torch.rand(group.preset.iterations, 4, generator=chance) * 2 - 1
    position = group.crop.position if group.objective == "neuron" else None
    asked = (subject.network, group.layer.name, group.units, group.objective)
    result = maximize_images(
        *asked,
        group.preset,
        start(subject, group),
        position=position,
        parametrise=_fourier(subject, group),
        draws=draws,
        batch_size=batch_size,
        on_step=on_step,
    )
    shown = responses(*asked, as_shown(subject, group, result.images), position=position, batch_size=batch_size)
    shown = torch.where(result.activation.isfinite(), shown, torch.nan)
    pixels = _pixels(subject, group, result.images)
    return GroupImages(pixels, shown.cpu().numpy(), result.activation.cpu().numpy(), np.array(result.status))


def as_shown(subject: Subject, group: Group, images: Tensor) -> Tensor:
    """The same images as a screen can show them: pixels clipped to [0, 1].

    Args:
        images: of the group's crop, normalised: unit x channel x y x x.
    """
    place = group.crop
    pixels = subject.normalisation.inverse(_whole(group, images)).clamp(0, 1)
    return subject.normalisation(pixels)[:, :, place.top : place.bottom, place.left : place.right]


def start(subject: Subject, group: Group) -> Tensor:
    """What the optimisation of each unit of a group starts from, on the subject's device.

    Noise has a random generator of its own for each unit and start, so it does not depend on the other units.

    Returns:
        unit x channel x y x x of the group's crop, normalised; for presets with Fourier coefficients unit x
        coefficients (``methods.maximization.Fourier``).
    """
    crop, fourier = group.crop, _fourier(subject, group)
    shape: tuple[int, ...] = (subject.channels, crop.bottom - crop.top, crop.right - crop.left)
    if group.preset.initialisation == "zero":
        return torch.zeros(len(group.units), *shape, device=subject.device)
    if group.preset.initialisation == "mean":
        means = torch.stack([_class_mean(subject, label) for label in group.units])
        return subject.normalisation(means.to(subject.device))
    shape, scale = (fourier.coefficients, FOURIER_START) if fourier else (shape, 1.0)
    draws = [(unit, number) if number else (unit,) for unit, number in zip(group.units, group.starts, strict=True)]
    chances = [generator(group.seed, "maximize", subject.name, group.name, *draw) for draw in draws]
    return (scale * torch.stack([torch.randn(shape, generator=chance) for chance in chances])).to(subject.device)


def starting_pixels(subject: Subject, group: Group) -> np.ndarray:
    """The images that the optimisation of a group starts from, as pixels.

    Returns:
        unit x y x x x channel, float32, in the order of ``group.units``: the part of the group's box inside the image,
        as in images.npz. Values may leave [0, 1].
    """
    fourier, first = _fourier(subject, group), start(subject, group)
    return _pixels(subject, group, fourier(first) if fourier else first)


def _class_mean(subject: Subject, label: int) -> Tensor:
    """Mean of a class's training images, pixel by pixel: channel x y x x, in [0, 1]."""
    images, labels = subject.prepared.images, subject.prepared.labels
    rows = labels.loc[(labels["split"] == "train") & (labels["label"] == label), "image"].to_numpy()
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    for first in range(0, len(rows), _IMAGES_AT_ONCE):
        total += torch.from_numpy(np.asarray(images[rows[first : first + _IMAGES_AT_ONCE]])).double().sum(0)
    return (total / len(rows) / 255).float().movedim(-1, 0)


def _fourier(subject: Subject, group: Group) -> Fourier | None:
    """From coefficients to normalised images, for presets that optimise coefficients."""
    if not group.preset.fourier:
        return None
    covariance = torch.as_tensor(np.asarray(subject.prepared.covariance), dtype=torch.float64)
    colour = colour_basis(covariance).float().to(subject.device)
    return Fourier(group.layer.field.image_size, colour, subject.normalisation)


def _pixels(subject: Subject, group: Group, images: Tensor) -> np.ndarray:
    """The part of the group's box inside the image as pixels, unit x y x x x channel, of normalised crops."""
    top, left, bottom, right = group.box
    shown = subject.normalisation.inverse(_whole(group, images))[:, :, max(top, 0) : bottom, max(left, 0) : right]
    return shown.movedim(1, -1).contiguous().cpu().numpy()


def _whole(group: Group, images: Tensor) -> Tensor:
    """Crops at their place in the whole image: a mean image is subtracted place by place."""
    crop, (height, width) = group.crop, group.layer.field.image_size
    whole = images.new_zeros(*images.shape[:2], height, width)
    whole[:, :, crop.top : crop.bottom, crop.left : crop.right] = images
    return whole


@torch.no_grad()
def natural_means(subject: Subject, groups: list[Group], batch_size: int) -> dict[str, dict[int, np.ndarray]]:
    """Mean response over the map to each validation image, by layer and unit, of the channels that are maximized.

    The histograms of the stage ``extract`` hold single positions. A mean over a map is less extreme than these.

    Args:
        batch_size: images in one pass.
    """
    units: dict[str, list[int]] = {}
    for group in groups:
        if group.objective == "channel":
            units[group.layer.name] = sorted({*units.get(group.layer.name, []), *group.units})
    if not units:
        return {}
    # not a small tensor for every batch: between the maps these would keep the heap from being given back
    parts = {layer: array("f") for layer in units}

    def read(layer: str, response: Tensor) -> None:
        parts[layer].frombytes(response[:, units[layer]].float().mean((2, 3)).cpu().numpy().tobytes())

    with capture(subject.network, units, read, stop=True):
        for _, images in subject.views(batch_size, progress=f"natural means {subject.name}"):
            subject.network(images.contiguous(memory_format=torch.channels_last))
    means = {layer: np.array(kept).reshape(-1, len(units[layer])).T for layer, kept in parts.items()}
    return {layer: dict(zip(units[layer], means[layer], strict=True)) for layer in units}


def compare(network: str, groups: list[Group], made: list[GroupImages], natural: Natural) -> Maximization:
    """All results with their images, compared with natural responses.

    Args:
        network: name of the training.
        made: of ``maximize``, one per group.
    """
    tables = [results_of(network, group, images, natural) for group, images in zip(groups, made, strict=True)]
    pictures = {group.name: images.images for group, images in zip(groups, made, strict=True)}
    return Maximization(pd.concat(tables, ignore_index=True), pictures)


def results_of(network: str, group: Group, made: GroupImages, natural: Natural) -> pd.DataFrame:
    """The rows of results.parquet of one group (``artifacts.maximization.COLUMNS``).

    ``quantile`` is the share of natural responses that are smaller: for a neuron of all positions of all validation
    images, for a channel of the images' means over the map, for a class of the images' scores. ``natural_max`` is the
    greatest of these responses. Both compare with the response to the image as it can be shown: what the network would
    see of a photograph lies in [0, 1], too.

    Args:
        network: name of the training.
    """
    chosen, layer = list(group.units), group.layer
    if group.objective == "channel":
        responses = np.stack([natural.means[layer.name][unit] for unit in chosen])
        greatest = responses.max(1)
        quantile = (responses < made.activation[:, None]).mean(1)
        quantile = np.where(np.isnan(made.activation), np.nan, quantile)
    else:
        rows = natural.units[natural.units["layer"] == layer.name]
        greatest = rows.set_index("unit")["max"].loc[chosen].to_numpy()
        counts = natural.histograms[layer.name][chosen]
        quantile = quantile_of(made.activation, counts, natural.histograms["edges"], greatest)
    return pd.DataFrame(
        {
            "network": network,
            "layer": layer.name,
            "alias": layer.alias,
            "unit": chosen,
            "start": group.starts,
            "objective": group.objective,
            "preset": group.preset_name,
            "initialisation": group.preset.initialisation,
            "status": made.status.astype(object),
            "activation": made.activation,
            "activation_unclipped": made.activation_unclipped,
            "outside_fraction": ((made.images < 0) | (made.images > 1)).mean((1, 2, 3)),
            "quantile": quantile,
            "natural_max": greatest,
            "iterations": group.preset.iterations,
            "seed": group.seed,
            **dict(zip(BOX, group.box, strict=True)),
        }
    )


def metrics_of(results: pd.DataFrame) -> dict[str, float]:
    """Number of results of each status, and the share of "ok" ones that exceed every natural response, both ways."""
    good = results[results["status"] == "ok"]
    counts: dict[str, float] = {status: int((results["status"] == status).sum()) for status in STATUSES}
    for name, column in (("beyond_natural", "activation"), ("beyond_natural_unclipped", "activation_unclipped")):
        counts[name] = float((good[column] > good["natural_max"]).mean()) if len(good) else 0.0
    return counts
