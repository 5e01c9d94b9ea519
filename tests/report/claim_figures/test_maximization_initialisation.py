"""Figure of claim 11: starts and results, and each class's way from the one to the other."""

import numpy as np
import pandas as pd
import planted
import pytest
from planted import class_images, colourful, grey_texture

from receptive.claims import maximization_initialisation
from receptive.methods.image_statistics import chroma
from receptive.report.claim_figures.drawing import draw


def drawn(study):
    return draw(maximization_initialisation, study, maximization_initialisation.measure(study))


@pytest.mark.slow
def test_starts_results_and_values():
    study = class_images(["alexcnn"], noise=grey_texture(0.1), mean=colourful())
    made = maximization_initialisation.class_images(study, "alexcnn")
    fig = drawn(study)
    grid = fig.axes[:16]  # four classes of two starts and two results
    assert [axes.get_title() for axes in grid[:4]] == ["start: noise", "from noise", "start: mean", "from the mean"]
    assert [axes.get_ylabel() for axes in grid[::4]] == ["a", "b", "c", "d"]
    for line in range(4):
        for column, pictures in enumerate((made.starts["noise"][0], made.images["noise"][0], made.starts["mean"][0])):
            shown = np.asarray(grid[4 * line + column].images[0].get_array())
            np.testing.assert_allclose(shown, pictures[line].clip(0, 1))
    (colour,) = [axes for axes in fig.axes if axes.get_title() == "mean chroma of single pixels"]
    ends = [tuple(line.get_ydata()) for line in colour.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    expected = [
        pair
        for name in ("noise", "mean")
        for pair in zip(chroma(made.starts[name][0]), chroma(made.images[name][0]), strict=True)
    ]
    np.testing.assert_allclose(ends, expected)
    rows = [[label.get_text() for label in axes.get_yticklabels()] for axes in fig.axes[-2:]]
    assert rows[1] == ["alexcnn: texture", "vggcnn: texture"]
    assert sorted(rows[0]) == [
        *("alexcnn: colour", "alexcnn: colour of single pixels"),
        *("vggcnn: colour", "vggcnn: colour of single pixels"),
    ]


def test_without_class_images_the_figure_says_so():
    nothing = pd.DataFrame(columns=["layer", "objective", "preset", "initialisation", "unit", "status"])
    fig = drawn(planted.study(["vggcnn"], maximization=lambda training: (nothing, {})))
    assert [text.get_text() for text in fig.axes[0].texts] == [
        "no network of this study has class images from both starts"
    ]
