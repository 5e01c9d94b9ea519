"""Channel identity: whether channel k of one layer is like channel k of another, more than like its other channels.

KS 3.3: "the characteristics of the same channel are similar in different layers due to the skip connection". Two
layers of as many channels are compared channel by channel, by what their units prefer (mean preferred stimuli) or by
what they answer (responses to the same images at the same positions). The similarity is Pearson's correlation; what all
channels share shows in the other channels as well, and is subtracted. Permuting one layer's channels tells how
often the labels alone would do as well.

Layers of one map see boxes of different size around the same centres. Stimuli are compared in the smaller box, the
part of the image that both see (reading: the papers compare pictures by eye); what only the larger one sees has no
counterpart and would only dilute.
"""

from collections.abc import Sequence

import numpy as np

from receptive.errors import ReceptiveError


def correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row with each row: 1 the same up to brightness and contrast, -1 the negative.

    Args:
        first, second: row x value, as many values in both.

    Returns:
        first's row x second's row, float64; NaN for rows that are constant or hold a NaN.
    """
    first, second = (_standardised(np.asarray(rows, np.float64)) for rows in (first, second))
    return first @ second.T


def _standardised(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # a constant row's rounding error is no pattern
    constant = length <= 1e-9 * np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=~constant & np.isfinite(length))


def common_window(
    stimuli: np.ndarray, start: tuple[int, int], window: tuple[int, int], window_start: tuple[int, int]
) -> np.ndarray:
    """The part of a layer's stimuli that another layer, which sees less, sees too.

    Args:
        stimuli: unit x y x x x channel; start: first pixel (y, x) that position 0 of its layer sees.
        window: height and width of the other layer's receptive field; window_start: its first pixel. Both layers must
            have the same stride, so that what holds for position 0 holds for all.

    Raises:
        ReceptiveError: the window is not inside the stimuli.
    """
    top, left = (there - here for there, here in zip(window_start, start, strict=True))
    height, width = window
    if top < 0 or left < 0 or top + height > stimuli.shape[1] or left + width > stimuli.shape[2]:
        raise ReceptiveError(
            f"a window of {height}x{width} px at {top}, {left} leaves stimuli of {stimuli.shape[1]}x{stimuli.shape[2]} "
            "px: give the layer that sees more first"
        )
    return stimuli[:, top : top + height, left : left + width]


class ResponseCorrelations:
    """Correlation of every channel with every channel over images and positions, gathered while images stream past.

    1: they answer in proportion; 0: they have nothing to do with each other. Sums are float64, so that neither the
    batch size nor the order of images changes more than the last digits. Memory grows with the square of
    the number of channels.
    """

    def __init__(self):
        self._count = 0
        self._sum = self._products = None

    def add(self, layers: Sequence) -> None:
        """Takes one batch in.

        Args:
            layers: tensors, image x unit x y x x, each of the same images and on a map of the same size.
        """
        import torch

        # position x channel, as channels-last maps lie in memory
        flat = [layer.detach().permute(0, 2, 3, 1).flatten(0, 2) for layer in layers]
        ends = np.cumsum([0, *(part.shape[1] for part in flat)])
        values = torch.empty(len(flat[0]), int(ends[-1]), dtype=torch.float64, device=flat[0].device)
        for part, first, after in zip(flat, ends, ends[1:], strict=False):
            values[:, first:after] = part
        if self._products is None:
            self._sum = values.new_zeros(values.shape[1])
            self._products = values.new_zeros(values.shape[1], values.shape[1])
        self._count += len(values)
        self._sum += values.sum(0)
        self._products += values.T @ values

    def result(self) -> np.ndarray:
        """Channel x channel, the channels of all layers one after the other; NaN for channels that never change.

        Raises:
            ReceptiveError: nothing was added.
        """
        if self._products is None:
            raise ReceptiveError("no responses to correlate: there are no images")
        mean = (self._sum / self._count).cpu().numpy()
        squares = (self._products / self._count).cpu().numpy()
        covariance = squares - np.outer(mean, mean)
        variance = np.diagonal(covariance)
        # what rounding leaves of a constant channel
        deviation = np.sqrt(np.where(variance > 1e-12 * np.diagonal(squares), variance, np.nan))
        return covariance / np.outer(deviation, deviation)


def own_and_others(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each channel's similarity to itself in the other layer, and its mean similarity to that layer's other channels.

    The others count in both directions: channel k of the first layer against j of the second, and j against k.

    Args:
        similarity: channel of the first layer x channel of the second.

    Returns:
        (own, others), each (channel,); own is NaN where the channel has no similarity, others where none has.
    """
    own = np.diagonal(similarity).copy()
    off = np.where(np.eye(len(similarity), dtype=bool), np.nan, similarity)
    both = np.concatenate([off, off.T], axis=1)
    known = np.isfinite(both)
    with np.errstate(invalid="ignore"):
        return own, np.where(known, both, 0).sum(1) / known.sum(1)


def share_less_similar(similarity: np.ndarray) -> np.ndarray:
    """Share of a layer's other channels that are less similar to channel k than its own k: 1 all, 0.5 by chance.

    Ties count half.

    Args:
        similarity: channel of the first layer x channel of the second.

    Returns:
        (channel,); NaN where the channel has no similarity to itself or to none of the others.
    """
    own = np.diagonal(similarity)[:, None]
    others = np.isfinite(similarity) & ~np.eye(len(similarity), dtype=bool)
    with np.errstate(invalid="ignore"):
        less = ((similarity < own) + 0.5 * (similarity == own)) * others
        share = less.sum(1) / others.sum(1)
    return np.where(np.isfinite(own[:, 0]), share, np.nan)


def identity_test(
    similarities: dict[tuple[int, int], np.ndarray], rng: np.random.Generator, draws: int = 2000
) -> tuple[float, float]:
    """How much more similar equal channels are than others, and how often permuted labels do as well.

    The statistic is the mean over pairs of layers of (mean of the diagonal - mean of the rest). A draw permutes the
    channels of every layer by itself, the same in all pairs the layer is part of. p counts the observed labelling
    among the draws (Phipson & Smyth 2010), so it is never 0; small p: the labels matter.

    Args:
        similarities: pair of layers to channel x channel. Layers may differ in their number of channels from pair to
            pair, never within one. NaN (dead channels) is left out.

    Returns:
        (statistic, p); NaN and 1 where no pair has a similarity.
    """
    known = {pair: matrix for pair, matrix in similarities.items() if np.isfinite(matrix).any()}
    if not known:
        return np.nan, 1.0
    channels = {layer: len(matrix) for pair, matrix in known.items() for layer in pair}
    # row 0 is the labelling as it is
    labels = {
        layer: np.concatenate(
            [np.arange(count)[None], rng.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)], axis=0
        )
        for layer, count in sorted(channels.items())
    }
    statistic = np.mean(
        [_own_minus_others(matrix, labels[pair[0]], labels[pair[1]]) for pair, matrix in known.items()], axis=0
    )
    if not np.isfinite(statistic[0]):
        return np.nan, 1.0
    # sums in another order differ in the last digits: such a draw is as great
    as_great = np.count_nonzero(statistic[1:] >= statistic[0] - 1e-12)
    return float(statistic[0]), (1 + as_great) / (1 + draws)


def _own_minus_others(similarity: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Of every labelling (draw x channel) the mean of the pairs with the same label minus that of all others."""
    finite = np.isfinite(similarity)
    values = np.where(finite, similarity, 0)
    own, own_count = values[rows, columns].sum(1), finite[rows, columns].sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return own / own_count - (values.sum() - own) / (finite.sum() - own_count)
