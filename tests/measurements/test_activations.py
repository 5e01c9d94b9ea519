"""Tables of all responses: against hooks of their own and numpy, in one process and shared among several."""

import numpy as np
import pandas as pd
import pytest
import torch
from subjects import noisy_images, subject_of, validation_views

from receptive import networks
from receptive.artifacts.activations import COLUMNS
from receptive.measurements.activations import measure
from receptive.methods.response_histogram import histogram_edges
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import Workers
from receptive.params.sections import Extract

SIDE, IMAGES, CONTROL = 8, 7, 3
SETTINGS = Extract(top=8, hits_per_image=1, control_images=CONTROL, batch_size=2)


def network(seed: int):
    made = networks.build("digitcnn", 2, SIDE, 3, width=0.125)
    initialise(made, torch.Generator().manual_seed(seed))
    return made


@pytest.fixture(scope="module")
def prepared():
    return noisy_images(SIDE, [0, 1] * 5, training=3)


@pytest.fixture(scope="module")
def normalisation(prepared):
    return Normalisation.fit("whiten", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image)


@pytest.fixture(scope="module")
def subject(prepared, normalisation):
    return subject_of(network(0), prepared, normalisation, "digitcnn")


@pytest.fixture(scope="module")
def untrained(prepared, normalisation):
    return subject_of(network(1), prepared, normalisation, "digitcnn")


@pytest.fixture(scope="module")
def numbers(prepared):
    """Numbers of the validation images."""
    return prepared.labels["image"].to_numpy()[3:]


def responses_of(subject) -> dict[str, np.ndarray]:
    """Every layer's responses to all validation images, image x unit x y x x (or image x unit x 1 x 1)."""
    responses = {}
    handles = [
        subject.network.get_submodule(layer.name).register_forward_hook(
            lambda _, inputs, output, layer=layer: responses.update(
                {layer.name: output.detach().numpy().reshape(-1, layer.units, *layer.map_size)}
            )
        )
        for layer in subject.layers
    ]
    subject.network(validation_views(subject))
    for handle in handles:
        handle.remove()
    return responses


@pytest.fixture(scope="module")
def activations(subject, untrained):
    return measure(subject, untrained, SETTINGS)


@pytest.fixture(scope="module")
def responses(subject):
    return responses_of(subject)


def test_units_say_what_each_unit_does(activations, subject, responses):
    assert tuple(activations.units) == COLUMNS["units.parquet"]
    rows = activations.units.itertuples()
    for layer in subject.layers:
        flat = responses[layer.name].reshape(IMAGES, layer.units, -1)
        for unit in range(layer.units):
            row = next(rows)
            assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
            assert (row.depth, row.kind, row.unit) == (layer.depth, layer.kind, unit)
            assert (row.images, row.positions) == (IMAGES, flat.shape[2])
            assert row.mean == pytest.approx(flat[:, unit].mean(dtype=np.float64), rel=1e-5, abs=1e-7)
            assert row.max == pytest.approx(flat[:, unit].max(), rel=1e-5)
            assert row.zero_fraction == (flat[:, unit] == 0).mean()
            assert row.positive_images == (flat[:, unit].max(1) > 0).sum()
    assert next(rows, None) is None


def test_preferred_are_the_greatest_responses_and_their_boxes(activations, subject, responses, numbers):
    assert tuple(activations.preferred) == COLUMNS["preferred.parquet"]
    rows = activations.preferred.itertuples()
    for layer in subject.layers:
        maps = responses[layer.name]
        for unit in range(layer.units):
            best = sorted(
                # (-response, image, position) of the best position of each image; the last of 8 ranks stays empty
                min((-maps[image, unit, y, x], image, y, x) for y, x in np.ndindex(*layer.map_size))
                for image in range(IMAGES)
            )
            for rank, (value, image, y, x) in enumerate(best):
                row = next(rows)
                assert (row.network, row.layer, row.unit, row.rank) == ("digitcnn", layer.name, unit, rank)
                assert (row.image, row.y, row.x) == (numbers[image], y, x)
                assert row.activation == pytest.approx(-value, rel=1e-5, abs=1e-6)
                box = (row.top_px, row.left_px, row.bottom_px, row.right_px)
                if layer.field.whole_image:
                    assert box == (0, 0, SIDE, SIDE)
                else:
                    top, left = (layer.field.start + at * layer.field.stride for at in (y, x))
                    assert box == (top, left, top + layer.field.size, left + layer.field.size)
    assert next(rows, None) is None


def test_zeros_say_which_image_left_how_many_in_which_state(activations, subject, untrained, responses, numbers):
    assert tuple(activations.zeros) == COLUMNS["zeros.parquet"]
    rows = activations.zeros.itertuples()
    before = responses_of(untrained)
    for layer in subject.layers:
        for state, maps, images in (("trained", responses, IMAGES), ("untrained", before, CONTROL)):
            for image in range(images):
                row = next(rows)
                assert (row.network, row.layer, row.alias) == ("digitcnn", layer.name, layer.alias)
                assert (row.state, row.depth, row.kind) == (state, layer.depth, layer.kind)
                assert (row.image, row.zero_fraction) == (numbers[image], (maps[layer.name][image] == 0).mean())
    assert next(rows, None) is None


def test_histograms_count_every_response(activations, subject, responses):
    assert list(activations.histograms) == ["edges", *(layer.name for layer in subject.layers)]
    edges = activations.histograms["edges"]
    np.testing.assert_array_equal(edges, histogram_edges())
    for layer in subject.layers:
        counts, maps = activations.histograms[layer.name], responses[layer.name]
        assert counts.shape == (layer.units, len(edges) - 1)
        zero = (len(edges) - 1) // 2  # the bin of exact zeros
        for unit in range(layer.units):
            assert counts[unit].sum() == maps[:, unit].size
            assert counts[unit, zero] == (maps[:, unit] == 0).sum()
            assert counts[unit, zero + 1 :].sum() == (maps[:, unit] > 0).sum()


class Second(Workers):
    """The second of two processes: what it has gathered is kept."""

    states: list = []  # noqa: RUF012

    def gather(self, state):
        self.states.append(state)
        return iter(())


class First(Workers):
    """The first of two processes, which runs when the second has ended."""

    def gather(self, state):
        received = Second.states.pop(0)
        return iter([received] if received else [])  # as ``Workers.gather``: who has seen no image sends nothing


def test_two_processes_measure_what_one_does(activations, subject, untrained):
    assert measure(subject, untrained, SETTINGS, workers=Second(1, 2)) is None
    assert len(Second.states) == 2
    together = measure(subject, untrained, SETTINGS, workers=First(0, 2))
    for name in ("units", "preferred", "zeros"):
        pd.testing.assert_frame_equal(getattr(together, name), getattr(activations, name))
    for layer, counts in activations.histograms.items():
        np.testing.assert_array_equal(together.histograms[layer], counts)
