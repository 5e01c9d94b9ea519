"""Preferred stimuli (KS 3.3): the image patches that excite each unit most, and its mean preferred stimulus."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from receptive.artifacts.stimuli import LayerStimuli
from receptive.measurements.subject import Subject
from receptive.methods.capture import capture
from receptive.methods.mean_stimulus import MODES, MeanStimulus
from receptive.methods.preferred_stimuli import cut_patches
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.layers import Layer
from receptive.params.sections import Stimuli

HALF = "half"
"""Beside the modes of ``methods.mean_stimulus``: the interior positions of half of the images."""


def layers_with_stimuli(subject: Subject, settings: Stimuli) -> list[Layer]:
    """The layers whose receptive field is at most ``settings.largest_field`` times the image's side."""
    limit = settings.largest_field * subject.image_size
    return [layer for layer in subject.layers if layer.fits(limit)]


def measure(subject: Subject, preferred: pd.DataFrame, settings: Stimuli) -> Iterator[LayerStimuli]:
    """The stimuli of each layer of ``layers_with_stimuli``, one layer at a time.

    Args:
        preferred: preferred.parquet of the network.
    """
    layers = layers_with_stimuli(subject, settings)
    means = mean_stimuli(subject, layers, settings.batch_size)
    for layer in layers:
        rows = preferred[preferred["layer"] == layer.name]
        box = rows[BOX].to_numpy()
        images = subject.prepared.images[rows["image"].to_numpy()]
        top, left, bottom, right = layer.field.box(0, 0)
        arrays = {
            "patches": cut_patches(images, box, (bottom - top, right - left)),
            "unit": rows["unit"].to_numpy(),
            "rank": rows["rank"].to_numpy(),
            "box": box,
            "activation": rows["activation"].to_numpy(),
        }
        for mode in MODES:
            mean, count, baseline = means[layer.name, mode].result()
            arrays[f"mean_{mode}"] = _channel_last(mean, 1)
            arrays[f"count_{mode}"] = count.cpu().numpy()
            arrays[f"baseline_{mode}"] = _channel_last(baseline, 0)
        half, count, baseline = means[layer.name, HALF].result()
        arrays["half_interior"] = _channel_last(half, 1)
        arrays["half_count_interior"] = count.cpu().numpy()
        arrays["half_baseline_interior"] = _channel_last(baseline, 0)
        arrays["half_share_interior"] = np.array(first_half(subject).mean())
        yield LayerStimuli(layer.name, arrays)


@torch.no_grad()
def mean_stimuli(subject: Subject, layers: list[Layer], batch_size: int) -> dict[tuple[str, str], MeanStimulus]:
    """Mean preferred stimuli over the validation images, by the layer's name and mode, in one pass.

    The mean of the interior positions over ``first_half`` of the images alone is there, too, as mode ``HALF``.

    Args:
        layers: none of them sees the whole image.
        batch_size: images in one pass.
    """
    means = {(layer.name, mode): MeanStimulus(layer.field, layer.map_size, mode) for layer in layers for mode in MODES}
    halves = [{layer.name: MeanStimulus(layer.field, layer.map_size, "interior") for layer in layers} for _ in range(2)]
    in_first = set(subject.validation[first_half(subject)].tolist())

    def read(layer: str, responses: Tensor) -> None:
        for mode in MODES:
            if mode != "interior":
                means[layer, mode].add(pixels, responses)
        for half, rows in zip(halves, (first, ~first), strict=True):
            if rows.any():
                half[layer].add(pixels[rows], responses[rows])

    with capture(subject.network, [layer.name for layer in layers], read, stop=True):
        for numbers, pixels in tqdm(subject.batches(batch_size), desc=f"stimuli {subject.name}", unit="batch"):
            first = torch.tensor([number in in_first for number in numbers.tolist()], device=pixels.device)
            subject.network(subject.normalisation(pixels).contiguous(memory_format=torch.channels_last))
    for layer in layers:
        one, other = (half[layer.name] for half in halves)
        means[layer.name, HALF], means[layer.name, "interior"] = one, one.plus(other)
    return means


def first_half(subject: Subject) -> np.ndarray:
    """Which of the validation images make the first half: of every class the first, the third, ...; bool.

    The two halves hold the same classes, so what their means do not share is chance.
    """
    labels = subject.prepared.labels.set_index("image").loc[subject.validation, "label"]
    return (labels.groupby(labels).cumcount() % 2 == 0).to_numpy()


def _channel_last(pictures: Tensor, axis: int) -> np.ndarray:
    """The channel, now ``axis``, moved to the end; as it is where the mode has no position (empty, one axis)."""
    return (pictures.movedim(axis, -1) if pictures.dim() > 1 else pictures).cpu().numpy()
