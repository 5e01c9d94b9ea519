"""Feature maps: what every unit of the first convolutions makes of one image (TG 2.2)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/feature_maps/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import numpy as np
    import torch

    from receptive.datasets.prepared import first_validation_image
    from receptive.io import artifacts
    from receptive.methods.capture import responses_to
    from receptive.networks.parts.normalisation import pixels

    settings = params.feature_maps
    prepared = artifacts.read_images(params, network)
    image = first_validation_image(prepared, settings.classes.get(params.training(network).network))
    units = artifacts.read_units(network)
    layers = units.loc[units["kind"] == "conv", "layer"].unique()[: settings.layers].tolist()
    net, normalisation, _ = artifacts.read_network(network)
    shown = np.array(prepared.images[image])  # a copy: torch warns of memory that it may not write to
    responses = responses_to(net, normalisation(pixels(torch.from_numpy(shown)[None])), layers)
    class_name = prepared.labels.set_index("image")["class_name"].loc[image]
    maps = {layer: response[0].numpy() for layer, response in responses.items()}
    aliases = units.drop_duplicates("layer").set_index("layer")["alias"]
    metrics = {}
    for layer, channels in maps.items():
        metrics[f"zero_fraction.{aliases[layer]}"] = float((channels == 0).mean())
        metrics[f"silent_channels.{aliases[layer]}"] = int((channels <= 0).all((1, 2)).sum())
    facts = {"image": int(image), "class": str(class_name)}
    folder = artifacts.write_feature_maps(network, shown, facts, maps, metrics)
    print(f"{folder}: {', '.join(layers)} for image {image}, {class_name}")


if __name__ == "__main__":
    run(main)
