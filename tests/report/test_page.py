"""The page: every part once and in order, every text as text."""

from html.parser import HTMLParser

import pandas as pd
import pytest

from receptive.report.page import Link, Passage, Picture, Section, Table, cells, numeric_columns, render

HOSTILE = """<script>alert("x")</script> & 'y'"""


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the text of each tag that holds text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self._open[-1], data.strip()))

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def table_part(table: pd.DataFrame, caption: str = "caption", **more) -> Table:
    return Table(list(table.columns), numeric_columns(table), cells(table), caption, ["tables/t.csv"], **more)


@pytest.mark.parametrize("word", [HOSTILE, '" onerror="alert(1)', "a&lt;b"])
def test_every_text_is_shown_as_it_is(word):
    """Names of classes reach the page in cells, headings, captions, alternative texts and titles."""
    parts = [
        Picture("figures/p.png", word, word),
        table_part(pd.DataFrame({word: [word]}), word),
        table_part(pd.DataFrame({"a": [word]}), word, folded=True),
        Link("maps/m.html", word, word),
        Passage("passage", word, {word: word}),
    ]
    page = Tags(render(word, {word: word}, [Section("section", word, word, parts)]))
    assert page.all("script") == []
    assert [image["alt"] for image in page.all("img")] == [word]
    assert set(page.all("img")[0]) == {"src", "alt", "loading"}
    text = [" ".join(text.split()) for _, text in page.texts]
    assert text.count(" ".join(word.split())) == len([  # each place once
        "title", "head", "fact", "its text", "menu", "section", "paragraph", "figcaption", "column", "cell",
        "caption of the table", "cell of the folded", "summary", "link", "caption of the link", "passage", "fact of it",
        "its text",
    ])  # fmt: skip


def test_a_table_keeps_its_cells_and_aligns_its_numbers():
    table = pd.DataFrame({"network": ["vggcnn", "alexcnn"], "units": [1234, 5], "share": [0.25, None]})
    assert cells(table, {"share": ".1%"}) == [["vggcnn", "1,234", "25.0%"], ["alexcnn", "5", "–"]]
    page = Tags(render("T", {}, [Section("s", "S", "text", [table_part(table)])]))
    assert page.words("th") == ["network", "units", "share"]
    assert page.words("td") == ["vggcnn", "1,234", "0.25", "alexcnn", "5", "–"]
    assert [cell.get("class") for cell in page.all("th")] == [None, "number", "number"]
    assert [cell.get("class") for cell in page.all("td")] == [None, "number", "number"] * 2


def test_texts_among_numbers_are_not_formatted():
    table = pd.DataFrame({"size": [3, "10x12", None]})
    assert cells(table, {"size": ".2f"}) == [["3.00"], ["10x12"], ["–"]]


@pytest.mark.parametrize(("folded", "is_open"), [(False, False), (True, False), (True, True)])
def test_folded_tables_are_folded(folded, is_open):
    part = table_part(pd.DataFrame({"a": [1]}), "The caption", folded=folded, open=is_open)
    page = Tags(render("T", {}, [Section("s", "S", "text", [part])]))
    assert [("open" in details) for details in page.all("details")] == ([is_open] if folded else [])
    assert page.words("summary") == (["The caption"] if folded else [])


def test_sections_stand_in_order_with_their_anchors():
    sections = [
        Section("one", "First", "paragraph 1\n\nparagraph 2", [Picture("figures/p.png", "alt", "caption")]),
        Section(
            "two", "Second", "text", [Passage("claim-01", "1. Title", {"Rule": "words"}), Link("m.html", "map", "c")]
        ),
    ]
    page = Tags(render("Title", {"Networks": "vggcnn"}, sections))
    assert [section["id"] for section in page.all("section")] == ["one", "two"]
    assert [link["href"] for link in page.all("a")] == ["#one", "#two", "m.html"]
    assert page.all("h3") == [{"id": "claim-01"}]
    assert page.words("h2") == ["First", "Second"]
    assert page.words("p")[1:4] == ["paragraph 1", "paragraph 2", "text"]
    assert page.words("dt") == ["Networks", "Rule"]
    assert page.words("dd") == ["vggcnn", "words"]
