"""Right choices: a box per layer and state, at the quartiles of its units."""

import numpy as np
import pandas as pd
import pytest

from receptive.figures.choices import right_by_layer


def test_boxes_stand_at_the_quartiles_of_their_layer():
    rows = [
        ("vggcnn", state, alias, base + unit / 100)
        for state, shift in (("trained", 0.2), ("untrained", 0.0))
        for alias, base in (("c1", 0.5 + shift), ("c2", 0.4 + shift))
        for unit in range(21)
    ]
    table = pd.DataFrame([*rows, ("vggcnn", "trained", "c2", np.nan)], columns=["network", "state", "alias", "right"])
    (axes,) = right_by_layer(table).axes
    assert axes.get_title() == "vggcnn"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["c1", "c2"]
    boxes = [box.get_path().vertices for box in axes.patches]
    heights = [(box[:5, 1].min(), box[:5, 1].max()) for box in boxes]
    middles = [box[:5, 0].mean() for box in boxes]
    assert heights == [pytest.approx(ends) for ends in ((0.55, 0.65), (0.45, 0.55), (0.75, 0.85), (0.65, 0.75))]
    assert [round(middle) for middle in middles] == [0, 1, 0, 1]
    assert middles[2] < middles[0]  # the trained stand on the left
