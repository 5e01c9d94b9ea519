"""Statistics of training pixels, from exact integer sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK_VALUES = 2**22
"""Pixel values that are turned into float64 at a time: 32 MB, whatever the size of the set."""


class Statistics(NamedTuple):
    """Of pixels scaled to [0, 1].

    Attributes:
        mean, std: Per channel; population, not sample; float64, (channel,).
        covariance: Population covariance of the channels; float64, channel x channel. Its diagonal is ``std`` squared.
        mean_image: float32, height x width x channel.
    """

    mean: np.ndarray
    std: np.ndarray
    covariance: np.ndarray
    mean_image: np.ndarray


def pixel_statistics(images: np.ndarray, rows: np.ndarray, chunk_values: int = CHUNK_VALUES) -> Statistics:
    """Mean, standard deviation, covariance and mean image of ``images[rows]``.

    Each number is correctly rounded from exact integer sums. So neither the order of the rows nor the size
    of the chunks changes a bit of it. Memory use does not grow with the number of images.

    Args:
        images: uint8, image x height x width x channel; may be a memory map.
        rows: Numbers of the images that count.
        chunk_values: Pixel values that are read at a time.
    """
    channels = images.shape[-1]
    image_sum = np.zeros(images.shape[1:], dtype=np.int64)
    product_sum = np.zeros((channels, channels), dtype=np.int64)
    for chunk in _chunks(images, rows, chunk_values):
        image_sum += chunk.sum(axis=0, dtype=np.int64)
        # Products of bytes, summed over 2^22 values, stay far below 2^53. So they are exact in float64, where
        # the matrix product is fast, and independent of the order of summation.
        pixels = chunk.reshape(-1, channels).astype(np.float64)
        product_sum += (pixels.T @ pixels).astype(np.int64)

    # Python's integers do not overflow, and their quotient is correctly rounded.
    pixel_count = len(rows) * images.shape[1] * images.shape[2]
    sums = [int(total) for total in image_sum.sum(axis=(0, 1))]
    mean = np.array([total / (255 * pixel_count) for total in sums])
    covariance = np.array(
        [
            [
                (pixel_count * int(product_sum[p, q]) - sums[p] * sums[q]) / (255 * pixel_count) ** 2
                for q in range(channels)
            ]
            for p in range(channels)
        ]
    )
    mean_image = (image_sum / (255 * len(rows))).astype(np.float32)
    return Statistics(mean, np.sqrt(np.diagonal(covariance)), covariance, mean_image)


def _chunks(images: np.ndarray, rows: np.ndarray, chunk_values: int) -> Iterator[np.ndarray]:
    images_per_chunk = max(1, chunk_values // int(np.prod(images.shape[1:])))
    for first in range(0, len(rows), images_per_chunk):
        yield images[rows[first : first + images_per_chunk]]
