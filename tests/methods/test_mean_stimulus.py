"""Means of patches against gathering every patch, and against the closed form for white noise."""

import numpy as np
import pytest
import torch
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.mean_stimulus import MODES, MeanStimulus, other_half, positions
from receptive.methods.receptive_field.fields import Axis, Field
from receptive.methods.receptive_field.graph import receptive_fields

# Axis y, axis x, image, map
CASES = {
    "same": (Axis(3, 1, -1), Axis(3, 1, -1), (9, 9), (9, 9)),
    "one pixel": (Axis(1, 1, 0), Axis(1, 1, 0), (4, 5), (4, 5)),
    "at the direct limit": (Axis(8, 2, -3), Axis(8, 2, -3), (15, 15), (8, 8)),
    "just above it": (Axis(9, 2, -4), Axis(9, 2, -4), (15, 15), (8, 8)),
    "stride 1": (Axis(13, 1, -6), Axis(13, 1, -6), (15, 12), (15, 12)),
    "stride 2, not square": (Axis(7, 2, -3), Axis(11, 2, -5), (12, 17), (6, 9)),
    "stride 4": (Axis(11, 4, -2), Axis(11, 4, -2), (21, 30), (4, 7)),
    "strides differ": (Axis(5, 2, -1), Axis(10, 4, -5), (14, 19), (6, 6)),
    "asymmetric": (Axis(10, 3, -7), Axis(10, 3, -1), (16, 16), (6, 4)),
    "larger than the image": (Axis(23, 4, -9), Axis(27, 4, -11), (8, 10), (2, 3)),
    "a corner that no patch covers": (Axis(9, 2, -13), Axis(9, 2, 8), (11, 12), (5, 3)),
    "positive start": (Axis(4, 3, 2), Axis(9, 2, 3), (17, 20), (5, 5)),
    "skips pixels": (Axis(1, 2, 0), Axis(2, 4, 1), (9, 13), (5, 3)),
    "skips pixels, large": (Axis(9, 11, 1), Axis(10, 13, -1), (24, 27), (2, 3)),
    "overruns the image": (Axis(3, 4, 1), Axis(9, 6, -11), (9, 10), (4, 6)),
    "wholly before the image": (Axis(3, 2, -20), Axis(3, 2, -1), (9, 9), (4, 5)),
    "wholly behind the image": (Axis(9, 4, -4), Axis(9, 2, 13), (9, 12), (3, 4)),
}


def some_responses(images, units, map_size, seed=0):
    """Units that answer often, seldom, never, and always."""
    rng = np.random.default_rng(seed)
    responses = rng.normal(size=(images, units, *map_size))
    responses[:, 1] = np.where(rng.random((images, *map_size)) < 0.1, 1.0, 0.0)
    responses[:, 2] = np.where(rng.random((images, *map_size)) < 0.5, 0.0, -1.0)
    responses[:, 3] = 1e-20
    return torch.from_numpy(responses)


