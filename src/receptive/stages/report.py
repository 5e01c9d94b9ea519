"""The report: figures, tables, the page and the headline metrics."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from receptive.stages import run

if TYPE_CHECKING:
    from receptive.report.page import Section


def main() -> None:
    """Write reports/: index.html, figures/, tables/ and metrics.json."""
    from receptive.params.reading import load_params

    params = load_params()

    import pandas as pd

    from receptive.io import artifacts
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

    known = {network: artifacts.read_layers(network) for network in params.models}
    everywhere = pd.concat([artifacts.read_sparsity(name) for name in params.trainings], ignore_index=True)
    every_unit = pd.concat([artifacts.read_units(name) for name in params.trainings], ignore_index=True)
    # pictures show the first training of each network
    by_layer = everywhere[everywhere["network"].isin(params.models)]
    units = every_unit[every_unit["network"].isin(params.models)]
    with artifacts.writing(artifacts.REPORTS / "new") as folder:
        write = Writer(folder)
        sections = [
            (prepared, params),
            (claims, params),
            (training, params),
            (fields, params, known),
            (stimuli, params, known),
            (maximization, params, known),
            (deconvolution, params, known),
            (embedding, params, known),
            (selectivity, params, known),
            (sparsity, by_layer, units),
            (feature_maps, params, units),
            (filters, params, known, units),
            (ablation, params),
        ]
        # drawing is Python's own work on one core: the sections share the cores among themselves
        jobs = [(number, module.section, (*given, write)) for number, (module, *given) in enumerate(sections)]
        drawn = dict(in_processes(_section, jobs, "a process that draws the report was killed (memory?): run again"))
        facts = {
            "Networks": ", ".join(params.models),
            "Data": f"{params.dataset} ({', '.join(params.datasets)})",
            "Profile": f"{params.profile}, seed {params.seed}",
            "Trainings of each network": str(len(params.trainings) // len(params.models)),
        }
        (folder / "index.html").write_text(
            page.render("Receptive: the report", facts, [drawn[number] for number in sorted(drawn)])
        )
        metrics = {name: artifacts.read_network_metrics(name) for name in params.trainings}
        artifacts.write_json(folder / "metrics.json", tables.headline(metrics, everywhere, every_unit))
    artifacts.move_report(artifacts.REPORTS / "new")
    print(f"{artifacts.REPORTS / 'index.html'}")


def _section(job: "tuple[int, Callable[..., Section], tuple]") -> "tuple[int, Section]":
    """One section of the report and its place, in a process that draws several."""
    import gc

    gc.freeze()  # figures are many small objects: their collection need not walk through all imported modules, too
    number, section, given = job
    return number, section(*given)


if __name__ == "__main__":
    run(main)
