"""Dead-leaves collages of photographs that scikit-image and scikit-learn ship, no download.

Dead leaves (Matheron 1968; Lee, Mumford and Huang, "Occlusion models for natural images", 2001) are
opaque shapes of random size, place and texture that fall on each other. They have the edges,
occlusions and scales of natural images, and what each pixel shows is known. Here a background crop
is covered by a few small leaves and then by one large *subject* leaf; the label says which
photograph the subject leaf shows.

Training and validation images are cut from the same photographs; they never share a composition. An accuracy on
this set therefore measures how well known photographs are recognised in new crops, shapes, places and
surroundings. It does not measure generalisation to new objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import cos, pi, sin, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
from PIL.Image import Image

from receptive.datasets.prepared import Prepared, prepare
from receptive.datasets.rules import SPLITS
from receptive.errors import ReceptiveError


@dataclass(frozen=True)
class Source:
    """Where a photograph comes from.

    Attributes:
        package, file: The installed package and the file's path in it.
        box_px: The part used, (left, top, right, bottom) in the file's pixels; None for all of it. Left out are
            parts that show little of the motif: empty sky, the void around the retina.
        turnable: Whether the motif has no upright position. It is then also shown upside down and turned by 90
            degrees.
        credit: Author, origin and licence as the package states them.
    """

    package: str
    file: str
    credit: str
    box_px: tuple[int, int, int, int] | None = None
    turnable: bool = False


PHOTOGRAPHS: dict[str, Source] = {
    "astronaut": Source(
        "skimage",
        "data/astronaut.png",
        "Eileen Collins, NASA; public domain",
        (0, 0, 346, 512),
    ),
    "cat": Source("skimage", "data/chelsea.png", "Chelsea, Stefan van der Walt; CC0"),
    "coffee": Source("skimage", "data/coffee.png", "Rachel Michetti, Pikolo Espresso Bar; CC0"),
    "dahlia": Source(
        "sklearn",
        "datasets/images/flower.jpg",
        "vultilion, flickr.com/photos/vultilion/6056698931; CC BY 2.0",
        (110, 10, 510, 427),
    ),
    "galaxies": Source(
        "skimage",
        "data/hubble_deep_field.jpg",
        "Hubble eXtreme Deep Field, NASA; public domain",
        turnable=True,
    ),
    "pagoda": Source(
        "sklearn",
        "datasets/images/china.jpg",
        "danielbuechele, flickr.com/photos/danielbuechele/6061409035; CC BY 2.0",
        (0, 0, 480, 427),
    ),
    "retina": Source(
        "skimage",
        "data/retina.jpg",
        "Mikael Häggström, Wikimedia Commons; CC0",
        (100, 300, 1250, 1110),
        turnable=True,
    ),
    "rocket": Source("skimage", "data/rocket.jpg", "DSCOVR on Falcon 9, SpaceX; public domain", (150, 60, 490, 427)),
    "shuttle": Source(
        "skimage",
        "data/astronaut.png",
        "model of a Space Shuttle beside Eileen Collins, NASA; public domain",
        (346, 0, 512, 290),
    ),
    "tissue": Source(
        "skimage",
        "data/ihc.png",
        "Center for Microscopy and Molecular Imaging; no known copyright restrictions",
        turnable=True,
    ),
    "brick": Source("skimage", "data/brick.png", "CC0Textures; CC0", turnable=True),
    "cameraman": Source("skimage", "data/camera.png", "Lav Varshney; CC0"),
    "cell": Source("skimage", "data/cell.png", "Müller et al., Optics Express 26, 2018; CC0", turnable=True),
    "clock": Source("skimage", "data/clock_motion.png", "Stefan van der Walt; public domain"),
    "coins": Source("skimage", "data/coins.png", "Brooklyn Museum; no known copyright restrictions", turnable=True),
    "grass": Source("skimage", "data/grass.png", "linolafett, DeviantArt; CC0", turnable=True),
    "gravel": Source("skimage", "data/gravel.png", "CC0Textures; CC0", turnable=True),
    "text": Source("skimage", "data/text.png", "Wikipedia, Corner.png; public domain"),
}

# The ten in colour; the others are grey and by default only fill leaves and backgrounds.
CLASSES = tuple(PHOTOGRAPHS)[:10]

SIZES_PX = (32, 256)

# All lengths below are fractions of the collage's side, all areas of its area.
_SMALL_RADIUS = (0.07, 0.30)
_SMALL_ASPECT = (0.6, 1 / 0.6)
_SMALL_CORNERS = (3, 7)
_SUBJECT_AREA = (0.22, 0.45)
_SUBJECT_ASPECT = (0.75, 1 / 0.75)
_SUBJECT_CORNERS = (5, 8)
# How much of a photograph's shorter side lies along a side of the collage.
_FIELD_OF_VIEW = (0.6, 1.3)
_GAIN = (0.8, 1.2)


def generate(
    size: int,
    train_images: int,
    validation_images: int,
    classes: Sequence[str] = CLASSES,
    leaves: tuple[int, int] = (4, 10),
    seed: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    photographs: Mapping[str, np.ndarray] | None = None,
) -> Prepared:
    """Labelled collages, ``size`` x ``size`` x 3, with the mask of each subject leaf.

    Background, small leaves, and the subject's shape and place are drawn without regard to the label. So only
    the pixels of the subject leaf tell the label. In each split the labels run 0, 1, ..., classes - 1, 0, 1, ...
    and are thus balanced to within one image. Image i of a split depends on the seed, the split and i, not on
    how many images are made. Its composition is the same at every size.

    Args:
        size: Side of a collage in pixels, 32 ... 256.
        train_images, validation_images: Number of collages in each split, at least one per class.
        classes: Photographs that a subject leaf may show, label 0 first; at least two of ``PHOTOGRAPHS``.
        leaves: Fewest and most small leaves.
        seed: 0 or more.
        progress: Wraps the iterable over all images, for instance ``tqdm.tqdm``.
        photographs: Pixels by name, uint8, height x width x 3, instead of all of ``PHOTOGRAPHS``. Small
            leaves and backgrounds show any of them.

    Raises:
        ReceptiveError: A parameter is outside the limits above, or a photograph's file is missing.
    """
    classes = tuple(classes)
    available = PHOTOGRAPHS if photographs is None else photographs
    _refuse(size, train_images, validation_images, classes, leaves, seed, available)
    pixels = read_photographs() if photographs is None else photographs
    palette = [_shrunk(name, pixels[name], size) for name in sorted(pixels)]
    subjects = [_shrunk(name, pixels[name], size) for name in classes]

    counts = dict(zip(SPLITS, (train_images, validation_images), strict=True))
    labels = pd.DataFrame(
        {
            "image": np.arange(sum(counts.values()), dtype=np.int64),
            "split": np.repeat(SPLITS, list(counts.values())),
            "label": np.concatenate([np.arange(count) % len(classes) for count in counts.values()]),
        }
    )
    labels["class_name"] = [classes[label] for label in labels["label"]]

    images = np.empty((len(labels), size, size, 3), dtype=np.uint8)
    masks = np.empty((len(labels), size, size), dtype=bool)
    for image in progress(range(len(labels))):
        split, index = (0, image) if image < train_images else (1, image - train_images)
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(split, index)))
        subject = subjects[index % len(classes)]
        _compose(images[image], masks[image], subject, palette, leaves, generator)
    return prepare("collages", images, labels, classes, masks)


def read_photographs(names: Iterable[str] = tuple(PHOTOGRAPHS)) -> dict[str, np.ndarray]:
    """Pixels of photographs by name, uint8, height x width x 3, cut to their ``box_px``.

    Only the files inside the installed packages are read. Neither package is imported, so scikit-image's
    downloader cannot start. Grey photographs get three equal channels.

    Raises:
        ReceptiveError: A package or one of its files is missing or damaged.
    """
    pixels = {}
    for name in names:
        source = PHOTOGRAPHS[name]
        package = find_spec(source.package)
        library = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[source.package]
        if package is None or package.submodule_search_locations is None:
            raise ReceptiveError(f"{library}, which ships '{name}', is not installed: pip install {library}")
        path = Path(package.submodule_search_locations[0]) / source.file
        try:
            with PIL.Image.open(path) as photograph:
                pixels[name] = np.asarray(photograph.convert("RGB").crop(source.box_px))
        except OSError as error:
            raise ReceptiveError(f"photograph '{name}' cannot be read ({error}): reinstall {library}") from error
    return pixels


def _refuse(
    size: int,
    train_images: int,
    validation_images: int,
    classes: tuple[str, ...],
    leaves: tuple[int, int],
    seed: int,
    available: Iterable[str],
) -> None:
    smallest, largest = SIZES_PX
    if not smallest <= size <= largest:
        raise ReceptiveError(f"collages cannot be {size} px wide: set size to {smallest} ... {largest}")
    for name in classes:
        if name not in available:
            raise ReceptiveError(f"unknown photograph '{name}': choose classes among {', '.join(available)}")
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise ReceptiveError(f"collages need two or more distinct classes, not {', '.join(classes) or 'none'}")
    for split, count in zip(SPLITS, (train_images, validation_images), strict=True):
        if count < len(classes):
            raise ReceptiveError(
                f"{count} {split} images are too few for {len(classes)} classes: "
                f"set {split}_images to {len(classes)} or more"
            )
    if len(leaves) != 2 or not 0 <= leaves[0] <= leaves[1]:
        raise ReceptiveError(f"leaves {list(leaves)} is no range: set it to [fewest, most], 0 or more")
    if seed < 0:
        raise ReceptiveError(f"seed {seed} is negative: set it to 0 or more")


@dataclass(frozen=True)
class _Leaf:
    """An ellipse or a convex polygon inscribed in one.

    ``x``, ``y``: centre; ``a``, ``b``: semi-axes; ``angle``: of axis a to the horizontal. ``corners``:
    ascending angles of the corners on the unit circle before it is stretched to the ellipse; None for
    the ellipse itself.
    """

    x: float
    y: float
    a: float
    b: float
    angle: float
    corners: np.ndarray | None

    def reach(self) -> tuple[float, float]:
        """Half the width and half the height of the ellipse's upright bounding box."""
        along, across = cos(self.angle), sin(self.angle)
        return (
            sqrt((self.a * along) ** 2 + (self.b * across) ** 2),
            sqrt((self.a * across) ** 2 + (self.b * along) ** 2),
        )

    def box(self, size: int) -> tuple[slice, slice]:
        """Rows and columns of a ``size`` px collage that hold all of the leaf inside the collage."""
        half_width, half_height = self.reach()

        def clipped(centre: float, half: float) -> slice:
            first, last = int((centre - half) * size), int((centre + half) * size) + 1
            return slice(max(first, 0), min(last, size))

        return clipped(self.y, half_height), clipped(self.x, half_width)

    def covers(self, rows: slice, columns: slice, size: int) -> np.ndarray:
        """Which pixels have their centre in the leaf; bool, row x column."""
        y = ((np.arange(rows.start, rows.stop) + 0.5) / size - self.y)[:, None]
        x = ((np.arange(columns.start, columns.stop) + 0.5) / size - self.x)[None, :]
        u = (x * cos(self.angle) + y * sin(self.angle)) / self.a
        v = (y * cos(self.angle) - x * sin(self.angle)) / self.b
        if self.corners is None:
            return u**2 + v**2 <= 1
        inside = np.ones(u.shape, dtype=bool)
        for middle, half_gap in zip(*_edges(self.corners), strict=True):
            inside &= u * cos(middle) + v * sin(middle) <= cos(half_gap)
        return inside


