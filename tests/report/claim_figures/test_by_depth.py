"""Figures of claims that show a share by depth above the rows (1, 2, 7, 9): the lines are the planted shares."""

import numpy as np
import planted
import pytest
from planted import TUNED, energies, tuned, zeros

from receptive.claims import deconvolution_energy, selectivity_opponency, selectivity_orientation, sparsity
from receptive.figures.style import colour
from receptive.methods.inference import share
from receptive.report.claim_figures.drawing import draw

SHARES = {"trained": 0.5, "untrained": 0.1, "shuffled": 0.2}


def figure(claim, study):
    rows = claim.measure(study)
    return rows, draw(claim, study, rows)


def curves(axes, length):
    """y of the lines with so many points, by colour and style."""
    return {
        (line.get_color(), line.get_linestyle()): list(line.get_ydata())
        for line in axes.lines
        if len(line.get_xdata()) == length
    }


@pytest.mark.parametrize("claim", [selectivity_orientation, selectivity_opponency])
def test_shares_of_units_by_depth(claim):
    made = {"resnet34": tuned(SHARES, network="resnet34"), "digitcnn": tuned(SHARES, colour=False, network="digitcnn")}
    study = planted.study(list(made), selectivity=made.__getitem__, layers=lambda training: TUNED)
    rows, drawn = figure(claim, study)
    resnet, digits, _, below = drawn.axes
    by_state = curves(resnet, 3)
    assert by_state[colour("resnet34"), "-"] == [0.5] * 3  # silent units are not counted
    assert sorted(set(map(tuple, by_state.values()))) == [(0.1,) * 3, (0.2,) * 3, (0.5,) * 3]
    band = resnet.collections[-1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx(share(20, 40)[1:])
    if claim is selectivity_opponency:
        assert [text.get_text() for text in digits.texts] == ["digitcnn: its images have no colour"]
    else:
        assert curves(digits, 3)[colour("digitcnn"), "-"] == [0.5] * 3
    groups = [row for row in rows if not row.layer]  # single layers are in the panels above
    assert len(groups) == 8
    assert [label.get_text() for label in below.get_yticklabels()] == [f"{row.network}: {row.what}" for row in groups]


def test_zeros_by_depth():
    rising = {"c1": 0.4, "p1": 0.1, "c2": 0.5, "c3": 0.7, "p3": 0.6, "fc": 0.0}
    flat = dict.fromkeys(rising, 0.3)
    made = {name: zeros(rising, flat, network=name) for name in ("vggcnn", "alexcnn")}
    made["alexcnn"]["zero_fraction"] -= 0.1
    rows, drawn = figure(sparsity, planted.study(list(made), zeros=made.__getitem__))
    above, below = drawn.axes
    by_line = curves(above, 5)  # pools and convolutions, no fully connected layer
    means = made["vggcnn"].groupby(["state", "layer"])["zero_fraction"].mean()
    chain = ["c1", "p1", "c2", "c3", "p3"]
    assert by_line[colour("vggcnn"), "-"] == pytest.approx(means["trained"][chain].tolist())
    assert by_line[colour("vggcnn"), "--"] == pytest.approx(means["untrained"][chain].tolist())
    assert by_line[colour("alexcnn"), "-"] == pytest.approx((means["trained"][chain] - 0.1).tolist())
    assert len(below.get_yticklabels()) == len(rows)


def test_energy_outside_the_subject_by_depth():
    made = {
        "vggcnn": energies((0.0, 0.1, 0.4, 0.45), (0.1, 0.0, 0.0, 0.0), network="vggcnn"),
        "alexcnn": energies((0.0, 0.1, 0.2, 0.3), (0.0, 0.1, 0.0, 0.0), network="alexcnn"),
    }
    rows, drawn = figure(deconvolution_energy, planted.study(list(made), energy=made.__getitem__))
    above, below = drawn.axes
    others = made["vggcnn"]["outside_others_fraction"].iloc[:60].mean()
    lines = curves(above, 4)
    assert lines[colour("vggcnn"), "-"] == pytest.approx(others - np.array([0.0, 0.1, 0.4, 0.45]))
    assert lines[colour("vggcnn"), "-."] == pytest.approx([others] * 4)
    assert lines[colour("alexcnn"), "-"] == pytest.approx(others - np.array([0.0, 0.1, 0.2, 0.3]))
    assert [0.6, 0.6] in [list(line.get_ydata()) for line in above.lines]  # the images themselves
    assert len(below.get_yticklabels()) == len(rows)


def test_without_masks_the_figure_says_so():
    study = planted.study(["vggcnn"], energy={"vggcnn": None}.__getitem__)
    _, drawn = figure(deconvolution_energy, study)
    assert [text.get_text() for text in drawn.axes[0].texts] == [
        "nobody knows where the subject is in any of the images"
    ]
