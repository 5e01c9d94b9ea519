"""Virtual filters: the second layer's units as pictures in pixels (KS equation 3, figure 3)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/filters/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    # no torch: starting it would take longer than the work
    from receptive.io import artifacts
    from receptive.methods.filters import batch_norm_scale, participation, strongest_taps, virtual_filters
    from receptive.networks.first_layers import first_batch_norm, second_filters

    shapes = artifacts.weight_shapes(network)
    first_name = artifacts.read_description(network)["first_filters"]
    second_name = second_filters(first_name, shapes)
    norm = first_batch_norm(first_name, shapes) if params.filters.fold_batch_norm else None
    first, second = artifacts.read_weights(network, [first_name, second_name])
    if norm is not None:
        scale = batch_norm_scale(*artifacts.read_weights(network, [f"{norm}.weight", f"{norm}.running_var"]))
        first = first * scale[:, None, None, None]
    weights, places = strongest_taps(second)
    arrays = {
        "first": first,
        "second": second,
        "virtual": virtual_filters(first, second),
        "weights": weights,
        "places": places,
    }
    names = {"first": first_name, "second": second_name, "folded": norm}
    metrics = {"first_filters": len(first), "participating_first_filters": participation(weights)}
    folder = artifacts.write_filters(network, arrays, names, metrics)
    print(f"{folder}: {len(second)} virtual filters of {second_name.removesuffix('.weight')}")


if __name__ == "__main__":
    run(main)
