"""Images of the report: two of every class, counts as they are, and the credit of every photograph."""

import pandas as pd
from drawn import picture
from studies import CLASSES, SIZE, captions, parameters, table_names, write_images

from receptive.datasets.collages import PHOTOGRAPHS
from receptive.report.sections.prepared import photographs, section


def test_samples_are_the_first_two_validation_images_of_every_class(write):
    images = write_images()
    made = section(parameters("vggcnn"), write)
    shown = [axes for axes in write.figures["data_collages"].axes if axes.images]
    # validation images are 4 ... 11, cats and dogs in turn
    assert [axes.get_title() for axes in shown] == ["cat", "cat", "dog", "dog"]
    for axes, number in zip(shown, (4, 6, 5, 7), strict=True):
        assert (picture(axes) == images.images[number]).all()
        assert len(axes.collections) == 2
    assert captions(made)["data_collages"] == (
        f"collages: 4 training and 8 validation images of {SIZE} px in {len(CLASSES)} classes. The outlined leaf is "
        "the subject: the label names what it shows."
    )
    assert made.anchor == "prepared"


def test_every_photograph_of_the_collages_has_its_credit(write):
    write_images()
    made = section(parameters("vggcnn"), write)
    assert table_names(made) == ["photographs"]
    table = write.tables["photographs"]
    assert dict(zip(table["photograph"], table["author and licence"], strict=True)) == {
        name: source.credit for name, source in PHOTOGRAPHS.items()
    }
    under_by = table[table["author and licence"].str.contains("CC BY 2.0")]
    assert set(under_by["photograph"]) == {"dahlia", "foliage", "leaves", "pagoda"}
    assert set(under_by["shipped with"]) == {"scikit-learn"}
    # on the page itself, not only in a file
    (part,) = [part for part in made.parts if part.kind == "table"]
    assert any("vultilion" in cell for row in part.rows for cell in row)


def test_classes_are_told_from_fillers():
    table = photographs(["cat", "gravel"]).set_index("photograph")["shown as"]
    assert table[table == "class"].index.tolist() == ["cat", "gravel"]
    assert table["brick"] == "small leaf and background"


def test_other_data_sets_have_no_photographs_and_no_subject(write):
    write_images("digits", masks=False, channels=1)
    made = section(parameters("digitcnn", data="digits"), write)
    assert table_names(made) == []
    assert captions(made)["data_digits"].endswith("in 2 classes.")
    assert not any(axes.collections for axes in write.figures["data_digits"].axes)
    assert "dead leaves" not in made.text
    pd.testing.assert_index_equal(photographs([]).columns, photographs(["cat"]).columns)


def test_names_of_classes_are_drawn_as_they_are(write):
    names = (r"$\frac$", "<script>")
    write_images(classes=names)
    section(parameters("vggcnn"), write)
    figure = write.figures["data_collages"]
    figure.canvas.draw()  # a formula that is none would raise
    shown = [axes.title for axes in figure.axes if axes.images]
    assert [title._preprocess_math(title.get_text())[0] for title in shown] == [names[0]] * 2 + [names[1]] * 2
