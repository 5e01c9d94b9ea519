"""Accuracy of the networks, and how they learned."""

import pandas as pd

from receptive.artifacts.networks import read_description, read_history, read_network_metrics
from receptive.figures import training as figures
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, write: Writer) -> Section:
    """Accuracies of every training, and the learning curves of the first training of each network."""
    metrics = {name: read_network_metrics(name) for name in params.trainings}
    networks = {name: facts.network for name, facts in params.trainings.items()}
    history = pd.concat([read_history(network).assign(network=network) for network in params.models], ignore_index=True)
    images = {}
    for name in params.trainings:
        description = read_description(name)
        images[name] = f"{description['dataset']}, {len(description['classes'])} classes"
    shares = ["top-1, training", "top-1, validation", "top-5, validation", "loss, validation"]
    formats = dict.fromkeys([*shares, "paper: training", "paper: validation"], ".3f")
    return Section(
        "training",
        "Accuracy",
        "Training accuracy is the running mean of the last epoch, with augmentation and dropout, as the usual "
        "frameworks report it. The papers' numbers were measured on other data and stand here for orientation only.",
        [
            write.table(
                "accuracy",
                tables.accuracy(metrics, networks, images),
                "Accuracy of every network beside its paper's.",
                formats,
            ),
            write.picture(
                "training_curves",
                figures.curves(history),
                "Loss and accuracy by epoch for every network",
                "Loss and top-1 accuracy by epoch: solid on the validation images, dashed on the training images.",
            ),
        ],
    )
