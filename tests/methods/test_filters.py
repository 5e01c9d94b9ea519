"""Virtual filters against loops over equation 3 and against the convolutions themselves."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.filters import (
    batch_norm_scale,
    composed_kernels,
    participation,
    strongest_taps,
    virtual_filters,
)


def kernels(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def literal(first, second):
    """Equation 3, sum by sum."""
    result = np.zeros((second.shape[0], *first.shape[1:]))
    for p in range(second.shape[0]):
        for k in range(second.shape[1]):
            best = max(np.ndindex(*second.shape[2:]), key=lambda at: (abs(second[p, k][at]), -at[0], -at[1]))
            for q, i, j in np.ndindex(*first.shape[1:]):
                result[p, q, i, j] += second[p, k][best] * first[k, q, i, j]
    return result


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (2, 4)])
def test_equation_3(kernel):
    first, second = kernels(6, 3, 4, 5), kernels(7, 6, *kernel, seed=1)
    assert virtual_filters(first, second) == pytest.approx(literal(first, second))


def test_the_greatest_in_size_counts_also_where_negative_and_the_first_of_equal_ones():
    second = np.zeros((1, 2, 2, 2))
    second[0, 0] = [[1, -3], [2, 0.5]]
    second[0, 1] = [[0.5, 2], [-2, 2]]
    weights, places = strongest_taps(second)
    assert weights.tolist() == [[-3, 2]]
    assert places.tolist() == [[[0, 1], [0, 1]]]
    first = np.stack([np.full((1, 1, 1), 10.0), np.full((1, 1, 1), 100.0)])
    assert virtual_filters(first, second).item() == -30 + 200


@pytest.mark.parametrize(
    ("kernel1", "stride1", "kernel2", "stride2", "dilation"),
    [
        ((3, 3), (1, 1), (3, 3), (1, 1), (1, 1)),
        ((11, 11), (4, 4), (5, 5), (1, 1), (1, 1)),
        ((7, 7), (2, 2), (3, 3), (2, 2), (1, 1)),
        ((3, 5), (2, 3), (2, 3), (1, 2), (2, 1)),
        ((7, 7), (2, 2), (1, 1), (2, 2), (1, 1)),
    ],
)
def test_composed_kernels_are_the_two_convolutions(kernel1, stride1, kernel2, stride2, dilation):
    first, second = kernels(4, 3, *kernel1), kernels(5, 4, *kernel2, seed=1)
    image = torch.from_numpy(kernels(2, 3, 47, 53, seed=2))
    one_by_one = F.conv2d(
        F.conv2d(image, torch.from_numpy(first), stride=stride1),
        torch.from_numpy(second),
        stride=stride2,
        dilation=dilation,
    )
    composed = torch.from_numpy(composed_kernels(first, second, stride1, dilation))
    stride = tuple(a * b for a, b in zip(stride1, stride2, strict=True))
    at_once = F.conv2d(image, composed, stride=stride)
    assert at_once.shape == one_by_one.shape
    assert torch.allclose(at_once, one_by_one)


def test_a_1x1_second_layer_makes_the_virtual_filter_the_composed_kernel():
    first, second = kernels(8, 3, 7, 7), kernels(16, 8, 1, 1, seed=1)
    assert virtual_filters(first, second) == pytest.approx(composed_kernels(first, second, (2, 2)))
    larger = kernels(16, 8, 3, 3, seed=2)
    assert virtual_filters(first, larger).shape != composed_kernels(first, larger, (2, 2)).shape


def test_kernels_that_do_not_follow_each_other_are_refused():
    for make in (virtual_filters, composed_kernels):
        with pytest.raises(ReceptiveError, match="do not follow"):
            make(kernels(6, 3, 3, 3), kernels(4, 3, 3, 3))
        with pytest.raises(ReceptiveError, match="do not follow"):
            make(kernels(6, 3, 3, 3), kernels(4, 6))


def test_the_scale_of_a_batch_norm_folds_into_the_layer_before():
    g = torch.Generator().manual_seed(0)
    conv, bn = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4).eval()
    for numbers in (conv.weight, bn.weight, bn.bias, bn.running_mean):
        numbers.data.normal_(generator=g)
    bn.running_var.uniform_(0.5, 2, generator=g)
    scale = batch_norm_scale(bn.weight.detach().numpy(), bn.running_var.numpy(), bn.eps)
    images = torch.randn(2, 3, 5, 5, generator=g)
    with torch.no_grad():
        silent = bn(torch.zeros(1, 4, 1, 1))  # the shift alone
        folded = F.conv2d(images.double(), conv.weight.double() * torch.from_numpy(scale)[:, None, None, None])
        assert torch.allclose(bn(conv(images)).double() - silent, folded, atol=1e-5)


def test_participation_counts_the_filters_that_are_mixed():
    assert participation(np.array([[0, -3.0, 0, 0]])) == pytest.approx(1)
    assert participation(np.array([[2.0, -2, 2, 2], [5, 5, 0, 0], [0, 0, 0, 0]])) == pytest.approx((4 + 2) / 2)
    assert np.isnan(participation(np.zeros((2, 3))))
