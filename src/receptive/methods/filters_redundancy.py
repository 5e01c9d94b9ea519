"""Whether filters of a layer repeat each other up to rotation, reflection and colour (TG 5.1). Needs no torch."""

import numpy as np
from jaxtyping import Float, Float64
from scipy import ndimage

CHANGES = ("as they are", "turned", "recoloured", "turned and recoloured")
"""What one filter may undergo before it is compared with another. The second and third each add one change."""

_LEAST_TURNED_PX = 5  # smaller kernels have too few pixels for turns by less than 90 degrees


Filters = Float[np.ndarray, "filter kernel_y kernel_x channel"]


def unit_norm(filters: Filters) -> Float64[np.ndarray, "filter kernel_y kernel_x channel"]:
    """Filters divided by their Euclidean norm; a zero filter stays zero."""
    filters = filters.astype(np.float64)
    sizes = np.sqrt((filters**2).sum((1, 2, 3), keepdims=True))
    return np.divide(filters, sizes, out=np.zeros_like(filters), where=sizes > 0)


def quarter_turns(filters: Filters) -> list[Filters]:
    """Square filters under the eight quarter turns and reflections, exactly; the first eighth is the filters."""
    turned = [np.rot90(filters, k, (1, 2)) for k in range(4)]
    return turned + [image[:, :, ::-1] for image in turned]


def fine_turns(filters: Filters, angle_step: float) -> list[Filters]:
    """Filters turned by the multiples of ``angle_step`` that are no quarter turns, each also mirrored.

    They are turned about the centre with cubic interpolation; outside the kernel is 0. The list is empty for kernels
    below 5 px.

    Args:
        angle_step: degrees.
    """
    if filters.shape[1] < _LEAST_TURNED_PX:
        return []
    angles = [angle for angle in np.arange(angle_step, 360, angle_step) if not np.isclose(angle % 90, [0, 90]).any()]
    turned = [ndimage.rotate(filters, angle, axes=(2, 1), reshape=False, order=3) for angle in angles]
    return turned + [image[:, :, ::-1] for image in turned]


def disc(filters: Filters) -> Filters:
    """Filters inside the disc that stays in the kernel under every turn; 0 in the corners."""
    side = filters.shape[1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return filters * (np.hypot(y, x) <= side / 2)[None, :, :, None]


def likeness(
    filters: Filters, others: Float[np.ndarray, "other kernel_y kernel_x channel"], recoloured: bool = False
) -> Float[np.ndarray, "filter other"]:
    """Size of the cosine of each filter with each other: 1 for equal up to a factor of either sign, 0 for unrelated.

    Args:
        filters, others: of norm 1 or 0.
        recoloured: whether the colours of one may be turned by an orthogonal matrix (another hue, two colours
            exchanged, light for dark), which leaves patterns as they are. The greatest cosine is then the sum of the
            singular values of A^T B, with one row per pixel and one column per channel in A and B (orthogonal
            Procrustes problem, Schoenemann 1966). It is never below the plain one.
    """
    a = filters.reshape(len(filters), -1, filters.shape[-1])
    b = others.reshape(len(others), -1, others.shape[-1])
    if not recoloured:
        return np.abs(np.tensordot(a, b, ((1, 2), (1, 2))))
    products = np.tensordot(a, b, (1, 1)).swapaxes(1, 2)  # n x m x channel x channel
    return np.linalg.svd(products, compute_uv=False).sum(-1)


def likenesses(filters: Filters, change: str, angle_step: float = 90) -> Float64[np.ndarray, "filter filter"]:
    """Likeness of every pair of filters after the best ``change`` of one of them; 0 of a filter with itself.

    Turns are the quarter turns and reflections, exact, and rotations by every multiple of ``angle_step`` degrees, which
    are compared inside the disc that no turn cuts.

    Args:
        filters: square.
        change: one of ``CHANGES``.
    """
    whole, recoloured = unit_norm(filters), "recoloured" in change
    pairs = [(whole, image) for image in quarter_turns(whole)[: 8 if "turned" in change else 1]]
    if "turned" in change:
        inside = unit_norm(disc(filters))
        pairs += [(inside, unit_norm(disc(image))) for image in fine_turns(filters.astype(np.float64), angle_step)]
    best = np.max([likeness(still, changed, recoloured) for still, changed in pairs], 0)
    best = np.maximum(
        best, best.T
    )  # interpolation makes turning one filter and turning the other back slightly different
    np.fill_diagonal(best, 0)  # a symmetric filter repeats itself, not another
    return best


def best_likeness(filters: Filters, angle_step: float = 90) -> dict[str, Float64[np.ndarray, "filter"]]:
    """By change the likeness of every filter to the most similar other: 1 for a perfect repeat, 0 for none.

    Args:
        filters, angle_step: as for ``likenesses``.

    Returns:
        For each of ``CHANGES``; 0 where there is one filter only.
    """
    return {change: likenesses(filters, change, angle_step).max(1) for change in CHANGES}


def most_alike(similarity: Float[np.ndarray, "filter filter"], most: int) -> list[tuple[int, int, float]]:
    """The most similar pairs as (filter, other filter, likeness), falling; no filter comes twice.

    Args:
        similarity: symmetric.
        most: pairs at most.
    """
    rest = np.triu(similarity, 1)
    pairs: list[tuple[int, int, float]] = []
    while len(pairs) < min(most, len(rest) // 2):
        first, second = (int(at) for at in np.unravel_index(rest.argmax(), rest.shape))
        pairs.append((first, second, float(similarity[first, second])))
        rest[[first, second]] = rest[:, [first, second]] = -1
    return pairs


def shuffled_pixels(filters: Filters, rng: np.random.Generator) -> Filters:
    """The same filters with their pixels in an order drawn for each filter; the channels of a pixel stay together."""
    count, height, width, channels = filters.shape
    flat = filters.reshape(count, height * width, channels)
    order = rng.random((count, height * width)).argsort(1)
    return np.take_along_axis(flat, order[:, :, None], 1).reshape(filters.shape)
