"""Virtual filters: the second layer's units as pictures in pixels (KS equation 3, figure 3)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/filters/NETWORK."""
    # no torch: starting it would take longer than the work
    from receptive.artifacts.filters import write_filters
    from receptive.measurements.filters import gabor_table, measure, metrics_of
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)
    filters = measure(network, params.filters.fold_batch_norm)
    gabor = gabor_table(network)
    folder = write_filters(network, filters, gabor, metrics_of(filters, gabor))
    second = filters.names["second"].removesuffix(".weight")
    print(f"{folder}: {len(filters.arrays['second'])} virtual filters of {second}")


if __name__ == "__main__":
    run(main)
