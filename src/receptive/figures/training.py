"""Learning curves."""

import pandas as pd
from matplotlib.figure import Figure

from receptive.figures.style import colour, figure


def curves(history: pd.DataFrame) -> Figure:
    """Loss and top-1 accuracy by epoch: solid on the validation images, dashed on the training images.

    Args:
        history: one row per network, epoch and split: ``network, epoch, split, loss, top1``.
    """
    fig = figure(10, 3.6)
    for axes, (column, label) in zip(
        fig.subplots(1, 2), {"loss": "cross-entropy", "top1": "top-1 accuracy"}.items(), strict=True
    ):
        for network, rows in history.groupby("network", sort=False):
            for split, line in (("train", "--"), ("validation", "-")):
                part = rows[rows["split"] == split]
                axes.plot(
                    part["epoch"],
                    part[column],
                    line,
                    color=colour(network),
                    marker="o",
                    markersize=3,
                    linewidth=1.6 if line == "-" else 1,
                    label=network if line == "-" else None,
                )
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_xticks(range(1, history["epoch"].max() + 1, max(1, history["epoch"].max() // 10)))
        if column == "loss":
            axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, 1.02)
    fig.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    return fig
