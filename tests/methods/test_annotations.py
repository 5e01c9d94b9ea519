"""Annotations of the methods: they are checked on every call of the tests, and their axes have the project's names."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from receptive import methods
from receptive.methods.ablation import Noise, inactive_units
from receptive.methods.capture import outputs_of
from receptive.methods.deconvolution import energy_outside
from receptive.methods.filters_coupling import beside_strongest
from receptive.methods.receptive_field.graph import receptive_fields
from receptive.methods.receptive_field.sites import Sum

SOURCES = sorted(Path(methods.__file__).parent.rglob("*.py"))


def test_a_wrong_shape_is_refused_and_its_axis_named():
    reconstructions = torch.ones(2, 3, 4, 5)
    assert energy_outside(reconstructions, torch.zeros(2, 4, 5, dtype=torch.bool)).tolist() == [1, 1]
    with pytest.raises(TypeCheckError, match=r"'subject'[\s\S]*image y x"):
        energy_outside(reconstructions, torch.zeros(2, 5, 4, dtype=torch.bool))


def test_a_wrong_number_of_axes_and_a_wrong_type_are_refused():
    with pytest.raises(TypeCheckError, match="'reconstructions'"):
        energy_outside(torch.ones(3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.bool))
    with pytest.raises(TypeCheckError, match="'subject'"):
        energy_outside(torch.ones(2, 3, 4, 5), torch.zeros(2, 4, 5))
    with pytest.raises(TypeCheckError, match="'largest'"):
        inactive_units([0.0, 1.0])


def test_fields_of_a_record_are_checked():
    with pytest.raises(TypeCheckError, match="'units'"):
        Noise(torch.zeros(3, dtype=torch.int64))


def test_axes_of_one_name_have_one_length_in_arguments_and_in_what_is_returned():
    with pytest.raises(TypeCheckError, match="'similarity'"):
        beside_strongest(np.ones((4, 3)), np.eye(5))
    relative, near = beside_strongest(np.ones((4, 3)), np.eye(3))
    assert relative.shape == near.shape == (4, 2)  # "first-1" in the annotation


def test_an_integer_will_do_for_a_float():
    assert inactive_units(np.array([0.0, 1.0]), 0).tolist() == [0]


class Skip(torch.nn.Module):
    """A block whose sum is a module."""

    def __init__(self):
        super().__init__()
        self.conv, self.sum = torch.nn.Conv2d(1, 1, 3, padding=1), Sum()

    def forward(self, x):
        return self.sum(self.conv(x), x)


def test_a_sum_is_traced_with_proxies_under_the_hook():
    network = Skip()
    image = torch.rand(1, 1, 4, 4)
    assert torch.equal(torch.fx.symbolic_trace(network)(image), network(image))
    assert receptive_fields(network, 4, 1)["sum_1"].kind == "add"
    (response,) = outputs_of(network, ["conv"])(image)
    assert torch.equal(response, network.conv(image))


def shapes():
    return [text for path in SOURCES for text in re.findall(r'\[(?:np\.ndarray|Tensor), "([^"]*)"\]', path.read_text())]


def test_axes_are_named_as_the_package_says():
    listed = set(re.findall(r"\w+", " ".join(re.findall(r"(?:^- |; )([\w, ]+):", methods.__doc__, re.M))))
    used = {name for axes in shapes() for name in re.findall(r"[a-z_]+", axes) if name != "_"}
    assert len(shapes()) > 150
    assert used <= listed, "named in no line of methods/__init__.py"
    assert listed <= used, "named in methods/__init__.py, used nowhere"


def test_no_public_array_is_without_a_shape():
    """In signatures; ``Callable[[Tensor], Tensor]`` and pairs in an iterable say it in words."""
    bare = re.compile(r"^\s+(?:self, )?\w+: (?:Tensor|np\.ndarray)\b|-> (?:Tensor|np\.ndarray):", re.M)
    texts = {path.name: path.read_text() for path in SOURCES}
    del texts["inference.py"]  # single rows of numbers
    del texts["sites.py"]  # tensors of any shape, or torch.fx's proxies
    assert not [(name, hit) for name, text in texts.items() for hit in bare.findall(text)]
