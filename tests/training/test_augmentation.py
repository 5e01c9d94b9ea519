"""Random crops and flips, against a literal bilinear resize and closed forms of the drawn boxes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from receptive.training.augmentation import augment, random_boxes, resized_crops


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def no_flip(images):
    return torch.zeros(images, dtype=torch.bool)


def literal_crop(image, box, flip):
    """One image (channel x y x x, float64) cropped and resized, pixel by pixel.

    The centre of output pixel i lies at top + (i + 1/2) * h / H; values between centres are bilinear; beyond the
    image's outermost centres the border pixel goes on.
    """
    channels, height, width = image.shape
    top, left, h, w = (float(number) for number in box)
    out = np.zeros((channels, height, width))
    for i in range(height):
        y = min(max(top + (i + 0.5) * h / height - 0.5, 0), height - 1)
        y0 = min(math.floor(y), height - 2)
        for j in range(width):
            source = width - 1 - j if flip else j
            x = min(max(left + (source + 0.5) * w / width - 0.5, 0), width - 1)
            x0 = min(math.floor(x), width - 2)
            corners = image[:, y0 : y0 + 2, x0 : x0 + 2]
            weights = np.outer([1 - (y - y0), y - y0], [1 - (x - x0), x - x0])
            out[:, i, j] = (corners * weights).sum((1, 2))
    return out


BOXES = torch.tensor(
    [[0, 0, 9, 12], [2, 3, 5, 6], [0, 0, 1, 1], [8, 11, 1, 1], [3, 0, 6, 12], [4, 7, 3, 5]], dtype=torch.float64
)


def test_crops_are_bilinear():
    images = torch.rand(6, 2, 9, 12, generator=generator(), dtype=torch.float64)
    flip = torch.tensor([False, True, False, True, True, False])
    seen = resized_crops(images, BOXES, flip)
    for out, image, box, mirrored in zip(seen, images, BOXES, flip, strict=True):
        np.testing.assert_allclose(out, literal_crop(image.numpy(), box, mirrored), rtol=0, atol=1e-12)


def test_crops_are_torchs_resize_of_the_box_away_from_its_edges():
    images = torch.rand(1, 3, 16, 16, generator=generator(1), dtype=torch.float64)
    box = torch.tensor([[4.0, 2.0, 8.0, 10.0]])
    resized = F.interpolate(images[:, :, 4:12, 2:12], size=(16, 16), mode="bilinear", align_corners=False)
    seen = resized_crops(images, box, no_flip(1))
    # within half a source pixel of the box's edge torch repeats the edge, and here the neighbour beyond it counts
    torch.testing.assert_close(seen[..., 1:-1, 1:-1], resized[..., 1:-1, 1:-1], rtol=0, atol=1e-12)


def test_the_whole_image_is_the_identity_and_its_flip_the_mirror():
    images = torch.rand(4, 3, 10, 7, generator=generator(2), dtype=torch.float64)
    whole = torch.tensor([0.0, 0.0, 10.0, 7.0]).expand(4, 4)
    flip = torch.tensor([False, True, False, True])
    seen = resized_crops(images, whole, flip)
    torch.testing.assert_close(seen[~flip], images[~flip], rtol=0, atol=1e-12)
    torch.testing.assert_close(seen[flip], images[flip].flip(3), rtol=0, atol=1e-12)
    # the networks' own precision
    torch.testing.assert_close(resized_crops(images.float(), whole, no_flip(4)), images.float(), rtol=0, atol=1e-5)


def test_a_crop_and_its_mirror():
    images = torch.rand(1, 3, 8, 8, generator=generator(3), dtype=torch.float64)
    box = torch.tensor([[1.0, 4.0, 5.0, 3.0]])
    plain, mirrored = (resized_crops(images, box, torch.tensor([flip])) for flip in (False, True))
    torch.testing.assert_close(mirrored, plain.flip(3), rtol=0, atol=1e-12)


def test_an_odd_image_of_a_ramp():
    """A linear ramp stays one: the value is the coordinate, so the box can be read off (inside the border)."""
    ramp = torch.arange(20, dtype=torch.float64).expand(1, 1, 15, 20)
    seen = resized_crops(ramp, torch.tensor([[3.0, 6.0, 9.0, 10.0]]), no_flip(1))[0, 0, 0]
    expected = 6 + (torch.arange(20, dtype=torch.float64) + 0.5) * 10 / 20 - 0.5
    torch.testing.assert_close(seen, expected)


# The boxes

DRAWS = 40_000


def within(values, mean, variance):
    """Whether the mean of independent values agrees with a closed form, to five standard errors."""
    return abs(values.double().mean().item() - mean) < 5 * math.sqrt(variance / len(values))


@pytest.mark.parametrize("size", [(64, 64), (30, 50), (7, 3)])
def test_boxes_lie_inside_and_keep_to_their_ranges(size):
    area, aspect = (0.08, 1.0), (3 / 4, 4 / 3)
    top, left, h, w = random_boxes(5000, size, area, aspect, generator()).unbind(1)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= size[0]).all()
    assert (left + w <= size[1]).all()
    assert (h >= 1).all()
    assert (w >= 1).all()
    for number in (top, left, h, w):
        assert torch.equal(number, number.round())
    whole = (h == size[0]) & (w == size[1])
    # sides are rounded to whole pixels: each may be off by half a pixel
    assert ((h + 0.5) * (w + 0.5) >= area[0] * size[0] * size[1])[~whole].all()
    assert ((w + 0.5) / (h - 0.5) >= aspect[0])[~whole].all()
    assert ((w - 0.5) / (h + 0.5) <= aspect[1])[~whole].all()


def test_area_is_uniform_and_the_ratio_log_uniform():
    # 0.3 * 4 <= 1.2, so a box of ratio 1/4 ... 1/2 always fits into an image twice as high as wide
    side = (2000, 1000)
    area, aspect = (0.1, 0.3), (1 / 4, 1 / 2)
    top, left, h, w = random_boxes(DRAWS, side, area, aspect, generator(1)).double().unbind(1)
    share = h * w / (side[0] * side[1])
    assert within(share, 0.2, 0.2**2 / 12)
    log_ratio = (w / h).log()
    span = math.log(2)
    assert within(log_ratio, math.log(1 / 4) + span / 2, span**2 / 12)
    # the whole laws, not only their means: Kolmogorov's distance stays below 1.95 / sqrt(n) (level 0.001);
    # rounding to pixels moves a value by at most 1/400 of its range or so
    for value, low, high in ((share, *area), (log_ratio, math.log(1 / 4), math.log(1 / 2))):
        uniform = ((value - low) / (high - low)).sort().values
        distance = (uniform - (torch.arange(DRAWS) + 0.5) / DRAWS).abs().max()
        assert distance < 1.95 / math.sqrt(DRAWS) + 0.005
    # and uniform places, each from the first to the last possible one
    for place, free in ((top, side[0] - h), (left, side[1] - w)):
        assert within(place / free, 0.5, 1 / 12)
        assert (place / free).min() < 0.001
        assert (place / free).max() > 0.999
    # area, ratio and place are drawn independently
    correlation = np.corrcoef(torch.stack([share, log_ratio, top / (side[0] - h), left / (side[1] - w)]))
    assert np.abs(correlation - np.eye(4)).max() < 5 / math.sqrt(DRAWS)


def test_every_place_is_as_likely():
    # a box of 3x3 in 5x5: three places along each axis
    top, left, h, w = random_boxes(DRAWS, (5, 5), (9 / 25, 9 / 25), (1.0, 1.0), generator(2)).unbind(1)
    assert h.unique().tolist() == w.unique().tolist() == [3]
    for place in (top, left):
        shares = place.long().bincount(minlength=3) / DRAWS
        assert len(shares) == 3
        assert (shares - 1 / 3).abs().max() < 5 * math.sqrt(2 / 9 / DRAWS)


def test_a_box_that_does_not_fit_is_drawn_again():
    """Area s uniform on [1/2, 1] and ratio r log-uniform on [1/2, 2] fit a square if |log r| <= -log s.

    So s has after acceptance the density -log s / Z, with Z = int -log s = (1 - log 2) / 2, and mean
    int -s log s / Z = (3/16 - log(2)/8) / Z. One draw fits with probability 2 Z / log 2; where none of ten
    does, the whole image is taken, s = 1.
    """
    z = (1 - math.log(2)) / 2
    fits = 2 * z / math.log(2)
    never = (1 - fits) ** 10
    mean = (1 - never) * (3 / 16 - math.log(2) / 8) / z + never
    side = 2000
    _, _, h, w = random_boxes(DRAWS, (side, side), (0.5, 1.0), (0.5, 2.0), generator(3)).double().unbind(1)
    share = h * w / side**2
    assert within(share, mean, share.var().item())
    whole = ((h == side) & (w == side)).double()
    assert within(whole, never, never)


def test_the_whole_image_where_nothing_fits():
    boxes = random_boxes(50, (20, 30), (0.9, 1.0), (4.0, 5.0), generator())
    assert torch.equal(boxes, torch.tensor([0.0, 0.0, 20.0, 30.0]).expand(50, 4))
    # nor may a side round to nothing
    boxes = random_boxes(50, (4, 4), (0.001, 0.001), (1.0, 1.0), generator())
    assert torch.equal(boxes, torch.tensor([0.0, 0.0, 4.0, 4.0]).expand(50, 4))


# Both together


def test_augment_flips_half_of_the_images():
    images = torch.rand(2000, 1, 2, 3, generator=generator())
    seen = augment(images, generator(1), None)
    same = (seen == images).flatten(1).all(1)
    mirrored = (seen == images.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert within(mirrored, 0.5, 0.25)


def test_augment_without_chance_changes_nothing():
    images = torch.rand(5, 3, 6, 6, generator=generator())
    assert torch.equal(augment(images, generator(), None, flip=False), images)


@pytest.mark.parametrize("flip", [False, True])
def test_augment_crops_and_flips(flip):
    """Each image of a plane whose value names the pixel is a crop, and the box can be read off."""
    size = 32
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images = torch.stack([y, x]).double().expand(400, 2, size, size)
    seen = augment(images, generator(2), (0.2, 0.6), (0.75, 4 / 3), flip)
    # along a row the second channel rises by w / W a pixel, negative where mirrored
    slope_x = (seen[:, 1, 0, 20] - seen[:, 1, 0, 12]) / 8
    slope_y = (seen[:, 0, 20, 0] - seen[:, 0, 12, 0]) / 8
    mirrored = slope_x < 0
    assert (slope_y > 0).all()
    if flip:
        assert within(mirrored, 0.5, 0.25)
    else:
        assert not mirrored.any()
    w, h = slope_x.abs() * size, slope_y * size
    torch.testing.assert_close(w, w.round(), rtol=0, atol=1e-5)
    share = w * h / size**2
    # half a pixel of rounding on each side
    assert share.min() > 0.2 * 0.9
    assert share.max() < 0.6 * 1.1
    assert within(share, 0.4, 0.4**2 / 12)
    ratio = (w / h).log()
    assert within(ratio, 0, (2 * math.log(4 / 3)) ** 2 / 12)


def test_flips_and_crops_are_independent():
    images = torch.arange(16, dtype=torch.float64).expand(4000, 1, 16, 16)
    seen = augment(images, generator(4), (0.1, 1.0), (0.9, 1.1), True)
    slope = (seen[:, 0, 0, 10] - seen[:, 0, 0, 6]) / 4
    mirrored, width = (slope < 0).double(), slope.abs()
    assert abs(np.corrcoef(mirrored, width)[0, 1]) < 5 / math.sqrt(4000)


@pytest.mark.parametrize("area", [None, (0.3, 0.9)])
def test_the_generator_decides_everything(area):
    images = torch.rand(32, 3, 8, 8, generator=generator())
    torch.manual_seed(1)
    first = augment(images, generator(5), area)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(augment(images, generator(5), area), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(augment(images, generator(6), area), first)
    one = generator(5)
    assert not torch.equal(augment(images, one, area), augment(images, one, area))


@pytest.mark.parametrize("size", [None, 8])
@pytest.mark.parametrize("area", [None, (0.2, 0.9)])
def test_parts_of_a_batch_are_augmented_as_the_whole(area, size):
    """As several processes share it: each draws for all images and takes its own."""
    images = torch.rand(7, 3, 12, 12, generator=generator(7))
    whole = augment(images, generator(8), area, size=size)
    parts = [
        augment(images[rows], generator(8), area, size=size, part=(7, rows)) for rows in (slice(0, 3), slice(3, 7))
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.shape[2:] == (size or 12, size or 12)
