"""Preferred stimuli and their means: against patches that are cut and averaged one by one."""

import numpy as np
import pandas as pd
import pytest
import torch
from subjects import noisy_images, subject_of, validation_views
from torch import nn

from receptive.measurements.stimuli import first_half, layers_with_stimuli, measure
from receptive.methods.mean_stimulus import MODES
from receptive.methods.receptive_field.fields import BOX
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import Stimuli

SIDE = 12
SETTINGS = Stimuli(largest_field=0.6, batch_size=2)


@pytest.fixture(scope="module")
def subject():
    """Fields of 3 px (with padding), 4 px, 8 px and the whole image; the mean image is subtracted."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(3 * 16, 2)),
    )
    prepared = noisy_images(SIDE, [0, 1, 0, 1, 1, 0, 1], training=2)
    statistics = (prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)
    return subject_of(network, prepared, Normalisation.fit("subtract_mean_image", *statistics))


@pytest.fixture(scope="module")
def preferred(subject):
    """Two stimuli per unit of two layers, some of which leave the image."""
    rows = []
    for layer in subject.layers[:3]:
        for unit in range(layer.units):
            for rank, (image, y, x) in enumerate([(5, 0, 0), (9, layer.map_size[0] - 1, 2)]):
                box = dict(zip(BOX, layer.field.box(y, x), strict=True))
                rows.append({"layer": layer.name, "unit": unit, "rank": rank, "image": image, "activation": 0.5, **box})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def stimuli(subject, preferred):
    return dict(measure(subject, preferred, SETTINGS))


def test_layers_that_see_too_much_have_no_stimuli(subject, stimuli):
    assert [layer.field.whole_image or layer.field.size for layer in subject.layers] == [3, 4, 8, True]
    assert list(stimuli) == [layer.name for layer in subject.layers[:2]]  # 8 px > 0.6 x 12 px
    wider = layers_with_stimuli(subject, Stimuli(largest_field=0.7, batch_size=2))
    assert wider == subject.layers[:3]


def test_patches_are_cut_from_the_pixels_and_grey_outside(subject, preferred, stimuli):
    for layer in subject.layers[:2]:
        rows, arrays = preferred[preferred["layer"] == layer.name], stimuli[layer.name]
        assert arrays["patches"].dtype == np.uint8
        for row, patch in zip(rows.itertuples(), arrays["patches"], strict=True):
            for i, j in np.ndindex(patch.shape[:2]):
                y, x = row.top_px + i, row.left_px + j
                inside = 0 <= y < SIDE and 0 <= x < SIDE
                expected = subject.prepared.images[row.image, y, x] if inside else [128] * 3
                np.testing.assert_array_equal(patch[i, j], expected)
        for name in ("unit", "rank", "activation"):
            np.testing.assert_array_equal(arrays[name], rows[name])
        np.testing.assert_array_equal(arrays["box"], rows[BOX])


@torch.no_grad()
def test_means_are_of_the_pixels_that_excite_a_unit(subject, stimuli):
    pixels = subject.normalisation.inverse(validation_views(subject)).movedim(1, -1).numpy()
    for layer in subject.layers[:2]:
        arrays = stimuli[layer.name]
        assert [name for name in arrays if name.startswith("mean")] == [f"mean_{mode}" for mode in MODES]
        module = int(layer.name) + 1
        responses = subject.network[:module](validation_views(subject)).numpy()
        patches = [[] for _ in range(layer.units)]
        for image, y, x in np.ndindex(len(pixels), *layer.map_size):
            top, left, bottom, right = layer.field.box(y, x)
            if min(top, left) < 0 or max(bottom, right) > SIDE:
                continue
            for unit in np.flatnonzero(responses[image, :, y, x] > 0):
                patches[unit].append(pixels[image, top:bottom, left:right])
        for unit, excited in enumerate(patches):
            assert arrays["count_interior"][unit] == len(excited) > 0
            np.testing.assert_allclose(arrays["mean_interior"][unit], np.mean(excited, 0), atol=1e-5)


@torch.no_grad()
def test_the_half_is_of_every_second_image_of_each_class(subject, stimuli):
    labels = subject.prepared.labels.query("split == 'validation'")["label"].tolist()
    assert labels == [0, 1, 1, 0, 1]
    assert first_half(subject).tolist() == [True, True, False, False, True]
    views = validation_views(subject)[[0, 1, 4]]
    pixels = subject.normalisation.inverse(views).movedim(1, -1).numpy()
    layer = subject.layers[0]
    arrays = stimuli[layer.name]
    responses = subject.network[: int(layer.name) + 1](views).numpy()
    for unit in range(layer.units):
        excited, every = [], []
        for image, y, x in np.ndindex(3, *layer.map_size):
            top, left, bottom, right = layer.field.box(y, x)
            if min(top, left) >= 0 and max(bottom, right) <= SIDE:
                every.append(pixels[image, top:bottom, left:right])
                if responses[image, unit, y, x] > 0:
                    excited.append(every[-1])
        assert arrays["half_count_interior"][unit] == len(excited)
        np.testing.assert_allclose(arrays["half_interior"][unit], np.mean(excited, 0), atol=1e-5)
        np.testing.assert_allclose(arrays["half_baseline_interior"], np.mean(every, 0), atol=1e-5)
    assert arrays["half_share_interior"] == pytest.approx(3 / 5)


def test_a_mode_without_a_position_leaves_empty_arrays():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 4, 5, stride=5, padding=4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    subject = subject_of(network, noisy_images(4, [0, 1, 0], training=2))
    assert subject.layers[0].map_size == (2, 2)
    nothing = pd.DataFrame({name: [] for name in ("layer", "unit", "rank", "image", "activation", *BOX)}, dtype=int)
    ((name, arrays),) = measure(subject, nothing, Stimuli(largest_field=2.0, batch_size=2))
    assert name == subject.layers[0].name
    for kind in ("mean", "count", "baseline"):
        assert arrays[f"{kind}_interior"].size == 0
    assert arrays["mean_all"].shape == (4, 5, 5, 3)
    assert arrays["baseline_all"].shape == (5, 5, 3)
