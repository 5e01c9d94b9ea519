"""Sparsity of every layer, from the unit statistics (YU 5, figure 6)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/sparsity/NETWORK/layers.parquet."""
    from receptive.io import artifacts
    from receptive.methods.sparsity import layer_sparsity
    from receptive.params.reading import load_params

    load_params().recipe(network)
    table = layer_sparsity(artifacts.read_units(network))
    with artifacts.writing(artifacts.SPARSITY / network) as folder:
        artifacts.write_table(folder / "layers.parquet", table)
    print(f"{artifacts.SPARSITY / network}: {len(table)} layers")


if __name__ == "__main__":
    run(main)
