"""Image files of any common kind as bytes of one shape, decoded once by all cores.

The decoded pixels depend on the file alone, and every image has its row before it is decoded. So neither the
number of processes nor an interruption changes a byte. Only numpy and Pillow are loaded here, because every
process starts with this module.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps

from receptive.processes.pool import in_processes

BLOCK_IMAGES = 64
"""Images that a process decodes at a time, and that an interruption may cost: 12 MB at 256 px."""

_EXTREME = 16  # times the shorter side: of longer pictures only the centre is resized, the whole could take gigabytes

_KILLED = "a process that decodes images was killed (memory?): run again, it goes on where it stopped"


class Store(Protocol):
    """Where decoded images are kept between attempts (``receptive.artifacts.image_store.ImageStore``)."""

    def finished(self, first: int, digest: str) -> bool:
        """Whether the block that starts with image ``first`` is written, from files of this digest."""

    def write(self, first: int, images: np.ndarray) -> None:
        """Write the images ``first``, ``first`` + 1, ...; called in other processes."""

    def finish(self, first: int, digest: str, problems: dict[int, str]) -> None:
        """Record that a block is written; ``problems`` gives the rows of its damaged files, and the reasons."""


def read_image(path: Path, side: int) -> np.ndarray:
    """The centre square of an image file, its shorter side resized to ``side``; uint8, side x side x 3.

    The square is that of torchvision's ``Resize(side)`` and ``CenterCrop(side)`` (bilinear with antialiasing).
    Before that, the picture is turned as its EXIF orientation says. Grey-scale, palette and CMYK become RGB,
    transparent parts lie on white, 16-bit grey is scaled to 8 bits. Departures from torchvision's own loader: that
    turns no picture, drops transparency, and clips 16-bit grey to white. Where one side is more than 16 times the
    other, a byte may differ from torchvision's by 1.

    Raises:
        Exception: Whatever Pillow raises for files that are damaged or no images; ValueError for pixels
            without a known range.
    """
    with Image.open(path) as opened:
        opened.load()
        image = _rgb(ImageOps.exif_transpose(opened))
    width, height = image.size
    shorter = min(width, height)
    wide, high = int(side * width / shorter), int(side * height / shorter)
    left, top = round((wide - side) / 2), round((high - side) / 2)
    square = (left, top, left + side, top + side)
    if max(width, height) > _EXTREME * shorter:
        # The same pixels but for rounding; because of the rounding, ordinary pictures are not read so.
        x, y = width / wide, height / high
        box = (square[0] * x, square[1] * y, square[2] * x, square[3] * y)
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box))
    return np.asarray(image.resize((wide, high), Image.Resampling.BILINEAR).crop(square))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow also opens as 32-bit integers
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError(f"its {image.mode} pixels have no known range")
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its floating-point pixels have no known range")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def decode(
    root: Path,
    files: Sequence[str],
    side: int,
    store: Store,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda numbers: numbers,
    workers: int | None = None,
) -> None:
    """Decode ``files``, the i-th into row i of ``store``, going on where an earlier attempt stopped.

    Files that cannot be decoded are recorded in the store and leave their row black.

    Args:
        root: The folder that the names of ``files`` start from.
        side: Side of the stored squares, px.
        progress: Wraps the iterable over all images; those already decoded pass at once.
        workers: Processes; None takes one per core, 1 decodes in this process.
    """
    blocks = [files[first : first + BLOCK_IMAGES] for first in range(0, len(files), BLOCK_IMAGES)]
    bar = iter(progress(range(len(files))))
    missing = []
    for number, block in enumerate(blocks):
        first, digest = number * BLOCK_IMAGES, _digest(root, block)
        if store.finished(first, digest):
            _advance(bar, len(block))
        else:
            missing.append((first, digest, block))
    work = partial(_decode_block, root, side, store)
    for first, digest, problems, images in in_processes(work, missing, _KILLED, workers):
        store.finish(first, digest, problems)
        _advance(bar, images)
    _advance(bar, 1)  # past the end: the bar closes


def _advance(bar: Iterator[int], images: int) -> None:
    for _ in islice(bar, images):
        pass


def _decode_block(
    root: Path, side: int, store: Store, item: tuple[int, str, Sequence[str]]
) -> tuple[int, str, dict[int, str], int]:
    first, digest, block = item
    images, problems = np.zeros((len(block), side, side, 3), dtype=np.uint8), {}
    for i, file in enumerate(block):
        try:
            images[i] = read_image(root / file, side)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file may raise nearly anything, also from inside Pillow's plugins
            reason = f"{type(error).__name__}: {error}".replace(f"{root}{os.sep}", "")
            problems[first + i] = " ".join(reason.split())[:200]
    store.write(first, images)
    return first, digest, problems, len(block)


def _digest(root: Path, files: Sequence[str]) -> str:
    """A digest of the files' names, sizes and times of change: other files have another digest."""
    digest = hashlib.sha256()
    for file in files:
        try:
            status = (root / file).stat()
            facts = repr((file, status.st_size, status.st_mtime_ns))
        except OSError:
            facts = repr((file,))
        digest.update(facts.encode())
    return digest.hexdigest()[:16]
