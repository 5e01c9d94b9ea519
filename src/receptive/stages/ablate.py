"""Inactive units of the first pooling layer, and the loss under noise on them (KS 3.5, table 1)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/ablation/NETWORK/inactive.json."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from receptive.artifacts.ablation import write_ablation
    from receptive.artifacts.activations import read_units
    from receptive.measurements.ablation import measure, metrics_of
    from receptive.measurements.subject import Subject

    units = read_units(network)
    ablation = measure(Subject.load(params, network), units, params.ablate, params.seed)
    folder = write_ablation(network, ablation, metrics_of(ablation))
    inactive = len(ablation["inactive_units"])
    print(f"{folder}: {inactive} of {ablation['units']} units of {ablation['alias']} are inactive")


if __name__ == "__main__":
    run(main)
