"""Two studies quantity by quantity: same, within rounding, within chance, different.

What chance allows is a test on each quantity. Two trainings of one network differ, so a study on another machine is
not to give the same numbers but numbers of the same distribution. Over hundreds of quantities some tests fail by
chance, so their p values are corrected together (Holm 1979): of studies that differ by chance alone, at most one in
twenty has any quantity that is called different.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from receptive.artifacts.results import Results
from receptive.comparison.quantities import Name, Quantity, quantities
from receptive.comparison.tolerances import tolerance
from receptive.errors import ReceptiveError

Outcome = Literal[
    "same", "within rounding", "within training spread", "within its interval", "different", "missing", "new"
]
OUTCOMES: tuple[Outcome, ...] = (
    *("same", "within rounding", "within training spread", "within its interval", "different", "missing", "new"),
)
"""``missing``: only the first study has it; ``new``: only the second has it."""
LEVEL = 0.05
_NORMAL = float(stats.norm.ppf(1 - LEVEL / 2))


class Chance(NamedTuple):
    """How often so large a difference comes by chance.

    Attributes:
        p: two-sided, before the correction for many quantities.
        of: what it is judged by: "5 trainings", "interval over images".
    """

    p: float
    of: str


@dataclass(frozen=True)
class Compared:
    """One quantity in both studies.

    Attributes:
        first, second: None where the study does not have it.
        rounding: the largest difference that is rounding.
        chance: None where neither study says how far chance moves it.
        p: corrected for all quantities (Holm); NaN where ``chance`` is None.
    """

    name: Name
    first: Quantity | None
    second: Quantity | None
    outcome: Outcome
    rounding: float = math.nan
    chance: Chance | None = None
    p: float = math.nan

    @property
    def difference(self) -> float:
        """Second less first; NaN where one has no value."""
        return self.second.value - self.first.value if self.first and self.second else math.nan

    @property
    def flipped(self) -> bool:
        """Whether the verdict of a claim's row is not the same in both."""
        return bool(self.first and self.second and self.first.verdict != self.second.verdict)


class Flip(NamedTuple):
    """A claim with one verdict in the first study and another in the second."""

    claim: int
    title: str
    first: str
    second: str


class Change(NamedTuple):
    """A parameter or version; None where a study does not have it."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Comparison:
    """Two studies beside each other.

    Attributes:
        first, second: what they were called.
        flips: claims whose verdict changed.
        rows: every quantity of either.
        params, versions: what differs; no versions where one study does not record them.
        lacking: what a study does not have, one sentence each.
    """

    first: str
    second: str
    flips: list[Flip]
    rows: list[Compared]
    params: list[Change]
    versions: list[Change]
    lacking: list[str]

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many quantities have each outcome."""
        counted = Counter(row.outcome for row in self.rows)
        return {outcome: counted[outcome] for outcome in OUTCOMES}

    @property
    def agree(self) -> bool:
        """Whether the second study came out as the first: nothing different or missing, no claim's verdict flipped."""
        return not self.flips and not self.counts["different"] and not self.counts["missing"]