def _edges(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each edge's middle direction and half the angle it spans, of a polygon in the unit circle."""
    half_gap = np.diff(corners, append=corners[0] + 2 * pi) / 2
    return corners + half_gap, half_gap


def _corners(generator: np.random.Generator, fewest_most: tuple[int, int]) -> np.ndarray | None:
    """Roughly even corners of a polygon, or None, an ellipse, half of the time."""
    if generator.random() < 0.5:
        return None
    count = generator.integers(*fewest_most, endpoint=True)
    return (np.arange(count) + generator.uniform(-0.25, 0.25, count)) * (2 * pi / count)


def _small_leaf(generator: np.random.Generator) -> _Leaf:
    """A leaf with its centre anywhere, and a radius with density proportional to 1 / r^3, cut off at both ends.

    This is the law of Lee et al. whose images look alike at all scales.
    """
    smallest, largest = _SMALL_RADIUS
    radius = (smallest**-2 + generator.random() * (largest**-2 - smallest**-2)) ** -0.5
    stretch = sqrt(_log_uniform(generator, _SMALL_ASPECT))
    x, y = generator.random(2)
    angle = generator.uniform(0, pi)
    return _Leaf(x, y, radius * stretch, radius / stretch, angle, _corners(generator, _SMALL_CORNERS))


def _subject_leaf(generator: np.random.Generator) -> _Leaf:
    """A leaf of an area drawn evenly, inside the collage where it fits, else centred."""
    area = generator.uniform(*_SUBJECT_AREA)
    corners = _corners(generator, _SUBJECT_CORNERS)
    unit_area = pi if corners is None else np.sin(2 * _edges(corners)[1]).sum() / 2
    stretch = sqrt(_log_uniform(generator, _SUBJECT_ASPECT))
    radius = sqrt(area / unit_area)
    angle = generator.uniform(0, pi)
    half_width, half_height = _Leaf(0, 0, radius * stretch, radius / stretch, angle, corners).reach()
    x, y = (0.5 + generator.uniform(-1, 1) * max(0, 0.5 - half) for half in (half_width, half_height))
    return _Leaf(x, y, radius * stretch, radius / stretch, angle, corners)


def _log_uniform(generator: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(generator.uniform(*np.log(limits))))


def _shrunk(name: str, pixels: np.ndarray, size: int) -> tuple[Image, bool]:
    """A photograph no larger than collages of this size can show, and whether it is turnable.

    Shrinking it once, by averaging, spares every crop the work of averaging many pixels.
    """
    photograph = PIL.Image.fromarray(pixels)
    factor = 2 * size / min(photograph.size)
    if factor < 1:
        sides = [max(1, round(side * factor)) for side in photograph.size]
        photograph = photograph.resize(sides, PIL.Image.Resampling.BOX)
    return photograph, name in PHOTOGRAPHS and PHOTOGRAPHS[name].turnable


def _compose(
    image: np.ndarray,
    mask: np.ndarray,
    subject: tuple[Image, bool],
    palette: list[tuple[Image, bool]],
    leaves: tuple[int, int],
    generator: np.random.Generator,
) -> None:
    """Draw one collage into ``image`` (row x column x channel) and its subject into ``mask``."""
    size = len(image)

    def any_photograph() -> tuple[Image, bool]:
        return palette[generator.integers(len(palette))]

    image[:] = _crop(*any_photograph(), size, size, size, generator)
    for _ in range(generator.integers(*leaves, endpoint=True)):
        leaf = _small_leaf(generator)
        rows, columns = leaf.box(size)
        crop = _crop(*any_photograph(), rows.stop - rows.start, columns.stop - columns.start, size, generator)
        np.copyto(image[rows, columns], crop, where=leaf.covers(rows, columns, size)[..., None])

    leaf = _subject_leaf(generator)
    rows, columns = leaf.box(size)
    crop = _crop(*subject, rows.stop - rows.start, columns.stop - columns.start, size, generator)
    mask[:] = False
    mask[rows, columns] = leaf.covers(rows, columns, size)
    np.copyto(image[rows, columns], crop, where=mask[rows, columns, None])


def _crop(
    photograph: Image, turnable: bool, height: int, width: int, size: int, generator: np.random.Generator
) -> np.ndarray:
    """A random part of a photograph, ``height`` x ``width`` x 3, that fills a box of a ``size`` px collage.

    Resampled with a filter as wide as a collage pixel (Pillow's BILINEAR), so it does not alias.
    """
    field_of_view = generator.uniform(*_FIELD_OF_VIEW)
    across, down = generator.random(2)
    mirror, flip, turn = generator.random(3) < 0.5
    gain = generator.uniform(*_GAIN)
    if turnable and turn:
        height, width = width, height
    scale = field_of_view * min(photograph.size) / size
    scale = min(scale, photograph.width / width, photograph.height / height)
    # Clipped, since rounding may put the part slightly outside the photograph.
    left = max(0.0, across * (photograph.width - width * scale))
    top = max(0.0, down * (photograph.height - height * scale))
    right = min(left + width * scale, photograph.width)
    bottom = min(top + height * scale, photograph.height)
    part = photograph.resize((width, height), PIL.Image.Resampling.BILINEAR, (left, top, right, bottom))
    crop = np.asarray(part)
    if turnable:
        crop = crop[::-1] if flip else crop
        crop = crop.transpose(1, 0, 2) if turn else crop
    crop = crop[:, ::-1] if mirror else crop
    brightness = np.minimum(np.arange(256) * gain + 0.5, 255).astype(np.uint8)
    return brightness[crop]
