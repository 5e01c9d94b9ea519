"""Claim 3: inactive units, and what noise on them does."""

from receptive.claims import Row, Study, across_seeds, measured, not_measured
from receptive.io import artifacts
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
    "on all of them minus mean loss without (nats)."
)
CONTROL = (
    "For the share, the same network before training. For dL, the same noise on as many active units, drawn at random "
    "(mean and middle 95% of the sets); where no unit is inactive, on single active ones."
)
RULE = (
    "Three rows decide: the share in ResNet34 minus that in PlainNet34, dL of ResNet34, and that minus dL of "
    "PlainNet34. Supported where every interval lies above 0; without an inactive unit there is no dL to measure. "
    "Noise on active units is shown beside and decides nothing: it tells how large such changes are."
)
FIRST, SECOND = "resnet34", "plainnet34"


def measure(study: Study) -> list[Row]:
    """Shares and changes of loss of the two networks, and their differences."""
    missing = study.missing(FIRST, SECOND)
    found = {name: [_rows(study, one) for one in study.replicas(name)] for name in (FIRST, SECOND)}
    rows = []
    if missing:
        rows += [not_measured(f"{FIRST} - {SECOND}", what, missing) for what in ("share inactive", "dL")]
    else:
        pairs = list(zip(found[FIRST], found[SECOND], strict=True))
        rows.append(across_seeds([_more_inactive(one["share"], other["share"]) for one, other in pairs]))
        rows.append(across_seeds([_more_harm(one["dL"], other["dL"]) for one, other in pairs]))
    for trainings in found.values():
        for name in trainings[0] if trainings else ():
            rows.append(across_seeds([its[name] for its in trainings]))
    return rows


def figure(study: Study, rows: list[Row]):
    """Shares of inactive units above, changes of loss below."""
    from receptive.figures import claims

    shares = [row for row in rows if row.what == "share inactive"]
    changes = [row for row in rows if row.what != "share inactive"]
    return claims.panels([(shares, "share of first-pool units"), (changes, "change of loss (nats)")])


def _rows(study: Study, network: str) -> dict[str, Row]:
    its = artifacts.read_ablation(network)
    paper = INACTIVE.get(network.split("-")[0], {})
    inactive, units, images = len(its["inactive_units"]), its["units"], its["images"]
    before, untrained_units = _inactive_before_training(study, network, its["layer"], its["threshold"])
    rows = {
        "share": measured(
            network, "share inactive", share(inactive, units), "units", control=share(before, untrained_units),
            units=units, images=images, published=paper["inactive"] / 64 if paper else None, decides=False,
            reason=f"{inactive} of {units} units, {before} before training",
        ),
    }  # fmt: skip
    control = its["control"]
    sets = (control["mean"], control["low"], control["high"])
    for name, key, decides in (("dL", "delta_loss", network.startswith(FIRST)), ("dL_rnd", "delta_loss_random", False)):
        published = paper.get(key)
        if its[key] is None:
            reason = f"no inactive unit: the weakest reaches {its['weakest_maximum']:.2g}"
            rows[name] = not_measured(
                network, name, reason, published=published, units=units, images=images, decides=decides
            )
            continue
        rows[name] = measured(
            network, name, (its[key], *its[f"{key}_interval"]), "images", control=sets, units=inactive, images=images,
            published=published, decides=decides, reason=f"control: {control['units_each']} active units a set",
        )  # fmt: skip
    key = "delta_loss_random_active"
    if its[key] is not None:
        rows["active"] = measured(
            network, "the same noise on one active unit a mini-batch", (its[key], *its[f"{key}_interval"]), "images",
            control=sets, units=units - inactive, images=images, decides=False,
            reason=f"control: sets of {control['units_each']} active",
        )  # fmt: skip
    return rows


def _more_inactive(one: Row, other: Row) -> Row:
    counts = [round(row.value * row.units) for row in (one, other)]
    return measured(
        f"{one.network} - {other.network}", "share inactive",
        difference_of_shares(counts[0], one.units, counts[1], other.units), "units",
        control=one.control - other.control, units=one.units + other.units, images=one.images,
        published=one.published - other.published,
    )  # fmt: skip


def _more_harm(one: Row, other: Row) -> Row:
    name = f"{one.network} - {other.network}"
    published = one.published - other.published
    for row in (one, other):
        if row.value is None:
            return not_measured(name, "dL", f"{row.network}: {row.reason}", published=published)
    estimate = apart(*(Estimate(row.value, row.low, row.high) for row in (one, other)))
    return measured(name, "dL", estimate, "images", images=one.images, published=published)


def _inactive_before_training(study: Study, network: str, layer: str, threshold: float) -> tuple[int, int]:
    """How many of how many units of the layer no validation image excites in the untrained network."""
    import torch

    from receptive.loading import Batches, normalised
    from receptive.methods.ablation import inactive_units
    from receptive.methods.capture import for_inference, responses_to
    from receptive.parallel.device import pick_device

    net, normalisation, _ = artifacts.read_network(network, trained=False)
    device = pick_device(study.params.device)
    net, normalisation = for_inference(net).to(device), normalisation.to(device)
    prepared = artifacts.read_images(study.params, network)
    largest = None
    for _, images in normalised(Batches(prepared, "validation", study.params.claims.batch_size, device), normalisation):
        found = responses_to(net, images, [layer])[layer].amax((0, 2, 3))
        largest = found if largest is None else torch.maximum(largest, found)
    return len(inactive_units(largest.cpu().numpy(), threshold)), len(largest)
