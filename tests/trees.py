"""Small trees of image files, and stores for what is decoded from them."""

import os
import signal
from pathlib import Path

import numpy as np
from PIL import Image

from receptive.artifacts.image_store import ImageStore


def save_image(path: Path, seed: int, height: int = 20, width: int = 24) -> None:
    """A random picture, the same for the same seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


class InMemory:
    """The store of decoded images, as an array."""

    def __init__(self, images: int, side: int):
        self.rows = np.zeros((images, side, side, 3), dtype=np.uint8)
        self.file = Path("nowhere.npy")
        self.found = {}

    def finished(self, first, digest):
        return False

    def write(self, first, images):
        self.rows[first : first + len(images)] = images

    def finish(self, first, digest, problems):
        self.found |= problems

    def problems(self):
        return self.found

    def images(self):
        return self.rows


class Deadly(ImageStore):
    """Its process dies, as by the kernel's out-of-memory killer."""

    def write(self, first, images):
        os.kill(os.getpid(), signal.SIGKILL)
