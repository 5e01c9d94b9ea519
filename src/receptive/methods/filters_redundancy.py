"""Whether filters of a layer repeat each other up to rotation, reflection and colour (TG 5.1). Needs no torch."""

import numpy as np
from scipy import ndimage

CHANGES = ("as they are", "turned", "recoloured", "turned and recoloured")
"""What one filter may undergo before it is compared with another; each but the first adds to it."""

_LEAST_TURNED_PX = 5  # smaller kernels have too few pixels to be turned by less than a quarter


def unit_norm(filters: np.ndarray) -> np.ndarray:
    """Filters divided by their Euclidean norm; a zero filter stays zero. n x y x x x channel, float64."""
    filters = filters.astype(np.float64)
    sizes = np.sqrt((filters**2).sum((1, 2, 3), keepdims=True))
    return np.divide(filters, sizes, out=np.zeros_like(filters), where=sizes > 0)


def quarter_turns(filters: np.ndarray) -> list[np.ndarray]:
    """The eight images of every square filter under quarter turns and reflection, exactly; the first is itself.

    Args:
        filters: n x y x x x channel.
    """
    turned = [np.rot90(filters, k, (1, 2)) for k in range(4)]
    return turned + [image[:, :, ::-1] for image in turned]


def fine_turns(filters: np.ndarray, angle_step: float) -> list[np.ndarray]:
    """Filters turned by the multiples of ``angle_step`` that are no quarter turns, each also mirrored.

    Cubic interpolation about the centre; what would come from outside is 0. None for kernels below 5 px.

    Args:
        filters: n x y x x x channel; angle_step: degrees.
    """
    if filters.shape[1] < _LEAST_TURNED_PX:
        return []
    angles = [angle for angle in np.arange(angle_step, 360, angle_step) if not np.isclose(angle % 90, [0, 90]).any()]
    turned = [ndimage.rotate(filters, angle, axes=(2, 1), reshape=False, order=3) for angle in angles]
    return turned + [image[:, :, ::-1] for image in turned]


def disc(filters: np.ndarray) -> np.ndarray:
    """Filters inside the disc that stays in the kernel when it is turned; 0 in the corners."""
    side = filters.shape[1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return filters * (np.hypot(y, x) <= side / 2)[None, :, :, None]


def likeness(filters: np.ndarray, others: np.ndarray, recoloured: bool = False) -> np.ndarray:
    """How alike filters are in size of cosine: 1 for equal up to a factor (of either sign), 0 for unrelated; n x m.

    With ``recoloured``, the greatest cosine when the colours of one may be turned by an orthogonal matrix (another hue,
    two colours exchanged, or light for dark): the sum of the singular values of A^T B with A, B = pixel x channel
    (orthogonal Procrustes problem, Schoenemann 1966). Pixel patterns stay as they are. It is never below the plain one.

    Args:
        filters, others: n and m x y x x x channel, of norm 1 or 0.
    """
    a = filters.reshape(len(filters), -1, filters.shape[-1])
    b = others.reshape(len(others), -1, others.shape[-1])
    if not recoloured:
        return np.abs(np.tensordot(a, b, ((1, 2), (1, 2))))
    products = np.tensordot(a, b, (1, 1)).swapaxes(1, 2)  # n x m x channel x channel
    return np.linalg.svd(products, compute_uv=False).sum(-1)


def likenesses(filters: np.ndarray, change: str, angle_step: float = 90) -> np.ndarray:
    """Likeness of every pair of filters once one of them undergoes ``change`` as fits best; n x n, 0 with itself.

    Turns are quarter turns and reflections, exactly, and beside them rotations every ``angle_step`` degrees, which are
    compared inside the disc that no turn cuts.

    Args:
        filters: n x y x x x channel, square; change: one of ``CHANGES``.
    """
    whole, recoloured = unit_norm(filters), "recoloured" in change
    pairs = [(whole, image) for image in quarter_turns(whole)[: 8 if "turned" in change else 1]]
    if "turned" in change:
        inside = unit_norm(disc(filters))
        pairs += [(inside, unit_norm(disc(image))) for image in fine_turns(filters.astype(np.float64), angle_step)]
    best = np.max([likeness(one, image, recoloured) for one, image in pairs], 0)
    best = np.maximum(best, best.T)  # interpolation makes turning there and back slightly different
    np.fill_diagonal(best, 0)  # a filter that is symmetric is no repeat of another
    return best


def best_likeness(filters: np.ndarray, angle_step: float = 90) -> dict[str, np.ndarray]:
    """By change the likeness of every filter to the most like of the others: 1 for a perfect repeat, 0 for none.

    Args:
        filters, angle_step: as for ``likenesses``.

    Returns:
        Each of ``CHANGES`` to (n,); 0 where there is one filter only.
    """
    return {change: likenesses(filters, change, angle_step).max(1) for change in CHANGES}


def most_alike(similarity: np.ndarray, most: int) -> list[tuple[int, int, float]]:
    """The most alike pairs, no filter twice: (one, other, likeness), falling.

    Args:
        similarity: n x n, symmetric; most: how many pairs at most.
    """
    rest, found = np.triu(similarity, 1), []
    while len(found) < min(most, len(rest) // 2):
        one, other = (int(at) for at in np.unravel_index(rest.argmax(), rest.shape))
        found.append((one, other, float(similarity[one, other])))
        rest[[one, other]] = rest[:, [one, other]] = -1
    return found


def shuffled_pixels(filters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same filters with their pixels in an order drawn for each; a pixel's channels stay together."""
    count, height, width, channels = filters.shape
    flat = filters.reshape(count, height * width, channels)
    order = rng.random((count, height * width)).argsort(1)
    return np.take_along_axis(flat, order[:, :, None], 1).reshape(filters.shape)
