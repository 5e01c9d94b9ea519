"""Run a network over the validation images once: statistics, histograms and top responses of every unit.

And the same network before training over some of them, for its zeros alone.
"""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/activations/NETWORK."""
    from receptive.io.params import load_params

    params = load_params()
    params.recipe(network)

    from tqdm import tqdm

    from receptive.device import pick_device
    from receptive.io import artifacts
    from receptive.loading import Batches, normalised
    from receptive.methods.capture import for_inference
    from receptive.methods.extraction import Extraction
    from receptive.methods.zero_fractions import zero_fractions
    from receptive.networks.sites import layers

    prepared = artifacts.read_images(params, network)
    net, normalisation, description = artifacts.read_network(network)
    device = pick_device(params.device)
    found = layers(net, description["image_size"], description["channels"])
    extraction = Extraction(
        for_inference(net).to(device),
        {layer.name: layer.units for layer in found},
        params.extract.top,
        params.extract.hits_per_image,
    )
    images = tqdm(
        Batches(prepared, "validation", params.extract.batch_size, device),
        desc=f"extract {network}",
        unit="batch",
    )
    extraction.run(normalised(images, normalisation.to(device)))
    before, _, _ = artifacts.read_network(network, trained=False)
    images = tqdm(
        Batches(prepared, "validation", params.extract.batch_size, device, params.extract.control_images),
        desc=f"extract {network}, untrained",
        unit="batch",
    )
    untrained = zero_fractions(
        for_inference(before).to(device), normalised(images, normalisation), [layer.name for layer in found]
    )
    folder = artifacts.write_activations(network, found, extraction, untrained)
    print(f"{folder}: {sum(layer.units for layer in found)} units of {len(found)} layers")


if __name__ == "__main__":
    run(main)
