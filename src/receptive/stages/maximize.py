"""Activation maximization: images that excite units and classes (KS figures 8 and 9; TG 3.2, 3.3 and 4.2)."""

from typing import Annotated

import typer

from receptive.stages import run


def main(network: Annotated[str, typer.Argument(help="Name of the training.")]) -> None:
    """Write data/maximization/NETWORK; an interrupted run goes on with the groups that are missing."""
    from receptive.params.reading import load_params

    params = load_params()
    params.training(network)  # an unknown name is refused before torch is loaded

    import shutil

    from receptive.artifacts.activations import read_histograms, read_preferred, read_units
    from receptive.artifacts.checkpoints import scratch
    from receptive.artifacts.maximization import write_maximization
    from receptive.artifacts.networks import network_digest
    from receptive.artifacts.prepared import prepared_digest
    from receptive.measurements.maximization import Natural, compare, maximize, metrics_of, natural_means, plan
    from receptive.measurements.maximization_trust import metrics, path_similarities
    from receptive.measurements.subject import Subject

    units, histograms, preferred = read_units(network), read_histograms(network), read_preferred(network)
    subject = Subject.load(params, network)
    groups = plan(params, subject)
    checkpoints = scratch(
        f"maximize-{network}",
        params.maximize.model_dump_json(),
        str(sorted(params.channels.items())),
        str((params.seed, params.stimuli.largest_field, str(subject.device))),
        network_digest(network),
        prepared_digest(params.training(network).images),
        code=("receptive.methods", "receptive.measurements.maximization", "receptive.networks"),
    )
    made = maximize(subject, groups, params.maximize.batch_size, checkpoints)
    means = natural_means(subject, groups, params.maximize.natural_batch_size)
    maximization = compare(network, groups, made, Natural(units, histograms, means))
    results = maximization.results
    paths = path_similarities(subject, groups, made, preferred, params.maximize.path_images)
    folder = write_maximization(network, maximization, metrics_of(results) | metrics(paths), paths)
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"{folder}: {len(results)} images, {(results['status'] == 'ok').sum()} ok")


if __name__ == "__main__":
    run(main)
