"""The numbers of a study under names that are the same in every study."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.results import Results


class Name(NamedTuple):
    """What a number is of, in every study.

    Attributes:
        group: the stage that measured it ("sparsity"), or the claim ("claim 4").
        network: one, or two of which the second is subtracted ("resnet34 - plainnet34").
        quantity: what was measured.
    """

    group: str
    network: str
    quantity: str


@dataclass(frozen=True)
class Quantity:
    """One measured number of a study.

    Attributes:
        values: one per training, in the order of the trainings; of a claim's row the one mean. Empty: not measured.
        trainings: how many trainings of each network it rests on.
        low, high: the ends of the row's own 95% interval; NaN where it has none.
        over: what that interval is over.
        verdict: of a claim's row; "" for what is no claim's.
        what: the quantity in words.
    """

    values: tuple[float, ...]
    trainings: int = 1
    low: float = math.nan
    high: float = math.nan
    over: str = ""
    verdict: str = ""
    what: str = ""

    @property
    def value(self) -> float:
        """The mean over the trainings; NaN where nothing was measured."""
        return float(np.mean(self.values)) if self.values else math.nan


def quantities(results: Results) -> dict[Name, Quantity]:
    """Every number of a study: the claims' rows, then what the stages say of the trainings of each network."""
    found = {}
    for row in results.claims.to_dict("records"):
        beyond = f", beyond {row['beyond']}" if row["beyond"] else ""
        layer = f", {row['layer']}" if row["layer"] else ""
        name = Name(f"claim {row['claim']}", " - ".join(row["networks"]), f"{row['quantity']}{layer}{beyond}")
        value, low, high = (_number(row[column]) for column in ("value", "low", "high"))
        found[name] = Quantity(
            () if math.isnan(value) else (value,),
            len(row["trainings"]) // max(1, len(row["networks"])),
            low,
            high,
            row["over"],
            row["verdict"],
            row["what"],
        )
    groups = results.measurements.groupby(["stage", "network", "quantity"], sort=False)["value"]
    for (stage, network, quantity), values in groups:
        numbers = tuple(float(value) for value in values if not math.isnan(value))
        found[Name(stage, network, quantity)] = Quantity(numbers, len(numbers), what=quantity)
    return found


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(value)  # type: ignore[arg-type]
