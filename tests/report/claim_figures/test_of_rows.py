"""Figures of claims that are rows alone (3, 8, 12): which rows stand under which quantity."""

import planted
import pytest

from receptive.claims import ablation_inactive, embedding_purity, training_accuracy
from receptive.claims.row import measured, not_measured
from receptive.report.claim_figures.drawing import draw

NOTHING = planted.study(["vggcnn"])


def row(quantity, network="vggcnn", **more):
    return measured(quantity, (0.5, 0.2, 0.9), "units", networks=(network,), **more)


def drawn(claim, rows):
    """What each axis shows to the labels of its rows."""
    return {
        axes.get_xlabel(): [label.get_text() for label in axes.get_yticklabels()]
        for axes in draw(claim, NOTHING, rows).axes
    }


def test_inactive_units_and_changes_of_loss():
    quantity = ablation_inactive.Quantity
    rows = [
        row(quantity.SHARE),
        row(quantity.LOSS),
        row(quantity.SHARE, "alexcnn"),
        not_measured("dL_rnd", "none", networks=("alexcnn",)),
    ]
    assert drawn(ablation_inactive, rows) == {
        "share of first-pool units": ["vggcnn", "alexcnn"],
        "change of loss (nats)": ["vggcnn: dL", "alexcnn: dL_rnd"],
    }


def test_rises_of_purity():
    quantity = embedding_purity.Quantity
    rows = [row(quantity.MAPPED, what="rise above pixels"), row(quantity.WHOLE, "alexcnn", what="x")]
    assert drawn(embedding_purity, rows) == {
        "rise of label purity from the lower to the higher mapped convolution, minus the control's": ["vggcnn"],
        "rise of label purity from the first to the last convolution, minus the control's": ["alexcnn"],
    }


def test_accuracies_and_differences():
    quantity = training_accuracy.Quantity
    rows = [row(quantity.DIFFERENCE), row(quantity.ACCURACY), row(quantity.ACCURACY, "alexcnn")]
    assert drawn(training_accuracy, rows) == {
        "top-1 accuracy": ["vggcnn", "alexcnn"],
        "difference of top-1 accuracy": ["vggcnn"],
    }


@pytest.mark.parametrize("claim", [ablation_inactive, embedding_purity, training_accuracy])
def test_every_quantity_is_drawn(claim):
    rows = [row(quantity) for quantity in claim.Quantity]
    assert sum(len(labels) for labels in drawn(claim, rows).values()) == len(rows)
