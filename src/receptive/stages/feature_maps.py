"""Feature maps: the responses of the first convolutions to one image (TG 2.2)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/feature_maps/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    from receptive.artifacts.feature_maps import write_feature_maps
    from receptive.measurements.feature_maps import measure, metrics_of
    from receptive.measurements.subject import Subject

    subject = Subject.load(params, network, folded=False)
    feature_maps = measure(subject, params.feature_maps)
    folder = write_feature_maps(network, feature_maps, metrics_of(subject.layers, feature_maps.maps))
    facts = feature_maps.facts
    print(f"{folder}: {', '.join(feature_maps.maps)} for image {facts['image']}, {facts['class']}")


if __name__ == "__main__":
    run(main)
