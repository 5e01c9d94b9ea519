"""Inactive units of the first pool, and what noise on them does to the loss (KS 3.5, table 1)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/ablation/NETWORK/inactive.json."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    from functools import partial

    import torch
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.loading import Batches, normalised
    from receptive.methods.ablation import Images, ablate, inactive_units
    from receptive.methods.capture import for_inference
    from receptive.parallel.device import pick_device
    from receptive.seeds import generator

    settings = params.ablate
    prepared = artifacts.read_images(params, network)
    pool = artifacts.read_first_pool(network)
    net, normalisation, _ = artifacts.read_network(network)
    device = pick_device(params.device)
    net, normalisation = for_inference(net).to(device), normalisation.to(device)
    named = partial(generator, params.seed, "ablate", network)
    labels = prepared.labels.set_index("image")["label"]

    def images(most: int | None, what: str) -> Images:
        batches = Batches(prepared, "validation", settings.batch_size, device)
        if most is not None:
            chosen = torch.randperm(len(batches.numbers), generator=named("images"))[:most]
            batches.numbers = batches.numbers[chosen.sort().values.numpy()]

        def shown():  # a bar appears when its pass begins
            yield from normalised(tqdm(batches, desc=f"ablate {network}, {what}", unit="batch"), normalisation)

        return Images(shown(), torch.from_numpy(labels.loc[batches.numbers].to_numpy().copy()))

    inactive = inactive_units(pool["max"].to_numpy(), settings.threshold)
    active = pool["unit"].drop(pool.index[inactive])
    found = ablate(
        net,
        pool["layer"].iloc[0],
        inactive,
        active.to_numpy(),
        images(None, "all images"),
        images(settings.control_images, "control and sweep"),
        minibatch=settings.minibatch,
        draws=settings.control_draws,
        sweep_draws=settings.sweep_draws,
        sigmas=settings.sigmas,
        resamples=settings.resamples,
        generator=named,
    )
    heading = {
        "network": network,
        "layer": pool["layer"].iloc[0],
        "alias": pool["alias"].iloc[0],
        "units": len(pool),
        "threshold": settings.threshold,
        "minibatch": settings.minibatch,
        "weakest_maximum": float(pool["max"].min()),
        "active_mean": float(pool["mean"].loc[active.index].mean()) if len(active) else None,
    }
    folder = artifacts.write_ablation(network, {**heading, **found})
    print(f"{folder}: {len(inactive)} of {len(pool)} units of {pool['alias'].iloc[0]} are inactive")


if __name__ == "__main__":
    run(main)
