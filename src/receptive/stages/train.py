"""Train a network by its recipe; an interrupted training goes on where it stopped."""

from typing import TYPE_CHECKING, Annotated

import typer

from receptive.stages import run

if TYPE_CHECKING:
    from receptive.distributed import Workers
    from receptive.io.params import Params


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/networks/NETWORK."""
    from receptive.io.params import load_params

    params = load_params()
    params.recipe(network)

    from receptive import distributed

    if distributed.launch(params.scale, params.device, "receptive.stages.train", network):
        return
    with distributed.working() as workers:
        train(params, network, workers)


def train(params: "Params", network: str, workers: "Workers") -> None:
    """One process's share of every batch; the first writes."""
    import contextlib
    import shutil

    from tqdm import tqdm

    from receptive import networks, training
    from receptive.device import pick_device, wants_compiling
    from receptive.io import artifacts, tracking
    from receptive.loading import read_split
    from receptive.networks.layers import initialise
    from receptive.networks.normalisation import Normalisation
    from receptive.seeds import generator, named_seed

    recipe = params.recipe(network)
    prepared = artifacts.read_images(params, network)
    size, channels = prepared.images.shape[1], prepared.images.shape[3]
    device = workers.device(pick_device(params.device))
    net = networks.build(network, len(prepared.classes), size, channels, **recipe.options())
    initialise(net, generator(params.seed, "weights", network), recipe.first_scale)
    normalisation = Normalisation.fit(
        recipe.normalisation, prepared.mean, prepared.std, prepared.covariance, prepared.mean_image
    )
    split = read_split(prepared, "train")
    if workers.rank == 0:
        untrained = training.before_training(
            net, normalisation, split, recipe.batch_size, generator(params.seed, "before training", network)
        )
    dataset = params.dataset_of(network)
    scratch = artifacts.scratch(
        f"train-{network}",
        recipe.model_dump_json(),
        str(params.classes_of(network)),
        artifacts.prepared_digest(dataset),
        str(params.seed),
        device.type,  # and not how many: what a lost worker leaves, fewer may finish
    )
    if (scratch / "checkpoint.pt").exists() and workers.rank == 0:
        print(f"going on from the checkpoint in {scratch}")
    with tracking.live_training(network, params) if workers.rank == 0 else contextlib.nullcontext(_silent) as on_epoch:
        history = training.train(
            net,
            normalisation,
            split,
            read_split(prepared, "validation"),
            recipe,
            named_seed(params.seed, "train", network),
            device,
            checkpoint=scratch / "checkpoint.pt",
            on_epoch=on_epoch,
            progress=lambda steps, **kwargs: tqdm(
                steps, **kwargs, unit="step", dynamic_ncols=True, disable=workers.rank > 0
            ),
            workers=workers,
            compiled=wants_compiling(params.scale.compile, device),
            resident=params.scale.resident,
        )
    if workers.rank:
        return
    last = {row["split"]: row for row in history[-2:]}
    metrics = {split: {name: last[split][name] for name in ("loss", "top1", "top5")} for split in last}
    metrics["parameters"] = sum(p.numel() for p in net.parameters())
    folder = artifacts.write_network(
        network,
        net,
        normalisation,
        {
            "classes": list(prepared.classes),
            "image_size": size,
            "channels": channels,
            "options": recipe.options(),
            "dataset": dataset,
            "normalisation": recipe.normalisation,
            "epochs": recipe.epochs,
            "seed": params.seed,
            "first_filters": next(n for n, p in net.named_parameters() if p.dim() == 4),
        },
        history,
        metrics,
        untrained,
    )
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"{folder}: validation top-1 {metrics['validation']['top1']:.3f} after {recipe.epochs} epochs")


def _silent(rows: list[dict]) -> None:
    """Only the first worker tells of its epochs."""


if __name__ == "__main__":
    run(main)
