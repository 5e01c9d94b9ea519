"""What a figure shows, read back from its axes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.text import Text


def points(line) -> list[list[float]]:
    """x and y of every point of a line."""
    return np.asarray(line.get_xydata(), float).tolist()


def band(filled: Collection) -> dict[float, tuple[float, float]]:
    """x to (low, high) of an area between two lines."""
    vertices = np.concatenate([path.vertices for path in filled.get_paths()])
    return {x: (vertices[vertices[:, 0] == x, 1].min(), vertices[vertices[:, 0] == x, 1].max()) for x in vertices[:, 0]}


def picture(axes: Axes, number: int = 0) -> np.ndarray:
    """The pixels of an image on the axes."""
    return np.asarray(axes.images[number].get_array())


def words(figure: Figure) -> list[str]:
    """Every text of a figure that is not empty."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def tile(mosaic: np.ndarray, number: int, columns: int, side: int, gap: int = 4) -> np.ndarray:
    """A tile of ``figures.stimuli.mosaic``, without its frame."""
    y, x = divmod(number, columns)
    top, left = y * (side + gap) + 1, x * (side + gap) + 1
    return mosaic[top : top + side, left : left + side]
