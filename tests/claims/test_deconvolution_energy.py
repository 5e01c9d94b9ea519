"""Claim 9 on tables with planted energies."""

import numpy as np
import planted
import pytest
from planted import energies, pick

from receptive.claims import deconvolution_energy
from receptive.claims.deconvolution_energy import UNKNOWN, Quantity
from receptive.claims.row import overall


def measure(made, trainings=None):
    return deconvolution_energy.measure(planted.study(trainings or list(made), energy=made.__getitem__))


def test_energy_that_falls():
    rows = measure(
        {
            "vggcnn": energies((0.6, 0.5, 0.2, 0.15), (0.5, 0.6, 0.7, 0.8)),
            "alexcnn": energies((0.6, 0.5, 0.4, 0.3), (0.6, 0.5, 0.7, 0.8)),
        }
    )
    fall = pick(rows, "vggcnn", Quantity.FALL)
    assert (fall.value, fall.control, fall.images) == (1, -1, 60)
    learned = pick(rows, "vggcnn", Quantity.FALL, beyond="untrained")
    assert (learned.value, learned.decides) == (2, True)
    last = pick(rows, "alexcnn - vggcnn", Quantity.LAST)
    assert last.value == pytest.approx(0.2)  # in c3, the last convolution, image by image: the offsets are the same
    assert last.high - last.low < 1e-9
    assert overall(rows) == "supported"


def test_images_that_leave_a_layer_blank_do_not_count():
    table = energies((0.6, 0.5, 0.2, 0.1), (0.5, 0.6, 0.7, 0.8))
    blank = (table["image"] == 7) & (table["layer"] == "c2") & (table["state"] == "trained")
    table.loc[blank, "energy_outside_fraction"] = np.nan
    assert pick(measure({"vggcnn": table}), "vggcnn", Quantity.FALL).images == 59


def test_energy_that_rises_contradicts():
    made = {"vggcnn": energies((0.1, 0.2, 0.5, 0.6), (0.5,) * 4), "alexcnn": energies((0.1, 0.2, 0.3, 0.4), (0.5,) * 4)}
    rows = measure(made)
    assert pick(rows, "alexcnn - vggcnn", Quantity.LAST).value == pytest.approx(-0.2)
    measured = {row.verdict for row in rows if row.decides and row.low is not None}
    assert measured == {"contradicted"}  # before training nothing rises or falls: those rows are undecided


def test_without_masks_nothing_is_measured():
    rows = measure({"vggcnn": None, "alexcnn": None})
    assert {row.verdict for row in rows} == {"not measured"}
    assert pick(rows, "vggcnn", Quantity.FALL).reason == UNKNOWN
    assert pick(rows, "alexcnn - vggcnn", Quantity.LAST).reason == UNKNOWN


def test_two_layers_do_not_fall():
    table = energies((0.6, 0.5, 0.2, 0.1), (0.5,) * 4)
    rows = measure({"vggcnn": table[table["layer"].isin(["c1", "fc"])]})
    assert pick(rows, "vggcnn", Quantity.FALL).reason == "fewer than three layers are carried back"


def test_energies_of_several_trainings():
    made = {
        name: energies((0.6, 0.5, last, 0.1), (0.5,) * 4)
        for name, last in {"vggcnn": 0.2, "vggcnn-2": 0.3, "alexcnn": 0.4, "alexcnn-2": 0.4}.items()
    }
    rows = measure(made, planted.repeated("vggcnn", "alexcnn", times=2))
    row = pick(rows, "alexcnn - vggcnn", Quantity.LAST)
    assert row.value == pytest.approx(0.15)
    assert (row.repeats, row.over) == (2, "trainings and images")
