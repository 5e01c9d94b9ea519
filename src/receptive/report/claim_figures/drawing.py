"""Finds and draws the figure of a claim."""

import importlib
import pkgutil
from types import ModuleType

from matplotlib.figure import Figure

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.claims import estimates
from receptive.report import claim_figures as _figures


def has_figure(claim: ModuleType) -> bool:
    """Whether a claim has a figure of its own."""
    return _name(claim) in {info.name for info in pkgutil.iter_modules(_figures.__path__)}


def draw(claim: ModuleType, study: Study, rows: list[Row]) -> Figure:
    """The figure of a claim: its own, or its rows as points with intervals.

    Args:
        claim: a module of ``receptive.claims``.
        rows: what it measured.
    """
    if not has_figure(claim):
        return estimates(rows, claim.TITLE)
    return importlib.import_module(f"{_figures.__name__}.{_name(claim)}").figure(study, rows)


def _name(claim: ModuleType) -> str:
    return claim.__name__.rpartition(".")[2]
