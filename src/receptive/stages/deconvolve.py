"""Deconvolution: what whole representations and single units' top responses come from (YU 4.2, figures 4, 5, 7)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/deconvolution/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from tqdm import tqdm

    from receptive.artifacts.activations import read_preferred
    from receptive.artifacts.deconvolution import write_deconvolution
    from receptive.measurements import deconvolution
    from receptive.measurements.subject import Subject

    subject = Subject.load(params, network)
    largest = params.stimuli.largest_field * subject.image_size
    plan = deconvolution.plan(subject, read_preferred(network), params.deconvolve, largest)
    with tqdm(total=plan.steps, desc=f"deconvolve {network}", unit="image") as bar:
        content = deconvolution.measure(subject, plan, bar.update)
    units = content.units
    if off := deconvolution.off_the_record(units):
        print(f"warning: {off} of {len(units.rows)} responses are more than 1% off those that extract recorded")
    folder = write_deconvolution(network, content)
    print(f"{folder}: {len(plan.whole)} layers of {len(content.images)} images, {len(units.rows)} patches")


if __name__ == "__main__":
    run(main)
