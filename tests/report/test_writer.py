"""Figures as files: the very pixels that matplotlib's own ``savefig`` gives; tables as CSV and Markdown."""

import numpy as np
import pandas as pd
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


def test_a_table_is_written_whole_and_shown_with_its_formats(tmp_path):
    table = pd.DataFrame({"class": ["a|b", "<script>", None], "top-1": [0.98765, None, 0.5], "images": [1234, 2, 3]})
    shown = Writer(tmp_path).table("accuracy", table, "Caption", {"top-1": ".2f"}, folded=True)
    assert shown.rows == [["a|b", "0.99", "1,234"], ["<script>", "–", "2"], ["–", "0.50", "3"]]
    assert (shown.columns, shown.numeric) == (["class", "top-1", "images"], [False, True, True])
    assert (shown.caption, shown.folded, shown.open) == ("Caption", True, False)
    assert shown.files == ["tables/accuracy.csv", "tables/accuracy.md"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables/accuracy.csv"), table)
    lines = (tmp_path / "tables/accuracy.md").read_text().splitlines()
    # a bar in a cell would end it, a tag would be one
    cells = [[cell.strip() for cell in line.replace("\\|", "!").strip("|").split("|")] for line in lines[2:]]
    assert cells == [["a!b", "0.9877", "1234"], ["&lt;script>", "–", "2"], ["–", "0.5", "3"]]


def test_missing_whole_numbers_are_a_dash_too(tmp_path):
    table = pd.DataFrame({"published": pd.array([13, None], dtype="Int64")})
    assert Writer(tmp_path).table("fields", table, "").rows == [["13"], ["–"]]
    assert (tmp_path / "tables/fields.md").read_text().splitlines()[3].strip("| ") == "–"
