"""Sparsity of every layer, from the unit statistics (YU 5, figure 6)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/sparsity/NETWORK/layers.parquet."""
    from receptive.artifacts.activations import read_units
    from receptive.artifacts.sparsity import write_sparsity
    from receptive.methods.sparsity import layer_sparsity
    from receptive.params.reading import load_params

    load_params().training(network)
    layers = layer_sparsity(read_units(network))
    print(f"{write_sparsity(network, layers)}: {len(layers)} layers")


if __name__ == "__main__":
    run(main)
