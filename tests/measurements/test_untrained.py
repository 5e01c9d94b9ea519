"""Untrained draws: other weights each, the same again for the same seed, measured as the network itself is."""

import numpy as np
import pandas as pd
import pytest
import torch
from studies import parameters, write_images
from torch import nn

from receptive.artifacts.finished import Finished, write_network
from receptive.artifacts.untrained import read_untrained, read_untrained_filters, write_untrained
from receptive.measurements.subject import Subject
from receptive.measurements.untrained import first_two, fresh_weights, measure, measured_networks, with_statistics
from receptive.networks import build
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.seeds import generator

NETWORK = "fivecnn"
OPTIONS = {"width": 0.25}


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A study of one small network, whose training is on the disk."""
    monkeypatch.chdir(tmp_path)
    prepared = write_images()
    network = build(NETWORK, 2, 32, 3, **OPTIONS)
    initialise(network, generator(0, "weights", NETWORK))
    normalisation = Normalisation.fit(
        "standardise", prepared.mean, prepared.std, prepared.covariance, prepared.mean_image
    )
    description = {
        "network": NETWORK, "classes": ["cat", "dog"], "image_size": 32, "channels": 3, "options": OPTIONS,
        "dataset": "collages", "normalisation": "standardise", "weights": {"from": "ours"}, "epochs": 1, "seed": 0,
        "first_filters": "c1.conv.weight",
    }  # fmt: skip
    state = network.state_dict()
    write_network(NETWORK, Finished(network, normalisation, state, description, [], {}))
    asked = {
        "draws": 3,
        "zeros": [NETWORK],
        "energy": [NETWORK],
        "selectivity": [NETWORK],
        "filters": [NETWORK, "vggcnn"],
    }
    read = parameters(NETWORK, untrained=asked, device="cpu", selectivity={"orientations": 4, "frequencies": [0.125]})
    return read.model_copy(update={"train": read.train | {NETWORK: read.train[NETWORK].model_copy(update=OPTIONS)}})


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_every_draw_has_weights_of_its_own_and_the_same_again(params):
    drawn = [weights(fresh_weights(params, NETWORK, draw)) for draw in range(3)]
    assert not any(torch.equal(drawn[i], drawn[j]) for i in range(3) for j in range(i))
    assert torch.equal(drawn[1], weights(fresh_weights(params, NETWORK, 1)))
    trained = weights(Subject.load(params, NETWORK, folded=False).network)
    assert not any(torch.equal(trained, each) for each in drawn)
    other = params.model_copy(update={"seed": 1})
    assert not torch.equal(drawn[0], weights(fresh_weights(other, NETWORK, 0)))


def test_weights_are_as_training_begins_with_them(params):
    """As stage train draws them, from a seed of another name."""
    expected = build(NETWORK, 2, 32, 3, **OPTIONS)
    initialise(expected, generator(0, "weights", f"{NETWORK}, untrained 2"), params.recipe(NETWORK).first_scale)
    assert torch.equal(weights(fresh_weights(params, NETWORK, 2)), weights(expected))


def test_statistics_are_those_of_training_images(params):
    subject = Subject.load(params, NETWORK, folded=False)
    drawn = with_statistics(params, subject, fresh_weights(params, NETWORK, 0), 0)
    norms = [module for module in drawn.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms, "the network has batch norms"
    first = norms[0]
    split = torch.from_numpy(np.array(subject.prepared.images[:4])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        seen: list[torch.Tensor] = []
        handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        drawn.network(subject.normalisation(split))  # the four training images are one batch
        handle.remove()
    torch.testing.assert_close(first.running_mean, seen[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_what_was_asked_for_is_measured_draw_by_draw(params):
    assert measured_networks(params) == [NETWORK]  # vggcnn is not in this study
    advanced: list[int] = []
    content = measure(params, lambda: advanced.append(1))
    assert len(advanced) == 3
    write_untrained(content)
    first, second = read_untrained_filters(NETWORK)
    for draw in range(3):
        expected = first_two(fresh_weights(params, NETWORK, draw), "c1.conv.weight")
        np.testing.assert_array_equal(first[draw], expected[0])
        np.testing.assert_array_equal(second[draw], expected[1])
        assert expected[1].shape[1] == len(expected[0])
    zeros = read_untrained(NETWORK, "zeros")
    assert sorted(zeros["draw"].unique()) == [0, 1, 2]
    energy = read_untrained(NETWORK, "energy")
    assert energy.groupby("draw")["layer"].nunique().tolist() == [2, 2, 2]
    assert energy["energy_outside_fraction"].between(0, 1).all()
    judged = read_untrained(NETWORK, "selectivity")
    assert set(judged["kind"]) == {"conv"}
    assert judged["selective"].notna().any()
    pd.testing.assert_frame_equal(zeros, measure(params, lambda: None).zeros)


@pytest.mark.slow
def test_zeros_are_counted_in_the_drawn_network(params):
    zeros = measure(params, lambda: None).zeros
    subject = Subject.load(params, NETWORK, folded=False)
    drawn = with_statistics(params, subject, fresh_weights(params, NETWORK, 1), 1)
    layer = next(layer for layer in drawn.layers if layer.kind == "conv")
    seen: list[torch.Tensor] = []
    handle = drawn.network.get_submodule(layer.name).register_forward_hook(lambda _, i, output: seen.append(output))
    images = torch.from_numpy(subject.prepared.images[subject.validation]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        drawn.network(subject.normalisation(images))
    handle.remove()
    expected = (seen[0] == 0).double().mean((1, 2, 3)).numpy()
    found = zeros[(zeros["draw"] == 1) & (zeros["layer"] == layer.name)].set_index("image")["zero_fraction"]
    np.testing.assert_allclose(found.loc[subject.validation].to_numpy(), expected, atol=2e-4)


def test_nothing_asked_for_gives_empty_tables(params):
    nothing = params.untrained.model_copy(update={"zeros": [], "energy": [], "selectivity": [], "filters": []})
    write_untrained(measure(params.model_copy(update={"untrained": nothing}), lambda: None))
    assert read_untrained(NETWORK, "zeros").empty
    assert read_untrained_filters(NETWORK) is None
