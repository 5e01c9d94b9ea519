"""Prepared images as JPEGs: their size, how fast they are decoded, and whether training would wait for them.

Prints JSON. Speeds of one thread count processor time, so other work on the machine says little in them. Decoders that
are not installed are left out (pip install opencv-python-headless imagecodecs).

The images are windows of the photographs that scikit-image and scikit-learn ship, collages of them, and noise with the
spectrum of photographs but none of their smooth areas, which JPEGs hold with three times the bytes.

ImageNet's size is projected from bytes an image, and once more scaled by how much busier its originals are than these
photographs (``busier_times``): bits a pixel of 1,281,167 files of together 144 GB, taken as 500 x 375 px, over those of
the photographs at no more than 375 px, quality 95.
"""

import argparse
import importlib
import io
import json
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import simplejpeg
import torch
from PIL import Image

from receptive.artifacts.image_store import open_store
from receptive.datasets import jpegs
from receptive.datasets.collages import CLASSES, generate, read_photographs
from receptive.loading import RowsOnDisk, prefetched

IMAGENET = 1_331_167
ORIGINAL_BITS = 8 * 144e9 / 1_281_167 / (500 * 375)
SUBSAMPLINGS = ("444", "420")


def main() -> None:
    arguments = parse()
    print(json.dumps(measure(arguments), indent=2))


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512, help="of each kind")
    parser.add_argument("--side", type=int, default=256, help="px")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs whose decoding is measured")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5, help="the median counts")
    parser.add_argument("--rate", type=float, default=6900, help="images/s that training wants (docs/scale.md)")
    parser.add_argument("--cores", type=int, default=16, help="of the machine that trains")
    return parser.parse_args(words)


def measure(arguments: argparse.Namespace) -> dict:
    kinds = {name: make(arguments.images, arguments.side) for name, make in PICTURES.items()}
    hardware = {"processor": processor(), "cores": jpegs.cores(), "python": platform.python_version()}
    read = {name: reading(pictures, arguments) for name, pictures in kinds.items()}
    return {
        "hardware": hardware,
        "settings": vars(arguments),
        "busier_times": ORIGINAL_BITS / original_bits(),
        "sizes": {name: sizes(pictures) for name, pictures in kinds.items()},
        "decoders": decoders(kinds["photographs"], arguments),
        "reading": read,
        "training": {name: projection(rows, arguments) for name, rows in read.items()},
    }


def processor() -> str:
    """The name that the system gives the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


# Images


def photographs(count: int, side: int) -> np.ndarray:
    """Square windows of photographs in colour, of 70 to 100% of their shorter side, resized."""
    random = np.random.default_rng(0)
    made = []
    for photograph in map(Image.fromarray, [*read_photographs(CLASSES).values()] * -(-count // len(CLASSES))):
        box = min(photograph.size) * random.uniform(0.7, 1)
        left, top = (random.uniform(0, length - box) for length in photograph.size)
        corners = (left, top, left + box, top + box)
        made.append(np.asarray(photograph.resize((side, side), Image.Resampling.BILINEAR, corners)))
    return np.stack(made[:count])


def collages(count: int, side: int) -> np.ndarray:
    return generate(side, max(count, len(CLASSES)), len(CLASSES)).images[:count]


def noise(count: int, side: int) -> np.ndarray:
    """Random phases under an amplitude of 1/frequency (Field 1987): grey, and a third of that in each colour."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    made = np.empty((count, side, side, 3), np.uint8)
    for image in made:
        phases = np.exp(2j * np.pi * random.random((4, *frequency.shape)))
        grey, *colours = np.fft.irfft2(phases / frequency, (side, side))
        pixels = [grey / grey.std() + colour / (3 * colour.std()) for colour in colours]
        image[:] = np.clip(118 + 58 * np.stack(pixels, -1), 0, 255)
    return made


PICTURES = {"photographs": photographs, "collages": collages, "noise": noise}


def original_bits() -> float:
    """Bits a pixel of the photographs as files of their own: the shorter side at most 375 px, quality 95, 4:2:0."""
    bits = []
    for photograph in map(Image.fromarray, read_photographs(CLASSES).values()):
        factor = max(1, min(photograph.size) / 375)
        small = photograph.resize([round(length / factor) for length in photograph.size], Image.Resampling.BILINEAR)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=95)
        bits.append(8 * len(file.getvalue()) / (small.width * small.height))
    return statistics.mean(bits)


def sizes(images: np.ndarray) -> list[dict]:
    """By quality and resolution of the colours: bytes an image, ImageNet's gigabytes, and what is lost."""
    rows = []
    for quality in (85, 90, 95):
        for subsampling in SUBSAMPLINGS:
            made = [simplejpeg.encode_jpeg(image, quality, "RGB", subsampling) for image in images]
            lost = np.stack([simplejpeg.decode_jpeg(jpeg) for jpeg in made]).astype(np.float32) - images
            length = statistics.mean(map(len, made))
            rows.append(
                {
                    "quality": quality,
                    "subsampling": subsampling,
                    "bytes": length,
                    "imagenet_gb": length * IMAGENET / 1e9,
                    "psnr_db": float(10 * np.log10(255**2 / np.mean(lost**2))),
                }
            )
    return rows


# Decoders


