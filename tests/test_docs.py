"""What the docs name exists, and what they repeat of the code is equal to it."""

import ast
import fnmatch
import re
from functools import cache
from pathlib import Path

import contracts_page
import pytest

from receptive.datasets.collages import PHOTOGRAPHS

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src" / "receptive"
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
CODE = [
    path
    for folder in ("src", "tests", "benchmarks", "conf")
    for path in sorted((PROJECT / folder).rglob("*"))
    if path.suffix in (".py", ".yaml")
] + [PROJECT / name for name in ("dvc.yaml", "Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml")]


def ids(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@cache
def defined(path: Path) -> set[str]:
    """Names of the classes, functions and constants at the top level of a module."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that a heading gets on common hosts."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if not target.startswith(("http://", "https://")):
            path, _, part = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), target
            if part:
                assert part in {anchor(heading) for heading in headings(linked)}, target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_files_and_functions_exist(page):
    """``folder/module.py`` counts from the project or from src/receptive; ``module.py: name`` names what is in it."""
    if page.name == "CHANGELOG.md":
        return  # it also names what is gone
    text = re.sub(r"Save this as `.*?`", "", prose(page))  # what a reader is to make
    for path, name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|csv|yaml))(?:: (\w+))?`", text):
        if path.startswith(("data/", "reports/")):
            continue
        found = [folder / path for folder in (PROJECT, SOURCE) if (folder / path).exists()]
        assert found, path
        if name:
            assert name in defined(found[0]), f"{path}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_targets_of_make_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), flags=re.MULTILINE):
        assert target in targets, target


def figure_names() -> set[str]:
    """Texts of the report's code, with X for each number and each part that is filled in."""
    names = set()
    for path in sorted((SOURCE / "report").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                names.add("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return {re.sub(r"\d+", "X", name) for name in names}


def test_concepts_name_figures_that_the_report_draws():
    drawn = figure_names()
    shown = re.findall(r"^- shown in: (.*)$", (PROJECT / "docs/concepts.md").read_text(), flags=re.MULTILINE)
    names = [name for line in shown for name in re.findall(r"`(\w+\*?)`", line)]
    assert len(names) > 20
    for name in names:
        assert fnmatch.filter(drawn, re.sub(r"\d+", "X", name)), name


def test_code_refers_to_decisions_that_are_there():
    decisions = headings(PROJECT / "docs/decisions.md")
    referred = []
    for path in CODE:
        text = re.sub(r"\s*\n\s*(#|\"\"\")?\s*", " ", path.read_text())
        referred += re.findall(r'docs/decisions\.md, "([^"]+)"', text)
    assert "Any build of torch" in referred
    for heading in referred:
        assert heading in decisions, heading


def test_decisions_have_their_three_lines():
    sections = re.split(r"^### ", (PROJECT / "docs/decisions.md").read_text(), flags=re.MULTILINE)[1:]
    for section in sections:
        assert re.findall(r"^- \*([A-Z].*?):\*", section, flags=re.MULTILINE) in (
            ["Decision", "Why", "Tried instead"],
            ["Decision", "Why", "Instead of"],
        ), section.splitlines()[0]


def test_credits_name_every_photograph():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (PROJECT / "docs/credits.md").read_text().splitlines()
        if line.startswith("|")
    ]
    shown = {row[0]: row for row in rows[2:]}
    assert list(shown) == list(PHOTOGRAPHS)
    for name, source in PHOTOGRAPHS.items():
        *author, licence = source.credit.split("; ")
        _, who, terms, place = shown[name]
        assert re.sub(r"\[(.*?)\]\(.*?\)", r"\1", terms) == licence
        assert f"`{source.file}`" in place
        for part in "".join(author).split(", "):
            assert part in who or (part.startswith("flickr.com/") and part in who.replace("www.", "")), part


def test_contracts_are_those_of_the_modules():
    assert contracts_page.PAGE.read_text() == contracts_page.page(), contracts_page.__doc__
