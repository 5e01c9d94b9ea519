"""Activation maximization: images made to excite units and classes (KS figures 8 and 9; TG 3.2, 3.3 and 4.2)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the network.")]) -> None:
    """Write data/maximization/NETWORK; an interrupted run goes on with the groups that are missing."""
    from receptive.params.reading import load_params

    params = load_params()
    params.recipe(network)

    import shutil

    import pandas as pd
    from tqdm import tqdm

    from receptive.io import artifacts
    from receptive.loading import Batches, normalised
    from receptive.measurements.maximization import Study, metrics_of, natural_means, plan, results_of
    from receptive.methods.capture import for_inference
    from receptive.networks.layers import layers
    from receptive.parallel.device import pick_device

    prepared = artifacts.read_images(params, network)
    histograms, units = artifacts.read_histograms(network), artifacts.read_units(network)
    net, normalisation, description = artifacts.read_network(network)
    device = pick_device(params.device)
    found = layers(net, description["image_size"], description["channels"])
    net, normalisation = for_inference(net).to(device), normalisation.to(device)
    groups = plan(params, network, found, len(description["classes"]))
    study = Study(params.seed, network, net, normalisation, prepared, params.maximize.batch_size)
    scratch = artifacts.scratch(
        f"maximize-{network}",
        params.maximize.model_dump_json(),
        str(sorted(params.channels.items())),
        str((params.seed, params.stimuli.largest_field, str(device))),
        artifacts.network_digest(network),
        artifacts.prepared_digest(params.training(network).images),
    )
    done = {}
    steps = sum(len(group.units) * group.preset.iterations for group in groups)
    with tqdm(total=steps, desc=f"maximize {network}", unit="step", dynamic_ncols=True) as bar:
        for number, group in enumerate(groups):
            kept = artifacts.read_kept(scratch / f"{number}.npz")
            if kept is None:
                kept = study.maximise(group, bar.update)
                artifacts.keep(scratch / f"{number}.npz", kept)
            else:
                bar.update(len(group.units) * group.preset.iterations)
            done[group] = kept
    images = tqdm(
        Batches(prepared, "validation", params.maximize.natural_batch_size, device),
        desc=f"natural means {network}",
        unit="batch",
    )
    means = natural_means(net, normalised(images, normalisation), groups)
    tables = [
        results_of(network, params.seed, group, kept, histograms, units, means.get(group.layer.name))
        for group, kept in done.items()
    ]
    results = pd.concat(tables, ignore_index=True)
    pictures = {group.name: kept["images"] for group, kept in done.items()}
    folder = artifacts.write_maximization(network, results, pictures, metrics_of(results))
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"{folder}: {len(results)} images, {(results['status'] == 'ok').sum()} ok")


if __name__ == "__main__":
    run(main)
