"""Claim 5: mean preferred stimuli agree with activation maximization in low layers, and lose detail in high ones."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from receptive.claims.row import Row, measured, not_measured
from receptive.claims.study import Study
from receptive.methods.identity import correlations, identity_test, own_and_others
from receptive.methods.image_statistics import high_frequency_share, shared_high_frequency_share
from receptive.methods.inference import bootstrap, difference, paired_difference
from receptive.methods.mean_stimulus import other_half
from receptive.methods.receptive_field.fields import BOX

NUMBER = 5
TITLE = "Mean stimuli and maximized images"
STATEMENT = (
    "In low layers the mean preferred stimulus of a neuron looks like the image that maximizes it; in high layers it "
    "shows only a broad tendency where the maximized image shows detail."
)
SOURCE = "KS 3.4, figures 5, 7 and 8"
STATISTIC = (
    "Agreement: correlation, over the receptive field, of a unit's mean stimulus (less the mean of all patches) with "
    "its own maximized image (less its start), minus that with the maximized images of the layer's other shown units. "
    "Detail: share of energy above 0.25 cycles per pixel; what the mean stimuli of all units have of it as a part of "
    "what the natural patches have, in the lowest of the shown layers minus the highest; and the maximized image's "
    "share minus the mean stimulus's in the highest. Means over units. What a mean of few patches keeps by accident is "
    "taken out: the share is that of the cross spectrum of the mean stimuli of two halves of the images."
)
CONTROL = (
    "Agreement: the correlation with the other units' images; p is of permuting the units. Detail: the same difference "
    "for the maximized images, and the natural patches' share in place of the mean stimulus's."
)
RULE = (
    "ResNet34 decides, as in KS's figures: agreement in the lowest shown layer, and both measures of detail. "
    "The maximized images are those with redirected gradients, "
    "which every shown unit has; KS's own setting leaves many units without a gradient and is shown beside."
)
NETWORK = "resnet34"
NATURAL_IMAGES = 100
"""Validation images, the first ones, that natural patches are cut from."""


class Quantity(StrEnum):
    """What is compared."""

    AGREEMENT = "agreement"
    AGREEMENT_KS = "agreement, KS's setting"
    LOSS = "detail lost from low to high"
    BROAD = "detail of maximized minus mean, highest layer"


PRESETS = {Quantity.AGREEMENT: "ks_redirected", Quantity.AGREEMENT_KS: "ks"}
"""The settings of the maximized images that agreement is with."""
KINDS = ("mean", "maximized")
"""The two pictures of a unit."""


@dataclass(frozen=True)
class Unit:
    """One unit's pictures on the same pixels.

    Attributes:
        unit: its number.
        mean: mean preferred stimulus less the mean of all patches, y x x x channel.
        maximized: maximized image less its start, likewise; None where maximization gave none.
    """

    unit: int
    mean: np.ndarray
    maximized: np.ndarray | None


@dataclass(frozen=True)
class Shown:
    """A layer whose neurons were maximized.

    Attributes:
        alias, depth: of the layer.
        units: its units whose neurons were maximized.
        kept: share of fine detail in the mean stimulus of every unit of the layer, without noise (unit,); NaN where
            there is mostly noise.
        natural: mean share of fine detail in natural patches of the same size (the same pixels of validation images,
            less the mean of all patches).
    """

    alias: str
    depth: int
    units: list[Unit]
    kept: np.ndarray
    natural: float

    def detail(self, kind: str) -> np.ndarray:
        """Share of energy in fine detail, (unit,); units without such a picture left out.

        Args:
            kind: "mean" of all units, or "maximized" of those that were.
        """
        if kind == "mean":
            return self.kept[np.isfinite(self.kept)]
        pictures = [unit.maximized for unit in self.units if unit.maximized is not None]
        return high_frequency_share(np.stack(pictures)) if pictures else np.zeros(0)


def measure(study: Study) -> list[Row]:
    """Agreement by layer and loss of detail of every network that has shown layers with mean stimuli."""
    rows = []
    if reason := study.missing(NETWORK):
        lowest = not_measured(Quantity.AGREEMENT, reason, what="agreement, lowest layer", networks=(NETWORK,))
        rows = [lowest, *(not_measured(it, reason, networks=(NETWORK,)) for it in (Quantity.LOSS, Quantity.BROAD))]
    for network in dict.fromkeys([NETWORK, *study.networks]):
        if network in study.networks:
            rows += study.across(_of_training, network, given=(network == NETWORK,))
    return rows


def shown_layers(study: Study, training: str, quantity: Quantity = Quantity.AGREEMENT) -> list[Shown]:
    """Every layer whose neurons were maximized and whose mean stimuli are known, low layers first.

    Args:
        quantity: key of ``PRESETS``.
    """
    by_layer = study.maximized(training, "neuron", PRESETS[quantity])
    prepared = study.images(training)
    validation = prepared.labels.loc[prepared.labels["split"] == "validation", "image"].head(NATURAL_IMAGES).to_numpy()
    natural = prepared.images[validation] / 255
    shown = []
    for layer in study.layers(training):
        stimuli = study.stimuli(training, layer.name) if layer.name in by_layer else None
        if stimuli is None or stimuli["mean_interior"].ndim < 4:
            continue
        maximized = by_layer[layer.name]
        window, place = _inside(maximized.results[list(BOX)].iloc[0].to_numpy(), natural.shape[1:3])
        baseline = stimuli["baseline_interior"][window]
        units = []
        for number, status, picture, start in zip(
            maximized.results["unit"], maximized.results["status"], maximized.images, maximized.starts, strict=True
        ):
            mean = stimuli["mean_interior"][number][window] - baseline
            units.append(Unit(int(number), mean, picture - start if status == "ok" else None))
        patches = natural[:, *place] - baseline
        of_patches = float(np.nanmean(high_frequency_share(patches)))
        shown.append(Shown(layer.alias, layer.depth, units, kept_detail(stimuli, window), of_patches))
    return shown


def kept_detail(stimuli: dict[str, np.ndarray], window: tuple[slice, slice]) -> np.ndarray:
    """Share of fine detail in the mean stimulus of each unit, by two halves of the images (unit,).

    Each half is taken less its own mean of all patches.

    Args:
        stimuli: arrays of stage stimuli for a layer.
        window: the pixels that count.
    """
    share = float(stimuli["half_share_interior"])
    one, of_one = stimuli["half_interior"], stimuli["half_baseline_interior"]
    other = other_half(stimuli["mean_interior"], stimuli["count_interior"], one, stimuli["half_count_interior"])
    of_other = (stimuli["baseline_interior"] - share * of_one) / (1 - share)
    halves = [(mean - baseline)[:, *window] for mean, baseline in ((one, of_one), (other, of_other))]
    return shared_high_frequency_share(*halves)


def _of_training(study: Study, training: str, decides: bool) -> list[Row]:
    layers = {quantity: shown_layers(study, training, quantity) for quantity in PRESETS}
    shown = layers[Quantity.AGREEMENT]
    if not shown:
        reason = "no shown layer has both mean stimuli and maximized neurons"
        quantities = (Quantity.AGREEMENT, Quantity.LOSS, Quantity.BROAD)
        return [not_measured(quantity, reason, decides=decides) for quantity in quantities]
    rows = [
        _agreement(study, training, quantity, layer, decides and quantity == Quantity.AGREEMENT and place == 0)
        for quantity, of_preset in layers.items()
        for place, layer in enumerate(of_preset)
    ]
    return [
        *rows, _loss(study, training, shown[0], shown[-1], decides), _broad(study, training, shown[-1], decides)
    ]  # fmt: skip


def _agreement(study: Study, training: str, quantity: Quantity, layer: Shown, decides: bool) -> Row:
    """How much more a unit's two pictures are alike than those of different units."""
    words = f"agreement, {layer.alias}" + (", KS's setting" if quantity == Quantity.AGREEMENT_KS else "")
    facts: dict[str, Any] = {"what": words, "layer": layer.alias, "decides": decides}
    units = [unit for unit in layer.units if unit.maximized is not None]
    if len(units) < 2:
        few = f"{len(units)} of {len(layer.units)} units have a maximized image: the others had no gradient or diverged"
        return not_measured(quantity, few, **facts)
    flat = [np.stack([getattr(unit, kind).ravel() for unit in units]) for kind in KINDS]
    similarity = correlations(*flat)
    own, others = own_and_others(similarity)
    has_both = np.isfinite(own)
    settings = study.params.claims
    _, p_value = identity_test(
        {(0, 1): similarity}, study.chance("agreement", training, words, "labels"), settings.permutations
    )
    estimate = paired_difference(
        own[has_both],
        others[has_both],
        study.chance("agreement", training, words),
        method="studentized",
        resamples=settings.resamples,
    )
    rng = study.chance("agreement", training, words, "others")
    return measured(
        quantity,
        estimate,
        "units",
        control=bootstrap(others[has_both], rng=rng, resamples=settings.resamples),
        units=int(has_both.sum()),
        p_value=p_value,
        reason=f"own correlation {own[has_both].mean():.2f}",
        **facts,
    )


