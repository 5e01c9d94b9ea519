"""Train a network by its recipe, or take weights that are given; an interrupted training goes on where it stopped."""

from typing import TYPE_CHECKING, Annotated

import typer

from receptive.stages import run

if TYPE_CHECKING:
    from receptive.parallel.workers import Workers
    from receptive.params.schema import Params


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/networks/NETWORK."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    from receptive.parallel import launch as distributed

    if distributed.launch(params.workers, params.device, "receptive.stages.train", network):
        return
    with distributed.working() as workers:
        train(params, network, workers)


def train(params: "Params", network: str, workers: "Workers") -> None:
    """One process's share of every batch; the first writes."""
    import contextlib
    import shutil

    from tqdm import tqdm

    from receptive import networks
    from receptive.io import artifacts, tracking
    from receptive.loading import read_split
    from receptive.networks import weights
    from receptive.networks.layers import layers
    from receptive.networks.parts.blocks import initialise
    from receptive.networks.parts.normalisation import Normalisation
    from receptive.parallel.device import pick_device, wants_compiling
    from receptive.seeds import generator, named_seed
    from receptive.training import loop as training

    recipe = params.recipe(network)
    prepared = artifacts.read_images(params, network)
    if workers.rank == 0:
        for other in params.models:  # the first training refuses a typo in data.five, not the last one
            if params.training(other).classes not in (None, params.training(network).classes):
                artifacts.read_images(params, other)
    size, channels = prepared.images.shape[1], prepared.images.shape[3]
    device = workers.device(pick_device(params.device))
    net = networks.build(network, len(prepared.classes), size, channels, **recipe.options())
    initialise(net, generator(params.seed, "weights", network), recipe.first_scale)
    if networks.in_library(network):
        layers(net, size, channels)  # what cannot be read is refused before any work
    normalisation = Normalisation.fit(
        recipe.normalisation, prepared.mean, prepared.std, prepared.covariance, prepared.mean_image
    )
    origin, state = {"from": "ours"}, None
    if recipe.weights == "pretrained":
        with workers.first_before_others():  # what it fetches lies in the makers' cache for the others
            origin, state, normalisation = pretrained_weights(network, recipe, prepared.classes, size, channels)
    elif recipe.weights != "ours":
        state, digest = artifacts.read_state(recipe.weights)
        origin = {"from": "file", "sha256": digest}
    if state is not None:
        state = weights.fitted(net, state, f"the weights of train.{networks.base_name(network)}.weights")
    split = read_split(prepared, "train", surround=recipe.crop_area is not None and state is None)
    if workers.rank == 0:
        untrained = training.before_training(
            net, normalisation, split, recipe.batch_size, generator(params.seed, "before training", network)
        )
    dataset = params.training(network).images
    scratch = artifacts.scratch(
        f"train-{network}",
        recipe.model_dump_json(),
        str(params.training(network).classes),
        artifacts.prepared_digest(dataset),
        str(params.seed),
        device.type,  # and not how many: what a lost worker leaves, fewer may finish
    )
    validation = read_split(prepared, "validation")
    if state is not None:
        net.load_state_dict(state)
        chance = generator(params.seed, "measured", network)
        history = training.measured(net, normalisation, split, validation, chance, device, workers)
    else:
        if (scratch / "checkpoint.pt").exists() and workers.rank == 0:
            print(f"going on from the checkpoint in {scratch}")
        live = tracking.live_training(network, params) if workers.rank == 0 else contextlib.nullcontext(_silent)
        with live as on_epoch:
            history = training.train(
                net,
                normalisation,
                split,
                validation,
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
            "normalisation": "imagenet" if recipe.weights == "pretrained" else recipe.normalisation,
            "weights": origin,
            "epochs": recipe.epochs if state is None else 0,
            "seed": params.seed,
            "first_filters": next(n for n, p in net.named_parameters() if p.dim() == 4),
        },
        history,
        metrics,
        untrained,
    )
    shutil.rmtree(scratch, ignore_errors=True)
    how = f"after {recipe.epochs} epochs" if state is None else f"with weights that were given ({recipe.weights})"
    print(f"{folder}: validation top-1 {metrics['validation']['top1']:.3f} {how}")


def pretrained_weights(network: str, recipe, classes, size: int, channels: int) -> tuple:
    """Where the maker's weights are from, the state dict for these classes, and what is done to pixels before.

    What cannot fit is refused before anything is fetched.
    """
    from receptive import networks
    from receptive.networks import weights
    from receptive.networks.parts.normalisation import Normalisation
    from receptive.weights.pretrained import imagenet_categories, pretrained

    rows = weights.imagenet_rows(classes, imagenet_categories(), network)
    found = pretrained(networks.base_name(network))
    heads = weights.head_names(network, size, channels, recipe.options())
    state = weights.select_rows(found.state, heads, rows)
    return {"from": found.origin, "scores": rows}, state, Normalisation.of_channels(found.mean, found.std)


def _silent(rows: list[dict]) -> None:
    """Only the first worker tells of its epochs."""


if __name__ == "__main__":
    run(main)
