"""The page: sections of prose, tables and figures, filled into one template."""

from dataclasses import dataclass, field
from importlib.resources import files

import pandas as pd


@dataclass
class Picture:
    """A figure of the page: file under reports/, its alternative text, and the caption below it."""

    file: str
    alt: str
    caption: str


@dataclass
class Table:
    """A table of the page; ``files`` are its CSV and Markdown copies under reports/."""

    html: str
    caption: str
    files: list[str]
    folded: bool = False  # behind its caption, until it is clicked
    open: bool = False  # folded, but shown unfolded at first


@dataclass
class Link:
    """A page of its own beside the report: file under reports/, what the link says, and what there is to see."""

    file: str
    label: str
    caption: str


@dataclass
class Passage:
    """A heading inside a section, with an anchor of its own, and what there is to say below it, by name."""

    anchor: str
    heading: str
    facts: dict[str, str]


@dataclass
class Section:
    """A part of the page."""

    anchor: str
    title: str
    text: str
    parts: list[Picture | Table | Link | Passage] = field(default_factory=list)


def table_html(table: pd.DataFrame, formats: dict[str, str] | None = None) -> str:
    """A plain HTML table; numbers right-aligned, missing values a dash.

    Args:
        formats: column to format specification, for instance ``{"top-1": ".3f"}``.
    """
    shown = table.copy()
    numeric = [c for c in table if pd.api.types.is_numeric_dtype(table[c])]
    for column in table:
        spec = (formats or {}).get(column, "" if column not in numeric else ",")
        shown[column] = [
            "–" if pd.isna(v) else format(v, spec if not isinstance(v, str) else "") for v in table[column]
        ]
    head = "".join(f"<th{_right(c in numeric)}>{c}</th>" for c in table)
    body = "".join(
        "<tr>" + "".join(f"<td{_right(c in numeric)}>{row[c]}</td>" for c in table) + "</tr>\n"
        for row in shown.to_dict("records")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _right(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def render(title: str, facts: dict[str, str], sections: list[Section]) -> str:
    """The whole page as HTML; it needs nothing but the pictures beside it.

    Args:
        facts: name to text, the box at the head of the page.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("receptive.report") / "templates" / "report.html").read_text())
    return template.render(title=title, facts=facts, sections=sections)
