"""The page: sections of prose, tables and figures, filled into one template.

Jinja escapes every text of the page: class names, captions and titles may hold any character.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import ClassVar

import pandas as pd
from jinja2 import Environment, StrictUndefined

ABSENT = "–"
"""What a table shows where it has no value."""


@dataclass
class Picture:
    """A figure of the page: file under reports/, its alternative text, and the caption below it."""

    kind: ClassVar[str] = "picture"

    file: str
    alt: str
    caption: str


@dataclass
class Table:
    """A table of the page.

    Attributes:
        columns: headings.
        numeric: for every column, whether it holds numbers; these are right-aligned.
        rows: the cells as text.
        caption: below the table, or the line that unfolds it.
        files: CSV and Markdown copies under reports/.
        folded: hidden until its caption is clicked.
        open: folded, but unfolded when the page opens.
    """

    kind: ClassVar[str] = "table"

    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    caption: str
    files: list[str]
    folded: bool = False
    open: bool = False


@dataclass
class Link:
    """A page of its own beside the report: file under reports/, text of the link, and what the page shows."""

    kind: ClassVar[str] = "link"

    file: str
    label: str
    caption: str


@dataclass
class Passage:
    """A heading inside a section, with an anchor of its own; below it the facts, by name."""

    kind: ClassVar[str] = "passage"

    anchor: str
    heading: str
    facts: dict[str, str]


Part = Picture | Table | Link | Passage


@dataclass
class Section:
    """A section of the page: its anchor, its title, paragraphs separated by empty lines, and its parts in order."""

    anchor: str
    title: str
    text: str
    parts: list[Part] = field(default_factory=list)


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """For every column of ``table``, whether it holds numbers."""
    return [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]


def cells(table: pd.DataFrame, formats: Mapping[str, str] | None = None) -> list[list[str]]:
    """The values of ``table`` as text, row by row; missing values are ``ABSENT``.

    Args:
        formats: column to format specification, for instance ``{"top-1": ".3f"}``. Other numbers get commas between
            thousands. Texts are never formatted.
    """
    specifications = [
        (formats or {}).get(column, "," if numeric else "")
        for column, numeric in zip(table.columns, numeric_columns(table), strict=True)
    ]
    return [
        [_cell(value, specification) for value, specification in zip(row, specifications, strict=True)]
        for row in zip(*(table[column] for column in table), strict=True)
    ]


def _cell(value: object, specification: str) -> str:
    if isinstance(value, str):
        return value
    return ABSENT if pd.isna(value) else format(value, specification)


def environment() -> Environment:
    """Jinja as every page of the report uses it: all texts escaped, unknown names refused."""
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def template_text(name: str) -> str:
    """The source of a template of the report."""
    return (files("receptive.report") / "templates" / name).read_text(encoding="utf-8")


def render(title: str, facts: dict[str, str], sections: list[Section]) -> str:
    """The whole page as HTML; it needs nothing but the pictures beside it.

    Args:
        facts: name to text, the box at the head of the page.
    """
    template = environment().from_string(template_text("report.html"))
    return template.render(title=title, facts=facts, sections=sections)
