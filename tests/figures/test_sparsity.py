"""The figure of sparsity: labels stand where nothing else does."""

import pandas as pd

from receptive.figures.sparsity import sparsity_by_depth

VGGCNN = [("c1_1", 1, 0.54), ("c1_2", 2, 0.53), ("p1", 2, 0.45), ("c2_1", 3, 0.54), ("c2_2", 4, 0.55),
          ("p2", 4, 0.42), ("c3_1", 5, 0.55), ("c3_2", 6, 0.55), ("p3", 6, 0.37), ("c4_1", 7, 0.54)]  # fmt: skip
ALEXCNN = [("c1", 1, 0.55), ("p1", 1, 0.38), ("c2", 2, 0.54), ("p2", 2, 0.35), ("c3", 3, 0.55), ("c4", 4, 0.59),
           ("c5", 5, 0.63), ("p5", 5, 0.3)]  # fmt: skip


def test_labels_stand_apart_from_each_other_and_from_the_marks():
    table = pd.DataFrame(
        [
            (network, alias, depth, {"c": "conv", "p": "pool"}[alias[0]], zeros)
            for network, rows in (("vggcnn", VGGCNN), ("alexcnn", ALEXCNN))
            for alias, depth, zeros in rows
        ],
        columns=["network", "alias", "depth", "kind", "zero_fraction"],
    )
    figure = sparsity_by_depth(table)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = {(text.get_text(), text.get_color()): text.get_window_extent() for text in axes.texts}
    assert len(boxes) == len(table)
    for one, box in boxes.items():
        assert [other for other, its in boxes.items() if box.overlaps(its)] == [one]
    for marks in axes.collections:
        for x, y in axes.transData.transform(marks.get_offsets()):
            assert not [one for one, box in boxes.items() if box.contains(x, y)]
