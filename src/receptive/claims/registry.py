"""Finds the claims, and turns their rows into a table, back, and into metrics."""

import importlib
import itertools
import pkgutil
import re
from dataclasses import asdict, fields
from types import ModuleType

import pandas as pd

from receptive import claims as _claims
from receptive.claims.row import Row, overall
from receptive.claims.verdicts import flips
from receptive.errors import ReceptiveError

FIELDS = ("NUMBER", "TITLE", "STATEMENT", "SOURCE", "STATISTIC", "CONTROL", "RULE", "measure")
"""What every claim has."""
SHARED = ("possible", "registry", "row", "smallest_effects", "study", "verdicts")
"""The modules of ``receptive.claims`` that are no claims."""
_SIGNS = {"supported": 1, "equivalent": 0, "mixed": 0, "undecided": 0, "contradicted": -1}


def claims(package: ModuleType = _claims) -> list[ModuleType]:
    """Every claim of a package, by number.

    Raises:
        ReceptiveError: a module lacks one of ``FIELDS``, or two have the same number.
    """
    modules = [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if info.name not in SHARED
    ]
    for module in modules:
        lacking = [name for name in FIELDS if not hasattr(module, name)]
        if lacking:
            raise ReceptiveError(
                f"the claim {module.__name__} lacks {', '.join(lacking)}: add what docs/claims.md lists"
            )
    modules.sort(key=lambda module: module.NUMBER)
    for module, following in itertools.pairwise(modules):
        if module.NUMBER == following.NUMBER:
            raise ReceptiveError(
                f"{module.__name__} and {following.__name__} are both claim {module.NUMBER}: renumber one of them"
            )
    return modules


def table(rows: dict[int, list[Row]]) -> pd.DataFrame:
    """All rows as one frame: the column ``claim``, then one column per field of ``Row``; missing numbers are NA.

    Args:
        rows: by number of the claim.
    """
    flat = [
        {"claim": number, **asdict(row), "quantity": str(row.quantity)}
        for number, of_claim in rows.items()
        for row in of_claim
    ]
    kinds = {"claim": "int64"}
    kinds |= {field.name: "Float64" for field in fields(Row) if field.type == float | None}
    kinds |= {field.name: "Int64" for field in fields(Row) if field.type == int | None}
    return pd.DataFrame(flat, columns=["claim", *(field.name for field in fields(Row))]).astype(kinds)


def rows_of(frame: pd.DataFrame, number: int) -> list[Row]:
    """The rows of one claim out of what ``table`` made."""
    rows = frame[frame["claim"] == number].drop(columns="claim").astype(object)
    records = rows.where(rows.notna(), None).to_dict("records")
    return [
        Row(
            **record | {name: tuple(record[name]) for name in ("networks", "trainings", "draws", "uncut")}
        )  # files give arrays
        for record in records
    ]


def metrics(rows: dict[int, list[Row]]) -> dict[str, dict[str, float]]:
    """For MLflow: each claim's verdict, how steady it is, and the values that decide it.

    ``verdict`` is 1 for supported, -1 for contradicted, 0 for all others; ``decided`` is 0 for undecided, else 1;
    ``flips`` counts the other settings of the rule that give another verdict (``claims.verdicts``).

    Args:
        rows: by number of the claim.
    """
    by_claim: dict[str, dict[str, float]] = {}
    flipped = flips(rows)
    for number, of_claim in rows.items():
        word = overall(of_claim)
        verdict = (
            {"verdict": _SIGNS[word], "decided": int(word != "undecided"), "flips": flipped[number]}
            if word in _SIGNS
            else {}
        )
        by_claim[f"claim_{number:02d}"] = verdict
        by_claim[f"claim_{number:02d}"] |= {
            _slug(f"{row.network}.{row.what}"): row.value for row in of_claim if row.decides and row.value is not None
        }
    return by_claim


def _slug(words: str) -> str:
    """Words as a metric's name, in the letters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9._/-]+", "_", words).strip("_")
