"""The claims of the papers, one file each: adding a file here adds a claim, and touches nothing else.

A claim is a module of this package with the constants

- ``NUMBER`` (its place in the table), ``TITLE`` (a few words), ``STATEMENT`` (the papers' sentence in our words),
  ``SOURCE`` (paper and place), ``STATISTIC``, ``CONTROL`` and ``RULE`` (plain words),

and the functions

- ``measure(study) -> list[Row]``: the numbers, read through ``receptive.io.artifacts``;
- ``figure(study, rows) -> Figure``: what one should look at; it imports ``receptive.figures`` inside, because the
  stage that measures draws nothing.

``docs/claims.md`` shows one in ten lines. Every statistic has the sign of its claim: the more positive, the more
it speaks for it. Verdicts come from intervals alone (``decide``, ``overall``).
"""

import dataclasses
import importlib
import itertools
import math
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from receptive.errors import ReceptiveError
from receptive.methods.inference import Estimate, over_trainings, pooled
from receptive.networks import base_name

if TYPE_CHECKING:
    import numpy as np

    from receptive.params.schema import Params

Verdict = Literal["supported", "contradicted", "undecided", "not measured"]
_SHARED = ("images", "images, paired", "classes")
"""What all trainings of a network have in common; units and filters are each one's own."""

FIELDS = ("NUMBER", "TITLE", "STATEMENT", "SOURCE", "STATISTIC", "CONTROL", "RULE", "measure", "figure")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured number of a claim: its value with a 95% interval, its control, and what it says.

    ``measured`` and ``not_measured`` make one, ``across_seeds`` makes one of several trainings' rows.

    Attributes:
        network: a network's name, or two of a comparison ("resnet34 - plainnet34").
        what: the layer or the quantity; network and what together name a row of a claim.
        value, low, high: the statistic and the ends of its 95% interval; None where there is none.
        control, control_low, control_high: the same of the control; None where there is none.
        threshold: where the statistic says nothing; 0 for differences and correlations.
        verdict: from the interval and the threshold alone (``decide``).
        reason: why it was not measured, or what else the reader should know.
        images, units, seeds: how many of each the value rests on; None where they play no part.
        over: what the interval is over: "images", "units", "seeds and images", ...: what it lets one speak about.
        p_value: of a test that the claim names, where there is one.
        published: the paper's own number, on its own data.
        decides: whether the row enters the claim's verdict; the others are shown beside it.
    """

    network: str
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
    seeds: int = 1
    over: str = ""
    p_value: float | None = None
    published: float | None = None
    decides: bool = True


def measured(
    network: str,
    what: str,
    estimate: Estimate | tuple[float, float, float],
    over: str,
    *,
    control: Estimate | tuple[float, float, float] | float | None = None,
    threshold: float = 0.0,
    **more,
) -> Row:
    """A row with its verdict.

    Args:
        estimate: (value, low, high); an interval of NaN decides nothing.
        over: what the interval is over.
        control: (value, low, high), or a number alone.
        more: other fields of ``Row``.
    """
    value, low, high = (_number(end) for end in estimate)
    control = control if isinstance(control, tuple) else (control, None, None)
    return Row(
        network=network,
        what=what,
        value=value,
        low=low,
        high=high,
        threshold=threshold,
        over=over,
        verdict=decide(low, high, threshold),
        **dict(zip(("control", "control_low", "control_high"), map(_number, control), strict=True)),
        **more,
    )


def not_measured(network: str, what: str, reason: str, **more) -> Row:
    """A row that says why there is no number."""
    return Row(network=network, what=what, verdict="not measured", reason=reason, **more)


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

    Otherwise only about the very networks that were trained once here, whatever their intervals are over.
    """
    seeds = [row.seeds for row in rows if row.decides and row.verdict != "not measured"]
    if not seeds:
        return ""
    return "networks trained like these" if min(seeds) > 1 else "these trained networks alone"


def across_seeds(rows: list[Row]) -> Row:
    """One row of the rows of one network's several trainings; a single row stays as it is.

    Of several, the value is the mean over the trainings and the interval covers their spread as well as the images or
    units of each (``methods.inference.pooled``): it then speaks about such networks, not about one of them. A control
    has the spread alone. Trainings in which nothing could be measured are left out, and named.

    Args:
        rows: one a training, each of the same quantity, ``network`` the training's name (or "one-2 - other-2").
    """
    if len(rows) == 1:
        return rows[0]
    there = [row for row in rows if row.value is not None]
    missing = [f"{row.network}: {row.reason}" for row in rows if row.value is None]
    network = " ".join(base_name(part) for part in rows[0].network.split())
    if not there:
        return not_measured(network, rows[0].what, "; ".join(missing), decides=rows[0].decides)
    if len(there) == 1:
        return replace(there[0], network=network, reason="; ".join([*filter(None, [there[0].reason]), *missing]))
    first = there[0]
    controls = [row.control for row in there if row.control is not None]
    return measured(
        network,
        first.what,
        pooled(
            [tuple(_number_or_nan(end) for end in (row.value, row.low, row.high)) for row in there],
            shared=first.over in _SHARED,
        ),
        f"seeds and {first.over}" if first.over else "seeds",
        control=over_trainings(controls) if controls else None,
        threshold=first.threshold,
        seeds=len(there),
        reason="; ".join(dict.fromkeys([row.reason for row in there if row.reason] + missing)),
        images=first.images,
        units=first.units,
        published=first.published,
        decides=first.decides,
    )


