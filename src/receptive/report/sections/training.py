"""How well the networks learned."""

import pandas as pd

from receptive.figures import training
from receptive.io import artifacts
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, write: Writer) -> Section:
    """Accuracies of every training, and the learning curves of the first of each network."""
    metrics = {name: artifacts.read_network_metrics(name) for name in params.trainings}
    history = pd.concat(
        [artifacts.read_history(network).assign(network=network) for network in params.models], ignore_index=True
    )
    seen = {}
    for network in params.trainings:
        description = artifacts.read_description(network)
        seen[network] = f"{description['dataset']}, {len(description['classes'])} classes"
    shares = ["top-1, training", "top-1, validation", "top-5, validation", "loss, validation"]
    formats = dict.fromkeys([*shares, "paper: training", "paper: validation"], ".3f")
    return Section(
        "accuracy",
        "Accuracy",
        "Training accuracy is the running mean of the last epoch, with augmentation and dropout, as the usual "
        "frameworks report it. The papers' numbers were measured on other data and stand here for orientation only.",
        [
            write.table(
                "accuracy", tables.accuracy(metrics, seen), "Accuracy of every network beside its paper's.", formats
            ),
            write.picture(
                "training_curves",
                training.curves(history),
                "Loss and accuracy by epoch for every network",
                "Loss and top-1 accuracy by epoch: solid on the validation images, dashed on the training images.",
            ),
        ],
    )
