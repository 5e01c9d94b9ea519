"""What units are tuned to: gratings, uniform colour, and the first kernels themselves, beside two controls."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/selectivity/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from tqdm import tqdm

    from receptive.artifacts.selectivity import JUDGED, write_selectivity
    from receptive.measurements import selectivity, selectivity_card
    from receptive.measurements.subject import Subject
    from receptive.parallel.device import pick_device

    settings, device = params.selectivity, pick_device(params.device)
    subject = Subject.load(params, network, folded=False)
    shown = selectivity.stimuli(subject, settings)
    steps = len(selectivity.STATES) * len(shown)
    with tqdm(total=steps, desc=f"selectivity {network}", unit="stimulus") as bar:
        content = selectivity.measure(subject, shown, settings, params.seed, device, bar.update)
    card = selectivity_card.measure(subject, content.units, settings, params.seed, device)
    folder = write_selectivity(network, content, card)
    counted = content.units.loc[content.units["state"] == "trained", list(JUDGED)].sum()
    print(f"{folder}: " + ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in counted.items()))


if __name__ == "__main__":
    run(main)
