"""Zeros image by image against numpy; batches, order and merging change nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.zero_fractions import ZeroFractions, zero_fractions


def responses(images=6, units=3, positions=10):
    """Whole numbers from -1 to 1: zeros, and negatives that are none."""
    return torch.randint(-1, 2, (images, units, positions), generator=torch.Generator().manual_seed(0)).float()


def counted(values, size, order=None):
    found = ZeroFractions()
    rows = torch.arange(len(values)) if order is None else order
    for part in rows.split(size):
        zeros = (values[part] == 0).sum((1, 2))
        found.add(3 * part + 1, zeros, values[0].numel())
    return found


def test_the_share_of_each_image():
    values = responses()
    numbers, shares = counted(values, 4).result()
    assert numbers.tolist() == [1, 4, 7, 10, 13, 16]
    assert shares.tolist() == (values.numpy() == 0).mean((1, 2)).tolist()


def test_batches_order_and_merging_change_nothing():
    values = responses()
    whole = counted(values, 6).result()
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    first, second = counted(values, 2, order[:2]), counted(values, 3, order[2:])
    first.merge(second)
    empty = ZeroFractions()
    empty.merge(first)
    for other in (counted(values, 1), counted(values, 4, order), first, empty):
        for got, expected in zip(other.result(), whole, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_without_images_there_is_nothing():
    numbers, shares = ZeroFractions().result()
    assert (len(numbers), len(shares)) == (0, 0)


def network():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 5))
    generator = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        parameter.data.normal_(generator=generator)
    return net.append(nn.ReLU(inplace=True)).eval()


def test_a_network_is_counted_layer_by_layer():
    net, images = network(), torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    batches = [(torch.tensor([9, 2]), images[:2]), (torch.tensor([4, 7, 1]), images[2:])]
    found = zero_fractions(net, batches, ["1", "2", "5"])
    order = [4, 1, 2, 3, 0]  # images by number
    for layer, until in (("1", 2), ("2", 3), ("5", 6)):
        with torch.no_grad():
            expected = (net[:until](images).flatten(1).numpy()[order] == 0).mean(1)
        numbers, shares = found[layer].result()
        assert numbers.tolist() == [1, 2, 4, 7, 9]
        assert shares.tolist() == expected.tolist()
        assert 0 < shares.mean() < 1


def test_hooks_are_gone_and_nothing_is_changed_after_an_exception():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}

    def broken():
        yield torch.tensor([0]), torch.zeros(1, 1, 6, 6)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zero_fractions(net, broken(), ["1"])
    assert not any(module._forward_hooks or "forward" in module.__dict__ or module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.is_grad_enabled()


def test_an_unknown_layer_is_refused():
    with pytest.raises(ReceptiveError, match="conv9"):
        zero_fractions(network(), [(torch.tensor([0]), torch.zeros(1, 1, 6, 6))], ["conv9"])
