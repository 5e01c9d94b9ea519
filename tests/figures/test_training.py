"""Learning curves: every value of the history, in its panel, at its epoch."""

import pandas as pd
from drawn import points

from receptive.figures.style import colour
from receptive.figures.training import curves

HISTORY = pd.DataFrame(
    [
        ("vggcnn", 1, "train", 2.0, 0.3),
        ("vggcnn", 1, "validation", 1.5, 0.4),
        ("vggcnn", 2, "train", 1.0, 0.6),
        ("vggcnn", 2, "validation", 0.8, 0.7),
        ("alexcnn", 1, "train", 3.0, 0.1),
        ("alexcnn", 1, "validation", 2.5, 0.2),
    ],
    columns=["network", "epoch", "split", "loss", "top1"],
)


def test_every_value_is_drawn_in_its_panel():
    loss, accuracy = curves(HISTORY).axes
    assert [points(line) for line in loss.lines] == [[[1, 2.0], [2, 1.0]], [[1, 1.5], [2, 0.8]], [[1, 3.0]], [[1, 2.5]]]
    assert [points(line) for line in accuracy.lines] == [
        [[1, 0.3], [2, 0.6]], [[1, 0.4], [2, 0.7]], [[1, 0.1]], [[1, 0.2]]
    ]  # fmt: skip
    assert (loss.get_xlabel(), loss.get_ylabel(), loss.get_yscale()) == ("epoch", "cross-entropy", "log")
    assert (accuracy.get_ylabel(), accuracy.get_ylim()) == ("top-1 accuracy", (0, 1.02))


def test_training_is_dashed_and_networks_have_their_colours():
    figure = curves(HISTORY)
    lines = figure.axes[0].lines
    assert [line.get_linestyle() for line in lines] == ["--", "-", "--", "-"]
    assert [line.get_color() for line in lines] == [colour("vggcnn")] * 2 + [colour("alexcnn")] * 2
    # one entry per network
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["vggcnn", "alexcnn"]
