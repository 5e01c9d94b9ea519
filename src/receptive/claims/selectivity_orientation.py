"""Claim 1: ResNet has orientation-selective neurons."""

from enum import StrEnum
from typing import Any

import pandas as pd

from receptive.claims.row import Row, beyond_untrained, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.inference import difference_of_shares, share

NUMBER = 1
TITLE = "Orientation-selective units"
STATEMENT = "ResNet has neurons that are selective for orientation."
SOURCE = "KS, abstract and section 4 (conclusion)"
STATISTIC = (
    "The share of orientation-selective units (1 - circular variance of the answers to gratings of at least "
    "selectivity.osi; Ringach et al. 2002) of the trained network, less that of a control. Against shuffled kernels "
    "the interval is Newcombe's over units; against untrained networks Wilson's over units, joined with how much the "
    "untrained draws differ. Low layers are those whose receptive field fits in the image, high layers all others. "
    "Silent units, and units that luminance hardly moves (selectivity.weakest), are left out. The interval takes units "
    "for independent."
)
CONTROL = (
    "Networks of the same build with fresh weights, untrained.draws of them (in the low layers of resnet34; elsewhere "
    "the same network before training), and the trained network with the places of every kernel permuted; all with "
    "batch-norm statistics measured on training images."
)
RULE = (
    "Decided by the low layers of resnet34, where KS show them, against both controls. Single layers, high layers and "
    "other networks are shown beside."
)

STUDIED = "resnet34"
CONTROLS = ("untrained", "shuffled")


class Quantity(StrEnum):
    """Of which layers the share is."""

    LOW = "low layers"
    HIGH = "high layers"
    LAYER = "one layer"


def measure(study: Study) -> list[Row]:
    """Shares of selective units against both controls."""
    return share_rows(study, "selective")


def share_rows(study: Study, verdict: str) -> list[Row]:
    """Rows of a share of units, of every network and both controls; claims 1 and 2 differ in ``verdict`` alone.

    Args:
        verdict: a column of units.parquet of stage selectivity.
    """
    rows = []
    if reason := study.missing(STUDIED):
        rows += [
            not_measured(
                Quantity.LOW, reason, what=_words(Quantity.LOW, control), beyond=control, networks=(STUDIED,)
            )
            for control in CONTROLS
        ]  # fmt: skip
    for network in study.networks:
        rows += study.across(_of_training, network, given=(network, verdict))
    return rows


def _of_training(study: Study, training: str, network: str, verdict: str) -> list[Row]:
    """The rows of one training, in an order that is the same for all trainings of a network."""
    units = study.selectivity(training)
    fits = {layer.name: layer.fits(min(layer.field.image_size)) for layer in study.layers(training)}
    low = units["layer"].map(fits)
    parts = [(Quantity.LOW, "", units[low]), (Quantity.HIGH, "", units[~low])]
    if network == STUDIED:
        parts += [(Quantity.LAYER, str(alias), of) for alias, of in units[low].groupby("alias", sort=False)]
    drawn = study.drawn("selectivity", network)
    rows = []
    for quantity, alias, of in parts:
        facts: dict[str, Any] = {"decides": network == STUDIED and quantity == Quantity.LOW}
        for control in CONTROLS if len(of) else ():
            draws = drawn if control == "untrained" and quantity != Quantity.HIGH else None
            rows.append(_row(quantity, alias, of, verdict, control, draws, **facts))
    return rows


def _row(
    quantity: Quantity,
    alias: str,
    units: pd.DataFrame,
    verdict: str,
    control: str,
    drawn: pd.DataFrame | None,
    **more: Any,
) -> Row:
    """One share of units less that of a control.

    Args:
        drawn: the units of the untrained draws, of the low layers; None: the control is the single one in ``units``.
    """
    facts: dict[str, Any] = {
        "what": _words(alias or quantity, control),
        "layer": alias,
        "beyond": control,
    } | more
    if units["colour_index"].isna().all() and verdict != "selective":
        return not_measured(quantity, "its images have no colour", **facts)
    counts = []
    for state in ("trained", control):
        judged = units.loc[units["state"] == state, verdict].dropna()
        counts += [int(judged.sum()), len(judged)]
    if not (counts[1] and counts[3]):
        return not_measured(quantity, "no unit answers a grating", **facts)
    reason = f"{counts[0]} of {counts[1]} units ({_interval(*counts[:2])}); "
    if drawn is not None:
        shares = _shares(drawn[drawn["layer"].isin(units["layer"])], verdict)
        reason += f"untrained {shares.min():.1%} to {shares.max():.1%} in {len(shares)} draws"
        trained = share(*counts[:2])
        return beyond_untrained(quantity, trained, list(shares), "units", units=counts[1], reason=reason, **facts)
    reason += f"{control} {counts[2]} of {counts[3]} ({_interval(*counts[2:])})"
    return measured(quantity, difference_of_shares(*counts), "units", units=counts[1], reason=reason, **facts)


def _shares(drawn: pd.DataFrame, verdict: str) -> pd.Series:
    """Draw by draw the share of the units that can be judged."""
    return drawn.groupby("draw")[verdict].mean().astype(float).dropna()


def _words(layers: str, control: str) -> str:
    return f"{layers}, trained - {control}"


def _interval(successes: int, trials: int) -> str:
    _, low, high = share(successes, trials)
    return f"{low:.1%} to {high:.1%}"
