"""Whether filters of a layer repeat each other up to rotation, reflection and colour (TG 5.1). Needs no torch."""

from functools import cache

import numpy as np
from jaxtyping import Float, Float64
from scipy import ndimage

CHANGES = ("as they are", "turned", "recoloured", "turned and recoloured")
"""What one filter may undergo before it is compared with another. The second and third each add one change."""

_LEAST_TURNED_PX = 5  # smaller kernels have too few pixels for turns by less than 90 degrees
_NEARLY = 1e-6
_STEPS = 8  # each leaves at most a ninth of an error that begins below 0.8


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

    They are turned about the centre with cubic interpolation (``scipy.ndimage.rotate``); outside the kernel is 0. The
    list is empty for kernels below 5 px.

    Args:
        angle_step: degrees.
    """
    count, side, _, channels = filters.shape
    if side < _LEAST_TURNED_PX:
        return []
    angles = [angle for angle in np.arange(angle_step, 360, angle_step) if not np.isclose(angle % 90, [0, 90]).any()]
    flat = filters.reshape(count, side * side, channels)
    turned = [(_turning(side, float(angle)) @ flat).reshape(filters.shape) for angle in angles]
    return turned + [image[:, :, ::-1] for image in turned]


@cache
def _turning(side: int, angle: float) -> Float64[np.ndarray, "taps taps"]:
    """What turns a flat kernel of so many px: interpolation is linear, so turning each pixel alone says all of it."""
    pixels = np.eye(side * side).reshape(-1, side, side)
    turned = ndimage.rotate(pixels, angle, axes=(2, 1), reshape=False, order=3)
    matrix = np.ascontiguousarray(turned.reshape(len(pixels), -1).T)
    matrix.setflags(write=False)  # every later call gets the same array
    return matrix


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
    if not recoloured:
        return np.abs(np.tensordot(filters, others, ((1, 2, 3), (1, 2, 3))))
    return _nuclear(_products(filters, others))


def _products(
    filters: Filters, others: Float[np.ndarray, "other kernel_y kernel_x channel"]
) -> Float64[np.ndarray, "filter other channel channel"]:
    """A^T B of each filter with each other, with one row per pixel and one column per channel in A and B."""
    a = filters.reshape(len(filters), -1, filters.shape[-1])
    b = others.reshape(len(others), -1, others.shape[-1])
    return np.tensordot(a, b, (1, 1)).swapaxes(1, 2)


def _nuclear(matrices: Float64[np.ndarray, "*shape channel channel"]) -> Float64[np.ndarray, "*shape"]:
    """The sum of the singular values of each matrix (its nuclear norm)."""
    return np.linalg.svd(matrices, compute_uv=False).sum(-1)


def _nuclear_nearly(matrices: Float64[np.ndarray, "*shape 3 3"]) -> Float64[np.ndarray, "*shape"]:
    """The same of 3 x 3 matrices M, to ``_NEARLY``, 20 times as fast.

    With e1, e2, e3 the sum, the sum of products of two, and the product of the singular values: the squares of the
    entries of M sum to e1^2 - 2 e2, those of its cofactors to e2^2 - 2 e1 e3, and e3 = |det M|. So e1 is the fixed
    point of e1 -> sqrt(|M|^2 + 2 sqrt(|cof M|^2 + 2 |det M| e1)). Its slope there is e3 / (e1 e2), at most 1/9 because
    of the means' inequality, and |M| sqrt(3) lies above it.
    """
    first, second, third = np.moveaxis(matrices, -2, 0)
    cofactors = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], -2)
    squares, products = (matrices**2).sum((-1, -2)), (cofactors**2).sum((-1, -2))
    determinant = np.abs((first * cofactors[..., 0, :]).sum(-1))
    total = np.sqrt(3 * squares)
    for _ in range(_STEPS):
        total = np.sqrt(squares + 2 * np.sqrt(products + 2 * determinant * total))
    return total


def likenesses(filters: Filters, change: str, angle_step: float = 90) -> Float64[np.ndarray, "filter filter"]:
    """Likeness of every pair of filters after the best ``change`` of one of them; 0 of a filter with itself.

    Turns are the quarter turns and reflections, exact, and rotations by every multiple of ``angle_step`` degrees, which
    are compared inside the disc that no turn cuts.

    Args:
        filters: square.
        change: one of ``CHANGES``.
    """
    pairs = _pairs(filters, angle_step if "turned" in change else None)
    return _best(np.stack([likeness(still, changed, "recoloured" in change) for still, changed in pairs]))


def _pairs(filters: Filters, angle_step: float | None) -> list[tuple[Filters, Filters]]:
    """The filters, of norm 1 or 0, beside what they are turned to; None: beside themselves alone."""
    whole = unit_norm(filters)
    if angle_step is None:
        return [(whole, whole)]
    inside, turned = unit_norm(disc(filters)), fine_turns(filters.astype(np.float64), angle_step)
    pairs = [(whole, image) for image in quarter_turns(whole)]
    return pairs + [(inside, unit_norm(disc(image))) for image in turned]


def _best(likenesses: Float64[np.ndarray, "turn filter filter"]) -> Float64[np.ndarray, "filter filter"]:
    """The greatest likeness of each pair of filters, whichever of the two is turned; 0 of a filter with itself."""
    best = likenesses.max(0)
    best = np.maximum(best, best.T)  # interpolation makes turning one and turning the other back slightly different
    np.fill_diagonal(best, 0)  # a symmetric filter repeats itself, not another
    return best


def best_likeness(filters: Filters, angle_step: float = 90) -> dict[str, Float64[np.ndarray, "filter"]]:
    """By change the likeness of every filter to the most similar other: 1 for a perfect repeat, 0 for none.

    Args:
        filters, angle_step: as for ``likenesses``.

    Returns:
        For each of ``CHANGES`` the greatest of ``likenesses``, faster; 0 where there is one filter only.
    """
    pairs = _pairs(filters, angle_step)  # the first is of the filters as they are
    plain = np.stack([likeness(still, changed) for still, changed in pairs])
    products = np.stack([_products(still, changed) for still, changed in pairs])
    found = (_best(plain[:1]), _best(plain), _best(_recoloured(products[:1])), _best(_recoloured(products)))
    return {change: best.max(1) for change, best in zip(CHANGES, found, strict=True)}


def _recoloured(
    products: Float64[np.ndarray, "turn filter other channel channel"],
) -> Float64[np.ndarray, "turn filter other"]:
    """Likeness after the best recolouring, turn x filter x other, of those pairs that may be the greatest of one of
    the two filters; 0 for the others, which no maximum needs.
    """
    if products.shape[-1] != 3:
        return _nuclear(products)
    nearly = _nuclear_nearly(products)
    greatest = _best(nearly).max(1) - 2 * _NEARLY
    needed = nearly >= np.minimum(greatest[:, None], greatest[None, :])
    needed[:, np.arange(len(greatest)), np.arange(len(greatest))] = False
    exact = np.zeros(nearly.shape)
    exact[needed] = _nuclear(products[needed])
    return exact


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
