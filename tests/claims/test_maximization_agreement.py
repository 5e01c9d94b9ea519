"""Claim 5 on pictures made so that the answer is known."""

import numpy as np
import pytest
from planted import maximized_neurons, mean_stimuli, pick, smooth

from receptive.claims.maximization_agreement import Quantity, kept_detail, measure
from receptive.claims.row import overall
from receptive.methods.image_statistics import high_frequency_share
from receptive.methods.inference import difference


def test_stimuli_that_agree_below_and_lose_detail_above():
    rows = measure(maximized_neurons())
    low = pick(rows, "resnet34", Quantity.AGREEMENT, "low")
    # in the lower layer the mean stimulus is the maximized image but for its scale
    assert low.reason == "own correlation 1.00"
    assert low.value == pytest.approx(1 - low.control, abs=1e-6)
    assert abs(low.control) < 0.5
    assert low.p_value == 1 / 200
    assert low.decides
    assert not pick(rows, "resnet34", Quantity.AGREEMENT, "high").decides
    assert not pick(rows, "resnet34", Quantity.AGREEMENT_KS, "low").decides
    lost, broad = pick(rows, "resnet34", Quantity.LOSS), pick(rows, "resnet34", Quantity.BROAD, "high")
    assert lost.value > 0.3
    assert abs(lost.control) < 0.2  # the maximized images keep theirs
    assert broad.value > 0.3
    assert overall(rows) == "supported"


def test_a_layer_without_stimuli_is_left_out():
    rows = measure(maximized_neurons(with_stimuli=("low",)))
    assert pick(rows, "resnet34", Quantity.AGREEMENT, "low").decides
    assert "high" not in {row.layer for row in rows}
    assert pick(rows, "resnet34", Quantity.LOSS).reason == "mean stimuli and maximized neurons of low alone"
    none = measure(maximized_neurons(with_stimuli=()))
    assert {row.reason for row in none} == {"no shown layer has both mean stimuli and maximized neurons"}


def test_other_units_images_are_no_agreement():
    row = pick(measure(maximized_neurons(agrees=False)), "resnet34", Quantity.AGREEMENT, "low")
    assert row.verdict != "supported"
    assert row.p_value > 0.05


def test_detail_that_stays_is_no_loss():
    rows = measure(maximized_neurons(top_loses_detail=False))
    assert pick(rows, "resnet34", Quantity.LOSS).verdict != "supported"
    assert abs(pick(rows, "resnet34", Quantity.BROAD, "high").value) < 1e-6
    assert overall(rows) == "undecided"


def test_fields_that_leave_the_image_are_compared_inside_it():
    rows = measure(maximized_neurons(boxes={"low": (-3, -5, 9, 7), "high": (24, 20, 40, 36)}))
    assert pick(rows, "resnet34", Quantity.AGREEMENT, "low").reason == "own correlation 1.00"


def test_units_without_a_maximized_image_are_left_out():
    gone = {("low", 0): "zero_gradient", ("low", 3): "diverged"}
    assert pick(measure(maximized_neurons(statuses=gone)), "resnet34", Quantity.AGREEMENT, "low").units == 6
    nearly_all = {("low", unit): "zero_gradient" for unit in range(7)}
    row = pick(measure(maximized_neurons(statuses=nearly_all)), "resnet34", Quantity.AGREEMENT, "low")
    assert (row.verdict, row.decides) == ("not measured", True)
    assert "1 of 8 units" in row.reason


def test_agreement_without_the_papers_network():
    rows = measure(maximized_neurons(["alexcnn"]))
    assert overall(rows) == "not measured"
    assert [row.reason for row in rows if row.decides] == ["resnet34 is not in this study"] * 3
    assert pick(rows, "alexcnn", Quantity.AGREEMENT, "low").reason == "own correlation 1.00"


# ---------------------------------------------------------------- noise of few patches

WHOLE = (slice(None), slice(None))


def layer_of(rng, detail: float, noise: float, units: int = 32):
    """Mean stimuli of a layer: a broad wave and so much fine detail, each half of the images with its own noise."""
    means = smooth(rng, units, 12) + detail * rng.normal(size=(units, 12, 12, 3))
    return mean_stimuli(rng, means, rng.random((12, 12, 3)), noise)


def lost(rng, low: dict, high: dict):
    """Detail of the low layer minus that of the high one: without noise, and as it stands in the means."""
    kept = [kept_detail(stimuli, WHOLE) for stimuli in (low, high)]
    plain = [high_frequency_share(stimuli["mean_interior"] - stimuli["baseline_interior"]) for stimuli in (low, high)]
    return [difference(*shares, rng, resamples=300) for shares in (kept, plain)]


def test_noise_does_not_count_as_detail_and_detail_that_is_lost_is_found():
    rng = np.random.default_rng(0)
    clean, noisy = layer_of(rng, 0.03, 0.0), layer_of(rng, 0.03, 0.05)
    without, plain = lost(rng, clean, noisy)
    assert plain.high < 0  # noise looks like detail that is gained
    assert without.low < 0 < without.high
    without, plain = lost(rng, clean, layer_of(rng, 0.0, 0.05))
    assert without.low > 0  # all detail is lost
    assert kept_detail(layer_of(rng, 0.0, 0.05), WHOLE).mean() == pytest.approx(0, abs=0.02)
    assert plain.high < 0
    rows = measure(maximized_neurons(noise=0.03))
    assert pick(rows, "resnet34", Quantity.LOSS).verdict == "supported"


@pytest.mark.slow
@pytest.mark.parametrize("units", [9, 32])
def test_layers_that_differ_in_noise_alone_are_called_as_often_as_promised(units):
    """The high layer has fewer patches, but as much detail: a null world, in which the plain shares always decide."""
    rng, called, wrong, times = np.random.default_rng(1), 0, 0, 200
    for _ in range(times):
        without, plain = lost(rng, layer_of(rng, 0.03, 0.005, units), layer_of(rng, 0.03, 0.05, units))
        called += without.low > 0 or without.high < 0
        wrong += plain.high < 0
    assert 0.01 <= called / times <= 0.09
    assert wrong / times > 0.9


@pytest.mark.slow
def test_the_interval_covers_the_detail_that_is_lost():
    rng = np.random.default_rng(2)
    found = np.array([lost(rng, layer_of(rng, 0.04, 0.01), layer_of(rng, 0.02, 0.05))[0] for _ in range(200)])
    shares = [kept_detail(layer_of(rng, detail, 0.0, 4_000), WHOLE).mean() for detail in (0.04, 0.02)]
    truth = shares[0] - shares[1]
    assert np.mean((found[:, 1] <= truth) & (truth <= found[:, 2])) >= 0.9


def test_without_noise_the_detail_is_that_of_the_means():
    """Each half less its own mean of all patches: these differ, and leave nothing behind."""
    rng = np.random.default_rng(4)
    means = smooth(rng, 5, 12) + 0.03 * rng.normal(size=(5, 12, 12, 3))
    kept = kept_detail(mean_stimuli(rng, means, rng.random((12, 12, 3)), 0.0), WHOLE)
    np.testing.assert_allclose(kept, high_frequency_share(means))


def test_pictures_of_noise_alone_have_no_detail():
    rng = np.random.default_rng(3)
    noise = mean_stimuli(rng, np.zeros((200, 12, 12, 3)), np.zeros((12, 12, 3)), 0.1)
    assert np.isnan(kept_detail(noise, WHOLE)).mean() > 0.9
