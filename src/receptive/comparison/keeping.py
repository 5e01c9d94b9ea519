"""Keeps the small results of the study in this folder: what a reader opens, and what another study is compared with."""

import re
from pathlib import Path

from receptive.artifacts.results import FOLDER, read_study, write_results
from receptive.comparison.versions import versions
from receptive.errors import ReceptiveError

FIGURES = ("training_curves*", "claim_*", "first_filters*", "yu6_sparsity*")
"""Patterns of the few figures that are kept."""


def keep(name: str) -> Path:
    """Writes docs/results/NAME (``artifacts.results``) from the finished study in the current folder.

    The versions are those of the environment that this runs in: run it where the study ran, before anything changes.

    Args:
        name: letters, digits, dots, hyphens and underscores.

    Raises:
        ReceptiveError: the name cannot be that of a folder, or the study is not finished.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ReceptiveError(f"'{name}' cannot be the name of results: use letters, digits, dots, hyphens, underscores")
    results = read_study()
    if results.lacking:
        raise ReceptiveError(f"the study is not finished ({'; '.join(results.lacking)})")
    return write_results(FOLDER / name, results, versions(), FIGURES)
