"""The card of each layer: fifteen grating properties of every unit, trained and before training, and their summary."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from receptive.artifacts.selectivity import Card
from receptive.errors import ReceptiveError
from receptive.measurements.selectivity import in_state
from receptive.measurements.subject import Subject
from receptive.methods.capture import capture
from receptive.methods.inference import Estimate, median_interval, share
from receptive.methods.selectivity import (
    LUMINANCE,
    Condition,
    Cycle,
    centre_responses,
    follows_phase,
    gratings,
    over_phases,
)
from receptive.methods.selectivity_card import (
    OF_SIZE,
    PROPERTIES,
    SMALLEST_FIELD,
    at_best,
    diameters,
    disc,
    frequencies,
    preferred,
    size_response,
    size_tuning,
    tuning,
)
from receptive.networks.layers import Layer, select_layers
from receptive.params.sections import Selectivity as Settings
from receptive.params.sections import SelectivityCard

STATES = ("trained", "untrained")
CARDINAL = 22.5
"""Degrees from horizontal or vertical within which a preferred orientation counts as one of the two (De Valois, Yund &
Hepler 1982, whose classes are 45 degrees wide). Half of all orientations are."""
COLOUR = {"colour_index": "median", "double_opponent": "share"}
"""Columns of units.parquet that the card repeats below the fifteen, and their statistic."""

_NOBODY = "no unit answers luminance gratings"
_REASONS = {
    "orientation_bandwidth": "no unit's orientation curve falls to 1/sqrt(2) of its peak on both sides",
    "variance_bandwidth_ratio": "no unit has an orientation bandwidth",
    "peak_frequency": "every unit answers the lowest or the highest frequency most",
    "frequency_bandwidth": "no unit's frequency curve falls to 1/sqrt(2) of its peak on both sides",
    "modulation_ratio": "no unit's mean response is above 0",
    "maximum_response": _NOBODY,
    "summation_field": "every unit answers the smallest disc as much as larger ones",
    "surround_diameter": "no unit's response falls by a tenth from its best disc to the largest",
}
"""Why nothing is measured in a layer whose units answer gratings."""


def measure(subject: Subject, units: pd.DataFrame, settings: Settings, seed: int, device: torch.device) -> Card:
    """The card of the chosen layers (``card_layers``) in every state of ``STATES``.

    Args:
        subject: as for ``measurements.selectivity.measure``.
        units: units.parquet of that measurement. Units without an OSI there answer no luminance grating.
        device: where the stimuli are passed.
    """
    chosen = settings.card.layers.get(subject.base)
    layers = card_layers(subject.layers, chosen, subject.image_size)
    tables, rows = [], []
    for state in STATES:
        seen = in_state(subject, state, seed).for_inference(device)
        for layer in layers:
            known = units[(units["state"] == state) & (units["layer"] == layer.name)].sort_values("unit")
            measured, reason = of_layer(seen, layer, known["osi"].notna().to_numpy(), settings)
            head = {"network": subject.name, "state": state, **layer.heading()}
            tables.append(pd.DataFrame({**head, "unit": np.arange(len(known)), **measured}))
            rows += card_rows(head, measured, known, reason, settings.card)
    return Card(pd.DataFrame(rows), pd.concat(tables, ignore_index=True))


def card_layers(layers: list[Layer], chosen: list[str] | None, image_size: int) -> list[Layer]:
    """The layers that have a card.

    Args:
        chosen: names or words (``networks.layers.select_layers``). None: the first two convolutions, and the deepest
            one that sees at most half of the image's side.

    Raises:
        ReceptiveError: there is no such layer, or it is no convolution whose responses can be read.
    """
    usable = [layer for layer in layers if layer.kind == "conv" and layer.readable]
    if chosen is None:
        return list(dict.fromkeys(usable[:2] + [layer for layer in usable if layer.fits(image_size / 2)][-1:]))
    selected = select_layers(layers, chosen, image_size)
    for layer in selected:
        if layer not in usable:
            known = ", ".join(layer.alias for layer in usable)
            raise ReceptiveError(f"selectivity.card.layers: '{layer.alias}' has no card: choose among {known}")
    return selected


# ---------------------------------------------------------------- one layer


def of_layer(
    subject: Subject, layer: Layer, answers: np.ndarray, settings: Settings
) -> tuple[dict[str, np.ndarray], str]:
    """The columns ``PROPERTIES`` of every unit of a layer, and why it has no properties of size ("" where it has).

    Args:
        subject: for inference.
        answers: (unit,), bool: the units that luminance gratings move.
    """
    card, side = settings.card, _side(layer)
    view = _View(subject, layer, settings)
    shown = frequencies(min(side, subject.image_size), subject.image_size, card.per_octave)
    turned = [180 * at / card.orientations for at in range(card.orientations)]
    conditions = [Condition(LUMINANCE, angle, float(f)) for f in shown for angle in turned]
    cycle, grey = view.cycle(conditions, card.phases), view.grey()
    columns = tuning(cycle, grey, card.orientations, shown, answers)

    orientation, frequency = preferred(cycle, grey, card.orientations)
    place = frequency * card.orientations + orientation
    best = [conditions[at] for at in np.unique(place[answers])]
    own = np.searchsorted(np.unique(place[answers]), place).clip(max=max(0, len(best) - 1))  # of each unit, in best
    units = np.arange(len(answers))
    if best:
        found = view.cycle(best, card.modulation_phases)
        columns |= at_best(Cycle(found.mean[own, units][None], found.first[own, units][None]), answers)
    else:
        columns |= {name: np.full(len(units), np.nan) for name in PROPERTIES if name not in columns}
    reason = _no_discs(layer, side, subject.image_size)
    sizes = {name: np.full(len(units), np.nan) for name in OF_SIZE}
    if best and not reason:
        discs, follows = diameters(side, card.discs), follows_phase(cycle, grey)
        of_discs = view.cycles(best, card.phases, [*discs[:-1], None])  # the largest covers all that a unit sees
        responses = [size_response(found, grey, follows)[own, units] for found in of_discs]
        sizes = size_tuning(np.where(answers, np.stack(responses), np.nan), discs)
    return {name: (columns | sizes)[name] for name in PROPERTIES}, reason


def _side(layer: Layer) -> int:
    """The longer side of the receptive field, px."""
    return max(
        length if axis is None else axis.size
        for axis, length in zip((layer.field.y, layer.field.x), layer.field.image_size, strict=True)
    )


def _no_discs(layer: Layer, side: int, image_size: int) -> str:
    if not layer.fits(image_size):
        return f"a unit sees {side} px, and the image of {image_size} px does not hold that"
    if side < SMALLEST_FIELD:
        return f"a unit sees {side} px: too few for discs of several sizes"
    return ""


class _View:
    """Stimuli for the unit at the middle of a layer's map, on the smallest image that gives its response.

    What a unit answers depends on its receptive field alone, so an image in which the middle unit's field lies gives
    the same as the whole one, and takes a fraction of the time.
    """

    def __init__(self, subject: Subject, layer: Layer, settings: Settings):
        self.subject, self.layer, self.settings = subject, layer, settings
        self.size, self.centre = self._smallest()

    def grey(self) -> np.ndarray:
        """The responses to the background, (unit,)."""
        image = torch.full((1, self.subject.channels, self.size, self.size), self.settings.background)
        return self._responses(image)[0].astype(np.float64)

    def cycle(self, conditions: list[Condition], phases: int) -> Cycle:
        """The responses to gratings that fill the image over a cycle of phases, condition x unit."""
        return self.cycles(conditions, phases, [None])[0]

    def cycles(self, conditions: list[Condition], phases: int, diameters: Sequence[float | None]) -> list[Cycle]:
        """The same in discs around the field's centre, one cycle per diameter.

        Args:
            diameters: px; None: the gratings fill the image.
        """
        background, together = self.settings.background, max(1, 8 * self.settings.batch_size // phases)
        windows = [None if of is None else disc(of, self.centre, self.size) for of in diameters]
        # luminance changes all channels alike
        amplitude = self.settings.amplitude / self.subject.channels**0.5
        parts: list[list[Cycle]] = [[] for _ in windows]
        for start in range(0, len(conditions), together):
            batch = conditions[start : start + together]
            images = gratings(batch, phases, self.size, amplitude, background, channels=1).flatten(0, 1)
            for window, part in zip(windows, parts, strict=True):
                shown = images if window is None else background + window * (images - background)
                responses = self._responses(shown.expand(-1, self.subject.channels, -1, -1))
                part.append(over_phases(responses.reshape(len(batch), phases, -1)))
        return [Cycle(*(np.concatenate(of) for of in zip(*part, strict=True))) for part in parts]

    def _responses(self, images: Tensor) -> np.ndarray:
        subject = self.subject
        normalised = subject.normalisation(images.to(subject.device, memory_format=torch.channels_last))
        return centre_responses(subject.network, normalised, [self.layer.name])[self.layer.name].cpu().numpy()

    def _smallest(self) -> tuple[int, tuple[float, float]]:
        """Side of that image, px, and the centre of the middle unit's field in it (y, x)."""
        whole, field = self.subject.image_size, self.layer.field
        smallest = whole
        # a mean image belongs to images of one size
        if self.layer.fits(whole) and self.subject.normalisation.get_buffer("shift").shape[-1] == 1:
            smallest = _side(self.layer)
        for size in range(smallest, whole + 1):
            y, x = (count // 2 for count in self._map_size(size))
            top, left, bottom, right = field.box(y, x)
            if size == whole or (min(top, left) >= 0 and max(bottom, right) <= size):
                return size, replace(field, image_size=(size, size)).centre(y, x)
        raise AssertionError("the whole image is among the sizes")

    def _map_size(self, size: int) -> tuple[int, int]:
        image = torch.zeros(1, self.subject.channels, size, size, device=self.subject.device)
        name = self.layer.name
        with torch.no_grad(), capture(self.subject.network, [name], lambda _, of: of.shape[2:], stop=True) as shapes:
            self.subject.network(image)
        return tuple(shapes[name])


# ---------------------------------------------------------------- the summary


def card_rows(
    head: dict[str, str | int],
    measured: dict[str, np.ndarray],
    known: pd.DataFrame,
    no_discs: str,
    settings: SelectivityCard,
) -> list[dict[str, object]]:
    """The rows of card.parquet of one layer in one state: the fifteen, then ``COLOUR``.

    Medians have distribution-free intervals, shares Wilson's; both are over units, taken for independent.

    Args:
        head: the columns that say which layer in which state.
        measured: of ``of_layer``.
        known: the layer's rows of units.parquet in this state.
        no_discs: of ``of_layer``.
        settings: what the gratings were.
    """
    answers = known["osi"].notna().any()
    rows = []
    for name, values in measured.items():
        values = _cardinal(values) if name == "preferred_orientation" else values
        nothing = _REASONS.get(name, _NOBODY) if answers else _NOBODY
        if name in OF_SIZE and no_discs:
            nothing = no_discs
        remark = _narrow(name, values, settings) if np.isfinite(values).any() else nothing
        rows.append(_row(head, name, PROPERTIES[name].statistic, values, remark))
    for name, statistic in COLOUR.items():
        values = known[name].astype("Float64").to_numpy(float, na_value=np.nan)
        nothing = "its images have no colour" if known["colour_axis"].isna().all() else "no unit answers colour"
        rows.append(_row(head, name, statistic, values, "" if np.isfinite(values).any() else nothing))
    return rows


def _narrow(name: str, values: np.ndarray, settings: SelectivityCard) -> str:
    """How many units have a bandwidth that the gratings are too far apart to resolve; "" for none."""
    steps = {"orientation_bandwidth": 180 / settings.orientations, "frequency_bandwidth": 1 / settings.per_octave}
    count = int((values < steps.get(name, -np.inf)).sum())
    if not count:
        return ""
    return f"{count} narrower than the step of {steps[name]:.3g} {PROPERTIES[name].unit} between gratings"


def _cardinal(orientations: np.ndarray) -> np.ndarray:
    """1 for orientations within ``CARDINAL`` degrees of horizontal or vertical, 0 for others, NaN for none."""
    away = np.abs((orientations + 45) % 90 - 45)
    return np.where(np.isnan(orientations), np.nan, away <= CARDINAL)


def _row(head: dict[str, str | int], name: str, statistic: str, values: np.ndarray, remark: str) -> dict[str, object]:
    found = values[~np.isnan(values)]
    if statistic == "share":
        value = share(int(found.sum()), len(found)) if len(found) else Estimate(np.nan, np.nan, np.nan)
        quartiles = np.full(2, np.nan)
    else:
        value = median_interval(found)
        quartiles = np.quantile(found, [0.25, 0.75]) if len(found) else np.full(2, np.nan)
    return {
        **head,
        "property": name,
        "statistic": statistic,
        **value._asdict(),
        "lower": quartiles[0],
        "upper": quartiles[1],
        "measured": len(found),
        "units": len(values),
        "reason": remark,
    }
