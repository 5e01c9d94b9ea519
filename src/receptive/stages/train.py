"""Train a network by its recipe, or take weights that are given; an interrupted training goes on where it stopped."""

import shutil
from functools import partial
from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/networks/NETWORK; several processes share each batch, and the first of them writes."""
    from receptive.params.reading import load_params

    params = load_params()
    training, recipe = params.training(network), params.recipe(network)

    from receptive.processes.launch import launch, working

    if launch(params.workers, params.device, "receptive.stages.train", network):
        return

    from tqdm import tqdm

    from receptive.artifacts import checkpoints, finished, prepared
    from receptive.parallel.device import pick_device, wants_compiling
    from receptive.tracking.live import live_training
    from receptive.training import CODE
    from receptive.training.start import begin, finish

    images = prepared.read_images(training.images, training.classes)
    with working() as workers:
        device = workers.device(pick_device(params.device))
        start = begin(network, training.network, recipe, images, params.seed)
        if recipe.weights != "ours":
            from receptive.weights.given import with_given_weights

            start = with_given_weights(start, training.network, recipe, images, workers)
        work = (recipe.model_dump_json(), str(training.classes), prepared.prepared_digest(training.images))
        code = (*CODE, f"receptive.networks.families.{training.family}")
        # not how many devices: what a lost worker leaves, fewer may finish
        kept = checkpoints.scratch(f"train-{network}", *work, str(params.seed), device.type, code=code)
        if workers.rank == 0 and (kept / "checkpoint.pt").exists():
            print(f"going on from the checkpoint in {kept}")
        bar = partial(tqdm, unit="step", dynamic_ncols=True, disable=workers.rank > 0)
        settings = (workers, wants_compiling(params.scale.compile, device), params.scale.resident)
        with live_training(network, params, shown=workers.rank == 0) as on_epoch:
            where = (device, kept / "checkpoint.pt", on_epoch, bar)
            result = finish(start, network, recipe, images, params.seed, *where, *settings)
        if workers.rank == 0:
            folder = finished.write_network(network, result)
            shutil.rmtree(kept, ignore_errors=True)
            how = f"after {recipe.epochs} epochs" if start.given is None else f"with given weights ({recipe.weights})"
            print(f"{folder}: validation top-1 {result.metrics['validation']['top1']:.3f} {how}")


if __name__ == "__main__":
    run(main)
