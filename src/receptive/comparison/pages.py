"""A comparison as Markdown for people, and as plain values for programs."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from receptive.comparison.comparing import LEVEL, OUTCOMES, Change, Compared, Comparison


def markdown(comparison: Comparison, limit: int) -> str:
    """What differs first, then how many quantities have each outcome, then parameters and versions that differ.

    Args:
        limit: the largest number of rows of a table; 0 for all.
    """
    first, second = comparison.first, comparison.second
    parts = [f"# {second} beside {first}", headline(comparison)]
    if comparison.flips:
        parts.append(_table("Claims whose verdict is another", ["claim", first, second], [
            [f"{flip.claim}. {flip.title}", flip.first, flip.second] for flip in comparison.flips
        ], limit))  # fmt: skip
    flipped = sorted((row for row in comparison.rows if row.flipped), key=lambda row: row.outcome != "different")
    if flipped:
        head = ["row", first, second, f"verdict: {first}", f"verdict: {second}", "outcome"]
        parts.append(_table("Rows of claims whose verdict is another", head, [
            [_called(row), *_values(row), row.first.verdict, row.second.verdict, row.outcome]
            for row in flipped if row.first and row.second
        ], limit))  # fmt: skip
    different = sorted(
        (row for row in comparison.rows if row.outcome == "different"), key=lambda row: -abs(_in_limits(row))
    )
    if different:
        head = ["quantity", first, second, "difference", "rounding", "p (Holm)", "by"]
        parts.append(_table("Different", head, [
            [_called(row), *_values(row), f"{row.difference:+.3g}", f"{row.rounding:.1g}", _p(row.p),
             row.chance.of if row.chance else "one training"]
            for row in different
        ], limit))  # fmt: skip
    missing = [[_called(row), *_values(row)] for row in comparison.rows if row.outcome == "missing"]
    if missing:
        parts.append(_table(f"Only in {first}", ["quantity", first, second], missing, limit))
    parts.append(_table("All quantities", ["", *OUTCOMES], _by_group(comparison.rows), 0))
    parts += [
        _table(title, ["", first, second], [[str(cell) for cell in change] for change in changed], limit)
        for title, changed in (("Parameters", comparison.params), ("Versions", comparison.versions))
        if changed
    ]
    if comparison.lacking:
        parts.append("\n".join(f"- {line}" for line in comparison.lacking))
    return "\n\n".join(parts)


def headline(comparison: Comparison) -> str:
    """Whether the second study came out as the first, and why not, in one paragraph."""
    counts = comparison.counts
    told = [
        f"{len(comparison.flips)} claims with another verdict" if comparison.flips else "",
        f"{counts['different']} of {len(comparison.rows):,} quantities different" if counts["different"] else "",
        f"{counts['missing']} missing" if counts["missing"] else "",
    ]
    why = ", ".join(filter(None, told))
    verdict = f"**It came out otherwise: {why}.**" if why else "**It came out the same.**"
    judged = [row for row in comparison.rows if row.chance]
    if judged:
        outside = sum(row.chance.p < LEVEL for row in judged if row.chance)
        verdict += (
            f" Of {len(judged):,} quantities whose spread is known, {outside} lie outside their own 95% interval; "
            f"{LEVEL * len(judged):.0f} would by chance."
        )
    alone = sum(row.outcome == "different" and row.chance is None for row in comparison.rows)
    if alone:
        verdict += (
            f" {alone:,} of the different ones were trained once in both studies, so nobody knows how far training "
            "moves them: with several trainings in one study (trainings_each) they would be judged by their spread."
        )
    return verdict


def plain(comparison: Comparison) -> dict[str, Any]:
    """The whole comparison in values that JSON has; a missing number is None."""
    return {
        "first": comparison.first,
        "second": comparison.second,
        "agree": comparison.agree,
        "counts": comparison.counts,
        "verdicts": [flip._asdict() for flip in comparison.flips],
        "quantities": [_plain(row) for row in comparison.rows],
        "parameters": _changes(comparison.params),
        "versions": _changes(comparison.versions),
        "lacking": comparison.lacking,
    }


def _plain(row: Compared) -> dict[str, Any]:
    sides = {
        side: {
            "values": list(found.values),
            "low": _number(found.low),
            "high": _number(found.high),
            "trainings": found.trainings,
            "verdict": found.verdict or None,
        }
        if found
        else None
        for side, found in (("first", row.first), ("second", row.second))
    }
    return {
        **row.name._asdict(),
        "outcome": row.outcome,
        **sides,
        "difference": _number(row.difference),
        "rounding": _number(row.rounding),
        "p": row.chance.p if row.chance else None,
        "p_holm": _number(row.p),
        "by": row.chance.of if row.chance else None,
    }


def _changes(changed: Sequence[Change]) -> dict[str, dict[str, Any]]:
    return {change.name: {"first": change.first, "second": change.second} for change in changed}


def _by_group(rows: Sequence[Compared]) -> list[list[str]]:
    table = pd.crosstab([row.name.group for row in rows], [row.outcome for row in rows])
    groups = dict.fromkeys(row.name.group for row in rows)
    table = table.reindex(index=list(groups), columns=list(OUTCOMES), fill_value=0)
    return [[str(group), *(str(count or "") for count in table.loc[group])] for group in table.index]


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> str:
    shown = rows[:limit] if limit else rows
    frame = pd.DataFrame(list(shown), columns=list(head)).map(lambda cell: str(cell).replace("|", "\\|"))
    text = frame.to_markdown(index=False, disable_numparse=True)
    more = f"\n\n{len(rows) - len(shown):,} more: --rows 0 shows all." if len(shown) < len(rows) else ""
    return f"## {title}\n\n{text}{more}"


def _called(row: Compared) -> str:
    side = row.first or row.second
    return f"{row.name.group}, {row.name.network}: {side.what if side and side.what else row.name.quantity}"


def _values(row: Compared) -> list[str]:
    return [f"{side.value:.6g}" if side and side.values else "-" for side in (row.first, row.second)]


def _in_limits(row: Compared) -> float:
    """The difference in units of the quantity's size, to put large changes first."""
    size = max(abs(row.first.value), abs(row.second.value)) if row.first and row.second else 0.0
    return row.difference / size if size else 0.0


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"{p:.2g}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
