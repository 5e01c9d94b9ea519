"""Channel identity: are equal channels of different layers alike, trained and untrained (KS 3.3)?"""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/identity/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from tqdm import tqdm

    from receptive.artifacts.identity import write_identity
    from receptive.measurements import identity
    from receptive.measurements.subject import Subject
    from receptive.networks.layers import comparable_layers
    from receptive.parallel.device import pick_device

    device = pick_device(params.device)
    as_trained = Subject.load(params, network, folded=False)
    groups = comparable_layers(as_trained.network, as_trained.layers)
    subject = as_trained.for_inference(device)
    largest = params.stimuli.largest_field * subject.image_size
    with tqdm(desc=f"identity {network}", unit="image") as bar:
        content = identity.measure(
            subject, groups, params.identity, params.seed, largest, params.stimuli.batch_size, bar.update
        )
    folder = write_identity(network, content)
    print(f"{folder}: {len(groups)} groups of layers, {len(content.similarities)} pairs")


if __name__ == "__main__":
    run(main)
