"""Responses of every unit to the validation images: statistics, histograms, greatest responses and zeros."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/activations/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from receptive.artifacts.activations import write_activations
    from receptive.measurements.activations import measure
    from receptive.measurements.subject import Subject
    from receptive.processes.launch import launch, working

    if launch(params.workers, params.device, "receptive.stages.extract", network):
        return
    with working() as workers:
        subject = Subject.load(params, network, workers=workers)
        activations = measure(subject, subject.untrained(), params.extract, params.scale.compile, workers)
        if activations is not None:  # in the first process
            folder = write_activations(network, activations)
            print(f"{folder}: {len(activations.units)} units of {len(subject.layers)} layers")


if __name__ == "__main__":
    run(main)
