"""Whether a layer couples similar filters of the layer below with similar weights (KS 3.2, figure 3)."""

import numpy as np

from receptive.methods.inference import rank_correlations


def cosines(filters: np.ndarray) -> np.ndarray:
    """Cosine of every pair of filters, k x k: 1 for equal up to a positive factor, -1 for opposite.

    0 with a zero filter.

    Args:
        filters: k x anything.
    """
    flat = filters.reshape(len(filters), -1).astype(np.float64)
    sizes = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = np.divide(flat, sizes, out=np.zeros_like(flat), where=sizes > 0)
    return np.clip(flat @ flat.T, -1, 1)


def beside_strongest(weights: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every unit's other weights beside those filters' similarity to its strongest one.

    Args:
        weights: p x k, of the second layer's units (``virtual_filters.strongest_taps`` for kernels beyond 1x1).
        similarity: k x k, symmetric, of the first layer's filters.

    Returns:
        (relative, near), each p x (k - 1): weights divided by the unit's strongest (greatest in size, the first of
        equals), so that 1 is as strong and -1 as strong the other way; and the similarities. A unit of zero
        weights has relative weights of 0.
    """
    units, filters = weights.shape
    strongest = np.abs(weights).argmax(1)
    others = np.arange(filters)[None] != strongest[:, None]
    near = similarity[strongest][others].reshape(units, filters - 1)
    greatest = weights[np.arange(units), strongest][:, None]
    relative = np.divide(weights, greatest, out=np.zeros(weights.shape), where=greatest != 0)
    return relative[others].reshape(units, filters - 1), near


def coupling(weights: np.ndarray, similarity: np.ndarray, by_size: bool = False) -> np.ndarray:
    """How far each unit's weights follow similarity: 1 where the more similar filter always has the greater weight.

    Spearman's correlation, over all filters but the unit's strongest, between a filter's similarity to the strongest
    and its weight relative to the strongest's (``beside_strongest``); 0 where they are unrelated, -1 where opposite
    filters are coupled alike. KS show one unit's weights and filters in falling order and read this off the picture.

    Args:
        by_size: take weights without their sign.

    Returns:
        (p,); NaN where a unit's weights are all equal.
    """
    relative, near = beside_strongest(weights, similarity)
    return rank_correlations(np.abs(relative) if by_size else relative, near)


def dealt_anew(
    weights: np.ndarray, similarity: np.ndarray, rng: np.random.Generator, draws: int, by_size: bool = False
) -> np.ndarray:
    """Mean ``coupling`` when the first filters are dealt out to their places at random, the same for all units.

    Weights and filters stay as they are, only which belongs to which is drawn. All units share the draw, because
    they share the filters: dealing for each unit apart would pretend to more evidence than there is.

    Returns:
        (draws,), spread about a value near 0.
    """
    found = np.empty(draws)
    for draw in range(draws):
        order = rng.permutation(len(similarity))
        found[draw] = np.nanmean(coupling(weights, similarity[np.ix_(order, order)], by_size))
    return found
