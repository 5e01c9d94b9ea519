"""Channel identity: whether channel k of one layer is like channel k of another, more than like its other channels.

KS 3.3: "the characteristics of the same channel are similar in different layers due to the skip connection". Two layers
with equally many channels are compared channel by channel: by what their units prefer (mean preferred stimuli), or by
what they answer (responses to the same images at the same positions). The similarity is Pearson's correlation. What all
channels have in common raises the similarity to the other channels too, and is subtracted. Permuting the channels of a
layer tells how often equal numbers alone would give as much.

Layers with maps of the same size see boxes of different size around the same centres. Stimuli are compared in the
smaller box, the part of the image that both see (reading: the papers compare pictures by eye). What only the larger box
shows has no counterpart.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Shaped
from torch import Tensor

from receptive.errors import ReceptiveError


def correlations(
    first: Shaped[np.ndarray, "row value"], second: Shaped[np.ndarray, "column value"]
) -> Float64[np.ndarray, "row column"]:
    """Pearson's correlation of each row with each row of ``second``.

    1 for rows that are equal up to brightness and contrast, -1 for opposite ones.

    Returns:
        NaN for rows that are constant or hold a NaN.
    """
    first, second = (_standardised(np.asarray(rows, np.float64)) for rows in (first, second))
    return first @ second.T


def _standardised(rows: Float64[np.ndarray, "row value"]) -> Float64[np.ndarray, "row value"]:
    centred = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # the rounding error of a constant row is no pattern
    constant = length <= 1e-9 * np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=~constant & np.isfinite(length))


def common_window(
    stimuli: Shaped[np.ndarray, "unit y x channel"],
    start: tuple[int, int],
    window: tuple[int, int],
    window_start: tuple[int, int],
) -> Shaped[np.ndarray, "unit window_y window_x channel"]:
    """The part of a layer's stimuli that another layer with a smaller receptive field sees too.

    Both layers must have the same stride, so that what holds for position 0 holds for all.

    Args:
        stimuli: of the layer with the larger receptive field.
        start: first pixel (y, x) that its position 0 sees.
        window: height and width of the other layer's receptive field.
        window_start: first pixel (y, x) that the other layer's position 0 sees.

    Raises:
        ReceptiveError: the window is not inside the stimuli.
    """
    top, left = (theirs - ours for theirs, ours in zip(window_start, start, strict=True))
    height, width = window
    if top < 0 or left < 0 or top + height > stimuli.shape[1] or left + width > stimuli.shape[2]:
        raise ReceptiveError(
            f"a window of {height}x{width} px at {top}, {left} leaves stimuli of {stimuli.shape[1]}x{stimuli.shape[2]} "
            "px: give the layer that sees more first"
        )
    return stimuli[:, top : top + height, left : left + width]


class ResponseCorrelations:
    """Correlation of every channel with every channel over images and positions, gathered while images stream past.

    1 where they answer in proportion, 0 where they are unrelated. Sums are float64, so the batch size and the order of
    images change only the last digits. Memory grows with the square of the number of channels.
    """

    def __init__(self) -> None:
        self._count = 0
        self._sum: Float64[Tensor, row] = torch.zeros(0, dtype=torch.float64)
        self._products: Float64[Tensor, "row row"] = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, layers: Sequence[Float[Tensor, "image _ y x"]]) -> None:
        """Takes one batch in.

        Args:
            layers: the responses of each layer (image, unit, y, x), to the same images and on maps of the same size.
        """
        # position, channel: so channels-last maps lie in memory
        flat = [layer.detach().permute(0, 2, 3, 1).flatten(0, 2) for layer in layers]
        ends = np.cumsum([0, *(part.shape[1] for part in flat)])
        values = torch.empty(len(flat[0]), int(ends[-1]), dtype=torch.float64, device=flat[0].device)
        for part, first, after in zip(flat, ends, ends[1:], strict=False):
            values[:, first:after] = part
        if not self._count:
            self._sum = values.new_zeros(values.shape[1])
            self._products = values.new_zeros(values.shape[1], values.shape[1])
        self._count += len(values)
        self._sum += values.sum(0)
        self._products += values.T @ values

    def result(self) -> Float64[np.ndarray, "row row"]:
        """The correlations, with the channels of all layers one after the other; NaN for channels that never change.

        Raises:
            ReceptiveError: nothing was added.
        """
        if not self._count:
            raise ReceptiveError("no responses to correlate: there are no images")
        mean = (self._sum / self._count).cpu().numpy()
        squares = (self._products / self._count).cpu().numpy()
        covariance = squares - np.outer(mean, mean)
        variance = np.diagonal(covariance)
        # a smaller variance is what rounding leaves of a constant channel
        deviation = np.sqrt(np.where(variance > 1e-12 * np.diagonal(squares), variance, np.nan))
        return covariance / np.outer(deviation, deviation)


def own_and_others(
    similarity: Float[np.ndarray, "channel channel"],
) -> tuple[Float[np.ndarray, "channel"], Float[np.ndarray, "channel"]]:
    """Each channel's similarity to itself in the other layer, and its mean similarity to that layer's other channels.

    The others count in both directions: channel k of the first layer against j of the second, and j against k.

    Args:
        similarity: of each channel of the first layer to each of the second.

    Returns:
        (own, others): own is NaN where the channel has no similarity to itself, others where it has none to any other.
    """
    own = np.diagonal(similarity).copy()
    off = np.where(np.eye(len(similarity), dtype=bool), np.nan, similarity)
    both = np.concatenate([off, off.T], axis=1)
    finite = np.isfinite(both)
    with np.errstate(invalid="ignore"):
        return own, np.where(finite, both, 0).sum(1) / finite.sum(1)


def share_less_similar(similarity: Float[np.ndarray, "channel channel"]) -> Float[np.ndarray, "channel"]:
    """Share of the other layer's channels that are less similar to channel k than its channel k: 1 all, 0.5 by chance.

    Ties count half.

    Args:
        similarity: of each channel of the first layer to each of the second.

    Returns:
        NaN where the channel has no similarity to itself, or to none of the others.
    """
    own = np.diagonal(similarity)[:, None]
    others = np.isfinite(similarity) & ~np.eye(len(similarity), dtype=bool)
    with np.errstate(invalid="ignore"):
        less = ((similarity < own) + 0.5 * (similarity == own)) * others
        share = less.sum(1) / others.sum(1)
    return np.where(np.isfinite(own[:, 0]), share, np.nan)


def identity_test(
    similarities: dict[tuple[int, int], Float[np.ndarray, "_ _"]], rng: np.random.Generator, draws: int = 2000
) -> tuple[float, float]:
    """How much more similar equal channels are than others, and p: how often permuted channels give as much.

    The statistic is the mean over pairs of layers of (mean of the diagonal - mean of the rest). A draw permutes the
    channels of every layer, in the same way in all pairs that the layer is part of. p counts the observed order among
    the draws (Phipson & Smyth 2010), so it is never 0. Where it is small, equal channels belong together.

    Args:
        similarities: by pair of layers the similarity of each channel of the one to each of the other. The number of
            channels may differ between pairs. NaN (dead channels) is left out.

    Returns:
        (statistic, p); NaN and 1 where no pair has a similarity.
    """
    measured = {pair: matrix for pair, matrix in similarities.items() if np.isfinite(matrix).any()}
    if not measured:
        return np.nan, 1.0
    channels = {layer: len(matrix) for pair, matrix in measured.items() for layer in pair}
    # row 0 is the observed order
    labels = {
        layer: np.concatenate(
            [np.arange(count)[None], rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)], axis=0
        )
        for layer, count in sorted(channels.items())
    }
    statistic = np.mean(
        [_own_minus_others(matrix, labels[pair[0]], labels[pair[1]]) for pair, matrix in measured.items()], axis=0
    )
    if not np.isfinite(statistic[0]):
        return np.nan, 1.0
    # sums in another order differ in the last digits, and such a draw is as great
    as_great = np.count_nonzero(statistic[1:] >= statistic[0] - 1e-12)
    return float(statistic[0]), (1 + as_great) / (1 + draws)


def _own_minus_others(
    similarity: Float[np.ndarray, "channel channel"],
    rows: Int[np.ndarray, "draw channel"],
    columns: Int[np.ndarray, "draw channel"],
) -> Float[np.ndarray, "draw"]:
    """Of every permutation of both layers the mean over pairs of the same label minus the mean over all other pairs."""
    finite = np.isfinite(similarity)
    values = np.where(finite, similarity, 0)
    own, own_count = values[rows, columns].sum(1), finite[rows, columns].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return own / own_count - (values.sum() - own) / (finite.sum() - own_count)
