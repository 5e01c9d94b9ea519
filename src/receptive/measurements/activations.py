"""Responses of every unit to the validation images, and zeros of the untrained network, each in one pass."""

from typing import Literal

import numpy as np
import pandas as pd

from receptive.artifacts.activations import Activations
from receptive.measurements.subject import Subject
from receptive.methods.extraction import Extraction
from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.receptive_field.fields import BOX
from receptive.methods.response_histogram import histogram_edges
from receptive.methods.zero_fractions import ZeroFractions, counts_state, merge_counts, zero_fractions
from receptive.networks.layers import Layer
from receptive.parallel.device import wants_compiling
from receptive.parallel.workers import ALONE, Workers
from receptive.params.sections import Extract


def measure(
    subject: Subject,
    untrained: Subject,
    settings: Extract,
    compiling: Literal["auto"] | bool = "auto",
    workers: Workers = ALONE,
) -> Activations | None:
    """Statistics, greatest responses and zeros of every unit of a network, and zeros of the untrained network.

    Args:
        untrained: ``subject`` before training; it sees the first ``settings.control_images`` images only.
        compiling: section ``scale.compile``.
        workers: processes that share the images; each calls this function.

    Returns:
        The activations in process 0; None in all others.
    """
    extraction = extract(subject, settings, compiling, workers)
    zeros = untrained_zeros(untrained, settings, workers)
    return None if workers.rank else tables(subject.name, subject.layers, extraction, zeros)


def extract(
    subject: Subject, settings: Extract, compiling: Literal["auto"] | bool = "auto", workers: Workers = ALONE
) -> Extraction:
    """One pass over the validation images; in process 0 with what all other processes have gathered."""
    extraction = Extraction(
        subject.network,
        {layer.name: layer.units for layer in subject.layers},
        settings.top,
        settings.hits_per_image,
        wants_compiling(compiling, subject.device),
    )
    extraction.run(subject.views(settings.batch_size, workers=workers, progress=f"extract {subject.name}"))
    for state in workers.gather(extraction.state()):
        extraction.merge_state(state)
    return extraction


def untrained_zeros(untrained: Subject, settings: Extract, workers: Workers = ALONE) -> dict[str, ZeroFractions]:
    """Zeros of each layer before training, in the first images; in process 0 with those of all other processes."""
    progress = f"extract {untrained.name}, untrained"
    views = untrained.views(settings.batch_size, settings.control_images, workers, progress=progress)
    counts = zero_fractions(untrained.network, views, [layer.name for layer in untrained.layers])
    for state in workers.gather(counts_state(counts)):
        merge_counts(counts, state)
    return counts


def tables(
    network: str, layers: list[Layer], extraction: Extraction, untrained: dict[str, ZeroFractions]
) -> Activations:
    """The gathered responses as tables, layer by layer.

    Args:
        network: name of the training.
        untrained: zeros of each layer before training.
    """
    units, preferred, zeros = [], [], []
    histograms = {"edges": histogram_edges()}
    for layer in layers:
        statistics = extraction.statistics[layer.name]
        units.append(pd.DataFrame({"network": network, **layer.heading(), **statistics.columns()}))
        preferred.append(_preferred(network, layer, extraction.top[layer.name]))
        for state, counts in (("trained", extraction.zeros[layer.name]), ("untrained", untrained[layer.name])):
            images, fractions = counts.result()
            heading = {"network": network, "state": state, **layer.heading()}
            zeros.append(pd.DataFrame({**heading, "image": images, "zero_fraction": fractions}))
        assert statistics.histogram is not None, "no pass has been made"
        histograms[layer.name] = statistics.histogram.cpu().numpy()
    return Activations(
        units=pd.concat(units, ignore_index=True),
        preferred=pd.concat(preferred, ignore_index=True),
        zeros=pd.concat(zeros, ignore_index=True),
        histograms=histograms,
    )


def _preferred(network: str, layer: Layer, top: TopResponses) -> pd.DataFrame:
    """The rows of preferred.parquet of one layer."""
    value, image, position = (tensor.cpu().numpy() for tensor in (top.value, top.image, top.position))
    unit, rank = np.nonzero(np.isfinite(value))  # fewer images than ranks leave the last ones empty
    y, x = np.divmod(position[unit, rank], layer.map_size[1])
    return pd.DataFrame(
        {
            "network": network,
            "layer": layer.name,
            "unit": unit,
            "rank": rank,
            "image": image[unit, rank],
            "y": y,
            "x": x,
            "activation": value[unit, rank],
            **dict(zip(BOX, layer.field.box(y, x), strict=True)),
        }
    )
