"""Claim 3: inactive units, and what noise on them does."""

from enum import StrEnum
from typing import Any

import torch

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.ablation import inactive_units
from receptive.methods.capture import responses_to
from receptive.methods.inference import Estimate, apart, difference_of_shares, share
from receptive.published import INACTIVE

NUMBER = 3
TITLE = "Inactive units matter in ResNet"
STATEMENT = (
    "ResNet34 has more first-pool units that no image excites than PlainNet34, and noise on them raises the loss of "
    "ResNet34 only."
)
SOURCE = "KS 3.5, table 1"
STATISTIC = (
    "The share of first-pool units that are 0 on every validation image, and dL: mean loss with rectified normal noise "
    "on all of them minus mean loss without (nats). dL_rnd: the same with noise on one of them, drawn for each "
    "mini-batch, several times; its interval holds the draw of the unit and the images, by mini-batches."
)
CONTROL = (
    "For the share, the same network before training. For dL, the same noise on as many active units, drawn at random "
    "(mean and middle 95% of the sets); where no unit is inactive, on single active ones."
)
RULE = (
    "Three rows decide: the share in ResNet34 minus that in PlainNet34, dL of ResNet34, and that minus dL of "
    "PlainNet34. Without an inactive unit there is no dL to measure. "
    "Noise on active units is shown beside and decides nothing: it tells how large such changes are."
)
FIRST, SECOND = "resnet34", "plainnet34"
DRAWS = "draws of the unit, and images"
"""What an interval is over where every mini-batch draws its unit."""


class Quantity(StrEnum):
    """What was measured of one network, or of both."""

    SHARE = "share inactive"
    LOSS = "dL"
    LOSS_ONE_UNIT = "dL_rnd"
    LOSS_ACTIVE = "the same noise on one active unit a mini-batch"


Before = dict[str, tuple[int, int]]
"""Training to the number of units of its first pool that were inactive before training, and of all its units."""


def measure(study: Study) -> list[Row]:
    """Shares and changes of loss of the two networks, and their differences."""
    trainings = [name for network in (FIRST, SECOND) for name in study.trainings(network)]
    before: Before = {name: _inactive_before_training(study, name) for name in trainings}
    if reason := study.missing(FIRST, SECOND):
        rows = [not_measured(it, reason, networks=(FIRST, SECOND)) for it in (Quantity.SHARE, Quantity.LOSS)]
    else:
        rows = study.across(_differences, FIRST, SECOND, given=(before,))
    for network in (FIRST, SECOND):
        rows += study.across(_of_training, network, given=(network, before))
    return rows


def _of_training(study: Study, training: str, network: str, before: Before) -> list[Row]:
    """Share and changes of loss of one training, in the order of ``Quantity``."""
    ablation, paper = study.ablation(training), INACTIVE[network]
    inactive, units, images = len(ablation["inactive_units"]), ablation["units"], ablation["images"]
    inactive_before, units_before = before[training]
    control = ablation["control"]
    sets = (control["mean"], control["low"], control["high"])
    counts: dict[str, Any] = {"units": units, "images": images}
    rows = [
        measured(
            Quantity.SHARE, share(inactive, units), "units", control=share(inactive_before, units_before),
            published=paper["inactive"] / 64, decides=False, **counts,
            reason=f"{inactive} of {units} units, {inactive_before} before training",
        )
    ]  # fmt: skip
    for quantity, key in ((Quantity.LOSS, "delta_loss"), (Quantity.LOSS_ONE_UNIT, "delta_loss_random")):
        facts: dict[str, Any] = {"published": paper[key], "decides": quantity == Quantity.LOSS and network == FIRST}
        if ablation[key] is None:
            rows.append(not_measured(quantity, _no_inactive_unit(ablation), **counts, **facts))
            continue
        over = "images" if quantity == Quantity.LOSS else DRAWS
        rows.append(
            measured(
                quantity, (ablation[key], *ablation[f"{key}_interval"]), over, control=sets, units=inactive,
                images=images, reason=f"control: {control['units_each']} active units a set", **facts,
            )
        )  # fmt: skip
    key = "delta_loss_random_active"
    if ablation[key] is None:
        return [*rows, not_measured(Quantity.LOSS_ACTIVE, "no active unit", **counts, decides=False)]
    active = measured(
        Quantity.LOSS_ACTIVE, (ablation[key], *ablation[f"{key}_interval"]), DRAWS, control=sets,
        units=units - inactive, images=images, decides=False, reason=f"control: sets of {control['units_each']} active",
    )  # fmt: skip
    return [*rows, active]


def _differences(study: Study, first: str, second: str, before: Before) -> list[Row]:
    """What the first network has more of: inactive units, and loss by noise on them."""
    ablations = [study.ablation(name) for name in (first, second)]
    inactive = [len(ablation["inactive_units"]) for ablation in ablations]
    units, images = [ablation["units"] for ablation in ablations], ablations[0]["images"]
    share_before = [share(*before[name]).value for name in (first, second)]
    papers = INACTIVE[FIRST], INACTIVE[SECOND]
    more_inactive = measured(
        Quantity.SHARE,
        difference_of_shares(inactive[0], units[0], inactive[1], units[1]),
        "units",
        control=share_before[0] - share_before[1],
        units=sum(units),
        images=images,
        published=(papers[0]["inactive"] - papers[1]["inactive"]) / 64,
    )
    published = papers[0]["delta_loss"] - papers[1]["delta_loss"]
    losses = []
    for name, ablation in zip((first, second), ablations, strict=True):
        if ablation["delta_loss"] is None:
            reason = f"{name}: {_no_inactive_unit(ablation)}"
            return [more_inactive, not_measured(Quantity.LOSS, reason, published=published)]
        losses.append(Estimate(ablation["delta_loss"], *ablation["delta_loss_interval"]))
    more_harm = measured(Quantity.LOSS, apart(*losses), "images", images=images, published=published)
    return [more_inactive, more_harm]


def _no_inactive_unit(ablation: dict) -> str:
    return f"no inactive unit: the weakest reaches {ablation['weakest_maximum']:.2g}"


def _inactive_before_training(study: Study, training: str) -> tuple[int, int]:
    """How many of how many first-pool units no validation image excites in the untrained network."""
    ablation, subject = study.ablation(training), study.subject(training, trained=False)
    layer, largest = ablation["layer"], []
    for _, images in subject.views(study.params.claims.batch_size):
        largest.append(responses_to(subject.network, images, [layer])[layer].amax((0, 2, 3)))
    greatest = torch.stack(largest).amax(0)
    return len(inactive_units(greatest.cpu().numpy(), ablation["threshold"])), len(greatest)
