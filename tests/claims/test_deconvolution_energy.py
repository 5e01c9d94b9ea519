"""Claim 9 on tables with planted energies, and on pictures of energy that follow their subjects or do not."""

import numpy as np
import pandas as pd
import planted
import pytest
import torch
from planted import energies, pick

from receptive.claims import deconvolution_energy
from receptive.claims.deconvolution_energy import UNKNOWN, Quantity, unrelated
from receptive.claims.row import overall
from receptive.methods.deconvolution import OutsideOthers, energy_outside
from receptive.methods.inference import Estimate, bootstrap


def measure(made, trainings=None):
    return deconvolution_energy.measure(planted.study(trainings or list(made), energy=made.__getitem__))


def test_unrelated_energy_that_falls():
    rows = measure(
        {
            "vggcnn": energies((0.0, 0.1, 0.4, 0.5), (0.2, 0.1, 0.1, 0.0)),
            "alexcnn": energies((0.0, 0.1, 0.2, 0.3), (0.0, 0.1, 0.0, 0.0)),
        }
    )
    fall = pick(rows, "vggcnn", Quantity.FALL)
    # from c1 to c3, the last convolution
    assert (fall.value, fall.control, fall.images) == (pytest.approx(0.4), pytest.approx(-0.1), 60)
    learned = pick(rows, "vggcnn", Quantity.FALL, beyond="untrained")
    assert (learned.value, learned.decides) == (pytest.approx(0.5), True)
    last = pick(rows, "alexcnn - vggcnn", Quantity.LAST)
    assert last.value == pytest.approx(0.2)  # image by image: the offsets are the same
    assert last.high - last.low < 1e-9
    assert overall(rows) == "supported"


def test_what_falls_for_the_others_subjects_too_is_no_fall():
    """Energy that moves to the middle of the frame leaves less outside every subject, also outside those of others."""
    table = energies((0.1,) * 4, (0.1,) * 4)
    shares = ["energy_outside_fraction", "outside_others_fraction", "others_outside_fraction"]
    table.loc[table["layer"] == "c3", shares] -= 0.3
    row = pick(measure({"vggcnn": table}), "vggcnn", Quantity.FALL)
    assert row.value == pytest.approx(0)
    assert row.verdict == "undecided"


def test_images_that_leave_a_layer_blank_do_not_count():
    table = energies((0.0, 0.1, 0.4, 0.5), (0.5, 0.6, 0.7, 0.8))
    blank = (table["image"] == 7) & (table["layer"] == "c3") & (table["state"] == "trained")
    table.loc[blank, ["energy_outside_fraction", "outside_others_fraction", "others_outside_fraction"]] = np.nan
    assert pick(measure({"vggcnn": table}), "vggcnn", Quantity.FALL).images == 59


def test_unrelated_energy_that_rises_contradicts():
    made = {"vggcnn": energies((0.5, 0.4, 0.1, 0.0), (0.5,) * 4), "alexcnn": energies((0.5, 0.4, 0.3, 0.2), (0.5,) * 4)}
    rows = measure(made)
    assert pick(rows, "alexcnn - vggcnn", Quantity.LAST).value == pytest.approx(-0.2)
    measured = {row.verdict for row in rows if row.decides and row.low is not None}
    assert measured == {"contradicted"}  # before training nothing rises or falls: those rows are undecided


def test_without_masks_nothing_is_measured():
    rows = measure({"vggcnn": None, "alexcnn": None})
    assert {row.verdict for row in rows} == {"not measured"}
    assert pick(rows, "vggcnn", Quantity.FALL).reason == UNKNOWN
    assert pick(rows, "alexcnn - vggcnn", Quantity.LAST).reason == UNKNOWN


def test_one_convolution_does_not_fall():
    table = energies((0.6, 0.5, 0.2, 0.1), (0.5,) * 4)
    rows = measure({"vggcnn": table[table["layer"].isin(["c1", "fc"])]})
    assert pick(rows, "vggcnn", Quantity.FALL).reason == "fewer than two convolutions are carried back"


def test_energies_of_several_trainings():
    made = {
        name: energies((0.0, 0.1, last, 0.5), (0.5,) * 4)
        for name, last in {"vggcnn": 0.4, "vggcnn-2": 0.3, "alexcnn": 0.2, "alexcnn-2": 0.2}.items()
    }
    rows = measure(made, planted.repeated("vggcnn", "alexcnn", times=2))
    row = pick(rows, "alexcnn - vggcnn", Quantity.LAST)
    assert row.value == pytest.approx(0.15)
    assert (row.repeats, row.over) == (2, "trainings and images")


