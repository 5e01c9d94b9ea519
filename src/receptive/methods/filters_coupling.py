"""Whether a layer couples similar filters of the layer below with similar weights (KS 3.2, figure 3)."""

import numpy as np
from jaxtyping import Float, Float64

from receptive.methods.inference import centred_ranks, correlation, rank_correlations

_BLOCK = 1_000_000  # weights of so many draws at a time: 8 MB


def cosines(filters: Float[np.ndarray, "filter ..."]) -> Float64[np.ndarray, "filter filter"]:
    """Cosine of every pair of filters: 1 for equal up to a positive factor, -1 for opposite, 0 with a zero filter."""
    flat = filters.reshape(len(filters), -1).astype(np.float64)
    sizes = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, sizes, out=np.zeros_like(flat), where=sizes > 0)
    return np.clip(flat @ flat.T, -1, 1)


def beside_strongest(
    weights: Float[np.ndarray, "second first"], similarity: Float[np.ndarray, "first first"]
) -> tuple[Float64[np.ndarray, "second first-1"], Float[np.ndarray, "second first-1"]]:
    """Each unit's weights but the strongest, beside the similarity of their filters to the strongest weight's filter.

    The strongest weight is the one that is greatest in size, the first of equal ones.

    Args:
        weights: of the second layer's units on the first layer's (``filters.strongest_taps`` for kernels beyond 1x1).
        similarity: of the first layer's filters, symmetric.

    Returns:
        (relative, near): weights divided by the unit's strongest, so 1 is as strong and -1 as strong with the other
        sign; and similarities. A unit of zero weights has relative weights of 0.
    """
    units, filters = weights.shape
    strongest = np.abs(weights).argmax(1)
    others = np.arange(filters)[None] != strongest[:, None]
    near = similarity[strongest][others].reshape(units, filters - 1)
    greatest = weights[np.arange(units), strongest][:, None]
    relative = np.divide(weights, greatest, out=np.zeros(weights.shape), where=greatest != 0)
    return relative[others].reshape(units, filters - 1), near


def coupling(
    weights: Float[np.ndarray, "second first"], similarity: Float[np.ndarray, "first first"], by_size: bool = False
) -> Float64[np.ndarray, "second"]:
    """How far each unit's weights follow similarity: 1 where the more similar filter always has the greater weight.

    0 where they are unrelated, and -1 where the more similar filter always has the smaller weight. It is Spearman's
    correlation, over all filters but the unit's strongest, between a filter's similarity to the strongest and its
    weight relative to the strongest's (``beside_strongest``). KS show one unit's weights and filters in falling order,
    and judge by eye.

    Args:
        by_size: whether the sign of weights is left out.

    Returns:
        Of each unit; NaN where its weights are all equal.
    """
    relative, near = beside_strongest(weights, similarity)
    return rank_correlations(np.abs(relative) if by_size else relative, near)


def dealt_anew(
    weights: Float[np.ndarray, "second first"],
    similarity: Float[np.ndarray, "first first"],
    rng: np.random.Generator,
    draws: int,
    by_size: bool = False,
) -> Float64[np.ndarray, "draw"]:
    """Mean ``coupling`` when the first filters are dealt to the weights at random: near 0.

    Weights and filters stay as they are; only which filter belongs to which weight is drawn. All units share the draw,
    because they share the filters. A draw for each unit would pretend to more evidence than there is.
    """
    units, filters = weights.shape
    relative, _ = beside_strongest(weights, similarity)
    strongest = np.abs(weights).argmax(1)
    others = np.nonzero(np.arange(filters)[None] != strongest[:, None])[1].reshape(units, filters - 1)
    # dealing permutes ranks, it changes none: those of each filter's similarities to the others are found once
    ranks = _ranks_of_others(similarity)
    weight_ranks = centred_ranks(np.abs(relative) if by_size else relative)
    means = np.empty(draws)
    for start in range(0, draws, block := max(1, _BLOCK // weights.size)):
        orders = np.array([rng.permutation(filters) for _ in range(min(block, draws - start))])
        near = np.ascontiguousarray(ranks[orders[:, strongest][:, :, None], orders[:, others]])  # sums by rows
        means[start : start + len(orders)] = np.nanmean(correlation(weight_ranks, near), 1)
    return means


def _ranks_of_others(similarity: Float[np.ndarray, "filter filter"]) -> Float64[np.ndarray, "filter filter"]:
    """Of each filter the ranks of its similarities to all others, less their mean; 0 for itself."""
    filters = len(similarity)
    others = ~np.eye(filters, dtype=bool)
    ranks = np.zeros(similarity.shape)
    ranks[others] = centred_ranks(similarity[others].reshape(filters, filters - 1)).ravel()
    return ranks
