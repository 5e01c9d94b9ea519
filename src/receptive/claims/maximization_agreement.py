"""Claim 5: mean preferred stimuli agree with activation maximization in low layers, and lose detail in high ones."""

from dataclasses import dataclass

import numpy as np
import torch

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.identity import correlations, identity_test, own_and_others
from receptive.methods.image_statistics import high_frequency_share
from receptive.methods.inference import bootstrap, difference, paired_difference

NUMBER = 5
TITLE = "Mean stimuli and maximised images"
STATEMENT = (
    "In low layers the mean preferred stimulus of a neuron looks like the image that maximises it; in high layers it "
    "shows only a broad tendency where the maximised image shows detail."
)
SOURCE = "KS 3.4, figures 5, 7 and 8"
STATISTIC = (
    "Agreement: correlation, over the receptive field, of a unit's mean stimulus (less the mean of all patches) with "
    "its own maximised image (less its start), minus that with the maximised images of the layer's other shown units. "
    "Detail: share of energy above 0.25 cycles a pixel; what the mean stimulus has of it as a part of what the "
    "natural patches have, in the lowest of the shown layers minus the highest; and the maximised image's share minus "
    "the mean stimulus's in the highest. Means over units. What a mean of few patches keeps by accident has the "
    "natural patches' detail: there are fewer in high layers, which speaks against the claim."
)
CONTROL = (
    "Agreement: the correlation with the other units' images; p is of permuting the units. Detail: the same difference "
    "for the maximised images, and the natural patches' share in place of the mean stimulus's."
)
RULE = (
    "ResNet34 decides, as in KS's figures: agreement in the lowest shown layer, and both measures of detail. Supported "
    "where all three intervals over units lie above 0. The maximised images are those with redirected gradients, "
    "which every shown unit has; KS's own setting leaves many units without a gradient and is shown beside."
)
NETWORK = "resnet34"
PRESETS = {"ks_redirected": "", "ks": ", KS's setting"}
NATURAL_IMAGES = 100
"""Validation images, the first ones, that natural patches are cut from."""
LOSS, BROAD = "detail lost from low to high", "detail of maximised minus mean, highest layer"


@dataclass(frozen=True)
class Unit:
    """One unit's pictures on the same pixels.

    Attributes:
        mean: mean preferred stimulus less the mean of all patches, y x x x channel.
        maximised: maximised image less its start, likewise; None where maximization gave none.
    """

    unit: int
    mean: np.ndarray
    maximised: np.ndarray | None


@dataclass(frozen=True)
class Shown:
    """A layer whose neurons were maximised.

    Attributes:
        alias, depth: of the layer; units: its units; natural: mean share of fine detail in natural patches of the same
            size (the same pixels of validation images, less the mean of all patches).
    """

    alias: str
    depth: int
    units: list[Unit]
    natural: float


def measure(study: Study) -> list[Row]:
    """Agreement by layer and loss of detail of every network that has shown layers with mean stimuli."""
    rows = []
    if reason := study.missing(NETWORK):
        rows = [not_measured(NETWORK, what, reason) for what in ("agreement, lowest layer", LOSS, BROAD)]
    for network in dict.fromkeys([NETWORK, *study.networks]):
        if network not in study.networks:
            continue
        rows += study.across(_rows, network, given=(network == NETWORK,))
    return rows


def figure(study: Study, rows: list[Row]):
    """Mean stimuli beside maximised images in the lowest and the highest layer, detail by depth, and the rows."""
    from receptive.figures import maximization_agreement as figures

    network = NETWORK if NETWORK in study.networks else study.networks[0]
    shown = _layers(study, network)
    pictures = {layer.alias: layer.units for layer in shown[:1] + shown[1:][-1:]}
    return figures.agreement(network, pictures, {name: _detail(study, name) for name in study.networks}, rows)


def _rows(study: Study, network: str, decides: bool) -> list[Row]:
    shown = _layers(study, network)
    if not shown:
        reason = "no shown layer has both mean stimuli and maximised neurons"
        return [not_measured(network, what, reason, decides=decides) for what in ("agreement", LOSS, BROAD)]
    rows = []
    for preset, words in PRESETS.items():
        for place, layer in enumerate(_layers(study, network, preset)):
            first = place == 0 and not words
            rows.append(_agreement(study, network, f"agreement, {layer.alias}{words}", layer.units, decides and first))
    low, high = shown[0], shown[-1]
    rows += [_loss(study, network, low, high, decides), _broad(study, network, high, decides)]
    return rows


def _loss(study: Study, network: str, low: Shown, high: Shown, decides: bool) -> Row:
    """How much less of the natural detail mean stimuli have in the highest shown layer than in the lowest."""
    if low.alias == high.alias:
        return not_measured(network, LOSS, f"mean stimuli and maximised neurons of {low.alias} alone", decides=decides)
    found = {}
    for name in ("mean", "maximised"):
        chance = study.chance("agreement", network, "loss", name)
        kept = [_kept(layer, name) for layer in (low, high)]
        found[name] = difference(*kept, chance, resamples=study.params.claims.resamples)
    return measured(
        network,
        LOSS,
        found["mean"],
        "units",
        control=found["maximised"],
        units=len(high.units),
        decides=decides,
        reason=f"from {low.alias} to {high.alias}",
    )


