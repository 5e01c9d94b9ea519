"""Responses of every unit to the validation images, and zeros of the untrained network, each in one pass."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.artifacts.activations import Activations
from receptive.artifacts.checkpoints import keep, read_kept, scratch
from receptive.artifacts.networks import network_digest
from receptive.artifacts.prepared import prepared_digest
from receptive.errors import ReceptiveError
from receptive.measurements.subject import Subject
from receptive.methods.extraction import Extraction
from receptive.methods.preferred_stimuli import TopResponses
from receptive.methods.receptive_field.fields import BOX
from receptive.methods.response_histogram import histogram_edges
from receptive.methods.zero_fractions import ZeroFractions, counts_state, merge_counts, zero_fractions
from receptive.networks.layers import Layer
from receptive.parallel.device import wants_compiling
from receptive.parallel.workers import ALONE, Workers
from receptive.params.schema import Params
from receptive.params.sections import Extract

CODE = (
    "receptive.artifacts.trained",
    "receptive.datasets.prepared",
    "receptive.loading",
    "receptive.measurements.activations",
    "receptive.measurements.batches",
    "receptive.measurements.subject",
    "receptive.methods.capture",
    "receptive.methods.extraction",
    "receptive.methods.preferred_stimuli",
    "receptive.methods.receptive_field",
    "receptive.methods.response_histogram",
    "receptive.methods.response_pass",
    "receptive.methods.unit_statistics",
    "receptive.methods.zero_fractions",
    "receptive.networks.layers",
    "receptive.networks.parts",
    "receptive.parallel",
)
"""The modules, beside the network's family, that a kept shard depends on: those of stage ``extract`` in dvc.yaml."""

_ALL = slice(None)


def measure(
    subject: Subject,
    untrained: Subject,
    settings: Extract,
    compiling: Literal["auto"] | bool = "auto",
    workers: Workers = ALONE,
    kept: Path | None = None,
) -> Activations | None:
    """Statistics, greatest responses and zeros of every unit of a network, and zeros of the untrained network.

    Args:
        untrained: ``subject`` before training; it sees the first ``settings.control_images`` images only.
        compiling: section ``scale.compile``.
        workers: processes that share the images; each calls this function.
        kept: where the state of each of ``settings.shards`` shards is kept, and shards that are there are taken from;
            None: one pass, of which nothing is kept.

    Returns:
        The activations in process 0; None in all others. They are the same with and without shards, to the bit.
    """
    if kept is not None:
        measure_shards(subject, untrained, settings, compiling, workers, kept, range(settings.shards))
        return None if workers.rank else merge_shards(subject, settings, kept)
    extraction = extract(subject, settings, compiling, workers)
    zeros = untrained_zeros(untrained, settings, workers)
    return None if workers.rank else tables(subject.name, subject.layers, extraction, zeros)


def shards_folder(params: Params, subject: Subject) -> Path:
    """The folder for the shards of exactly this measurement: other weights, images or settings have another."""
    training = params.training(subject.name)
    return scratch(
        f"extract-{subject.name}",
        params.extract.model_dump_json(),
        str((training.classes, params.scale.compile, subject.device.type, torch.__version__)),
        network_digest(subject.name, untrained=True),
        prepared_digest(training.images),
        code=(*CODE, f"receptive.networks.families.{training.family}"),
    )


def measure_shards(
    subject: Subject,
    untrained: Subject,
    settings: Extract,
    compiling: Literal["auto"] | bool,
    workers: Workers,
    kept: Path,
    chosen: Iterable[int],
) -> None:
    """Gathers what ``measure`` does, and keeps the state of each of the ``chosen`` shards in a folder.

    A shard is some consecutive batches of the pass (``shard_rows``). Shards that are kept already are left as they are.

    Args:
        chosen: numbers of shards, from 0 to ``settings.shards - 1``; the others as of ``measure``.
    """
    rows = shard_rows(len(subject.validation), settings.batch_size, settings.shards)
    wanted = torch.zeros(settings.shards, dtype=torch.int64)
    if workers.rank == 0:  # it alone writes, so it alone looks what is there
        for shard in chosen:
            wanted[shard] = read_kept(_file(kept, shard)) is None
    empty = _nothing(subject, settings, compiling)
    for shard in workers.sum(wanted).nonzero().flatten().tolist():
        words = f", shard {shard + 1} of {settings.shards}"
        extraction = _gather(empty.fresh(), subject, settings, workers, rows[shard], words)
        zeros = untrained_zeros(untrained, settings, workers, rows[shard], words)
        if workers.rank == 0:
            states = (("trained", extraction.state()), ("untrained", counts_state(zeros)))
            arrays = {f"{name}/{key}": tensor.cpu().numpy() for name, state in states for key, tensor in state.items()}
            keep(_file(kept, shard), arrays)


