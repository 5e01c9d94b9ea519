"""Verdicts of all claims together: they allow for the number of rows, know "no difference", and are tried out.

Every row that decides is tested twice: whether it differs from its threshold, and whether it is equivalent to it,
nearer than its smallest effect of interest (``methods.testing``). Each of the two kinds of test is corrected over all
rows that decide, of all claims (Holm 1979). So the chance that any row is called supported or contradicted where there
is no difference is at most ``LEVEL``, and so is the chance that any row is called equivalent whose difference matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from scipy import special, stats

from receptive.claims.row import Row, Verdict, overall
from receptive.claims.smallest_effects import of_claim
from receptive.methods.inference import CONFIDENCE
from receptive.methods.power import needed
from receptive.methods.testing import holm, p_different, p_equivalent

Rows = Mapping[int, list[Row]]
"""The rows of every claim, by its number."""

LEVEL = 0.05
"""The chance of any wrong verdict among all rows that decide."""


@dataclass(frozen=True)
class Setting:
    """Another rule, to see which verdicts hang on it.

    Attributes:
        name: in words.
        level: as ``LEVEL``.
        size: times the smallest effects of interest.
    """

    name: str
    level: float = LEVEL
    size: float = 1.0


SETTINGS = (
    Setting("level 0.01", level=0.01),
    Setting("level 0.10", level=0.10),
    Setting("half the smallest effects", size=0.5),
    Setting("twice the smallest effects", size=2.0),
)
"""Both choices of the rule, the level and the smallest effects, once stricter and once looser."""


def with_smallest(claim: ModuleType, rows: list[Row]) -> list[Row]:
    """The rows of a claim, each that decides with its smallest effect of interest."""
    sizes = {str(quantity): smallest.size for quantity, smallest in of_claim(claim).items()}
    return [replace(row, smallest=sizes.get(str(row.quantity))) if row.decides else row for row in rows]


def judged(rows: Rows, level: float = LEVEL, size: float = 1.0) -> dict[int, list[Row]]:
    """All rows of the study with their verdicts; rows that do not decide stay as they are.

    A row is ``equivalent`` where that test says so, also where it differs: a difference that does not matter supports
    nothing. Else it is ``supported`` or ``contradicted`` where it differs, by its side of the threshold.

    Args:
        level: chance of any wrong verdict.
        size: times the smallest effects of interest.
    """
    deciding = _deciding(rows)
    different = holm(np.array([p_different(row.estimate, row.threshold) for row in deciding]))
    equivalent = holm(np.array([_p_equivalent(row, size) for row in deciding]))
    found = {
        id(row): replace(
            row, p_different=_number(p), p_equivalent=_number(q), verdict=_verdict(row, p, q, level)
        )
        for row, p, q in zip(deciding, different, equivalent, strict=True)
    }  # fmt: skip
    return {number: [found.get(id(row), row) for row in of_one] for number, of_one in rows.items()}


def _deciding(rows: Rows) -> list[Row]:
    return [row for of_one in rows.values() for row in of_one if row.decides and row.value is not None]


def _p_equivalent(row: Row, size: float) -> float:
    return np.nan if row.smallest is None else p_equivalent(row.estimate, row.threshold, size * row.smallest)


def _verdict(row: Row, different: float, equivalent: float, level: float) -> Verdict:
    assert row.value is not None
    if equivalent < level:
        return "equivalent"
    if different < level:
        return "supported" if row.value > row.threshold else "contradicted"
    return "undecided"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def steadiness(rows: Rows) -> dict[int, dict[str, Verdict]]:
    """By number of the claim its verdict under each of ``SETTINGS``, by the setting's name."""
    tried = {setting.name: judged(rows, setting.level, setting.size) for setting in SETTINGS}
    return {number: {name: overall(of_all[number]) for name, of_all in tried.items()} for number in rows}


def flips(rows: Rows) -> dict[int, int]:
    """By number of the claim, how many of ``SETTINGS`` give another verdict."""
    return {
        number: sum(verdict != overall(rows[number]) for verdict in verdicts.values())
        for number, verdicts in steadiness(rows).items()
    }


@dataclass(frozen=True)
class Needed:
    """What would decide a row.

    Attributes:
        row: the row.
        counted: what its interval grows narrower with: "images", "units", "classes", "filters" or "trainings".
        count: how many there were.
        number: how many would decide (``methods.power.needed``).
    """

    row: Row
    counted: str
    count: int
    number: int

    def __str__(self) -> str:
        where = f"{self.row.network}: {self.row.what}"
        if self.number <= self.count:
            return (
                f"{where}: {self.count:,} {self.counted} are enough to tell {self.row.smallest:g} from nothing; the "
                "value lies between"
            )
        return f"{where}: {self.number:,} {self.counted} instead of {self.count:,}"


def what_would_decide(rows: Rows) -> dict[int, list[Needed]]:
    """By number of the claim, how many images, units or trainings its undecided rows would need.

    The level is that of the strictest step of Holm's correction, so the numbers are rather too great. Rows without an
    interval or a smallest effect are left out, as are those whose number is unknown.
    """
    deciding = len(_deciding(rows))
    return {
        number: [
            each
            for row in of_one
            if row.decides and row.verdict == "undecided" and (each := _needed(row, LEVEL / deciding)) is not None
        ]
        for number, of_one in rows.items()
    }


def _needed(row: Row, level: float) -> Needed | None:
    counted, count = counted_by(row)
    error = standard_error(row)
    if row.smallest is None or not count or error is None:
        return None
    freedom = np.inf if row.freedom is None else row.freedom
    return Needed(row, counted, count, needed(count, error, row.smallest, level, freedom))


def counted_by(row: Row) -> tuple[str, int | None]:
    """What a row's interval is over, in one word, and how many there were; None where the row does not say."""
    if row.over.startswith("trainings") or row.draws:  # a single training stands beside draws as one more draw
        return "trainings", row.repeats
    if "images" in row.over:
        return "images", row.images
    word = next((word for word in ("classes", "filters") if word in row.over), "units")
    return word, row.units


def standard_error(row: Row) -> float | None:
    """Half the interval's width in standard errors of its distribution; None where there is no interval."""
    _, low, high = row.estimate
    if not np.isfinite([low, high]).all():
        return None
    middle = (1 + CONFIDENCE) / 2
    quantile = special.ndtri(middle) if row.freedom is None else stats.t.ppf(middle, row.freedom)
    return float((high - low) / 2 / quantile)
