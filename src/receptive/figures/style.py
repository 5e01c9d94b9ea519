"""How every figure of the project looks, and how a picture of numbers becomes colours."""

import matplotlib
import numpy as np
import seaborn
from matplotlib.figure import Figure

matplotlib.use("Agg")

# One colour a network, the same in every figure (Okabe & Ito: told apart by colour-blind readers).
COLOURS = {
    "resnet34": "#0072B2",
    "plainnet34": "#E69F00",
    "alexcnn": "#009E73",
    "vggcnn": "#D55E00",
    "digitcnn": "#CC79A7",
    "fivecnn": "#56B4E9",
}
_OTHER = "#555555"
# Classes, in turn (Okabe & Ito's eight); where there are more, something else must tell them apart too.
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
    """A picture in [0, 1] whose least value is black and whose greatest is white; NaN stays NaN.

    One stretch for all channels, so that colours keep their relations; a constant picture becomes grey.
    """
    low, high = np.nanmin(picture), np.nanmax(picture)
    return (picture - low) / (high - low) if high > low else np.full_like(picture, 0.5)


def signed(weights: np.ndarray) -> np.ndarray:
    """Weights as a picture in [0, 1]: zero is grey, the greatest size black or white."""
    largest = np.abs(weights).max()
    return 0.5 + 0.5 * weights / largest if largest > 0 else np.full_like(weights, 0.5)


def as_colour(picture: np.ndarray) -> np.ndarray:
    """y x x x 1 or 3 channels as y x x x 3."""
    return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture


def show(axes, picture: np.ndarray) -> None:
    """A picture in [0, 1] or bytes, y x x x channel, with hard pixels and no axes."""
    axes.imshow(as_colour(picture), interpolation="nearest", vmin=0, vmax=1)
    frame(axes)


def frame(axes) -> None:
    """No ticks, a thin grey frame."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color="#999999", linewidth=0.6)


def say(axes, words: str, size: float = 9) -> None:
    """An empty panel that says why it is empty."""
    frame(axes)
    axes.set_facecolor("#f4f4f4")
    place = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, words, fontsize=size, color="#a03030", wrap=True, **place)
