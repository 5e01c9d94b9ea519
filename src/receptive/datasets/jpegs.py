"""Images that lie in one file as JPEGs, and are decoded where they are asked for, like an array of bytes.

What is decoded is the image: every stage sees the same pixels, whatever part of them it asks for. Colours have the
full resolution (4:4:4) and the transform is the exact integer one, so that decoders of the libjpeg family agree to the
byte (tests/datasets/test_jpegs.py compares Pillow's). Decoding lets other threads run; a batch is shared out among all
cores.
"""

from __future__ import annotations

import copy
import os
import weakref
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from receptive.errors import ReceptiveError
from receptive.processes.pool import cores

_SHARES = 4  # pieces of a batch for each thread: whoever is done early takes another


def encode(image: np.ndarray, quality: int) -> bytes:
    """One image as a JPEG.

    Args:
        image: uint8, height x width x 3.
        quality: 1 to 100, as libjpeg counts it.
    """
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "444")


def write_jpegs(file: Path, blocks: Iterable[Sequence[bytes]], side: int) -> dict[str, np.ndarray]:
    """Write JPEGs one after the other, as they come, and return the index that ``JpegImages`` needs.

    Args:
        file: Written anew.
        blocks: The JPEGs in order, some at a time; at least one.
        side: Of each image, px.

    Returns:
        ``offsets`` (int64, images + 1): where each JPEG begins, and the end. ``checksums`` (uint32): CRC-32 of each.
        ``side`` (int64). ``pixels`` (uint32): CRC-32 of the pixels of the first image.
    """
    lengths: list[int] = []
    checksums: list[int] = []
    with file.open("wb") as out:
        for block in blocks:
            if not lengths:
                pixels = zlib.crc32(simplejpeg.decode_jpeg(block[0], "RGB"))
            for jpeg in block:
                out.write(jpeg)
                lengths.append(len(jpeg))
                checksums.append(zlib.crc32(jpeg))
    return {
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "checksums": np.array(checksums, dtype=np.uint32),
        "side": np.array(side, dtype=np.int64),
        "pixels": np.array(pixels, dtype=np.uint32),
    }


class JpegImages:
    """The images of a file of JPEGs, indexed as an array: uint8, image x y x x x 3.

    An index takes images: a number, a slice, a list or array of numbers or of truth values. The result is an array of
    its own. ``images[:, top:bottom, left:right]`` is another such object, of a part of every image; nothing is decoded.

    Args:
        file: What ``write_jpegs`` wrote.
        index: What it returned.
        cure: What a user does about a damaged file, for the message.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: File and index do not fit together.
        ReceptiveError: The JPEG decoder of this machine gives other pixels than the one that the file was made with;
            also later, where an image is damaged.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, file: Path, index: Mapping[str, np.ndarray], cure: str):
        self._path, self._cure = file, cure
        self._file = _OpenFile(file)
        self._offsets, self._checksums = index["offsets"], index["checksums"]
        self._side = int(index["side"])
        self._part = slice(0, self._side), slice(0, self._side)
        self._numbers = np.arange(len(self._checksums))
        if len(self._offsets) != len(self._checksums) + 1 or (np.diff(self._offsets) <= 0).any():
            raise ValueError("its index is no index of JPEGs")
        if self._offsets[-1] != os.stat(file).st_size:
            raise ValueError(f"it has {os.stat(file).st_size} bytes where its index says {self._offsets[-1]}")
        if zlib.crc32(self[0]) != index["pixels"]:
            raise ReceptiveError(
                f"{file} was made with a JPEG decoder that gives other pixels than simplejpeg "
                f"{simplejpeg.__version__}: install the version of requirements.txt, or prepare the images anew"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, height, width, 3."""
        y, x = self._part
        return len(self._checksums), y.stop - y.start, x.stop - x.start, 3

    def __len__(self) -> int:
        return len(self._checksums)

    def __getitem__(self, key: Any) -> np.ndarray | JpegImages:
        if isinstance(key, tuple):
            return self._view(*key)
        numbers = self._numbers[key]
        if numbers.ndim == 0:
            return self._decoded(numbers[None])[0]
        distinct, places = np.unique(numbers, return_inverse=True)
        return self._decoded(numbers) if len(distinct) == len(numbers) else self._decoded(distinct)[places]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def _view(self, images: slice, *part: slice) -> JpegImages:
        cuts = all(isinstance(cut, slice) and cut.step in (None, 1) for cut in part)
        if not (isinstance(images, slice) and images == slice(None) and len(part) == 2 and cuts):
            raise TypeError("of JPEGs take images[numbers] or images[:, top:bottom, left:right]")
        view = copy.copy(self)
        within = [range(old.start, old.stop)[new] for old, new in zip(self._part, part, strict=True)]
        view._part = slice(within[0].start, within[0].stop), slice(within[1].start, within[1].stop)
        return view

    def _decoded(self, numbers: np.ndarray) -> np.ndarray:
        images = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        workers = threads()
        if workers == 1 or len(numbers) == 1:
            self._decode(images, numbers)
            return images
        bounds = np.linspace(0, len(numbers), min(len(numbers), _SHARES * workers) + 1).astype(int).tolist()
        shares = [slice(*ends) for ends in pairwise(bounds)]
        pool = _pool(os.getpid(), workers)
        for _ in pool.map(self._decode, [images[share] for share in shares], [numbers[share] for share in shares]):
            pass
        return images

    def _decode(self, images: np.ndarray, numbers: np.ndarray) -> None:
        """Decode into ``images``; a part of an image is cut out of the whole, which lies beside it."""
        whole = images.shape[1:3] == (self._side, self._side)
        square = None if whole else np.empty((self._side, self._side, 3), np.uint8)
        for image, number in zip(images, numbers.tolist(), strict=True):
            self._decode_one(number, image if square is None else square)
            if square is not None:
                image[:] = square[self._part]

    def _decode_one(self, number: int, square: np.ndarray) -> None:
        try:
            jpeg = self._file.read(int(self._offsets[number]), int(self._offsets[number + 1]))
            if zlib.crc32(jpeg) != self._checksums[number]:
                raise ValueError("its bytes have changed")
            simplejpeg.decode_jpeg(jpeg, "RGB", buffer=square)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ReceptiveError(f"{self._path} is damaged (image {number}: {reason}): {self._cure}") from None


class _OpenFile:
    """A file that stays open as long as something holds this object; any thread may read it."""

    def __init__(self, path: Path):
        self._number = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._number)

    def read(self, first: int, stop: int) -> bytes:
        return os.pread(self._number, stop - first, first)


def threads() -> int:
    """The number of threads that decode: this process's share of the cores.

    Processes that train together on one machine (``LOCAL_WORLD_SIZE``, which torch's launcher sets) share the cores.
    """
    return max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


@cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """A pool for each process: a fork has none of its parent's threads."""
    return ThreadPoolExecutor(workers, "decode")
