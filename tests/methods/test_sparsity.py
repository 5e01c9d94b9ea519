"""The proportion of zeros of each layer against a count over the raw responses."""

import os
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import with_integers
from torch import nn

from receptive.methods.capture import responses_to
from receptive.methods.extraction import Extraction
from receptive.methods.sparsity import layer_sparsity

# name, alias, depth, kind, units; in an order that no sorting gives
LAYERS = [("z", "c1", 1, "conv", 4), ("m", None, 1, "pool", 4), ("b", "c2", 2, "conv", 3), ("a", "scores", 3, "fc", 5)]


def network_of(seed):
    parts = OrderedDict(y=nn.Conv2d(1, 4, 3), z=nn.ReLU(), m=nn.MaxPool2d(2))
    parts |= OrderedDict(x=nn.Conv2d(4, 3, 3), b=nn.ReLU(), f=nn.Flatten(), a=nn.Linear(12, 5))
    return with_integers(nn.Sequential(parts), seed)


def unit_rows(network, name, images):
    extraction = Extraction(network, {layer: units for layer, *_, units in LAYERS}, 1, 1)
    extraction.run((torch.arange(i, i + 4), images[i : i + 4]) for i in range(0, len(images), 4))
    return pd.concat(
        pd.DataFrame(extraction.statistics[layer].columns()).assign(
            network=name, layer=layer, alias=alias, depth=depth, kind=kind
        )
        for layer, alias, depth, kind, _ in LAYERS
    )


def test_against_a_count_over_raw_responses():
    images = torch.randint(-3, 4, (16, 1, 10, 10), generator=torch.Generator().manual_seed(0)).float()
    networks = {"second": network_of(1), "first": network_of(2)}
    table = layer_sparsity(pd.concat(unit_rows(network, name, images) for name, network in networks.items()))
    assert list(table.columns) == ["network", "layer", "alias", "depth", "kind", "zero_fraction"]
    assert table["network"].tolist() == ["second"] * 4 + ["first"] * 4
    assert table["layer"].tolist() == ["z", "m", "b", "a"] * 2
    assert table["alias"].fillna("none").tolist() == ["c1", "none", "c2", "scores"] * 2
    assert table["depth"].tolist() == [1, 1, 2, 3] * 2
    assert table["kind"].tolist() == ["conv", "pool", "conv", "fc"] * 2
    expected = []
    for network in networks.values():
        raw = responses_to(network, images, [layer for layer, *_ in LAYERS])
        expected += [(raw[layer].numpy() == 0).mean() for layer, *_ in LAYERS]
    np.testing.assert_allclose(table["zero_fraction"], expected, rtol=1e-12)
    assert len(set(expected)) == 8  # no two layers can be taken for one another


@pytest.mark.parametrize(("fractions", "expected"), [([0, 0, 0], 0), ([1, 1, 1], 1), ([0, 0.5, 0.25], 0.25)])
def test_all_positive_is_0_and_all_zero_is_1(fractions, expected):
    rows = pd.DataFrame({"network": "n", "layer": "l", "alias": "c1", "depth": 1, "kind": "conv", "unit": range(3)})
    assert layer_sparsity(rows.assign(zero_fraction=fractions))["zero_fraction"].tolist() == [expected]


@pytest.mark.slow
def test_needs_no_torch():
    code = "import sys, receptive.methods.sparsity; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
