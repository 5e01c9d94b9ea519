"""Finds the results that a user names: a project's folder, kept results, a git revision or a DVC experiment."""

import difflib
import subprocess
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from receptive.artifacts.results import (
    FOLDER,
    Results,
    is_kept,
    kept_names,
    needed,
    read_results,
    read_study,
    trainings_of,
)
from receptive.comparison.versions import versions
from receptive.errors import ReceptiveError


def find(name: str) -> Results:
    """The results called ``name``.

    Args:
        name: the folder of a project whose stages have run ("."), a folder of kept results, the name of results in
            docs/results, or a git revision or DVC experiment of the project in the current folder. What a revision's
            stages wrote comes from DVC's cache.

    Raises:
        ReceptiveError: there is nothing of that name (the line names the nearest), or a file is damaged.
    """
    folder = Path(name)
    for place in (folder, FOLDER / name):
        if is_kept(place):
            return read_results(place)
    if folder.is_dir():
        return _of_project(folder)
    commit = _commit(name)
    if commit is None:
        raise ReceptiveError(_unknown(name))
    return _of_revision(name, commit)


def _of_project(folder: Path) -> Results:
    if not (folder / "params.yaml").exists():
        raise ReceptiveError(f"{folder} holds no study: name a project's folder, or one of {_named(kept_names())}")
    results = read_study(folder)
    here = folder.resolve() == Path().resolve()  # of another folder nobody knows what it was computed with
    return results._replace(versions=versions()) if here else results


def _of_revision(name: str, commit: str) -> Results:
    """The study as it was at a commit, from git and DVC's cache."""
    api = import_module("dvc.api")  # only here, for it loads slowly
    files = api.DVCFileSystem(_git("rev-parse", "--show-toplevel") or ".", rev=commit)
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        _get(files, Path("params.yaml"), project)
        try:
            trainings = trainings_of(read_study(project).params)
        except ReceptiveError:
            raise ReceptiveError(f"{name} holds no params.yaml: name a revision with a study") from None
        found = [_get(files, path, project) for path in needed(trainings)[1:]]
        if not any(found):
            raise ReceptiveError(
                f"DVC's cache does not hold the results of {name}: check {name} out in a folder of its own, run "
                "'dvc repro' there, and name that folder"
            )
        return read_study(project)


def _get(files: Any, path: Path, project: Path) -> bool:
    """Copies a file of a revision to the same place below ``project``; False where it, or its content, is not there."""
    target = project / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(Exception):  # DVC raises errors of several libraries where its cache lacks a file
        files.get_file(path.as_posix(), str(target))
        return True
    target.unlink(missing_ok=True)
    return False


def _commit(name: str) -> str | None:
    """The commit of a git revision, or of the newest DVC experiment of that name."""
    if name.startswith("-"):
        return None
    if commit := _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
        return commit
    experiments = _references("refs/exps")
    return experiments.get(name)


def _references(below: str) -> dict[str, str]:
    """Commits of git's references below a name, by the last part of their names."""
    listed = _git("for-each-ref", "--sort=creatordate", "--format=%(objectname) %(refname)", below) or ""
    pairs = (line.split(" ", 1) for line in listed.splitlines())
    return {reference.rpartition("/")[2]: commit for commit, reference in pairs}


def _git(*arguments: str) -> str | None:
    """What git prints in the current folder; None where it fails or there is none."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None


def _unknown(name: str) -> str:
    revisions = [known for below in ("refs/heads", "refs/tags", "refs/exps") for known in _references(below)]
    folders = [path.name for path in Path().glob("*") if (path / "params.yaml").exists()]
    near = difflib.get_close_matches(name, [*kept_names(), *revisions, *folders], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no study '{name}': {hint}name a folder, a git revision, or kept results ({_named(kept_names())})"


def _named(names: list[str]) -> str:
    return ", ".join(names) if names else f"none in {FOLDER} yet"
