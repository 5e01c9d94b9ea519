"""Inactive units of the first pooling layer: who they are, on which images they are tried, and what is tracked."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from subjects import noisy_images, subject_of, validation_views
from torch import nn

from receptive.errors import ReceptiveError
from receptive.measurements.ablation import first_pool, measure, metrics_of
from receptive.params.sections import Ablate

DEAD, UNHEARD = 1, 3
SETTINGS = Ablate(
    threshold=0.0,
    minibatch=2,
    unit_draws=2,
    control_draws=2,
    control_images=4,
    sigmas=[0.5],
    sweep_draws=1,
    resamples=100,
    batch_size=3,
)


def table(network="toy", maxima=(1.0, 0.0, 2.0, 3.0)) -> pd.DataFrame:
    """units.parquet of a convolution, a pool of four units and another pool, the units out of order."""
    rows = [(network, "0", "c1", "conv", 0, 0.0, 0.0)]
    rows += [(network, "2", "p1", "pool", unit, maxima[unit], maxima[unit] / 4) for unit in (2, 0, 3, 1)]
    rows += [(network, "5", "p2", "pool", 0, 0.0, 0.0)]
    return pd.DataFrame(rows, columns=["network", "layer", "alias", "kind", "unit", "max", "mean"])


@pytest.fixture(scope="module")
def subject():
    """Unit 1 of the pool is dead; nothing reads unit 3."""
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2), nn.ReLU(), nn.Flatten()), nn.Linear(24, 2)
    )
    with torch.no_grad():
        network[0].weight[DEAD], network[0].bias[DEAD] = 0, -1
        network[3].weight[:, UNHEARD] = 0
    return subject_of(network, noisy_images(8, [0, 1, 1, 0, 0, 0, 1, 1, 0, 1], training=3))


@pytest.fixture(scope="module")
def ablation(subject):
    return measure(subject, table(), SETTINGS, seed=5)


def test_the_first_pool_is_found_unit_by_unit():
    pool = first_pool(table())
    assert set(pool["layer"]) == {"2"}
    assert pool["unit"].tolist() == [0, 1, 2, 3]
    assert pool["max"].tolist() == [1.0, 0.0, 2.0, 3.0]
    without = table("fivecnn")
    with pytest.raises(ReceptiveError, match=r"^fivecnn has no pooling layer: leave it out of models$"):
        first_pool(without[without["kind"] != "pool"])


def test_the_heading_says_what_was_tried(ablation):
    assert {name: ablation[name] for name in ("network", "layer", "alias", "units")} == {
        "network": "toy",
        "layer": "2",
        "alias": "p1",
        "units": 4,
    }
    assert ablation["inactive_units"] == [DEAD]
    assert ablation["weakest_maximum"] == 0.0
    assert ablation["active_mean"] == pytest.approx((1 + 2 + 3) / 4 / 3)
    assert ablation["threshold"] == 0.0
    assert ablation["minibatch"] == 2


def test_the_loss_is_that_of_all_validation_images_with_their_labels(subject, ablation):
    labels = torch.tensor([0, 0, 0, 1, 1, 0, 1])
    assert ablation["images"] == 7
    with torch.no_grad():
        loss = F.cross_entropy(subject.network(validation_views(subject)), labels)
    assert ablation["loss"] == pytest.approx(float(loss), rel=1e-5)
    # noise on a unit that the rest hears changes the loss
    assert abs(ablation["delta_loss"]) > 1e-4
    assert ablation["delta_loss_random"] == pytest.approx(ablation["delta_loss"], rel=1e-6)  # of one unit, the same


def test_noise_that_nobody_hears_changes_nothing(subject):
    ablation = measure(subject, table(maxima=(1.0, 2.0, 3.0, 0.0)), SETTINGS, seed=5)
    assert ablation["inactive_units"] == [UNHEARD]
    assert ablation["delta_loss"] == pytest.approx(0, abs=1e-8)
    assert ablation["control"]["units_each"] == 1
    assert any(abs(value) > 1e-4 for value in ablation["control"]["delta_loss"])


def test_control_and_sweep_take_fewer_images(subject, ablation):
    assert ablation["control"]["images"] == 4
    assert [row["sigma"] for row in ablation["sweep"]] == [0.5, 1.0]
    more = measure(subject, table(), SETTINGS.model_copy(update={"control_images": 100}), seed=5)
    assert more["control"]["images"] == 7  # all there are
    # on the same images the paper's noise level repeats dL
    assert more["sweep"][1]["delta_loss"] == pytest.approx(more["delta_loss"], rel=1e-5)


def test_the_seed_and_nothing_else_decides(subject, ablation):
    assert measure(subject, table(), SETTINGS, seed=5) == ablation
    larger = measure(subject, table(), SETTINGS.model_copy(update={"batch_size": 7}), seed=5)
    assert larger["delta_loss"] == pytest.approx(ablation["delta_loss"], rel=1e-4)
    assert measure(subject, table(), SETTINGS, seed=6)["delta_loss"] != ablation["delta_loss"]


def test_a_network_whose_units_all_respond_has_a_control_only(subject):
    ablation = measure(subject, table(maxima=(1.0, 1.0, 1.0, 1.0)), SETTINGS, seed=5)
    assert ablation["inactive_units"] == []
    assert metrics_of(ablation) == {"inactive_units": 0}


def test_a_network_whose_units_are_all_inactive_has_no_active_mean(subject):
    ablation = measure(subject, table(maxima=np.zeros(4)), SETTINGS, seed=5)
    assert ablation["active_mean"] is None
    assert ablation["control"]["mean"] is None


def test_the_changes_of_the_loss_are_tracked(ablation):
    assert metrics_of(ablation) == {
        "inactive_units": 1,
        "delta_loss": ablation["delta_loss"],
        "delta_loss_random": ablation["delta_loss_random"],
    }