def known_decoders() -> Iterator[tuple[str, str, Callable[[bytes], np.ndarray]]]:
    """Name, version and function of every decoder that is installed; those with "half" scale down while decoding."""

    def pillow(jpeg: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(jpeg)) as image:
            return np.asarray(image)

    yield "simplejpeg", simplejpeg.__version__, lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB")
    fast = {"fastdct": True, "fastupsample": True}
    yield "simplejpeg, fast", simplejpeg.__version__, lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", **fast)
    half = {"min_height": 1, "min_width": 1, "min_factor": 2}
    yield "simplejpeg, half", simplejpeg.__version__, lambda jpeg: simplejpeg.decode_jpeg(jpeg, "RGB", **half)
    yield "pillow", importlib.import_module("PIL").__version__, pillow
    if (vision := found("torchvision")) is not None:

        def by_torchvision(jpeg: bytes) -> np.ndarray:
            content = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
            return vision.io.decode_jpeg(content, vision.io.ImageReadMode.RGB).permute(1, 2, 0).numpy()

        yield "torchvision", vision.__version__, by_torchvision
    if (cv2 := found("cv2")) is not None:
        cv2.setNumThreads(1)
        flag = cv2.IMREAD_COLOR_RGB
        yield "opencv", cv2.__version__, lambda jpeg: cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    if (codecs := found("imagecodecs")) is not None:
        yield "imagecodecs", codecs.__version__, codecs.jpeg8_decode


def found(name: str):
    """The module, or None where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError):
        return None


def decoders(images: np.ndarray, arguments: argparse.Namespace) -> list[dict]:
    """Images per second of processor time in one thread, and whether other threads may run meanwhile."""
    rows = []
    for subsampling in SUBSAMPLINGS:
        made = [simplejpeg.encode_jpeg(image, arguments.quality, "RGB", subsampling) for image in images]
        reference = simplejpeg.decode_jpeg(made[0], "RGB").astype(int)
        for name, version, decode in known_decoders():
            try:
                pixels = decode(made[0])
            except RuntimeError:  # torchvision without its library of images
                continue
            rows.append(
                {
                    "decoder": name,
                    "version": version,
                    "subsampling": subsampling,
                    **decoding(decode, made, arguments.repeats),
                    "pixels_differ_by": int(np.abs(pixels - reference).max())
                    if pixels.shape == reference.shape
                    else None,
                }
            )
    return rows


def decoding(decode: Callable[[bytes], np.ndarray], made: list[bytes], repeats: int) -> dict[str, float]:
    def work() -> None:
        for jpeg in made:
            decode(jpeg)

    return {"images_per_core_s": len(made) / timed(work, repeats)[0], "others_wait_share": waiting(decode)}


def waiting(decode: Callable[[bytes], np.ndarray]) -> float:
    """The longest pause of another thread while one large image is decoded, as a share of the time that this takes."""
    coarse = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    large = simplejpeg.encode_jpeg(np.asarray(Image.fromarray(coarse).resize((3000, 3000))), 90)
    thread = threading.Thread(target=decode, args=(large,))
    thread.start()
    began = last = time.perf_counter()
    longest = 0.0
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest / (last - began)


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Processor seconds of all threads, and seconds by the clock: the medians."""
    used, passed = [], []
    for _ in range(repeats):
        began = time.process_time(), time.perf_counter()
        work()
        used.append(time.process_time() - began[0])
        passed.append(time.perf_counter() - began[1])
    return statistics.median(used), statistics.median(passed)


# The store


def reading(images: np.ndarray, arguments: argparse.Namespace) -> dict[str, float]:
    """Batches in random order from both stores, as training reads them; the files lie in the system's cache.

    Returns:
        Images per second of processor time, ``raw`` and ``jpeg``; ``alone_s``: seconds per batch that no other thread
        can share (all but decoding, and a copy of the batch, as into pinned memory).
    """
    order = np.random.default_rng(0).permutation(len(images))
    batches = [
        torch.from_numpy(order[first : first + arguments.batch]) for first in range(0, len(order), arguments.batch)
    ]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("raw", "jpeg"):
            store = open_store(Path(folder) / kind, len(images), arguments.side, kind, arguments.quality)
            store.write(0, images)
            store.finish(0, "", {})
            rows = RowsOnDisk(store.images(), np.arange(len(images)))

            def one_pass(rows: RowsOnDisk = rows) -> None:
                for _ in prefetched(rows[batch] for batch in batches):
                    pass

            one_pass()
            found[kind] = len(images) / timed(one_pass, arguments.repeats)[0]
        pinned = rows[batches[0]].clone()
        with patch.object(jpegs.JpegImages, "_decode", return_value=None):
            overhead = timed(lambda: rows[batches[0]], arguments.repeats)[0]
    gathered = pinned.clone()
    found["alone_s"] = overhead + timed(lambda: pinned.copy_(gathered), arguments.repeats)[0]
    return found


def projection(read: dict[str, float], arguments: argparse.Namespace) -> dict[str, float]:
    """What a machine of ``--cores`` reads: one core is left to the training itself, the others decode a batch."""
    shared = arguments.batch / read["jpeg"] / (arguments.cores - 1)
    rate = arguments.batch / (read["alone_s"] + shared)
    return {"images_per_s": rate, "times_wanted": rate / arguments.rate, "cores_used": arguments.rate / read["jpeg"]}


if __name__ == "__main__":
    sys.exit(main())
