"""Whether a layer couples similar filters of the layer below with similar weights (KS 3.2, figure 3)."""

import numpy as np
from jaxtyping import Float, Float64

from receptive.methods.inference import rank_correlations


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
    means = np.empty(draws)
    for draw in range(draws):
        order = rng.permutation(len(similarity))
        means[draw] = np.nanmean(coupling(weights, similarity[np.ix_(order, order)], by_size))
    return means
