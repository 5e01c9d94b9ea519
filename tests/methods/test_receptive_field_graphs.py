"""Receptive fields of random networks against the support of their gradients."""

from collections import Counter

import hypothesis
import numpy as np
import pytest
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from random_graphs import graphs, seen_by_gradient
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.graph import receptive_fields

REFUSALS = ("padding lets position", "unequal strides")
"""Why a random network may be refused."""


def check(network, size, outcomes):
    """Every position's ``seen`` is the support of its gradient; its box holds that, and is exact inside the image."""
    height, width, channels = size
    try:
        nodes = receptive_fields(network, (height, width), channels)
    except ReceptiveError as error:
        if not any(reason in str(error) for reason in REFUSALS):
            raise
        outcomes["refused"] += 1
        return
    outcomes["right"] += 1
    by_mark = {node.module: node for node in nodes.values()}
    blind = False  # whether positions of a step so far see nothing but padding
    for number, measured in seen_by_gradient(network, height, width, channels).items():
        node = by_mark.get(f"marks.{number}")
        if node is None:  # padding by itself
            continue
        rows, columns = np.mgrid[: measured.shape[0], : measured.shape[1]]
        seen = np.stack(node.seen(rows, columns), axis=-1)
        box = np.stack(np.broadcast_arrays(*node.field.box(rows, columns)), axis=-1)
        something = measured[..., 2] > measured[..., 0]
        blind |= not something.all()
        if not blind:
            np.testing.assert_array_equal(seen, measured, err_msg=f"step {number} of {network}")
        for one in (box[something], seen[something]):
            assert (one[:, :2] <= measured[something][:, :2]).all()
            assert (one[:, 2:] >= measured[something][:, 2:]).all()
        if node.whole_from:
            outcomes["whole"] += 1
        elif not cuts(network):  # padding in place of pixels that were cut off lies inside the image
            (top, bottom), (left, right) = node.interior
            np.testing.assert_array_equal(box[top:bottom, left:right], measured[top:bottom, left:right])


def cuts(network):
    """Whether a layer pads by a negative number."""
    return any(
        getattr(step, "name", "") == "cut" or (isinstance(step, nn.ConstantPad2d) and min(step.padding) < 0)
        for step in network.steps
    )


def drawn_graphs(count, seed):
    """How many random graphs were right, refused, ...; a wrong one fails."""
    outcomes = Counter()

    @hypothesis.seed(seed)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def each(drawn):
        check(*drawn, outcomes)

    each()
    return outcomes


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_some_random_graphs():
    assert sum(drawn_graphs(3, seed=5).values()) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_random_graphs():
    outcomes = drawn_graphs(450, seed=0)
    assert outcomes["right"] >= 300
    assert outcomes["whole"] >= 300
    assert outcomes["refused"] >= 20


# The cases of an audit, by hand: (network, what rows of its last map see; None: refused)


class Gate(nn.Module):
    def __init__(self, gate):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(1, 1, 3, padding=1), gate

    def forward(self, x):
        y = self.conv(x)
        return y * self.gate(y)


class Twice(nn.Conv2d):
    def _conv_forward(self, input, weight, bias):
        return F.conv2d(F.conv2d(input, weight, bias, padding=1), weight, bias, padding=1)


def conv():
    return nn.Conv2d(1, 1, 3, padding=1)


WHOLE = {
    "batch norm of the batch": nn.Sequential(conv(), nn.BatchNorm2d(1, track_running_stats=False)),
    "instance norm": nn.Sequential(conv(), nn.InstanceNorm2d(1)),
    "group norm": nn.Sequential(conv(), nn.GroupNorm(1, 1)),
    "layer norm": nn.Sequential(conv(), nn.LayerNorm([16, 16])),
    "convolution as gate": Gate(nn.Conv2d(1, 1, 16)),
    "pool as gate": Gate(nn.AvgPool2d(16, 1)),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_works_over_the_map_sees_the_whole_image(case):
    network = nn.Sequential(WHOLE[case], conv())
    *_, last = receptive_fields(network, 16, 1).values()
    assert last.field.whole_image
    assert last.field.box(3, 4) == last.seen(3, 4) == (0, 0, 16, 16)
    assert (last.local.size, last.local.stride, last.local.start) == (5, 1, -2)
    assert last.whole_from


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(1), nn.InstanceNorm2d(1, track_running_stats=True)])
def test_stored_statistics_see_nothing(norm):
    *_, last = receptive_fields(nn.Sequential(conv(), norm), 16, 1).values()
    assert last.field.size == 3
    assert last.local == last.field
    assert last.whole_from == ""


def test_statistics_along_one_axis():
    *_, last = receptive_fields(nn.Sequential(conv(), nn.LayerNorm([16])), 16, 1).values()
    assert last.field.size == (3, None)
    assert last.field.box(5, 5) == last.seen(5, 5) == (4, 0, 7, 16)


def test_a_part_of_the_forward_pass_of_ones_own():
    *_, last = receptive_fields(nn.Sequential(Twice(1, 1, 3)), 16, 1).values()
    assert (last.operation, last.field.size) == ("conv2d", 5)
    own = conv()
    own.forward = lambda x: x.mean((2, 3), keepdim=True)
    *_, last = receptive_fields(nn.Sequential(own), 16, 1).values()
    assert last.field.whole_image


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_borders_that_are_repeated(mode):
    """Half a kernel of such padding sees no pixel outside the box; four pixels before 3x3 see pixels 2 to 4."""
    *_, last = receptive_fields(nn.Sequential(nn.Conv2d(1, 1, 5, padding=2, padding_mode=mode)), 16, 1).values()
    assert last.field.box(0, 15) == (-2, 13, 3, 18)
    assert last.seen(0, 15) == (0, 13, 3, 16)
    pad = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}[mode]
    wide = nn.Sequential(pad(4), nn.Conv2d(1, 1, 9))
    assert list(receptive_fields(wide, 16, 1)) == ["input_1", "_1"]  # the padding alone has no boxes
    with pytest.raises(ReceptiveError, match=f"{mode} padding lets position 0 along y see pixels outside its box"):
        receptive_fields(nn.Sequential(pad(4), conv()), 16, 1)


def test_one_position_that_sees_a_part_of_the_image():
    """The box of a spread position is the whole axis; ``seen`` tells that the last pixels are not read."""
    *_, last = receptive_fields(Gate(nn.Conv2d(1, 1, 15, 2)), 16, 1).values()
    assert last.field.whole_image
    assert last.seen(0, 0) == (0, 0, 16, 16)  # 15 rows of a 3x3 map reach the 16th
    assert last.local.size == 3


def test_attention_sees_the_whole_image():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.mix = nn.Conv2d(3, 8, 4, 4), nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x, _ = self.mix(x, x, x, need_weights=False)
            return self.head(x.mean(1))

    nodes = receptive_fields(Attention(), 16)
    assert nodes["patches"].field.size == 4
    assert nodes["transpose"].whole_from == "flatten"
    assert nodes["head"].whole_from == "mix"
    for name in ("flatten", "mean", "head"):
        assert nodes[name].field.whole_image
        assert nodes[name].local.whole_image
