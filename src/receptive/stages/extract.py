"""Responses of every unit to the validation images: statistics, histograms, greatest responses and zeros."""

import shutil
from typing import Annotated

import typer

from receptive.stages import run

Shard = Annotated[int | None, typer.Option(min=0, help="Measure and keep this shard only, from 0 on.")]


def main(network: Annotated[str, typer.Argument(help="Name of the training.")], shard: Shard = None) -> None:
    """Write data/activations/NETWORK; with --shard only keep one of extract.shards parts of it in scratch/."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded
    if shard is not None:
        params.extract.check_shard(shard)

    from receptive.processes.launch import launch, working

    if launch(params.workers, params.device, "receptive.stages.extract", network, *_option(shard)):
        return

    from receptive.artifacts.activations import write_activations
    from receptive.measurements.activations import measure, measure_shards, shards_folder
    from receptive.measurements.subject import Subject

    with working() as workers:
        subject = Subject.load(params, network, workers=workers)
        kept = shards_folder(params, subject) if params.extract.shards > 1 else None
        work = (subject, subject.untrained(), params.extract, params.scale.compile, workers)
        if kept and workers.rank == 0:
            print(f"{len(list(kept.glob('shard-*')))} of {params.extract.shards} shards are in {kept}")
        if kept and shard is not None:
            measure_shards(*work, kept, [shard])
            return
        activations = measure(*work, kept)
        if activations is not None:  # in the first process
            folder = write_activations(network, activations)
            if kept:
                shutil.rmtree(kept, ignore_errors=True)
            print(f"{folder}: {len(activations.units)} units of {len(subject.layers)} layers")


def _option(shard: int | None) -> list[str]:
    return [] if shard is None else ["--shard", str(shard)]


if __name__ == "__main__":
    run(main)
