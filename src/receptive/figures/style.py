"""The style of every figure, and colours for pictures of numbers."""

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")

# One colour per network, the same in every figure (Okabe & Ito: colour-blind readers can tell them apart).
COLOURS = {
    "resnet34": "#0072B2",
    "plainnet34": "#E69F00",
    "alexcnn": "#009E73",
    "vggcnn": "#D55E00",
    "digitcnn": "#CC79A7",
    "fivecnn": "#56B4E9",
}
_OTHER = "#555555"
# One colour per class (Okabe & Ito's eight), again from the first on where there are more classes.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#F0E442")
OUTSIDE = (np.array([214, 211, 226], np.uint8), np.array([236, 234, 243], np.uint8))
"""The two colours of the chequered area outside the image."""


def colour(network: str) -> str:
    """The network's colour."""
    return COLOURS.get(network, _OTHER)


def figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, in the project's style."""
    seaborn.set_theme(style="ticks", context="notebook", font="DejaVu Sans")
    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def stretched(picture: np.ndarray) -> np.ndarray:
    """The picture scaled to [0, 1]: its least value is black, its greatest white; NaN stays NaN.

    All channels have one scale, so that colours keep their relations. A constant picture becomes grey.

    Args:
        picture: y x x x channel.
    """
    low, high = np.nanmin(picture), np.nanmax(picture)
    return (picture - low) / (high - low) if high > low else np.full_like(picture, 0.5)


def signed(weights: np.ndarray) -> np.ndarray:
    """Weights as a picture in [0, 1]: zero is grey; the greatest size is black (negative) or white (positive).

    Args:
        weights: y x x x channel, of any scale.
    """
    largest = np.abs(weights).max()
    return 0.5 + 0.5 * weights / largest if largest > 0 else np.full_like(weights, 0.5)


def as_colour(picture: np.ndarray) -> np.ndarray:
    """A picture with one channel (grey) or three, y x x x channel, as one with three."""
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture


def show(axes: Axes, picture: np.ndarray) -> None:
    """Draws a picture without ticks, its pixels as squares.

    Args:
        picture: y x x x channel, in [0, 1] or uint8.
    """
    axes.imshow(as_colour(picture), interpolation="nearest", vmin=0, vmax=1)
    frame(axes)


def frame(axes: Axes) -> None:
    """Removes the ticks and draws a thin grey frame."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="#999999", linewidth=0.6)


def plain(words: str) -> str:
    """Words of users (names of classes) for matplotlib, which would take what stands between two $ for a formula."""
    return words.replace("$", r"\$")


def say(axes: Axes, words: str, size: float = 9) -> None:
    """Draws an empty panel with the reason in words."""
    frame(axes)
    axes.set_facecolor("#f4f4f4")
    place = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, words, fontsize=size, color="#a03030", wrap=True, **place)
