"""A score for every unit: whether its top and bottom patches tell which of two unseen patches excites it more."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.measurements.subject import Subject
from receptive.methods.capture import capture
from receptive.methods.choices import features, right_choices
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.networks.parts.normalisation import pixels
from receptive.params.sections import Choices
from receptive.seeds import named_seed

STATES = ("trained", "untrained")
_AT_A_TIME = 512
"""Patches that are in memory at once."""


def measure(subject: Subject, layers: list[Layer], settings: Choices, seed: int, batch_size: int) -> pd.DataFrame:
    """The share of right choices for every unit, trained and before training.

    Every layer has its own pool of patches: what randomly drawn positions of its map see, the same positions for all
    its units and both states. The images of one half are every second image of each class.

    Args:
        layers: those of stage stimuli; their field is not the whole image.
        batch_size: images in one pass.

    Returns:
        ``network, state``, the layer's heading, ``unit`` and ``right``; one row per state, layer and unit.
    """
    numbers = subject.validation[: settings.images]
    halves = alternating(_labels(subject, numbers))
    pools = {layer.name: _Pool(subject, layer, numbers, halves, settings, seed) for layer in layers}
    tables = []
    for state in STATES:
        shown = subject if state == "trained" else subject.untrained()
        responses = responses_at(shown, numbers, {name: pool.positions for name, pool in pools.items()}, batch_size)
        for layer in layers:
            pool = pools[layer.name]
            right = right_choices(
                pool.features, responses[layer.name][pool.order], pool.half, settings.references, settings.held_out
            )
            heading = {"network": subject.name, "state": state, **layer.heading()}
            tables.append(pd.DataFrame({**heading, "unit": np.arange(layer.units), "right": right.cpu().numpy()}))
    columns = ["network", "state", "layer", "alias", "depth", "kind", "unit", "right"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def metrics(choices: pd.DataFrame) -> dict[str, float]:
    """The mean share of right choices over the units of each layer, by state and layer."""
    means = choices.groupby(["state", "alias"], sort=False)["right"].mean().dropna()
    names = [f"right.{state}.{alias}".replace(" ", "_") for state, alias in means.index]
    return dict(zip(names, means.tolist(), strict=True))


class _Pool:
    """The patches of a layer in random order, so that equal responses are ranked by chance.

    Attributes:
        positions: places in the map, row by row, image x patch.
        order: of the patches, from that of the images.
        features, half: of every patch, in this order.
    """

    def __init__(
        self, subject: Subject, layer: Layer, numbers: np.ndarray, halves: np.ndarray, settings: Choices, seed: int
    ):
        chance = np.random.default_rng(named_seed(seed, "choices", subject.name, layer.name))
        height, width = layer.map_size
        count = min(settings.patches_per_image, height * width)
        keys = chance.random((len(numbers), height * width))
        self.positions = np.argpartition(keys, count - 1, axis=1)[:, :count]
        places = self.positions.ravel()
        boxes = np.stack(layer.field.box(places // width, places % width), 1)
        top, left, bottom, right = boxes[0]
        images = numbers.repeat(count)
        order = chance.permutation(len(boxes))
        seen = []
        for part in np.array_split(order, -(-len(order) // _AT_A_TIME)):
            patches = cut_patches(subject.prepared.images[images[part]], boxes[part], (bottom - top, right - left))
            seen.append(features(pixels(torch.from_numpy(patches).to(subject.device))))
        self.features = torch.cat(seen)
        self.order = torch.from_numpy(order).to(subject.device)
        self.half = torch.from_numpy(halves.repeat(count)).to(subject.device)[self.order]


@torch.no_grad()
def responses_at(
    subject: Subject, numbers: np.ndarray, positions: dict[str, np.ndarray], batch_size: int
) -> dict[str, Tensor]:
    """The responses of all units of some layers at chosen positions, in one pass.

    Args:
        numbers: of the images.
        positions: by layer (image x patch): places in the map, row by row.

    Returns:
        By layer, (image and patch) x unit.
    """
    gathered: dict[str, list[Tensor]] = {layer: [] for layer in positions}
    place = {layer: torch.from_numpy(chosen).to(subject.device) for layer, chosen in positions.items()}
    first = 0

    def read(layer: str, responses: Tensor) -> None:
        chosen = place[layer][first : first + len(responses), None].expand(-1, responses.shape[1], -1)
        gathered[layer].append(responses.flatten(2).gather(2, chosen).movedim(1, 2).flatten(0, 1))

    with capture(subject.network, list(positions), read, stop=True):
        for _, images in subject.views(batch_size, numbers=numbers, progress=f"choices {subject.name}"):
            subject.network(images)
            first += len(images)
    return {layer: torch.cat(parts) for layer, parts in gathered.items()}


def alternating(labels: np.ndarray) -> np.ndarray:
    """Halves that hold every second image of each class: True, False, True, ... among the images of a label."""
    half = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        half[np.flatnonzero(labels == label)[::2]] = True
    return half


def _labels(subject: Subject, numbers: np.ndarray) -> np.ndarray:
    """The labels of images."""
    return subject.prepared.labels.set_index("image").loc[numbers, "label"].to_numpy()
