"""Images that are being decoded: one file of all images, filled in any order, that outlives an interruption."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from receptive.artifacts.checkpoints import keep, read_kept
from receptive.datasets.jpegs import JpegImages, encode, write_jpegs
from receptive.errors import ReceptiveError

_JPEG_SHARE = 0.2
"""Bytes of a JPEG as a share of its pixels' bytes, roughly: photographs at quality 90 (docs/decisions.md)."""


def open_store(
    folder: Path, images: int, side: int, store: Literal["raw", "jpeg"], quality: int
) -> "ImageStore | JpegStore":
    """The store of kind ``store``; ``quality`` is of JPEGs, the rest as for ``ImageStore``."""
    return ImageStore(folder, images, side) if store == "raw" else JpegStore(folder, images, side, quality)


class _Blocks:
    """The journal ``blocks.jsonl`` in a scratch folder: which blocks of images are finished.

    A block is finished once its bytes are on the disk; after an interruption all others are written again. The
    object may be sent to other processes, which write blocks of their own.
    """

    def __init__(self, folder: Path):
        self._journal = folder / "blocks.jsonl"
        self._blocks = _read_journal(self._journal)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_blocks": {}}  # other processes only write: the journal need not travel

    def finished(self, first: int, digest: str) -> bool:
        """Whether the block from image ``first`` on is finished, made from files of this digest."""
        return self._blocks.get(first, {}).get("digest") == digest

    def finish(self, first: int, digest: str, problems: dict[int, str]) -> None:
        """Notes that a block is finished; ``problems``: the reason for each of its images that could not be decoded."""
        block = {"first": first, "digest": digest, "problems": problems}
        with self._journal.open("a") as journal:
            journal.write(json.dumps(block) + "\n")
        self._blocks[first] = block

    def problems(self) -> dict[int, str]:
        """The images that could not be decoded, in order, with the reason."""
        problems = {int(i): reason for block in self._blocks.values() for i, reason in block["problems"].items()}
        return dict(sorted(problems.items()))


class ImageStore(_Blocks):
    """``images.npy`` in a scratch folder, with all images as bytes; each block has its place there.

    Args:
        folder: Made where it is missing. An earlier attempt's folder is used if its images have the same shape.
        images: Number of images.
        side: Of each image, uint8, side x side x 3.

    Raises:
        ReceptiveError: The disk has no room for the images.
    """

    def __init__(self, folder: Path, images: int, side: int):
        self.file = folder / "images.npy"
        shape = (images, side, side, 3)
        if _shape(self.file) != shape:
            _begin_anew(folder, images, side, images * side * side * 3)
            np.lib.format.open_memmap(self.file, "w+", np.uint8, shape).flush()
        self._offset, self._image_bytes = np.load(self.file, mmap_mode="r").offset, side * side * 3
        super().__init__(folder)

    def write(self, first: int, images: np.ndarray) -> None:
        """Writes the images ``first``, ``first`` + 1, ... and waits until they are on the disk."""
        with self.file.open("r+b") as file:
            file.seek(self._offset + first * self._image_bytes)
            file.write(images.data)
            file.flush()
            os.fsync(file.fileno())

    def images(self) -> np.ndarray:
        """All rows, read from the disk where they are used."""
        return np.load(self.file, mmap_mode="r")


class JpegStore(_Blocks):
    """The images as JPEGs: a file for each block until all are there, then ``images.jpegs`` and its ``images.npz``.

    Blocks are joined in the order of the images, so neither the number of processes nor an interruption changes a byte.

    Args:
        folder, images, side: As for ``ImageStore``; an earlier attempt must also have had the same ``quality``.
        quality: As for ``jpegs.encode``.

    Raises:
        ReceptiveError: The disk has no room for the images, which need twice their room for a while.
    """

    def __init__(self, folder: Path, images: int, side: int, quality: int):
        self.file, self._folder = folder / "images.jpegs", folder
        self._side, self._quality = side, quality
        made = folder / "made.json"
        facts = json.dumps({"images": images, "side": side, "quality": quality})
        if not made.exists() or made.read_text() != facts:
            _begin_anew(folder, images, side, round(2 * _JPEG_SHARE * images * side * side * 3))
            made.write_text(facts)
        super().__init__(folder)

    def finished(self, first: int, digest: str) -> bool:
        """As of ``ImageStore``; a block whose file is missing is not finished."""
        return super().finished(first, digest) and self._block(first).exists()

    def write(self, first: int, images: np.ndarray) -> None:
        """Writes the images ``first``, ``first`` + 1, ..., whole or not at all."""
        jpegs = [encode(image, self._quality) for image in images]
        lengths = np.array([len(jpeg) for jpeg in jpegs])
        keep(self._block(first), {"jpegs": np.frombuffer(b"".join(jpegs), np.uint8), "lengths": lengths})

    def images(self) -> JpegImages:
        """All images, decoded from the disk where they are used.

        Raises:
            ReceptiveError: A block is damaged; run again, it is made anew.
        """
        index = write_jpegs(self.file, self._jpegs(), self._side)
        np.savez(self.file.with_suffix(".npz"), **index)  # type: ignore[arg-type]  # as in files.write_arrays
        return JpegImages(self.file, index, "run again")

    def _block(self, first: int) -> Path:
        return self._folder / f"block-{first}.npz"

    def _jpegs(self) -> Iterator[list[bytes]]:
        for first in sorted(self._blocks):
            block = read_kept(self._block(first))
            if block is None:
                self._block(first).unlink(missing_ok=True)
                raise ReceptiveError(f"{self._block(first)} was damaged and is removed: run again, it is made anew")
            ends = np.cumsum(block["lengths"])
            yield [jpeg.tobytes() for jpeg in np.split(block["jpegs"], ends[:-1])]


def _begin_anew(folder: Path, images: int, side: int, needed: int) -> None:
    """Empties the folder, and refuses where the disk has less than ``needed`` bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ReceptiveError(
            f"{images} images of {side} px need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: "
            "free some, or prepare fewer classes or smaller images"
        )


def _shape(path: Path) -> tuple[int, ...] | None:
    try:
        return np.load(path, mmap_mode="r").shape
    except (OSError, ValueError, EOFError):
        return None


def _read_journal(path: Path) -> dict[int, dict]:
    """What ``finish`` wrote, by the block's first image; a line that an interruption cut short is left out."""
    blocks = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        try:
            block = json.loads(line)
        except ValueError:
            continue
        blocks[block["first"]] = block
    return blocks
