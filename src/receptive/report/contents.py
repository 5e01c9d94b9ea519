"""The whole report: its sections in order, drawn by several processes, and the page around them."""

import gc
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from receptive.artifacts.activations import read_units
from receptive.artifacts.files import write_json, writing
from receptive.artifacts.layers import read_layers
from receptive.artifacts.networks import read_network_metrics
from receptive.artifacts.report import FOLDER, move_report
from receptive.artifacts.sparsity import read_sparsity
from receptive.params.schema import Params
from receptive.processes.pool import in_processes
from receptive.report import page, tables
from receptive.report.sections import (
    ablation,
    claims,
    deconvolution,
    embedding,
    feature_maps,
    fields,
    filters,
    maximization,
    prepared,
    selectivity,
    sparsity,
    stimuli,
    training,
)
from receptive.report.writer import Writer

Job = tuple[int, Callable[..., page.Section], tuple]
"""Place of a section in the report, the function that draws it, and its arguments."""


def write_report(params: Params) -> Path:
    """Writes reports/: index.html, figures/, maps/, tables/ and metrics.json. What the stages left must be there.

    Returns:
        The page.

    Raises:
        ReceptiveError: a file of a stage is missing or damaged, or a process was killed.
    """
    sparsities = pd.concat([read_sparsity(name) for name in params.trainings], ignore_index=True)
    units = pd.concat([read_units(name) for name in params.trainings], ignore_index=True)
    with writing(FOLDER / "new") as folder:
        jobs = _jobs(params, sparsities, units, Writer(folder))
        # drawing is Python's own work on one core: the sections share the cores among themselves
        drawn = dict(in_processes(_draw, jobs, "a process that draws the report was killed (memory?): run again"))
        html = page.render("Receptive: the report", _facts(params), [drawn[number] for number in sorted(drawn)])
        (folder / "index.html").write_text(html, encoding="utf-8")
        metrics = {name: read_network_metrics(name) for name in params.trainings}
        write_json(folder / "metrics.json", tables.headline(metrics, sparsities, units))
    move_report(FOLDER / "new")
    return FOLDER / "index.html"


def _jobs(params: Params, sparsities: pd.DataFrame, units: pd.DataFrame, write: Writer) -> list[Job]:
    """The sections in the order of the page. Pictures show the first training of each network."""
    layers = {network: read_layers(network) for network in params.models}
    sparsities = sparsities[sparsities["network"].isin(params.models)]
    units = units[units["network"].isin(params.models)]
    sections: list[tuple[Callable[..., page.Section], tuple]] = [
        (prepared.section, (params,)),
        (claims.section, (params,)),
        (training.section, (params,)),
        (fields.section, (params, layers)),
        (stimuli.section, (params, layers)),
        (maximization.section, (params, layers)),
        (deconvolution.section, (params, layers)),
        (embedding.section, (params, layers)),
        (selectivity.section, (params, layers)),
        (sparsity.section, (sparsities, units)),
        (feature_maps.section, (params, units)),
        (filters.section, (params, layers, units)),
        (ablation.section, (params,)),
    ]
    return [(number, section, (*given, write)) for number, (section, given) in enumerate(sections)]


def _draw(job: Job) -> tuple[int, page.Section]:
    """One section and its place, in a process that draws several."""
    # figures are many small objects: their collection need not walk through all imported modules, too, nor begin as
    # often as it does by default (6% of the time)
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)
    number, section, given = job
    return number, section(*given)


def _facts(params: Params) -> dict[str, str]:
    """The box at the head of the page."""
    return {
        "Networks": ", ".join(params.models),
        "Data": f"{params.dataset} ({', '.join(params.datasets)})",
        "Profile": f"{params.profile}, seed {params.seed}",
        "Trainings of each network": str(len(params.trainings) // len(params.models)),
    }