@dataclass(frozen=True)
class Study:
    """What a claim is measured on: parameters, networks, their trainings; data are read through ``io.artifacts``."""

    params: "Params"

    @property
    def networks(self) -> list[str]:
        """The networks of this study, by base name, in its order."""
        return list(self.params.models)

    def replicas(self, network: str) -> list[str]:
        """All trainings of a network, its own name first; empty where the study does not have it."""
        return self.params.trainings_of(network)

    def across(self, measure: Callable[..., list[Row]], *networks: str, given: tuple = ()) -> list[Row]:
        """The rows of all trainings, one each of what ``measure`` gives row by row (``across_seeds``).

        Args:
            measure: called with this study, the names of one training of every network, and what is ``given``; its
                rows have the same order for every training.
            networks: one, or those that are compared, training with training in their order.
        """
        trainings = zip(*(self.replicas(network) for network in networks), strict=True)
        by_training = (measure(self, *names, *given) for names in trainings)
        return [across_seeds(list(same)) for same in zip(*by_training, strict=True)]

    def missing(self, *networks: str) -> str:
        """Why a claim about these networks cannot be measured; empty where it can."""
        absent = [name for name in networks if name not in self.networks]
        return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not in this study" if absent else ""

    def chance(self, *names: str | int) -> "np.random.Generator":
        """The source of every random draw called ``names`` in a claim."""
        import numpy as np

        from receptive.seeds import named_seed

        return np.random.default_rng(named_seed(self.params.seed, "claims", *names))


def claims(package: ModuleType | None = None) -> list[ModuleType]:
    """Every claim, by number.

    Args:
        package: where to look; this package if None.

    Raises:
        ReceptiveError: a module lacks one of ``FIELDS``, or two have the same number.
    """
    package = package or importlib.import_module(__name__)
    found = [
        importlib.import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    for module in found:
        lacking = [name for name in FIELDS if not hasattr(module, name)]
        if lacking:
            raise ReceptiveError(
                f"the claim {module.__name__} lacks {', '.join(lacking)}: add what docs/claims.md lists"
            )
    found.sort(key=lambda module: module.NUMBER)
    for one, other in itertools.pairwise(found):
        if one.NUMBER == other.NUMBER:
            raise ReceptiveError(f"{one.__name__} and {other.__name__} are both claim {one.NUMBER}: renumber one")
    return found


def table(rows: dict[int, list[Row]]):
    """All rows as one frame, one column a field, led by ``claim``; numbers that are missing are NA.

    Args:
        rows: number of the claim to its rows.
    """
    import pandas as pd

    flat = [{"claim": number, **dataclasses.asdict(row)} for number, its in rows.items() for row in its]
    numbers = {f.name: "Float64" for f in dataclasses.fields(Row) if f.type in ("float | None", float | None)}
    counts = {f.name: "Int64" for f in dataclasses.fields(Row) if f.type in ("int | None", int | None)}
    names = ["claim", *(f.name for f in dataclasses.fields(Row))]
    return pd.DataFrame(flat, columns=names).astype({"claim": "int64", **numbers, **counts})


def rows_of(frame, number: int) -> list[Row]:
    """The rows of one claim out of what ``table`` made."""
    its = frame[frame["claim"] == number].drop(columns="claim").astype(object)
    return [Row(**row) for row in its.where(its.notna(), None).to_dict("records")]


def metrics(rows: dict[int, list[Row]]) -> dict:
    """For MLflow: each claim's verdict (1 supported, 0 undecided, -1 contradicted) and the values that decide it.

    Args:
        rows: number of the claim to its rows.
    """
    signs = {"supported": 1, "undecided": 0, "contradicted": -1}
    found: dict[str, dict] = {}
    for number, its in rows.items():
        values = {_slug(f"{row.network}.{row.what}"): row.value for row in its if row.decides and row.value is not None}
        verdict = signs.get(overall(its))
        found[f"claim_{number:02d}"] = ({} if verdict is None else {"verdict": verdict}) | values
    return found


def _slug(words: str) -> str:
    """Words as a metric's name, in the letters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9._/-]+", "_", words).strip("_")


def _number_or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float | None) -> float | None:
    """A finite float; None for what is none, so that files hold no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