_DRAWS = {"mean": "mean", "maximized": "maximised"}
"""Random draws keep the first names of the two kinds of picture."""


def _loss(study: Study, training: str, low: Shown, high: Shown, decides: bool) -> Row:
    """How much less of the natural detail mean stimuli have in the highest shown layer than in the lowest."""
    if low.alias == high.alias:
        reason = f"mean stimuli and maximized neurons of {low.alias} alone"
        return not_measured(Quantity.LOSS, reason, decides=decides)
    estimates = {}
    for kind in KINDS:
        rng = study.chance("agreement", training, "loss", _DRAWS[kind])
        kept_low, kept_high = (layer.detail(kind) / layer.natural for layer in (low, high))
        estimates[kind] = difference(kept_low, kept_high, rng, resamples=study.params.claims.resamples)
    return measured(
        Quantity.LOSS,
        estimates["mean"],
        "units",
        control=estimates["maximized"],
        units=len(high.detail("mean")),
        decides=decides,
        reason=f"from {low.alias} to {high.alias}",
    )


def _broad(study: Study, training: str, high: Shown, decides: bool) -> Row:
    """How much more detail maximized images have than mean stimuli, and than natural patches, in the highest layer."""
    facts: dict[str, Any] = {"layer": high.alias, "decides": decides}
    both = [unit for unit in high.units if unit.maximized is not None and np.isfinite(high.kept[unit.unit])]
    if len(both) < 2:
        return not_measured(Quantity.BROAD, f"{len(both)} units have both images", **facts)
    maximized = high_frequency_share(np.stack([unit.maximized for unit in both if unit.maximized is not None]))
    means = high.kept[[unit.unit for unit in both]]
    estimates = []
    for name, other in (("mean", means), ("natural", np.full(len(both), high.natural))):
        rng = study.chance("agreement", training, "broad", name)
        resamples = study.params.claims.resamples
        estimates.append(paired_difference(maximized, other, rng, method="studentized", resamples=resamples))
    return measured(
        Quantity.BROAD, estimates[0], "units", control=estimates[1], units=len(both), reason=high.alias, **facts
    )


def _inside(box: np.ndarray, shape: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a box inside the image: in the box's own pixels, and in the image's."""
    top, left, bottom, right = (int(edge) for edge in box)
    place = slice(max(0, top), min(bottom, shape[0])), slice(max(0, left), min(right, shape[1]))
    window = slice(place[0].start - top, place[0].stop - top), slice(place[1].start - left, place[1].stop - left)
    return window, place