def counted(mode, field, map_size):
    """The positions that count, each by its own box."""
    if mode == "center":
        return [(map_size[0] // 2, map_size[1] // 2)]
    everywhere = list(np.ndindex(*map_size))
    if mode == "all":
        return everywhere
    height, width = field.image_size
    boxes = {at: field.box(*at) for at in everywhere}
    return [at for at, (t, le, b, r) in boxes.items() if t >= 0 and le >= 0 and b <= height and r <= width]


def gathered(pixels, responses, field, mode):
    """(mean, count, baseline) by cutting every patch out of a canvas of NaN and adding what is not NaN."""
    pixels, responses = np.asarray(pixels, np.float64), np.asarray(responses)
    margin = 60
    canvas = np.pad(pixels, ((0, 0), (0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)
    units, channels, side = responses.shape[1], pixels.shape[1], (field.y.size, field.x.size)
    sums, cover = np.zeros((units + 1, channels, *side)), np.zeros((units + 1, channels, *side))
    count = np.zeros(units, int)
    for n in range(len(pixels)):
        for y, x in counted(mode, field, responses.shape[2:]):
            top, left, bottom, right = (edge + margin for edge in field.box(y, x))
            patch = canvas[n, :, top:bottom, left:right]
            assert patch.shape[1:] == side
            answers = np.append(responses[n, :, y, x] > 0, True)  # the baseline is of every patch
            sums[answers] += np.nan_to_num(patch)
            cover[answers] += ~np.isnan(patch)
            count += answers[:-1]
    with np.errstate(invalid="ignore"):
        mean = sums / cover
    return mean[:-1], count, mean[-1]


def gather_in(mean, pixels, responses, batch=None):
    for i in range(0, len(pixels), batch or len(pixels)):
        part = slice(i, i + (batch or len(pixels)))
        mean.add(pixels[part], responses[part])
    return mean.result()


def assert_results(got, expected, atol=1e-6):
    """Pixels are of order 1; results are rounded to float32."""
    mean, count, baseline = (np.asarray(part) for part in got)
    assert mean.dtype == baseline.dtype == np.float32
    assert count.dtype == np.int64
    np.testing.assert_array_equal(count, expected[1])
    np.testing.assert_array_equal(np.isnan(mean), np.isnan(expected[0]))
    np.testing.assert_allclose(mean, expected[0], rtol=0, atol=atol)
    np.testing.assert_allclose(baseline, expected[2], rtol=0, atol=atol)


@pytest.mark.parametrize("direct", [None, True, False], ids=["default", "product", "spectrum"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_against_gathering_every_patch(case, mode, direct):
    y, x, image_size, map_size = CASES[case]
    field = Field(y, x, image_size)
    pixels = torch.from_numpy(np.random.default_rng(1).uniform(size=(3, 2, *image_size)))
    responses = some_responses(3, 4, map_size)
    mean = MeanStimulus(field, map_size, mode)
    if direct is not None:
        mean.direct = direct
    got = gather_in(mean, pixels, responses, batch=2)
    if not counted(mode, field, map_size):
        assert mode == "interior"
        assert [part.numel() for part in got] == [0, 0, 0]
        return
    expected = gathered(pixels, responses, field, mode)
    assert_results(got, expected)
    assert np.isnan(expected[0][2]).all()  # the unit that never answers
    np.testing.assert_array_equal(got[0][3], got[2])  # the unit that always does


def test_the_cases_take_both_paths_and_have_what_they_name():
    means = {
        case: MeanStimulus(Field(y, x, image_size), map_size, "all")
        for case, (y, x, image_size, map_size) in CASES.items()
    }
    assert {mean.direct for mean in means.values()} == {True, False}
    assert means["at the direct limit"].direct
    assert not means["just above it"].direct
    empty = [
        case
        for case, (y, x, image_size, map_size) in CASES.items()
        if MeanStimulus(Field(y, x, image_size), map_size, "interior").empty
    ]
    assert "larger than the image" in empty
    assert len(empty) < len(CASES) / 2
    y, x, image_size, map_size = CASES["a corner that no patch covers"]
    responses = torch.ones(1, 1, *map_size)
    mean, _, _ = gathered(torch.ones(1, 1, *image_size), responses, Field(y, x, image_size), "all")
    assert 0 < np.isnan(mean).mean() < 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["same", "strides differ", "stride 4"])
def test_float32_pixels(case, mode):
    y, x, image_size, map_size = CASES[case]
    field = Field(y, x, image_size)
    pixels = torch.rand(40, 3, *image_size, generator=torch.Generator().manual_seed(0))
    responses = some_responses(40, 4, map_size).float()
    expected = gathered(pixels, responses, field, mode)
    for direct in (True, False):
        mean = MeanStimulus(field, map_size, mode)
        mean.direct = direct
        # float32 transforms of sums over tens of patches
        assert_results(gather_in(mean, pixels, responses, batch=16), expected, atol=1e-5)


def test_the_number_of_patches_that_cover_a_pixel():
    # On a picture of ones that is 0 outside, the mean stays 1 only if each pixel has its own count.
    for y, x, image_size, map_size in CASES.values():
        field = Field(y, x, image_size)
        for direct in (True, False):
            mean = MeanStimulus(field, map_size, "all")
            mean.direct = direct
            got, count, baseline = gather_in(mean, torch.ones(2, 1, *image_size), torch.ones(2, 1, *map_size))
            assert count.tolist() == [2 * map_size[0] * map_size[1]]
            covered = ~got.isnan()
            torch.testing.assert_close(got[covered], torch.ones(int(covered.sum())), rtol=0, atol=1e-6)
            assert torch.equal(covered[0], ~baseline.isnan())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", ["same", "stride 4", "strides differ"])
def test_the_batch_size_does_not_matter(case, mode):
    y, x, image_size, map_size = CASES[case]
    field = Field(y, x, image_size)
    pixels = torch.from_numpy(np.random.default_rng(2).uniform(size=(7, 1, *image_size)))
    responses = some_responses(7, 4, map_size)
    results = [gather_in(MeanStimulus(field, map_size, mode), pixels, responses, batch) for batch in (1, 3, 7)]
    for mean, count, baseline in results[1:]:
        torch.testing.assert_close(mean, results[0][0], rtol=0, atol=1e-6, equal_nan=True)
        assert torch.equal(count, results[0][1])
        torch.testing.assert_close(baseline, results[0][2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_the_state_does_not_grow_with_the_images(mode):
    for case in ("same", "stride 4"):
        y, x, image_size, map_size = CASES[case]
        sizes = []
        for images in (1, 9):
            mean = MeanStimulus(Field(y, x, image_size), map_size, mode)
            gather_in(mean, torch.ones(images, 1, *image_size), torch.ones(images, 2, *map_size), batch=2)
            tensors = [value for value in vars(mean).values() if isinstance(value, torch.Tensor)]
            sizes.append(sum(t.untyped_storage().nbytes() for t in tensors))
        assert sizes[0] == sizes[1] > 0


@pytest.mark.parametrize("mode", MODES)
def test_fields_and_responses_of_a_real_network(mode):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ZeroPad2d((2, 0, 1, 0)),  # left and top only
        nn.Conv2d(2, 3, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.Conv2d(3, 4, (3, 2), padding=(1, 0)),
        nn.ReLU(),
    ).double()
    image_size = (18, 23)
    pixels = torch.rand(4, 2, *image_size, dtype=torch.float64)
    nodes = [n for n in receptive_fields(network, image_size, channels=2).values() if n.kind in ("activation", "pool")]
    assert len(nodes) == 3
    assert [node.field.start for node in nodes] == [(-1, -2), (-1, -2), (-5, -2)]
    for node in nodes:
        with torch.no_grad():
            responses = network[: int(node.module) + 1](pixels)
        assert tuple(responses.shape[2:]) == node.map_size
        mean = MeanStimulus(node.field, node.map_size, mode)
        expected = gathered(pixels, responses, node.field, mode)
        assert_results(gather_in(mean, pixels, responses, batch=3), expected)


@pytest.mark.parametrize(("side", "direct"), [(4, True), (9, False)])
@pytest.mark.parametrize("mode", MODES)
def test_white_noise_through_a_linear_unit(mode, side, direct):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(1, 1, side, side, generator=generator)
    images, size = 400, 2 * side + 3
    noise = torch.randn(images, 1, size, size, generator=generator)
    if mode == "center":  # one patch an image: as many images of one patch each
        noise = torch.randn(20_000, 1, side, side, generator=generator)
    responses = torch.nn.functional.conv2d(noise, weight)
    map_size = tuple(responses.shape[2:])
    mean = MeanStimulus(Field(Axis(side), Axis(side), tuple(noise.shape[2:])), map_size, mode)
    assert mean.direct is direct
    got, count, baseline = gather_in(mean, noise, responses, batch=5000)
    expected = np.sqrt(2 / np.pi) * weight / weight.norm()
    # Each pixel is a mean of more than 9,000 numbers of variance at most 1, all different values of the noise;
    # six standard deviations.
    assert int(count) > 9_000
    torch.testing.assert_close(got, expected, rtol=0, atol=6 / np.sqrt(9_000))
    torch.testing.assert_close(baseline, torch.zeros(1, side, side), rtol=0, atol=6 / np.sqrt(9_000))
    assert torch.nn.functional.cosine_similarity(got.flatten(), expected.flatten(), 0) > 0.95


# Which positions count


def test_the_middle_of_a_map_is_half_its_size():
    field = Field(Axis(), Axis(), (99, 99))
    assert positions("center", field, (7, 6)) == ((3, 4), (3, 4))
    assert positions("center", field, (1, 2)) == ((0, 1), (1, 2))
    assert positions("all", field, (7, 6)) == ((0, 7), (0, 6))


@pytest.mark.parametrize("case", CASES)
def test_interior_positions_are_those_whose_box_lies_inside(case):
    y, x, image_size, map_size = CASES[case]
    field = Field(y, x, image_size)
    rows, columns = positions("interior", field, map_size)
    assert [(r, c) for r in range(*rows) for c in range(*columns)] == counted("interior", field, map_size)


def test_an_unknown_mode_is_refused():
    field = Field(Axis(3), Axis(3), (9, 9))
    with pytest.raises(ReceptiveError, match=r"'median'.*center, interior, all"):
        MeanStimulus(field, (7, 7), "median")


def test_without_images_there_is_no_result():
    results = MeanStimulus(Field(Axis(3), Axis(3), (9, 9)), (7, 7), "all").result()
    assert [part.numel() for part in results] == [0, 0, 0]


@pytest.mark.parametrize("case", ["same", "stride 4"])
def test_two_halves_make_the_whole_and_the_whole_less_one_the_other(case):
    y, x, image_size, map_size = CASES[case]
    field = Field(y, x, image_size)
    pixels = torch.rand(6, 2, *image_size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    responses = some_responses(6, 5, map_size)
    responses[:2, 0] = -1  # silent in the first half
    first, second, whole, nothing = (MeanStimulus(field, map_size, "interior") for _ in range(4))
    first.add(pixels[:2], responses[:2])
    second.add(pixels[2:], responses[2:])
    whole.add(pixels, responses)
    mean, count, baseline = whole.result()
    for together in (first.plus(second), second.plus(first)):
        got = together.result()
        torch.testing.assert_close(got[0], mean, equal_nan=True)
        assert torch.equal(got[1], count)
        torch.testing.assert_close(got[2], baseline)
    for one in (first.plus(nothing), nothing.plus(first)):
        assert torch.equal(one.result()[1], first.result()[1])
    half, half_count, _ = first.result()
    left, left_count, _ = second.result()
    arrays = [np.moveaxis(part.numpy(), 1, -1) if part.dim() == 4 else part.numpy() for part in (mean, count)]
    rest = other_half(*arrays, np.moveaxis(half.numpy(), 1, -1), half_count.numpy())
    assert (left_count > 0).tolist() == [True, True, False, True, True]
    heard = [1, 3, 4]  # in both halves
    np.testing.assert_allclose(rest[heard], np.moveaxis(left.numpy(), 1, -1)[heard], atol=1e-5)
    assert np.isnan(rest[[0, 2]]).all()
