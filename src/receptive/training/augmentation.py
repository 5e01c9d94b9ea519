"""Random crops and flips of whole batches of images, on any device.

The crop of KS 3.1 (He et al., Szegedy et al.): a share of the area and an aspect ratio are drawn, and the box is
resized to the whole image. A box that does not fit is drawn again, up to ten times, as in torchvision. After that
the whole image is taken.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_TRIES = 10


def random_boxes(
    images: int,
    size: Sequence[int],
    area: Sequence[float],
    aspect: Sequence[float],
    generator: torch.Generator,
) -> Tensor:
    """Random boxes, image x (top, left, height, width) in px, float; each lies inside ``size`` (y, x).

    The share of the area is uniform in ``area``, the ratio width/height is log-uniform in ``aspect``.
    """
    height, width = size
    share = torch.empty(images, _TRIES).uniform_(*area, generator=generator)
    ratio = torch.empty(images, _TRIES).uniform_(*(math.log(a) for a in aspect), generator=generator).exp()
    w = (height * width * share * ratio).sqrt().round()
    h = (height * width * share / ratio).sqrt().round()
    fits = (w >= 1) & (w <= width) & (h >= 1) & (h <= height)
    first = fits.int().argmax(1, keepdim=True)
    any_fits = fits.any(1)
    w = torch.where(any_fits, w.gather(1, first)[:, 0], torch.tensor(float(width)))
    h = torch.where(any_fits, h.gather(1, first)[:, 0], torch.tensor(float(height)))
    places = torch.rand(images, 2, generator=generator)
    top = (places[:, 0] * (height - h + 1)).floor()
    left = (places[:, 1] * (width - w + 1)).floor()
    return torch.stack([top, left, h, w], 1)


def resized_crops(pixels: Tensor, boxes: Tensor, flip: Tensor, size: int | None = None) -> Tensor:
    """Each image's box, resized to the image's own size (bilinear), mirrored where ``flip`` is True.

    A box is never larger than the image, so nothing is scaled down and nothing aliases. With ``size`` a box may
    be larger than its result (256 to 224 px at most in the ``paper`` profile), which aliases little.

    Args:
        pixels: Image x channel x y x x.
        boxes: Image x (top, left, height, width), px.
        flip: Per image, bool.
        size: Side of the result, px; None: that of the image.
    """
    images, _, height, width = pixels.shape
    top, left, h, w = boxes.to(pixels.device, pixels.dtype).unbind(1)
    mirror = 1 - 2 * flip.to(pixels.device, pixels.dtype)
    theta = torch.zeros(images, 2, 3, dtype=pixels.dtype, device=pixels.device)
    theta[:, 0, 0] = mirror * w / width
    theta[:, 1, 1] = h / height
    theta[:, 0, 2] = (2 * left + w) / width - 1
    theta[:, 1, 2] = (2 * top + h) / height - 1
    sides = (height, width) if size is None else (size, size)
    grid = F.affine_grid(theta, [*pixels.shape[:2], *sides], align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def augment(
    pixels: Tensor,
    generator: torch.Generator,
    area: Sequence[float] | None,
    aspect: Sequence[float] = (3 / 4, 4 / 3),
    flip: bool = True,
    *,
    size: int | None = None,
    part: tuple[int, slice] | None = None,
) -> Tensor:
    """A random resized crop (none where ``area`` is None) and, with ``flip``, a mirror image with probability 1/2.

    Args:
        pixels: Image x channel x y x x, as the result.
        generator: The source of chance.
        area: Least and greatest share of the area.
        aspect: Least and greatest ratio of width and height.
        flip: Mirrors every second image, on average.
        size: Side of the result, px, of images that are larger. Crops may reach the whole image; without crops the
            result is the centre view. None: the side of the images.
        part: (images of the whole batch, the rows of it that ``pixels`` are), for several processes that share a
            batch. Each draws for the whole batch, so that together they see what one process would. None: all.
    """
    images, rows = part or (len(pixels), slice(None))
    mirrored = torch.rand(images, generator=generator) < 0.5 if flip else torch.zeros(images, dtype=torch.bool)
    mirrored = mirrored[rows]
    if area is None:
        pixels = centre(pixels, size)
        if not flip:
            return pixels
        return torch.where(mirrored.to(pixels.device)[:, None, None, None], pixels.flip(3), pixels)
    boxes = random_boxes(images, pixels.shape[2:], area, aspect, generator)[rows]
    return resized_crops(pixels, boxes, mirrored, size)


def centre(images: Tensor, size: int | None) -> Tensor:
    """The centre view of ``size`` px, image x channel x y x x; None: the images as they are."""
    if size is None:
        return images
    top, left = ((side - size) // 2 for side in images.shape[2:])
    return images[:, :, top : top + size, left : left + size]
