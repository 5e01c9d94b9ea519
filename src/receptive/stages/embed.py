"""The representation spaces: maps of patches of two layers, and what the neighbours of every layer share (YU 4.1)."""

import sys
from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/embedding/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from tqdm import tqdm

    from receptive.artifacts.activations import read_preferred
    from receptive.artifacts.embedding import write_embedding
    from receptive.measurements import embedding
    from receptive.measurements.subject import Subject

    subject = Subject.load(params, network)
    largest = params.stimuli.largest_field * subject.image_size
    plan = embedding.plan(subject, params.embed, params.seed, largest)
    preferred = read_preferred(network)
    with tqdm(desc=f"embed {network}", unit="step") as bar:
        content = embedding.measure(subject, plan, preferred, bar.update)
    layers = content.layers
    for reason in layers.loc[layers["reason"] != "", "reason"]:
        print(f"warning: no map: {reason}", file=sys.stderr)
    folder = write_embedding(network, content)
    aliases = ", ".join(layers.loc[layers["reason"] == "", "alias"])
    print(f"{folder}: maps of {aliases}, purity of {len(plan.spatial)} layers")


if __name__ == "__main__":
    run(main)