def compare(first: Results, second: Results, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Every quantity of two studies.

    Args:
        first: the study that is to come out again.
        second: the study that is judged by it.
        names: what to call them.

    Raises:
        ReceptiveError: they have no quantity in common.
    """
    ours, theirs = quantities(first), quantities(second)
    if not ours.keys() & theirs.keys():
        reason = "; ".join(_lacking(first, second, names)) or "they are of other networks"
        raise ReceptiveError(f"{names[0]} and {names[1]} have no quantity in common: {reason}")
    chances = {name: chance(ours[name], theirs[name]) for name in ours if name in theirs}
    known = [name for name, found in chances.items() if found]
    corrected = dict(zip(known, holm([chances[name].p for name in known]), strict=True))  # type: ignore[union-attr]
    rows = [
        _compared(name, ours.get(name), theirs.get(name), chances.get(name), corrected.get(name, math.nan))
        for name in (*ours, *(name for name in theirs if name not in ours))
        if name in ours.keys() & theirs.keys() or _measured(ours.get(name)) or _measured(theirs.get(name))
    ]
    return Comparison(
        *names,
        flips=_flips(first, second),
        rows=rows,
        params=changes(first.params, second.params),
        versions=changes(first.versions, second.versions) if first.versions and second.versions else [],
        lacking=_lacking(first, second, names),
    )


def chance(first: Quantity, second: Quantity) -> Chance | None:
    """How often two studies differ so much by chance; None where neither says how far chance moves the quantity.

    With several trainings on at least one side: Student's t with the spread within the sides. Where the other side has
    one training, that is its prediction interval: mean +- t s sqrt(1 + 1/n). Claims' rows have intervals around their
    means instead of the single values; their half widths on the side of the other study give the standard errors, and
    both sides' degrees of freedom add up by Welch and Satterthwaite. With one training on both sides there is the row's
    own interval, over images or units: it says nothing of other trainings, and is called so.
    """
    if not first.values or not second.values:
        return None
    n, k = first.trainings, second.trainings
    gap = abs(first.value - second.value)
    if len(first.values) + len(second.values) > 2:
        squares = sum(np.var(side.values) * len(side.values) for side in (first, second))
        freedom = n + k - 2
        error = math.sqrt(squares / freedom * (1 / n + 1 / k))
        return Chance(_two_sided(gap, error, freedom), _trainings(n, k))
    up = second.value >= first.value
    halves = [
        first.high - first.value if up else first.value - first.low,
        second.value - second.low if up else second.high - second.value,
    ]
    repeated = [(half, count) for half, count in zip(halves, (n, k), strict=True) if count > 1 and math.isfinite(half)]
    if repeated:
        errors = [(half / float(stats.t.ppf(1 - LEVEL / 2, count - 1)), count) for half, count in repeated]
        if len(errors) == 2:
            error = math.hypot(errors[0][0], errors[1][0])
            quartic = sum(one**4 / (count - 1) for one, count in errors)
            freedom = error**4 / quartic if quartic else n + k - 2
        else:
            (one, count), other = errors[0], k if errors[0][1] == n else n
            error, freedom = one * math.sqrt(1 + count / other), count - 1
        return Chance(_two_sided(gap, error, freedom), _trainings(n, k))
    own = [half for half in halves if math.isfinite(half)]
    if not own:
        return None
    error = math.sqrt(sum(half**2 for half in own) * 2 / len(own)) / _NORMAL
    return Chance(_two_sided(gap, error, math.inf), f"interval over {first.over or second.over}")


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected so that all together are wrong at most as often as one alone (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, float)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1) if len(p_values) else scaled
    return corrected.tolist()


def changes(first: dict[str, Any], second: dict[str, Any]) -> list[Change]:
    """Nested values that are not equal, by their names with dots."""
    ours, theirs = _flat(first), _flat(second)
    return [
        Change(name, ours.get(name), theirs.get(name))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    ]


def _compared(name: Name, first: Quantity | None, second: Quantity | None, found: Chance | None, p: float) -> Compared:
    # a row that could not be measured has a verdict and no value: it is missing where the other study has one
    if not _measured(first) and not _measured(second):
        return Compared(name, first, second, "same")
    if first is None or second is None or not first.values or not second.values:
        return Compared(name, first, second, "missing" if _measured(first) else "new")
    values = first.value, second.value
    allowed = tolerance(f"{name.group}.{name.quantity}")
    limit = allowed.limit(*values)
    outcome: Outcome
    if first.values == second.values or (len(first.values) != len(second.values) and values[0] == values[1]):
        outcome = "same"
    elif allowed.allows(*values):
        outcome = "within rounding"
    elif found and p >= LEVEL:
        outcome = "within training spread" if max(first.trainings, second.trainings) > 1 else "within its interval"
    else:
        outcome = "different"
    return Compared(name, first, second, outcome, limit, found, p)


def _measured(side: Quantity | None) -> bool:
    return side is not None and bool(side.values)


def _two_sided(gap: float, error: float, freedom: float) -> float:
    """p of a difference whose standard error is known from ``freedom`` degrees of freedom (inf: normal)."""
    if gap == 0:
        return 1.0
    return float(2 * stats.t.sf(gap / error, freedom)) if error else 0.0


def _trainings(first: int, second: int) -> str:
    return f"{first} and {second} trainings"


def _flips(first: Results, second: Results) -> list[Flip]:
    theirs = dict(zip(second.verdicts["claim"], second.verdicts["verdict"], strict=True))
    return [
        Flip(int(row["claim"]), row["title"], row["verdict"], theirs[row["claim"]])
        for row in first.verdicts.to_dict("records")
        if row["claim"] in theirs and theirs[row["claim"]] != row["verdict"]
    ]


def _lacking(first: Results, second: Results, names: tuple[str, str]) -> list[str]:
    return [f"{name}: {line}" for name, side in zip(names, (first, second), strict=True) for line in side.lacking]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
