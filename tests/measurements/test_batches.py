"""Batches of a pass over a split, against the images themselves."""

import math

import numpy as np
import pytest
import torch
from toys import shuffled

from receptive.measurements.batches import Batches, normalised
from receptive.networks.parts.normalisation import Normalisation


@pytest.fixture(scope="module")
def toy():
    return shuffled()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_batches_are_the_split_in_order(toy, batch_size):
    batches = Batches(toy, "validation", batch_size)
    passed = list(batches)
    assert len(passed) == len(batches) == math.ceil(4 / batch_size)
    assert torch.cat([numbers for numbers, _ in passed]).tolist() == [2, 4, 1, 3]
    expected = toy.images[[2, 4, 1, 3]].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(torch.cat([pixels for _, pixels in passed]), expected)
    assert len(list(batches)) == len(passed)  # a second pass sees the same
    first = list(Batches(toy, "validation", batch_size, first=3))
    assert torch.cat([numbers for numbers, _ in first]).tolist() == [2, 4, 1]
    halves = Normalisation(torch.full((3, 1, 1), 0.5), torch.eye(3))
    for (numbers, seen), (again, pixels) in zip(normalised(batches, halves), passed, strict=True):
        assert torch.equal(numbers, again)
        torch.testing.assert_close(seen, pixels - 0.5)
