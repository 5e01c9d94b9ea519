"""Images that are being decoded: a file of all rows, filled in any order, that outlives an interruption."""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from receptive.errors import ReceptiveError


class ImageStore:
    """``images.npy`` in a scratch folder and ``blocks.jsonl``, which says what of it is there.

    A block counts as there once its bytes are on the disk; what was written later is written again. The
    object may be sent to other processes, which write blocks of their own.

    Args:
        folder: made where it is missing; an earlier attempt's is taken up if its images have the same shape.
        images, side: how many there will be, uint8, side x side x 3.

    Raises:
        ReceptiveError: the disk has no room for them.
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
        """Whether the block from image ``first`` on is there, made from files of this digest."""
        return self._blocks.get(first, {}).get("digest") == digest

    def write(self, first: int, images: np.ndarray) -> None:
        """Writes the images ``first``, ``first`` + 1, ... and waits until they are on the disk."""
        with self.file.open("r+b") as file:
            file.seek(self._offset + first * self._image_bytes)
            file.write(images.data)
            file.flush()
            os.fsync(file.fileno())

    def finish(self, first: int, digest: str, problems: dict[int, str]) -> None:
        """Remembers that a block is there; ``problems`` tells which of its images are not, and why."""
        block = {"first": first, "digest": digest, "problems": problems}
        with self._journal.open("a") as journal:
            journal.write(json.dumps(block) + "\n")
        self._blocks[first] = block

    def problems(self) -> dict[int, str]:
        """The images that could not be decoded, in order, and why."""
        found = {int(i): reason for block in self._blocks.values() for i, reason in block["problems"].items()}
        return dict(sorted(found.items()))

    def images(self) -> np.ndarray:
        """All rows, read from the disk where they are used."""
        return np.load(self.file, mmap_mode="r")


def _shape(path: Path) -> tuple[int, ...] | None:
    try:
        return np.load(path, mmap_mode="r").shape
    except (OSError, ValueError, EOFError):
        return None


def _read_journal(path: Path) -> dict[int, dict]:
    """Block by block what ``finish`` wrote; a line that an interruption cut short is no line."""
    blocks = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        try:
            block = json.loads(line)
        except ValueError:
            continue
        blocks[block["first"]] = block
    return blocks
