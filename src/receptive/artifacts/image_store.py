"""Images that are being decoded: one file of all images, filled in any order, that outlives an interruption."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from receptive.errors import ReceptiveError


class ImageStore:
    """``images.npy`` in a scratch folder, and ``blocks.jsonl``, which lists the blocks of images that are finished.

    A block is finished once its bytes are on the disk; after an interruption all others are written again. The
    object may be sent to other processes, which write blocks of their own.

    Args:
        folder: Made where it is missing. An earlier attempt's folder is used if its images have the same shape.
        images: Number of images.
        side: Of each image, uint8, side x side x 3.

    Raises:
        ReceptiveError: The disk has no room for the images.
    """

    def __init__(self, folder: Path, images: int, side: int):
        self.file, self._journal = folder / "images.npy", folder / "blocks.jsonl"
        shape = (images, side, side, 3)
        self._blocks: dict[int, dict] = {}
        if _shape(self.file) == shape:
            self._blocks = _read_journal(self._journal)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            needed, free = images * side * side * 3, shutil.disk_usage(folder).free
            if needed > free:
                raise ReceptiveError(
                    f"{images} images of {side} px need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: "
                    "free some, or prepare fewer classes or smaller images"
                )
            np.lib.format.open_memmap(self.file, "w+", np.uint8, shape).flush()
        self._offset, self._image_bytes = np.load(self.file, mmap_mode="r").offset, side * side * 3

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_blocks": {}}  # other processes only write: the journal need not travel

    def finished(self, first: int, digest: str) -> bool:
        """Whether the block from image ``first`` on is finished, made from files of this digest."""
        return self._blocks.get(first, {}).get("digest") == digest

    def write(self, first: int, images: np.ndarray) -> None:
        """Writes the images ``first``, ``first`` + 1, ... and waits until they are on the disk."""
        with self.file.open("r+b") as file:
            file.seek(self._offset + first * self._image_bytes)
            file.write(images.data)
            file.flush()
            os.fsync(file.fileno())

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

    def images(self) -> np.ndarray:
        """All rows, read from the disk where they are used."""
        return np.load(self.file, mmap_mode="r")


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
