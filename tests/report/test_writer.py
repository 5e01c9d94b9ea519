"""Figures as files: the very pixels that matplotlib's own ``savefig`` gives."""

import numpy as np
from PIL import Image

from receptive.figures.style import figure, say, show
from receptive.report.page import Picture
from receptive.report.writer import Writer


def drawn():
    """Pictures without axes, with labels only, and a plot, in one figure whose layout depends on all."""
    fig = figure(6, 4)
    ((picture, labelled), (empty, plot)) = fig.subplots(2, 2)
    pixels = np.random.default_rng(0).random((5, 7, 3))
    show(picture, pixels)
    show(labelled, pixels)
    labelled.set(xlabel="below", ylabel="beside", title="above")
    say(empty, "nothing here")
    plot.plot([0, 1000, 3000], [1, 3, 2])
    plot.set_xlabel("a long label")
    plot.twinx().set_yticks([0, 1], ["low", "a very high one"])
    fig.colorbar(plot.scatter([1], [2], c=[3]), ax=plot)
    return fig


def read(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_picture_has_the_pixels_of_savefig(tmp_path):
    drawn().savefig(tmp_path / "expected.png")
    picture = Writer(tmp_path).picture("one", drawn(), "what it is", "what it shows")
    assert picture == Picture("figures/one.png", "what it is", "what it shows")
    np.testing.assert_array_equal(read(tmp_path / picture.file), read(tmp_path / "expected.png"))


def test_the_same_figure_has_the_same_bytes(tmp_path):
    files = [tmp_path / Writer(tmp_path).picture(name, drawn(), "", "").file for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"Software" not in files[0].read_bytes()
