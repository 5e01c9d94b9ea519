"""Accuracy: every training in the table, the first of each network in the curves."""

import pytest
from drawn import points
from studies import parameters, repeated, table_names, write_small_network

from receptive.report.sections.training import section


def test_every_training_has_its_row_and_each_network_its_curve(write):
    write_small_network("fivecnn", top1=0.7)
    write_small_network("fivecnn", "fivecnn-2", top1=0.8)
    write_small_network("resnet34", top1=0.5)
    made = section(repeated(parameters("fivecnn", "resnet34"), "fivecnn", 2), write)
    assert table_names(made) == ["accuracy"]
    table = write.tables["accuracy"].set_index("network")
    assert table["top-1, validation"].to_dict() == {"fivecnn": 0.7, "resnet34": 0.5, "fivecnn-2": 0.8}
    assert set(table["images"]) == {"collages, 2 classes"}
    # a second training stands beside the paper of its network
    assert table.loc[["fivecnn", "fivecnn-2"], "paper: validation"].tolist() == [0.801, 0.801]
    loss, accuracy = write.figures["training_curves"].axes
    assert [text.get_text() for text in accuracy.figure.legends[0].get_texts()] == ["fivecnn", "resnet34"]
    assert [points(line) for line in accuracy.lines[::2]] == [
        [pytest.approx([1, 0.35]), pytest.approx([2, 0.7])],
        [pytest.approx([1, 0.25]), pytest.approx([2, 0.5])],
    ]
    assert points(loss.lines[0]) == [[1, 2.0], [2, 1.0]]
