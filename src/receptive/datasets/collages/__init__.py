"""Dead-leaves collages of photographs that scikit-image and scikit-learn ship, no download.

Dead leaves (Matheron 1968; Lee, Mumford and Huang, "Occlusion models for natural images", 2001) are
opaque shapes of random size, place and texture that fall on each other. They have the edges,
occlusions and scales of natural images, and what each pixel shows is known. Here a background crop
is covered by a few small leaves and then by one *subject* leaf, anywhere in the frame; the label says which
motif the subject leaf shows. Every leaf has its own hue, saturation and contrast, so that motifs must be told by
their shapes and textures.

Training and validation images are cut from the same photographs; they never share a composition. An accuracy on
this set therefore measures how well known photographs are recognised in new crops, colours, shapes, places and
surroundings. It does not measure generalisation to new objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import PIL.Image
from PIL.Image import Image

from receptive.datasets.collages.leaves import small_leaf, subject_leaf
from receptive.datasets.collages.photographs import CLASSES, PHOTOGRAPHS, read_photographs
from receptive.datasets.collages.recolouring import recoloured
from receptive.datasets.collages.textures import NAMES as TEXTURES
from receptive.datasets.collages.textures import all_textures
from receptive.datasets.prepared import Prepared, prepare
from receptive.datasets.rules import SPLITS
from receptive.errors import ReceptiveError

__all__ = ["CLASSES", "PHOTOGRAPHS", "SIZES_PX", "generate", "read_photographs"]

SIZES_PX = (32, 256)

# How much of a motif's shorter side lies along a side of the collage.
_FIELD_OF_VIEW = (1.0, 1.5)


def generate(
    size: int,
    train_images: int,
    validation_images: int,
    classes: Sequence[str] = CLASSES,
    leaves: tuple[int, int] = (4, 10),
    seed: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    photographs: Mapping[str, np.ndarray] | None = None,
    fillers: Mapping[str, np.ndarray] | None = None,
) -> Prepared:
    """Labelled collages, ``size`` x ``size`` x 3, with the mask of each subject leaf.

    Background, small leaves, and the subject's shape, place and colouring are drawn without regard to the label. So
    only the pixels of the subject leaf tell the label. No other leaf shows a motif that is a class. In each split the
    labels run 0, 1, ..., classes - 1, 0, 1, ... and are thus balanced to within one image. Image i of a split depends
    on the seed, the split and i, not on how many images are made. Its composition is the same at every size.

    Args:
        size: Side of a collage in pixels, 32 ... 256.
        train_images, validation_images: Number of collages in each split, at least one per class.
        classes: Motifs that a subject leaf may show, label 0 first; at least two of ``PHOTOGRAPHS``.
        leaves: Fewest and most small leaves.
        seed: 0 or more.
        progress: Wraps the iterable over all images, for instance ``tqdm.tqdm``.
        photographs: Pixels of motifs by name, uint8, height x width x 3, instead of all of ``PHOTOGRAPHS``.
        fillers: Pixels, as ``photographs``, that small leaves and backgrounds show; without it the photographs that
            are no class, and ``all_textures``.

    Raises:
        ReceptiveError: A parameter is outside the limits above, or a photograph's file is missing.
    """
    classes = tuple(classes)
    available = PHOTOGRAPHS if photographs is None else photographs
    _refuse(size, train_images, validation_images, classes, leaves, seed, available)
    pixels = read_photographs() if photographs is None else photographs
    if fillers is None:
        fillers = {name: pixels[name] for name in sorted(pixels) if name not in classes} | all_textures()
    palette = [_shrunk(name, fillers[name], size) for name in fillers]
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
            raise ReceptiveError(f"unknown motif '{name}': choose classes among {', '.join(available)}")
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


def _shrunk(name: str, pixels: np.ndarray, size: int) -> tuple[Image, bool]:
    """A photograph or texture no larger than collages of this size can show, and whether it is turnable.

    Shrinking it once, by averaging, spares every crop the work of averaging many pixels.
    """
    photograph = PIL.Image.fromarray(pixels)
    factor = 2 * size / min(photograph.size)
    if factor < 1:
        sides = [max(1, round(side * factor)) for side in photograph.size]
        photograph = photograph.resize(sides, PIL.Image.Resampling.BOX)
    turnable = PHOTOGRAPHS[name].turnable if name in PHOTOGRAPHS else name in TEXTURES
    return photograph, turnable


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

    def any_filler() -> tuple[Image, bool]:
        return palette[generator.integers(len(palette))]

    image[:] = _crop(*any_filler(), size, size, size, generator)
    for _ in range(generator.integers(*leaves, endpoint=True)):
        leaf = small_leaf(generator)
        rows, columns = leaf.box(size)
        crop = _crop(*any_filler(), rows.stop - rows.start, columns.stop - columns.start, size, generator)
        np.copyto(image[rows, columns], crop, where=leaf.covers(rows, columns, size)[..., None])

    leaf = subject_leaf(generator)
    rows, columns = leaf.box(size)
    crop = _crop(*subject, rows.stop - rows.start, columns.stop - columns.start, size, generator)
    mask[:] = False
    mask[rows, columns] = leaf.covers(rows, columns, size)
    np.copyto(image[rows, columns], crop, where=mask[rows, columns, None])


def _crop(
    photograph: Image, turnable: bool, height: int, width: int, size: int, generator: np.random.Generator
) -> np.ndarray:
    """A random part of a photograph, recoloured, ``height`` x ``width`` x 3, for a box of a ``size`` px collage.

    Resampled with a filter as wide as a collage pixel (Pillow's BILINEAR), so it does not alias.
    """
    field_of_view = generator.uniform(*_FIELD_OF_VIEW)
    across, down = generator.random(2)
    mirror, flip, turn = generator.random(3) < 0.5
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
    crop = recoloured(part, generator)
    if turnable:
        crop = crop[::-1] if flip else crop
        crop = crop.transpose(1, 0, 2) if turn else crop
    return crop[:, ::-1] if mirror else crop
