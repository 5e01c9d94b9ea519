"""One measured number of a claim, what it says alone, and what the rows of a claim say together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from receptive.claims.possible import possible
from receptive.methods.inference import Estimate, over_trainings, pooled

Verdict = Literal["supported", "contradicted", "undecided", "not measured"]
_COMMON = ("images", "images, paired", "classes")
"""What all trainings of a network have in common; each training has units and filters of its own."""

Interval = Estimate | tuple[float | None, float | None, float | None]
"""A value and the two ends of its interval."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number of a claim: its value with a 95% interval, its control, and what it says.

    ``measured`` and ``not_measured`` make a row, ``across_trainings`` makes one row from those of several trainings.
    ``networks``, ``quantity``, ``layer`` and ``beyond`` together name a row of a claim.

    Attributes:
        networks: the network; of a difference the two networks, the second subtracted from the first.
        trainings: names of the trainings that the value rests on, in the order of ``networks`` for each repetition.
            Where there is no value, those that were tried.
        quantity: what was measured, one of the claim's own ``Quantity``.
        layer: alias of the layer it was measured in; empty where it is of the whole network.
        beyond: the control that is subtracted in the value, where one is.
        what: the quantity in words, for display.
        value, low, high: the statistic and the ends of its 95% interval; None where there is none.
        control, control_low, control_high: the same of the control; None where there is none.
        threshold: where the statistic says nothing; 0 for differences and correlations.
        verdict: from the interval and the threshold alone (``decide``).
        reason: why it was not measured, or a remark.
        images, units: how many of each the value rests on; None where they play no part.
        over: what the interval is over, and so what it speaks about: "images", "units", "trainings and images", ...
        p_value: of a test that the claim names, where there is one.
        published: the paper's own number, on its own data.
        decides: whether the row enters the claim's verdict; the others are shown beside it.
    """

    networks: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()
    quantity: str
    layer: str = ""
    beyond: str = ""
    what: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    control: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    threshold: float = 0.0
    verdict: Verdict = "not measured"
    reason: str = ""
    images: int | None = None
    units: int | None = None
    over: str = ""
    p_value: float | None = None
    published: float | None = None
    decides: bool = True

    @property
    def network(self) -> str:
        """The network or the difference of two, for display: "resnet34", "resnet34 - plainnet34"."""
        return " - ".join(self.networks)

    @property
    def repeats(self) -> int:
        """How many trainings of each network the value rests on."""
        return len(self.trainings) // max(1, len(self.networks))

    @property
    def estimate(self) -> Estimate:
        """Value and interval; NaN where there is none."""
        return Estimate(*(_number_or_nan(end) for end in (self.value, self.low, self.high)))


def measured(
    quantity: str,
    estimate: Interval,
    over: str,
    *,
    what: str = "",
    control: Interval | float | None = None,
    threshold: float = 0.0,
    **more: Any,
) -> Row:
    """A row with its verdict. ``Study.across`` adds the networks and trainings.

    Args:
        quantity: one of the claim's own ``Quantity``.
        estimate: (value, low, high); an interval of NaN decides nothing.
        over: what the interval is over.
        what: the quantity in words; ``quantity`` itself if empty.
        control: (value, low, high), or a number alone.
        threshold: what the interval must lie above.
        more: other fields of ``Row``.
    """
    value, low, high = (_number(end) for end in estimate)
    control_value, control_low, control_high = map(
        _number, control if isinstance(control, tuple) else (control, None, None)
    )
    return Row(
        quantity=quantity,
        what=what or str(quantity),
        value=value,
        low=low,
        high=high,
        threshold=threshold,
        over=over,
        verdict=decide(low, high, threshold),
        control=control_value,
        control_low=control_low,
        control_high=control_high,
        **more,
    )


def not_measured(quantity: str, reason: str, *, what: str = "", **more: Any) -> Row:
    """A row without a number.

    Args:
        quantity, what: as for ``measured``.
        reason: why there is none.
        more: other fields of ``Row``.
    """
    return Row(quantity=quantity, what=what or str(quantity), verdict="not measured", reason=reason, **more)


def decide(low: float | None, high: float | None, threshold: float = 0.0) -> Verdict:
    """What an interval says of "more than ``threshold``": all above it supports, all below contradicts.

    An interval that holds the threshold, or touches it, leaves it undecided; so does none at all (None, NaN).
    """
    if low is not None and low > threshold:
        return "supported"
    if high is not None and high < threshold:
        return "contradicted"
    return "undecided"


def overall(rows: Iterable[Row]) -> Verdict:
    """The verdict of a whole claim, from the rows that decide.

    ``supported`` where all of them are (one that could not be measured is not), ``contradicted`` where one or more
    are contradicted and none is supported, ``not measured`` where none was, and ``undecided`` otherwise, so also
    where networks disagree.
    """
    verdicts = {row.verdict for row in rows if row.decides}
    if verdicts <= {"not measured"}:
        return "not measured"
    if verdicts == {"supported"}:
        return "supported"
    if "contradicted" in verdicts and "supported" not in verdicts:
        return "contradicted"
    return "undecided"


def speaks_of(rows: Iterable[Row]) -> str:
    """What a claim's verdict is about: such networks where every deciding row rests on several trainings.

    Otherwise it is about those networks alone that were trained here, whatever their intervals are over.
    """
    repeats = [row.repeats for row in rows if row.decides and row.verdict != "not measured"]
    if not repeats:
        return ""
    return "networks trained like these" if min(repeats) > 1 else "these trained networks alone"


def across_trainings(rows: Sequence[Row]) -> Row:
    """One row from those of several trainings of the same networks; a single row stays as it is.

    The value is the mean over the trainings. The interval covers their spread as well as the images or units of each
    (``methods.inference.pooled``), and ends where values are impossible (``possible``). So it speaks about such
    networks, not about one of them. A control has the spread
    alone. Trainings in which nothing could be measured are left out, and named.

    Args:
        rows: one per training, each of the same networks, quantity, layer and control.
    """
    if len(rows) == 1:
        return rows[0]
    with_value = [row for row in rows if row.value is not None]
    missing = [f"{' - '.join(row.trainings)}: {row.reason}" for row in rows if row.value is None]
    trainings = tuple(name for row in with_value or rows for name in row.trainings)
    if not with_value:
        return replace(rows[0], trainings=trainings, reason="; ".join(missing))
    first = with_value[0]
    if len(with_value) == 1:
        return replace(first, reason="; ".join([*filter(None, [first.reason]), *missing]))
    controls = [row.control for row in with_value if row.control is not None]
    return measured(
        first.quantity,
        pooled(
            [row.estimate for row in with_value],
            shared=first.over in _COMMON,
            within=possible(first.quantity, difference=bool(first.beyond) or len(first.networks) > 1),
        ),
        f"trainings and {first.over}" if first.over else "trainings",
        what=first.what,
        control=over_trainings(controls) if controls else None,
        threshold=first.threshold,
        networks=first.networks,
        trainings=trainings,
        layer=first.layer,
        beyond=first.beyond,
        reason="; ".join(dict.fromkeys([row.reason for row in with_value if row.reason] + missing)),
        images=first.images,
        units=first.units,
        published=first.published,
        decides=first.decides,
    )


def _number_or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float | None) -> float | None:
    """A finite float; None for anything else, so that files hold no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
