"""Label purity of layers and of the pixels of their patches, against literal neighbours."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from subjects import noisy_images, subject_of
from torch import nn

from receptive.artifacts.embedding import COLUMNS
from receptive.measurements.embedding_purity import purity_by_layer, shown_boxes
from receptive.methods.embedding import Sample
from receptive.methods.embedding_purity import purity_difference
from receptive.methods.receptive_field.fields import BOX
from receptive.params.reading import load_params

SIDE = 8
NEIGHBOURS = 3
IMAGES = np.arange(1, 32, 2)


@pytest.fixture(scope="module")
def subject():
    """Sixteen images of two classes, and two convolutions that see 3 and 7 px."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2), nn.ReLU())
    return subject_of(network, noisy_images(SIDE, [0, 1] * 8, training=2))


@pytest.fixture(scope="module")
def measured(subject):
    rng = np.random.default_rng(0)
    # at the borders and beside them, where what lies outside the image matters
    samples = [Sample(layer.name, IMAGES, *rng.choice([0, 1, SIDE - 1], (2, len(IMAGES)))) for layer in subject.layers]
    states = {state: [rng.normal(size=(16, 4)).astype(np.float32) for _ in samples] for state in ("trained", "before")}
    settings = load_params().embed.model_copy(update={"neighbours": NEIGHBOURS, "batch_size": 5})
    told = []
    purity = purity_by_layer(subject, subject.layers, samples, states, settings, 4.0, lambda: told.append(1))
    assert len(told) == len(subject.layers) == 2
    return samples, states, purity


def literal_purity(vectors, labels):
    distances = cdist(vectors, vectors) + np.diag([np.inf] * len(vectors))
    nearest = distances.argsort(1)[:, :NEIGHBOURS]
    return (labels[nearest] == labels[:, None]).mean(1)


def of(purity, state, layer):
    rows = purity.images[(purity.images["state"] == state) & (purity.images["layer"] == layer.name)]
    assert rows["image"].tolist() == IMAGES.tolist()
    return rows["value"].to_numpy()


def test_purity_of_each_state_is_that_of_its_vectors(subject, measured):
    _, states, purity = measured
    labels = subject.prepared.labels["label"].to_numpy()
    for state, vectors in states.items():
        for layer, of_layer in zip(subject.layers, vectors, strict=True):
            np.testing.assert_allclose(of(purity, state, layer), literal_purity(of_layer, labels))


def test_pixels_are_those_of_the_patch_with_zeros_outside_or_of_the_whole_image(subject, measured):
    samples, _, purity = measured
    labels = subject.prepared.labels["label"].to_numpy()
    images = subject.prepared.images[IMAGES] / 255
    small, large = subject.layers  # 3 px are shown, 7 are more than 4
    around = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = [around[i, y : y + 3, x : x + 3] for i, (y, x) in enumerate(zip(samples[0].y, samples[0].x, strict=True))]
    expected = literal_purity(np.reshape(patches, (16, -1)), labels)
    filled = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=9)
    other = [filled[i, y : y + 3, x : x + 3] for i, (y, x) in enumerate(zip(samples[0].y, samples[0].x, strict=True))]
    assert (literal_purity(np.reshape(other, (16, -1)), labels) != expected).any()
    np.testing.assert_allclose(of(purity, "pixels", small), expected)
    np.testing.assert_allclose(of(purity, "pixels", large), literal_purity(images.reshape(16, -1), labels))
    assert shown_boxes(large, samples[1], 4).tolist() == [[0, 0, SIDE, SIDE]] * 16
    first = shown_boxes(small, samples[0], 4)[0].tolist()
    assert first == [samples[0].y[0] - 1, samples[0].x[0] - 1, samples[0].y[0] + 2, samples[0].x[0] + 2]
    assert len(first) == len(BOX)


def test_the_table_holds_the_means_and_what_chance_gives(subject, measured):
    _, _, purity = measured
    table = purity.table
    assert table.columns.tolist() == list(COLUMNS["purity.parquet"])
    assert purity.images.columns.tolist() == list(COLUMNS["purity_images.parquet"])
    assert table["state"].tolist() == ["trained"] * 2 + ["before"] * 2 + ["pixels"] * 2
    assert table["layer"].tolist() == [layer.name for layer in subject.layers] * 3
    for row in table.to_dict("records"):
        layer = next(layer for layer in subject.layers if layer.name == row["layer"])
        assert row["value"] == pytest.approx(of(purity, row["state"], layer).mean())
        near = purity.neighbours[f"{row['state']}/{layer.name}"]
        of_pairs = purity_difference(subject.prepared.labels["label"].to_numpy(), [(1.0, near)])
        assert (row["low"], row["high"]) == of_pairs[1:]
    assert table["chance"].tolist() == pytest.approx([7 / 15] * 6)  # of 15 others 7 have the label
    assert (table["points"] == 16).all()
