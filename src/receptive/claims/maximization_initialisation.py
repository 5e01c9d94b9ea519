"""Claim 11: an image maximised from the class's mean keeps more colour and less texture than one from noise."""

from dataclasses import dataclass

import numpy as np
import torch

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.image_statistics import broad_chroma, chroma, high_frequency_share, luminance
from receptive.methods.inference import paired_difference
from receptive.seeds import generator

NUMBER = 11
TITLE = "Mean and random initialisation"
STATEMENT = (
    "An image that maximises a class's score keeps more colour and less texture when it starts from the class's mean "
    "image than when it starts from noise."
)
SOURCE = "TG 3.3, figures 3.3.1 to 3.3.3"
STATISTIC = (
    "Colour: mean chroma (CIE L*a*b*) of the image from the mean minus that from noise. Texture: share of luminance "
    "energy above 0.25 cycles a pixel of the image from noise minus that from the mean. Pixels are clipped to what can "
    "be shown; paired over classes."
)
CONTROL = "The same differences between the starting images themselves."
RULE = (
    "AlexCNN's and VGGCNN's colour and texture decide: supported where all four intervals over classes lie above 0. "
    "Noise is itself full of colour, pixel by pixel; beside stands the chroma after a blur of 4 px, which is colour "
    "that an eye sees as colour."
)
NETWORKS = ("alexcnn", "vggcnn")
PRESET = "tg_class"


def _texture(pictures: np.ndarray) -> np.ndarray:
    return high_frequency_share(luminance(np.clip(pictures, 0, 1)))


MEASURES = {"colour": (chroma, 1), "texture": (_texture, -1), "colour of broad areas": (broad_chroma, 1)}
"""A quantity's name to what it is, and the sign with which the claim has mean minus noise."""


@dataclass(frozen=True)
class Maximised:
    """The class images of one network; pixels, class x y x x x channel.

    Attributes:
        classes: labels of the classes that both starts brought to an image.
        images, starts: by initialisation, "noise" and "mean".
    """

    classes: np.ndarray
    images: dict[str, np.ndarray]
    starts: dict[str, np.ndarray]


def measure(study: Study) -> list[Row]:
    """Colour and texture of the two networks' class images."""
    rows = []
    for network in NETWORKS:
        if reason := study.missing(network):
            rows += [not_measured(network, what, reason, decides=_decides(what)) for what in MEASURES]
            continue
        rows += study.across(_rows, network)
    return rows


def figure(study: Study, rows: list[Row]):
    """Starts and results of some classes, each quantity by start, and the rows."""
    from receptive.figures import maximization_initialisation as figures

    shown, measures, natural = {}, {}, {}
    for network in [name for name in NETWORKS if name in study.networks]:
        prepared = artifacts.read_images(study.params, network)
        found = _read(study, network)
        if isinstance(found, str):
            continue
        names = [prepared.classes[label] for label in found.classes]
        shown[network] = names, found.starts, found.images
        rows_of = prepared.labels[prepared.labels["split"] == "validation"]["image"].head(200).to_numpy()
        patches = prepared.images[rows_of] / 255
        for what, (quantity, _) in MEASURES.items():
            natural[what] = float(np.nanmean(quantity(patches)))
            measures[network, what] = {
                name: (quantity(found.starts[name]), quantity(found.images[name])) for name in ("noise", "mean")
            }
    return figures.initialisations(shown, measures, natural, rows)


def _decides(what: str) -> bool:
    return what in ("colour", "texture")


def _rows(study: Study, network: str) -> list[Row]:
    found = _read(study, network)
    if isinstance(found, str):
        return [not_measured(network, what, found, decides=_decides(what)) for what in MEASURES]
    rows = []
    for what, (quantity, sign) in MEASURES.items():
        pairs = {
            name: [sign * quantity(pictures[which]) for which in ("mean", "noise")]
            for name, pictures in (("images", found.images), ("starts", found.starts))
        }
        estimates = {
            name: paired_difference(
                *pair, study.chance("initialisation", network, what, name), resamples=study.params.claims.resamples
            )
            for name, pair in pairs.items()
        }
        rows.append(
            measured(
                network,
                what,
                estimates["images"],
                "classes",
                control=estimates["starts"],
                units=len(found.classes),
                decides=_decides(what),
            )
        )
    return rows


def _read(study: Study, network: str) -> Maximised | str:
    """The images and their starts, or in words why there are none."""
    results, images = artifacts.read_maximization(network)
    its = results[(results["objective"] == "class") & (results["preset"] == PRESET)]
    by_start = {name: its[its["initialisation"] == name].set_index("unit") for name in ("noise", "mean")}
    if any(table.empty for table in by_start.values()):
        return f"maximize.groups has no {PRESET} images of this network from both starts"
    prepared = artifacts.read_images(study.params, network)
    if prepared.images.shape[3] != 3:
        return "its images have no colour"
    good = [set(table.index[table["status"] == "ok"]) for table in by_start.values()]
    classes = np.array(sorted(good[0] & good[1]))
    if len(classes) < 2:
        return f"{len(classes)} classes have an image from both starts"
    kept = {}
    for name, table in by_start.items():
        group = artifacts.maximization_group(table["layer"].iloc[0], "class", PRESET, name)
        kept[name] = images[group][[table.index.get_loc(label) for label in classes]]
    layer = by_start["noise"]["layer"].iloc[0]
    starts = {
        "noise": noise_starts(study.params.seed, network, layer, classes, prepared.images.shape[1:]),
        "mean": np.stack([_class_mean(prepared, label) for label in classes]),
    }
    return Maximised(classes, kept, starts)


def noise_starts(seed: int, network: str, layer: str, classes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The noise that stage ``maximize`` started from (``maximizing.Study``), as pixels; class x y x x x channel."""
    height, width, channels = shape
    group = artifacts.maximization_group(layer, "class", PRESET, "noise")
    chances = [generator(seed, "maximize", network, group, int(label)) for label in classes]
    noise = torch.stack([torch.randn((channels, height, width), generator=chance) for chance in chances])
    return artifacts.read_normalisation(network).inverse(noise).movedim(1, -1).numpy()


def _class_mean(prepared, label: int) -> np.ndarray:
    rows = prepared.labels[(prepared.labels["split"] == "train") & (prepared.labels["label"] == label)]
    total = np.zeros(prepared.images.shape[1:])
    for image in rows["image"]:  # one at a time: memory does not grow with the set
        total += prepared.images[image]
    return total / len(rows) / 255
