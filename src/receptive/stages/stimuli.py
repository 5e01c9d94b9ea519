"""Preferred stimuli: the image patches that excite each unit most, and its mean preferred stimulus (KS 3.3)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/stimuli/NETWORK: one file per layer whose field is at most ``largest_field``, and choices.parquet."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from receptive.artifacts.activations import read_preferred
    from receptive.artifacts.stimuli import write_choices, write_stimuli
    from receptive.measurements import choices
    from receptive.measurements.stimuli import layers_with_stimuli, measure
    from receptive.measurements.subject import Subject

    preferred = read_preferred(network)
    subject = Subject.load(params, network)
    layers = layers_with_stimuli(subject, params.stimuli)
    right = choices.measure(subject, layers, params.choices, params.seed, params.stimuli.batch_size)
    folder = write_stimuli(network, measure(subject, preferred, params.stimuli))
    write_choices(network, right, choices.metrics(right))
    print(f"{folder}: {len(layers)} layers")


if __name__ == "__main__":
    run(main)
