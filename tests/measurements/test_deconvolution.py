"""The energies of stage deconvolve: the network before training is measured as the trained one, image by image."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from receptive import networks
from receptive.methods.deconvolution import deconvolve, energy_outside
from receptive.networks.layers import layers
from receptive.stages import deconvolve as stage


@pytest.fixture
def parts():
    """A network of random weights, its convolutions, and four images with masks, numbered out of order."""
    torch.manual_seed(0)
    net = networks.build("fivecnn", 4, 32, 3).eval()
    found = [layer for layer in layers(net, 32) if layer.kind == "conv"][:2]
    rng = np.random.default_rng(0)
    prepared = SimpleNamespace(subject_mask=rng.random((6, 32, 32)) < 0.4)
    pixels = torch.from_numpy(rng.normal(size=(6, 3, 32, 32))).float()
    images = pd.DataFrame({"image": [5, 0, 3, 2], "label": [1, 0, 3, 2], "class_name": list("badc")})
    return net, found, prepared, pixels, images


def seeing(pixels):
    """What the stage calls to see images by number."""
    return lambda numbers: pixels[numbers.tolist()]


def test_energies_against_one_image_at_a_time(parts):
    net, found, prepared, pixels, images = parts
    told = []
    table = stage.energies(net, seeing(pixels), prepared, images, found, 3, told.append)
    assert sum(told) == len(table) == 8
    rows = table.set_index(["layer", "image"])
    for layer in found:
        for image, label in zip(images["image"], images["label"], strict=True):
            carried = deconvolve(net, pixels[[image]], [layer.name])[layer.name]
            mask = torch.from_numpy(prepared.subject_mask[[image]])
            row = rows.loc[layer.name, image]
            assert (row["label"], row["alias"], row["depth"], row["kind"]) == (label, layer.alias, layer.depth, "conv")
            assert row["energy"] == pytest.approx(carried.double().square().sum().item(), rel=1e-5)
            assert row["energy_outside_fraction"] == pytest.approx(energy_outside(carried, mask).item(), rel=1e-5)
            assert row["area_outside_fraction"] == pytest.approx(1 - mask.double().mean().item())
            seen = energy_outside(pixels[[image]], mask).item()
            assert row["image_energy_outside_fraction"] == pytest.approx(seen, rel=1e-5)


def test_both_passes_measure_the_same(parts):
    net, found, prepared, pixels, images = parts
    prepared.classes = list("abcd")
    settings = SimpleNamespace(batch_size=3, images=2)
    seen = seeing(pixels)
    _, _, energy, _ = stage.whole_representations(net, seen, prepared, images, found, settings, lambda count: None)
    alone = stage.energies(net, seen, prepared, images, found, 3, lambda count: None)
    assert set(energy["state"]) == {"trained"}
    pd.testing.assert_frame_equal(energy.drop(columns="state"), alone.drop(columns="state"))
