"""Inactive units of the first pooling layer, and the loss under noise on them (KS 3.5, table 1)."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from receptive.errors import ReceptiveError
from receptive.measurements.subject import Subject
from receptive.methods.ablation import Images, ablate, inactive_units
from receptive.params.sections import Ablate
from receptive.seeds import generator


def measure(subject: Subject, units: pd.DataFrame, settings: Ablate, seed: int) -> dict:
    """Changes of the loss under noise on inactive units, with a control on active ones (``methods.ablation.ablate``).

    Args:
        units: units.parquet of the network.
        seed: of the study.

    Returns:
        The content of inactive.json.

    Raises:
        ReceptiveError: the network has no pooling layer, or a path leads around it.
    """
    pool = first_pool(units)
    named = partial(generator, seed, "ablate", subject.name)
    drawn = torch.randperm(len(subject.validation), generator=named("images"))[: settings.control_images]
    fewer = subject.validation[drawn.sort().values.numpy()]
    inactive = inactive_units(pool["max"].to_numpy(), settings.threshold)
    active = pool.drop(pool.index[inactive])
    ablation = ablate(
        subject.network,
        pool["layer"].iloc[0],
        inactive,
        active["unit"].to_numpy(),
        _images(subject, subject.validation, settings.batch_size, "all images"),
        _images(subject, fewer, settings.batch_size, "control and sweep"),
        minibatch=settings.minibatch,
        unit_draws=settings.unit_draws,
        draws=settings.control_draws,
        sweep_draws=settings.sweep_draws,
        sigmas=settings.sigmas,
        resamples=settings.resamples,
        generator=named,
    )
    heading = {
        "network": subject.name,
        "layer": pool["layer"].iloc[0],
        "alias": pool["alias"].iloc[0],
        "units": len(pool),
        "threshold": settings.threshold,
        "minibatch": settings.minibatch,
        "weakest_maximum": float(pool["max"].min()),
        "active_mean": float(active["mean"].mean()) if len(active) else None,
    }
    return {**heading, **ablation}


def _images(subject: Subject, numbers: np.ndarray, batch_size: int, what: str) -> Images:
    """The images called ``numbers`` and their labels; ``what`` they are for, on the progress bar."""
    labels = subject.prepared.labels.set_index("image")["label"].loc[numbers]
    views = subject.views(batch_size, numbers=numbers, progress=f"ablate {subject.name}, {what}")
    return Images(views, torch.from_numpy(labels.to_numpy().copy()))


def first_pool(units: pd.DataFrame) -> pd.DataFrame:
    """The rows of units.parquet of a network's first pooling layer, unit by unit.

    Raises:
        ReceptiveError: the network has no pooling layer.
    """
    layers = units.loc[units["kind"] == "pool", "layer"]
    if layers.empty:
        raise ReceptiveError(f"{units['network'].iloc[0]} has no pooling layer: leave it out of models")
    return units[units["layer"] == layers.iloc[0]].sort_values("unit", ignore_index=True)


def metrics_of(ablation: dict) -> dict[str, float]:
    """Number of inactive units and, where there are any, the changes of the loss."""
    changes = {name: ablation[name] for name in ("delta_loss", "delta_loss_random") if ablation[name] is not None}
    return {"inactive_units": len(ablation["inactive_units"]), **changes}