def _broad(study: Study, network: str, high: Shown, decides: bool) -> Row:
    """How much more detail maximised images have than mean stimuli, and than natural patches, in the highest layer."""
    both = [unit for unit in high.units if unit.maximised is not None and np.isfinite(unit.mean).all()]
    if len(both) < 2:
        return not_measured(network, BROAD, f"{len(both)} units have both images", decides=decides)
    maximised, means = (_share([getattr(unit, name) for unit in both]) for name in ("maximised", "mean"))
    found = []
    for name, other in (("mean", means), ("natural", np.full(len(both), high.natural))):
        chance = study.chance("agreement", network, "broad", name)
        found.append(paired_difference(maximised, other, chance, resamples=study.params.claims.resamples))
    return measured(
        network, BROAD, found[0], "units", control=found[1], units=len(both), decides=decides, reason=high.alias
    )


def _agreement(study: Study, network: str, what: str, units: list[Unit], decides: bool) -> Row:
    there = [unit for unit in units if unit.maximised is not None]
    if len(there) < 2:
        few = f"{len(there)} of {len(units)} units have a maximised image: the others had no gradient or diverged"
        return not_measured(network, what, few, decides=decides)
    flat = [np.stack([getattr(unit, name).ravel() for unit in there]) for name in ("mean", "maximised")]
    similarity = correlations(*flat)
    own, others = own_and_others(similarity)
    known = np.isfinite(own)
    draws = study.params.claims.permutations
    _, p_value = identity_test({(0, 1): similarity}, study.chance("agreement", network, what, "labels"), draws)
    resamples = study.params.claims.resamples
    return measured(
        network,
        what,
        paired_difference(own[known], others[known], study.chance("agreement", network, what), resamples=resamples),
        "units",
        control=bootstrap(others[known], rng=study.chance("agreement", network, what, "others"), resamples=resamples),
        units=int(known.sum()),
        p_value=p_value,
        decides=decides,
        reason=f"own correlation {own[known].mean():.2f}",
    )


def _layers(study: Study, network: str, preset: str = "ks_redirected") -> list[Shown]:
    """Every layer whose neurons were maximised and whose mean stimuli are known, low layers first."""
    results, images = artifacts.read_maximization(network)
    prepared = artifacts.read_images(study.params, network)
    validation = prepared.labels.loc[prepared.labels["split"] == "validation", "image"].head(NATURAL_IMAGES).to_numpy()
    natural = prepared.images[validation] / 255
    start = _start(network, prepared.images.shape)
    found = []
    for layer in artifacts.read_layers(network):
        its = results[
            (results["layer"] == layer.name) & (results["objective"] == "neuron") & (results["preset"] == preset)
        ]
        if its.empty:
            continue
        if not artifacts.is_mined(network, layer.name):
            continue
        stimuli = artifacts.read_stimuli(network, layer.name)
        if stimuli["mean_interior"].ndim < 4:
            continue
        pictures = images[artifacts.maximization_group(layer.name, "neuron", preset, its["initialisation"].iloc[0])]
        box = its[["top_px", "left_px", "bottom_px", "right_px"]].iloc[0].to_numpy()
        window, place = _inside(box, start.shape)
        units = []
        for row, picture in zip(its.itertuples(), pictures, strict=True):
            mean = (stimuli["mean_interior"][row.unit] - stimuli["baseline_interior"])[window]
            units.append(Unit(int(row.unit), mean, picture - start[place] if row.status == "ok" else None))
        patches = natural[:, *place] - stimuli["baseline_interior"][window]
        found.append(Shown(layer.alias, layer.depth, units, float(np.nanmean(high_frequency_share(patches)))))
    return found


def _start(network: str, shape: tuple) -> np.ndarray:
    """The zero image as pixels, y x x x channel: what KS's maximization starts from."""
    _, height, width, channels = shape
    zero = torch.zeros(1, channels, height, width)
    return artifacts.read_normalisation(network).inverse(zero)[0].movedim(0, -1).numpy()


def _inside(box: np.ndarray, shape: tuple) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a box inside the image: in the box's own pixels, and in the image's."""
    top, left, bottom, right = (int(edge) for edge in box)
    place = slice(max(0, top), min(bottom, shape[0])), slice(max(0, left), min(right, shape[1]))
    return (
        slice(place[0].start - top, place[0].stop - top),
        slice(place[1].start - left, place[1].stop - left),
    ), place


def _share(pictures: list[np.ndarray]) -> np.ndarray:
    return high_frequency_share(np.stack(pictures)) if pictures else np.zeros(0)


def _kept(layer: Shown, name: str) -> np.ndarray:
    """Fine detail of the units' pictures as a part of what natural patches have; units without a picture left out."""
    there = [unit for unit in layer.units if getattr(unit, name) is not None and np.isfinite(unit.mean).all()]
    return _share([getattr(unit, name) for unit in there]) / layer.natural


def _detail(study: Study, network: str) -> dict[str, list[tuple[int, np.ndarray]]]:
    """For the figure: by kind of picture the depth of each shown layer and the shares of its units."""
    kinds = {"mean": [], "maximised": [], "natural": []}
    for layer in _layers(study, network):
        for name in ("mean", "maximised"):
            kinds[name].append((layer.depth, _kept(layer, name) * layer.natural))
        kinds["natural"].append((layer.depth, np.array([layer.natural])))
    return kinds
