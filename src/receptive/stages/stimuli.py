"""Preferred stimuli: the top patches of every unit, and its mean preferred stimulus (KS 3.3)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/stimuli/NETWORK, one file a layer, for the layers that see no more than the image."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import torch
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.loading import Batches
    from receptive.methods.capture import capture, for_inference
    from receptive.methods.mean_stimulus import MODES, MeanStimulus
    from receptive.methods.preferred_stimuli import cut_patches
    from receptive.networks.layers import layers
    from receptive.parallel.device import pick_device

    prepared = artifacts.read_images(params, network)
    preferred = artifacts.read_preferred(network)
    net, normalisation, description = artifacts.read_network(network)
    size = description["image_size"]
    limit = params.stimuli.largest_field * size
    found = [
        layer
        for layer in layers(net, size, description["channels"])
        if not layer.field.whole_image and max(layer.field.y.size, layer.field.x.size) <= limit
    ]
    device = pick_device(params.device)
    means = {(layer.name, mode): MeanStimulus(layer.field, layer.map_size, mode) for layer in found for mode in MODES}
    net, normalisation = for_inference(net).to(device), normalisation.to(device)
    images = Batches(prepared, "validation", params.stimuli.batch_size, device)
    with torch.no_grad(), capture(net, [layer.name for layer in found], stop=True) as responses:
        for _, pixels in tqdm(images, desc=f"mine {network}", unit="batch"):
            net(normalisation(pixels).contiguous(memory_format=torch.channels_last))
            for (name, _), mean in means.items():
                mean.add(pixels, responses[name])

    with artifacts.writing(artifacts.STIMULI / network) as folder:
        for layer in found:
            rows = preferred[preferred["layer"] == layer.name]
            boxes = rows[["top_px", "left_px", "bottom_px", "right_px"]].to_numpy()
            patches = cut_patches(
                prepared.images[rows["image"].to_numpy()], boxes, (layer.field.y.size, layer.field.x.size)
            )
            results = {mode: means[layer.name, mode].result() for mode in MODES}
            artifacts.write_stimuli(folder, layer, rows, patches, results)
    print(f"{artifacts.STIMULI / network}: {len(found)} layers")


if __name__ == "__main__":
    run(main)
