"""Counts, means and maxima against numpy; nothing depends on how the images were split or ordered."""

import numpy as np
import pytest
import torch
from readings import take_in

from receptive.methods.response_histogram import bin_numbers, bins, histogram_edges, quantile_of
from receptive.methods.unit_statistics import UnitStatistics


def sizes():
    """The sizes at which bins begin, from the words of the documentation: four an octave."""
    return [2.0**octave * (1 + quarter / 4) for octave in range(-12, 12) for quarter in range(4)]


def literal_bin(value, edges):
    """The bin of one number: half-open above for positive ones, mirrored for negative ones."""
    if value == 0:
        return int(np.flatnonzero((edges[:-1] == 0) & (edges[1:] == 0))[0])
    side = "right" if value > 0 else "left"
    return int(np.searchsorted(edges, value, side=side)) - 1


def awkward_values():
    """Float32 values at, just below and just above every edge, of both signs, and the extremes."""
    edges = np.array([*sizes(), 1.0, 2.0**12], np.float32)
    tiny = np.finfo(np.float32)
    extremes = np.array([tiny.smallest_subnormal, tiny.tiny, tiny.tiny / 2, 1e-30, 1e9, tiny.max], np.float32)
    around = [edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(np.inf)), extremes]
    positive = np.concatenate(around)
    return np.concatenate([positive, -positive, np.array([0.0, -0.0], np.float32)])


def statistics_of(*batches):
    statistics = UnitStatistics()
    for batch in batches:
        batch = torch.as_tensor(batch)
        take_in(statistics, batch)
    return statistics


def some_responses(images=23, units=5, positions=12, seed=0):
    """image x unit x position, float32: rectified, signed, dead, always negative and seldom positive units."""
    rng = np.random.default_rng(seed)
    r = (rng.normal(size=(images, units, positions)) * 10.0 ** rng.uniform(-5, 4, (1, units, positions))).astype("f4")
    r[:, 0] = np.maximum(r[:, 0], 0)
    r[:, 2] = 0
    r[:, 3] = -np.abs(r[:, 3]) - 1e-3
    r[:, 4] = np.where(rng.random((images, positions)) < 0.03, np.abs(r[:, 4]), np.float32(-0.0))
    return r