# ---------------------------------------------------------------- pictures of energy

SIDE = 16
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5


def discs(rng, count: int, spread: float) -> np.ndarray:
    """Subjects of different sizes, image x y x x, that lie more or less in the middle."""
    places = SIDE / 2 + rng.normal(0, spread, (2, count, 1, 1))
    return (Y - places[0]) ** 2 + (X - places[1]) ** 2 < rng.uniform(2, 6, (count, 1, 1)) ** 2


def pictures(rng, subject: np.ndarray, follows: float) -> np.ndarray:
    """Reconstructions in one channel: a blob in the middle of different width, and so much more on the subject."""
    width = rng.uniform(3, 8, (len(subject), 1, 1))
    blob = np.exp(-((Y - SIDE / 2) ** 2 + (X - SIDE / 2) ** 2) / width**2)
    return ((blob + follows * subject) * rng.exponential(1, subject.shape))[:, None]


def table_of(rng, subject: np.ndarray, follows: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """energy.parquet of the reconstructions of a first and a last convolution, by state."""
    parts = []
    masks = torch.from_numpy(subject)
    for state, of_layers in follows.items():
        for depth, much in enumerate(of_layers, 1):
            made = torch.from_numpy(pictures(rng, subject, much))
            others = OutsideOthers(masks.double().sum(0), len(masks))
            shares = {
                "energy_outside_fraction": energy_outside(made, masks),
                "outside_others_fraction": others.add(made, masks),
            }
            shares["others_outside_fraction"] = others.of_others(shares["energy_outside_fraction"], masks)
            heading = {"state": state, "layer": f"c{depth}", "alias": f"c{depth}", "depth": depth, "kind": "conv"}
            values = {name: share.numpy() for name, share in shares.items()}
            parts.append(pd.DataFrame({**heading, "image": np.arange(len(masks)), **values}))
    return pd.concat(parts, ignore_index=True)


def falls(rng, subject: np.ndarray, follows: float) -> Estimate:
    """The fall from a layer that keeps nothing of the subject to one that does, with its interval over images."""
    table = table_of(rng, subject, {"trained": (0.0, follows)})
    fall = unrelated(table, "trained", "c1") - unrelated(table, "trained", "c2")
    return bootstrap(fall.to_numpy(), rng=rng, resamples=300)


def test_a_network_that_keeps_its_subject_is_found_and_one_that_keeps_the_middle_is_not():
    rng = np.random.default_rng(3)
    subject = discs(rng, 100, 3)
    rows = measure({"vggcnn": table_of(rng, subject, {"trained": (0.0, 1.0), "untrained": (0.0, 0.0)})})
    for beyond in ("", "untrained"):
        assert pick(rows, "vggcnn", Quantity.FALL, beyond=beyond).verdict == "supported"
    centred = table_of(rng, discs(rng, 100, 0.5), {"trained": (0.0, 0.0), "untrained": (0.0, 0.0)})
    value = pick(measure({"vggcnn": centred}), "vggcnn", Quantity.FALL).value
    assert abs(value) < 0.02
    outside = centred.groupby("layer")["energy_outside_fraction"].mean()
    assert (outside < 0.9).all()  # the middle alone holds much of every subject


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.5, 5])
def test_shuffled_subjects_are_called_as_often_as_promised(spread):
    """No reconstruction knows its own subject, as if masks were dealt to other images: verdicts by chance alone."""
    rng, called, times = np.random.default_rng(4), 0, 300
    for _ in range(times):
        found = falls(rng, discs(rng, 60, spread), 0.0)
        called += found.low > 0 or found.high < 0
    assert 0.02 <= called / times <= 0.09


@pytest.mark.slow
def test_the_interval_covers_what_a_network_keeps_of_its_subjects():
    """The truth is the mean over many sets of images."""
    rng, found = np.random.default_rng(5), []
    for _ in range(300):
        found.append(falls(rng, discs(rng, 60, 3), 0.5))
    value, low, high = np.array(found).T
    assert np.mean((low <= value.mean()) & (value.mean() <= high)) >= 0.91
