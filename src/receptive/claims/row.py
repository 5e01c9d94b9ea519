"""One measured number of a claim, what it says alone, and what the rows of a claim say together."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from receptive.claims.possible import possible
from receptive.methods.inference import Estimate, over_trainings, pooled, with_spread_of_draws

Verdict = Literal["supported", "contradicted", "equivalent", "mixed", "undecided", "not measured"]
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
        draws: the control in each untrained network, where several were drawn (``beyond_untrained``); ``control`` is
            their mean.
        threshold: where the statistic says nothing; 0 for differences and correlations.
        verdict: from the interval and the threshold alone (``decide``); of a row that decides, once all rows of the
            study are known, from the tests that allow for their number (``claims.verdicts.judged``).
        reason: why it was not measured, or a remark.
        images, units: how many of each the value rests on; None where they play no part.
        over: what the interval is over, and so what it speaks about: "images", "units", "trainings and images", ...
        uncut: ends of the interval before it was cut at what is possible, where it was; tests go by them.
        freedom: degrees of freedom of Student's t that the interval was made with; None: another kind of interval.
        smallest: the smallest effect of interest, a distance from the threshold; None where none was stated.
        p_different: of the test against the threshold, by inversion of the interval, corrected for the number of rows
            that decide (``claims.verdicts.judged``).
        p_equivalent: of the two tests against the threshold less and plus ``smallest``, corrected likewise.
        p_value: of a test that the claim names, where there is one, uncorrected.
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
    draws: tuple[float, ...] = ()
    threshold: float = 0.0
    verdict: Verdict = "not measured"
    reason: str = ""
    images: int | None = None
    units: int | None = None
    over: str = ""
    uncut: tuple[float, ...] = ()
    freedom: float | None = None
    smallest: float | None = None
    p_different: float | None = None
    p_equivalent: float | None = None
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
        """Value and uncut interval with its degrees of freedom; NaN where there is none."""
        ends = Estimate(*(_number_or_nan(end) for end in (self.value, *(self.uncut or (self.low, self.high)))))
        return ends if self.freedom is None else ends.with_freedom(self.freedom)


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
        freedom=_number(getattr(estimate, "freedom", None)),
        threshold=threshold,
        over=over,
        verdict=decide(low, high, threshold),
        control=control_value,
        control_low=control_low,
        control_high=control_high,
        **more,
    )


def beyond_untrained(quantity: str, trained: Estimate, draws: Sequence[float], over: str, **more: Any) -> Row:
    """A row of what a trained network has beyond untrained networks of its build, which were drawn several times.

    The value is the trained network's less the mean of the draws. ``across_trainings`` widens its interval by how much
    the draws differ (``methods.inference.with_spread_of_draws``); until then it is that of the trained network alone.

    Args:
        trained: the quantity in the trained network.
        draws: the same in each untrained network; two or more.
        over, more: as for ``measured``.
    """
    control = over_trainings(draws)
    estimate = Estimate(*(end - control.value for end in trained)).with_freedom(trained.freedom)
    return measured(quantity, estimate, over, control=control, draws=tuple(map(float, draws)), **more)


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
    """The verdict of a whole claim, from the rows that decide: theirs, where they all have the same.

    So it is as hard to contradict a claim as to support it. ``mixed`` where every row is decided, but not all alike:
    more data would not change that. ``not measured`` where none was. ``undecided`` otherwise: at least one row says too
    little, or could not be measured.
    """
    verdicts = {row.verdict for row in rows if row.decides}
    if verdicts <= {"not measured"}:
        return "not measured"
    if len(verdicts) == 1:
        return verdicts.pop()
    return "undecided" if verdicts & {"undecided", "not measured"} else "mixed"


def speaks_of(rows: Iterable[Row]) -> str:
    """What a claim's verdict is about: such networks where every deciding row rests on several trainings.

    Otherwise it is about those networks alone that were trained here, whatever their intervals are over.
    """
    repeats = [row.repeats for row in rows if row.decides and row.verdict != "not measured"]
    if not repeats:
        return ""
    return "networks trained like these" if min(repeats) > 1 else "these trained networks alone"


def across_trainings(rows: Sequence[Row]) -> Row:
    """One row from those of several trainings of the same networks; a single row without draws stays as it is.

    The value is the mean over the trainings. The interval covers their spread as well as the images or units of each
    (``methods.inference.pooled``), and ends where values are impossible (``possible``). So it speaks about such
    networks, not about one of them. A control has the spread
    alone. Trainings in which nothing could be measured are left out, and named.

    Args:
        rows: one per training, each of the same networks, quantity, layer and control.
    """
    if len(rows) == 1:
        return _cut(_with_draws(rows[0])) if rows[0].draws else rows[0]
    with_value = [row for row in rows if row.value is not None]
    missing = [f"{' - '.join(row.trainings)}: {row.reason}" for row in rows if row.value is None]
    trainings = tuple(name for row in with_value or rows for name in row.trainings)
    if not with_value:
        return replace(rows[0], trainings=trainings, reason="; ".join(missing))
    first = with_value[0]
    if len(with_value) == 1:
        return replace(across_trainings([first]), reason="; ".join([*filter(None, [first.reason]), *missing]))
    controls = [row.control for row in with_value if row.control is not None]
    several = measured(
        first.quantity,
        pooled([row.estimate for row in with_value], shared=first.over in _COMMON),
        f"trainings and {first.over}" if first.over else "trainings",
        what=first.what,
        control=over_trainings(controls) if controls and not first.draws else None,
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
    if first.draws:  # all trainings are compared with the same draws
        several = replace(
            several, draws=first.draws, control=first.control, control_low=first.control_low,
            control_high=first.control_high,
        )  # fmt: skip
    return _cut(_with_draws(several))


def _with_draws(row: Row) -> Row:
    """The row with an interval that holds the spread of its untrained draws; without draws the row itself."""
    if not row.draws:
        return row
    wider = with_spread_of_draws(row.estimate, row.draws, row.repeats)
    return replace(
        row, low=_number(wider.low), high=_number(wider.high), freedom=_number(wider.freedom),
        verdict=decide(wider.low, wider.high, row.threshold), over=f"{row.over} and untrained draws",
    )  # fmt: skip


def _cut(row: Row) -> Row:
    """The row with its interval cut at what is possible; one that fits stays as it is."""
    least, most = possible(row.quantity, difference=bool(row.beyond) or len(row.networks) > 1)
    if row.low is None or row.high is None or least <= row.low <= row.high <= most:
        return row
    return replace(row, low=max(row.low, least), high=min(row.high, most), uncut=(row.low, row.high))


def _number_or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float | None) -> float | None:
    """A finite float; None for anything else, so that files hold no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
