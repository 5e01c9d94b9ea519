"""Samples of the prepared images."""

import numpy as np
from matplotlib.figure import Figure

from receptive.figures.style import figure, plain, show


def samples(images: np.ndarray, names: list[str], masks: np.ndarray | None) -> Figure:
    """Images with the names of their classes; the subject is outlined where it is known.

    Args:
        images: uint8, image x y x x x channel.
        names: the class of each image.
        masks: bool, image x y x x, the subjects; None where they are not known.
    """
    columns = 10
    rows = -(-len(images) // columns)
    fig = figure(1.15 * columns, 1.35 * rows)
    grid = fig.subplots(rows, columns, squeeze=False).ravel()
    for i, axes in enumerate(grid):
        if i >= len(images):
            axes.axis("off")
            continue
        show(axes, images[i])
        axes.set_title(plain(names[i]), fontsize=8, pad=2)
        if masks is not None:
            axes.contour(masks[i], levels=[0.5], colors="white", linewidths=1.6)
            axes.contour(masks[i], levels=[0.5], colors="black", linewidths=0.6)
    return fig
