"""What a fresh environment gets: every imported package is required, and the lock holds what is required."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
OURS = {"receptive"} | {path.stem for folder in ("tests", "benchmarks") for path in (PROJECT / folder).glob("*.py")}


WITH_TORCH = {"triton"}
"""Packages that come with a torch built for CUDA, and that nothing needs elsewhere."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(name: str) -> dict[str, str]:
    """Package to pinned version, of one of the files of requirements."""
    lines = [line.partition("#")[0].strip() for line in (PROJECT / name).read_text().splitlines()]
    return {normal(line.partition("==")[0]): line.partition("==")[2] for line in lines if line}


NEEDED, FOR_TESTS = requirements("requirements.txt"), requirements("requirements-dev.txt")


def imported(*folders: str) -> dict[str, Path]:
    """Packages from elsewhere that modules import, anywhere in them, each with one place."""
    packages = {}
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                else:
                    continue
                packages |= {name.partition(".")[0]: path for name in names}
    return {name: path for name, path in packages.items() if name not in sys.stdlib_module_names | OURS | WITH_TORCH}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folders", "required"),
    [(("src", "conf"), NEEDED), (("tests", "benchmarks"), NEEDED | FOR_TESTS)],
    ids=["to run", "to test"],
)
def test_every_imported_package_is_required(folders, required):
    distributions = packages_distributions()
    for package, path in imported(*folders).items():
        names = {normal(name) for name in distributions[package]}
        assert names & set(required), f"{path.relative_to(PROJECT)} imports {package}: require one of {names}"


def test_all_requirements_are_pinned_once():
    assert not set(NEEDED) & set(FOR_TESTS)
    for name, version in (NEEDED | FOR_TESTS).items():
        assert re.fullmatch(r"[\w.]+", version), name


def test_package_needs_what_requirements_name():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["dependencies"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


def test_lock_holds_the_pins_with_hashes_and_names_no_place():
    lock = (PROJECT / "requirements.lock").read_text()
    assert "make lock" in lock.partition("==")[0]
    blocks = re.findall(
        r"^([\w.-]+)==(\S+)(.*)\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lock, flags=re.MULTILINE
    )
    assert len(blocks) == len(re.findall(r"^\w", lock, flags=re.MULTILINE))
    locked = {normal(name): version for name, version, _, _ in blocks}
    for name, version in (NEEDED | FOR_TESTS).items():
        assert locked[name] == version, f"{name}: make lock"
    assert not re.search(r"://|index|find-links|file:", lock)