def assert_same(a, b):
    """Exact for counts and maxima, to float64's last digits for sums."""
    assert (a.images, a.positions) == (b.images, b.positions)
    for name in ("zeros", "positive_images", "maximum", "histogram"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    np.testing.assert_allclose(a.total.numpy(), b.total.numpy(), rtol=1e-12, atol=0)


# The histogram


def test_edges_rise_and_are_four_an_octave():
    edges = histogram_edges()
    expected = [-np.inf, *(-s for s in reversed(sizes())), 0.0, 0.0, *sizes(), np.inf]
    assert edges.tolist() == expected
    assert (np.diff(edges) >= 0).all()
    assert (np.diff(edges) == 0).sum() == 1
    assert bins() == len(edges) - 1


def test_bins_at_and_around_every_edge():
    values, edges = awkward_values(), histogram_edges()
    assert len(np.unique(np.abs(values))) > 3 * 96
    got = bin_numbers(torch.from_numpy(values)).numpy()
    expected = np.array([literal_bin(float(value), edges) for value in values])
    np.testing.assert_array_equal(got, expected)
    # the words of the documentation, without a search
    low, high, v = edges[got], edges[got + 1], values.astype(np.float64)
    assert ((low <= v) & (v < high))[v > 0].all()
    assert ((low < v) & (v <= high))[v < 0].all()
    assert (low == 0)[v == 0].all()
    assert (high == 0)[v == 0].all()


def test_bins_of_other_shapes_and_types():
    values = torch.linspace(-3, 3, 60).view(3, 4, 5)
    edges = histogram_edges()
    strided = values.permute(2, 0, 1)
    expected = np.vectorize(lambda v: literal_bin(v, edges))(strided.numpy().astype(np.float64))
    assert (bin_numbers(strided).numpy() == expected).all()
    half = values.to(torch.bfloat16)
    expected = np.vectorize(lambda v: literal_bin(v, edges))(half.double().numpy())
    assert (bin_numbers(half).numpy() == expected).all()


def test_histogram_against_numpy():
    rng = np.random.default_rng(1)
    responses = (rng.normal(size=(8, 3, 500)) * 10.0 ** rng.uniform(-6, 6, (8, 3, 500))).astype(np.float32)
    assert not np.isin(responses, histogram_edges()).any()  # numpy's bins are open on one side only
    histogram = statistics_of(responses).histogram.numpy()
    for unit in range(3):
        np.testing.assert_array_equal(histogram[unit], np.histogram(responses[:, unit], histogram_edges())[0])


def test_histogram_of_awkward_values_by_unit():
    values, edges = awkward_values(), histogram_edges()
    responses = np.stack([values, np.roll(values, 5), np.zeros_like(values), np.sort(values)])[None]
    responses = np.concatenate([responses, responses[:, ::-1]])
    histogram = statistics_of(responses).histogram.numpy()
    expected = np.zeros_like(histogram)
    for _, unit, position in np.ndindex(responses.shape):
        expected[unit, literal_bin(float(responses[_, unit, position]), edges)] += 1
    np.testing.assert_array_equal(histogram, expected)


# Statistics by unit


def test_columns_against_numpy():
    responses = some_responses()
    statistics = statistics_of(responses[:9], responses[9:])
    columns, exact = statistics.columns(), responses.astype(np.float64)
    assert list(columns) == ["unit", "images", "positions", "mean", "max", "zero_fraction", "positive_images"]
    assert columns["unit"].tolist() == [0, 1, 2, 3, 4]
    assert columns["images"].tolist() == [23] * 5
    assert columns["positions"].tolist() == [12] * 5
    np.testing.assert_allclose(statistics.total.numpy(), exact.sum((0, 2)), rtol=1e-12)
    np.testing.assert_array_equal(columns["mean"], exact.mean((0, 2)).astype(np.float32))
    np.testing.assert_array_equal(columns["max"], responses.max((0, 2)))
    np.testing.assert_allclose(columns["zero_fraction"], (responses == 0).mean((0, 2)), rtol=1e-15)
    np.testing.assert_array_equal(columns["positive_images"], (responses > 0).any(2).sum(0))
    assert statistics.histogram.sum(1).tolist() == [23 * 12] * 5
    # the units differ in the way that they were made to
    assert 0.3 < columns["zero_fraction"][0] < 0.7
    assert columns["zero_fraction"][2] == 1
    assert columns["max"][3] < 0
    assert 0 < columns["positive_images"][4] < 23


def test_the_sum_over_a_large_map_is_in_float64():
    responses = np.full((1, 1, 200_000), 0.1, np.float32)
    responses[0, 0, 0] = 1e7
    total = statistics_of(responses).total.item()
    assert total == pytest.approx(1e7 + 199_999 * float(np.float32(0.1)), rel=1e-12)


def test_a_layer_without_a_map_has_one_position():
    responses = some_responses(positions=1)
    columns = statistics_of(responses).columns()
    assert columns["positions"].tolist() == [1] * 5
    np.testing.assert_allclose(columns["zero_fraction"], (responses[..., 0] == 0).mean(0), rtol=1e-15)


def test_zero_fraction_of_rectified_symmetric_noise_is_a_half():
    n = 400 * 50
    responses = np.maximum(np.random.default_rng(2).normal(size=(400, 3, 50)), 0).astype(np.float32)
    fraction = statistics_of(responses).columns()["zero_fraction"]
    # five standard deviations of a fair coin thrown n times
    np.testing.assert_allclose(fraction, 0.5, rtol=0, atol=5 * 0.5 / np.sqrt(n))


# Splits, order, shards


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_batch_size_does_not_matter(batch):
    responses = some_responses()
    split = statistics_of(*(responses[i : i + batch] for i in range(0, len(responses), batch)))
    assert_same(split, statistics_of(responses))


def test_the_batch_size_does_not_matter_for_one_unit_with_a_large_map():
    responses = np.random.default_rng(3).normal(size=(3, 1, 224 * 224)).astype(np.float32)
    assert_same(statistics_of(*responses[:, None]), statistics_of(responses))


def test_the_order_does_not_matter():
    responses = some_responses()
    order = np.random.default_rng(4).permutation(len(responses))
    assert_same(statistics_of(responses[order][:5], responses[order][5:]), statistics_of(responses))


@pytest.mark.parametrize("cuts", [(), (11,), (1, 2), (4, 9, 20)])
def test_merged_shards_equal_the_whole(cuts):
    responses = some_responses()
    merged = UnitStatistics()
    for shard in np.split(responses, cuts):
        merged.merge(statistics_of(shard))
        merged.merge(UnitStatistics())  # a shard without images changes nothing
    assert_same(merged, statistics_of(responses))


def test_merging_leaves_the_other_alone():
    responses = some_responses()
    other, copy = statistics_of(responses[:9]), statistics_of(responses[:9])
    merged = UnitStatistics()
    merged.merge(other)
    take_in(merged, torch.from_numpy(responses[9:]))
    assert_same(other, copy)
    assert_same(merged, statistics_of(responses))


# Quantiles


def test_quantiles_at_the_edges_are_the_exact_shares():
    responses = some_responses()
    statistics, edges = statistics_of(responses), histogram_edges()
    counts, greatest = statistics.histogram.numpy(), responses.max((0, 2))
    for edge in edges[:-2][edges[:-2] > 0]:  # a bin of positive responses begins at its edge; the last has no end
        expected = (responses < edge).mean((0, 2))
        expected = np.where(edge > greatest, 1.0, expected)
        found = quantile_of(np.full(5, edge), counts, edges, greatest)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    zero = quantile_of(np.zeros(5), counts, edges, greatest)
    np.testing.assert_allclose(zero, np.where(greatest < 0, 1.0, (responses < 0).mean((0, 2))), rtol=0, atol=1e-12)


def test_quantiles_inside_a_bin_are_off_by_no_more_than_the_bin():
    responses = np.random.default_rng(1).normal(size=(200, 4, 50)).astype("f4")
    statistics, edges = statistics_of(responses), histogram_edges()
    counts, greatest = statistics.histogram.numpy(), responses.max((0, 2))
    for value in (-2.3, -1.1, -0.01, 0.3, 0.9, 1.7, 2.9):
        found = quantile_of(np.full(4, value), counts, edges, greatest)
        np.testing.assert_allclose(found, (responses < value).mean((0, 2)), atol=0.01)


def test_quantiles_rise_and_end_at_zero_and_one():
    responses = some_responses()
    statistics, edges = statistics_of(responses), histogram_edges()
    counts, greatest = statistics.histogram.numpy(), responses.max((0, 2))
    values = np.sort(awkward_values())
    found = np.stack([quantile_of(np.full(5, v), counts, edges, greatest) for v in values])
    assert (np.diff(found, axis=0) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
    for value, share in ((np.inf, 1.0), (-np.inf, 0.0), (1e30, 1.0)):
        assert (quantile_of(np.full(5, value), counts, edges, greatest) == share).all()
    assert np.isnan(quantile_of(np.full(5, np.nan), counts, edges, greatest)).all()
    just_above = np.nextafter(greatest, np.float32(np.inf))
    assert (quantile_of(just_above, counts, edges, greatest) == 1).all()
