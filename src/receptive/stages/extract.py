"""Run a network over the validation images once: statistics, histograms and top responses of every unit.

And the same network before training over some of them, for its zeros alone.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from receptive.stages import run

if TYPE_CHECKING:
    from receptive.parallel.workers import Workers
    from receptive.params.schema import Params


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/activations/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    from receptive.processes import launch as distributed

    if distributed.launch(params.workers, params.device, "receptive.stages.extract", network):
        return
    with distributed.working() as workers:
        extract(params, network, workers)


def extract(params: "Params", network: str, workers: "Workers") -> None:
    """One process's share of the images; the first gathers all shares and writes."""
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.loading import Batches, normalised
    from receptive.methods.capture import for_inference
    from receptive.methods.extraction import Extraction
    from receptive.methods.zero_fractions import counts_state, merge_counts, zero_fractions
    from receptive.networks.layers import layers
    from receptive.parallel.device import pick_device, wants_compiling

    prepared = artifacts.read_images(params, network)
    net, normalisation, description = artifacts.read_network(network)
    device = workers.device(pick_device(params.device))
    found = layers(net, description["image_size"], description["channels"])
    extraction = Extraction(
        for_inference(net).to(device),
        {layer.name: layer.units for layer in found},
        params.extract.top,
        params.extract.hits_per_image,
        wants_compiling(params.scale.compile, device),
    )
    images = tqdm(
        Batches(prepared, "validation", params.extract.batch_size, device, workers=workers),
        desc=f"extract {network}",
        unit="batch",
        disable=workers.rank > 0,
    )
    extraction.run(normalised(images, normalisation.to(device)))
    for state in workers.gather(extraction.state()):
        extraction.merge_state(state)
    before, _, _ = artifacts.read_network(network, trained=False)
    images = tqdm(
        Batches(
            prepared, "validation", params.extract.batch_size, device, params.extract.control_images, workers=workers
        ),
        desc=f"extract {network}, untrained",
        unit="batch",
        disable=workers.rank > 0,
    )
    untrained = zero_fractions(
        for_inference(before).to(device), normalised(images, normalisation), [layer.name for layer in found]
    )
    for state in workers.gather(counts_state(untrained)):
        merge_counts(untrained, state)
    if workers.rank:
        return
    folder = artifacts.write_activations(network, found, extraction, untrained)
    print(f"{folder}: {sum(layer.units for layer in found)} units of {len(found)} layers")


if __name__ == "__main__":
    run(main)