def merge_shards(subject: Subject, settings: Extract, kept: Path) -> Activations:
    """The activations that ``measure_shards`` has kept all shards of: those of one pass, to the bit.

    One state at a time is in memory.

    Raises:
        ReceptiveError: a shard is not there.
    """
    extraction = _nothing(subject, settings, False)
    zeros = {layer.name: ZeroFractions() for layer in subject.layers}
    for shard in range(settings.shards):
        arrays = read_kept(_file(kept, shard))
        if arrays is None:
            raise ReceptiveError(f"{_file(kept, shard)} is gone or damaged: run the same command again")
        states: dict[str, dict[str, Tensor]] = {"trained": {}, "untrained": {}}
        for name, array in arrays.items():
            of, _, key = name.partition("/")
            states[of][key] = torch.from_numpy(array)
        if states["trained"]:  # a shard may be empty, and most have none of the control's images
            extraction.merge_state(states["trained"])
        if states["untrained"]:
            merge_counts(zeros, states["untrained"])
    return tables(subject.name, subject.layers, extraction, zeros)


def shard_rows(images: int, batch_size: int, shards: int) -> list[slice]:
    """The rows of each shard: whole batches of one pass, so that each image is seen in the same batch as there.

    Some are empty where there are fewer batches than shards.
    """
    batches = -(-images // batch_size)
    firsts = [batch_size * (shard * batches // shards) for shard in range(shards + 1)]
    return [slice(first, last) for first, last in pairwise(firsts)]


def extract(
    subject: Subject, settings: Extract, compiling: Literal["auto"] | bool = "auto", workers: Workers = ALONE
) -> Extraction:
    """One pass over the validation images; in process 0 with what all other processes have gathered."""
    return _gather(_nothing(subject, settings, compiling), subject, settings, workers)


def _nothing(subject: Subject, settings: Extract, compiling: Literal["auto"] | bool) -> Extraction:
    """A pass that has seen no image yet."""
    return Extraction(
        subject.network,
        {layer.name: layer.units for layer in subject.layers},
        settings.top,
        settings.hits_per_image,
        wants_compiling(compiling, subject.device),
    )


def _gather(
    extraction: Extraction, subject: Subject, settings: Extract, workers: Workers, rows: slice = _ALL, words: str = ""
) -> Extraction:
    """``extraction`` after these rows of the validation images."""
    numbers, progress = subject.validation[rows], f"extract {subject.name}{words}"
    extraction.run(subject.views(settings.batch_size, workers=workers, numbers=numbers, progress=progress))
    for state in workers.gather(extraction.state()):
        extraction.merge_state(state)
    return extraction


def untrained_zeros(
    untrained: Subject, settings: Extract, workers: Workers = ALONE, rows: slice = _ALL, words: str = ""
) -> dict[str, ZeroFractions]:
    """Zeros of each layer before training, in the first images; in process 0 with those of all other processes.

    Args:
        rows: of the validation images; what lies beyond the first ``settings.control_images`` is left out.
        words: more words of the progress bar.
    """
    progress = f"extract {untrained.name}, untrained{words}"
    numbers = untrained.validation[: settings.control_images][rows]
    views = untrained.views(settings.batch_size, workers=workers, numbers=numbers, progress=progress)
    counts = zero_fractions(untrained.network, views, [layer.name for layer in untrained.layers])
    for state in workers.gather(counts_state(counts)):
        merge_counts(counts, state)
    return counts


def _file(kept: Path, shard: int) -> Path:
    return kept / f"shard-{shard}.npz"


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
