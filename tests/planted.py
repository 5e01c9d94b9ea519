"""Studies whose data are made by hand, so that the numbers of claims and the lines of figures are known."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.datasets.prepared import Prepared
from receptive.measurements.subject import Subject
from receptive.methods.receptive_field.fields import Axis, Field
from receptive.networks.layers import Layer
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.reading import load_params
from receptive.params.sections import Claims, MaximizeGroup, Training

ROOT = Path(__file__).parents[1]
SIDE = 32
MEAN = (0.5, 0.4, 0.3)
"""The pixel that planted networks see as zero."""


def repeated(*networks: str, times: int) -> dict[str, list[str]]:
    """Each network with so many trainings: {"vggcnn": ["vggcnn", "vggcnn-2"]}."""
    return {name: [name, *(f"{name}-{number}" for number in range(2, times + 1))] for name in networks}


def study(
    trainings: Iterable[str] | dict[str, list[str]],
    *,
    seed: int = 0,
    settings=None,
    drawn=None,
    noise_starts=None,
    **data,
) -> Study:
    """A study of these networks, each trained once or as listed; data by the names of ``Study``'s attributes.

    Args:
        drawn: networks with untrained draws, by the fields of params.untrained.
    """
    if not isinstance(trainings, dict):
        trainings = {name: [name] for name in trainings}
    read = load_params(ROOT / "params.yaml")
    recorded = {
        name: Training(network=network, family="family", images="planted", classes=None)
        for network, names in trainings.items()
        for name in names
    }
    claims = Claims(
        **{"resamples": 500, "permutations": 199, "same_cosine": 0.95, "angle_step": 90.0, "shuffles": 20}
        | {"batch_size": 64}
        | (settings or {})
    )
    groups = [
        MaximizeGroup(layers=["low", "high"], objective="neuron", preset=name) for name in ("ks", "ks_redirected")
    ]
    groups += [
        MaximizeGroup(layers=["scores"], objective="class", preset="tg_class", initialisation=start, starts=starts)
        for start, starts in (("noise", noise_starts), ("mean", None))
    ]
    maximize = read.maximize.model_copy(update={"groups": groups, "channels": 8})
    identity = read.identity.model_copy(update={"images": 300})
    params = read.model_copy(
        update={"models": list(trainings), "trainings": recorded, "seed": seed, "claims": claims, "channels": {}}
        | {
            "untrained": read.untrained.model_copy(
                update={"zeros": [], "energy": [], "selectivity": [], "filters": []} | (drawn or {})
            )
        }
        | {"maximize": maximize, "identity": identity, "device": "cpu"}
    )
    return Study(params, **data)


def pick(rows: list[Row], network: str, quantity: str, layer: str = "", beyond: str = "") -> Row:
    """The one row of this network or difference ("vggcnn - alexcnn"), quantity, layer and control."""
    wanted = (network, quantity, layer, beyond)
    (row,) = [row for row in rows if (row.network, row.quantity, row.layer, row.beyond) == wanted]
    return row


def layer(name: str, size: int | None, start: tuple[int, int] = (0, 0), units: int = 8, depth: int = 1) -> Layer:
    """A layer with one position that sees ``size`` px from ``start`` (y, x) on; the whole image if None."""
    axes = (None, None) if size is None else tuple(Axis(size, 1, first) for first in start)
    kind = "fc" if size is None else "conv"
    return Layer(name, name, depth, kind, units, (1, 1), Field(*axes, (SIDE, SIDE)), readable=True)


def images(count: int = 40, channels: int = 3, seed: int = 0) -> Prepared:
    """Images with detail: the first half for training, four classes in turn."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, channels)).astype(np.uint8)
    split = np.where(np.arange(count) < count // 2, "train", "validation")
    return prepared(pixels, pd.DataFrame({"image": np.arange(count), "split": split, "label": np.arange(count) % 4}))


def prepared(pixels: np.ndarray, labels: pd.DataFrame) -> Prepared:
    """A data set of four classes whose statistics play no part."""
    channels = pixels.shape[-1]
    ones, none = np.ones(channels), np.zeros(channels)
    classes = ("a", "b", "c", "d")
    return Prepared("planted", pixels, labels, classes, none, ones, np.eye(channels), np.zeros(pixels.shape[1:]))


def subject(training: str, shown: Prepared, network: nn.Module | None = None, layers: list[Layer] | None = None):
    """A network ready to be run on these images; one that sees pixels times 4 less ``MEAN``."""
    channels = shown.images.shape[-1]
    return Subject(
        name=training,
        base=training.partition("-")[0],
        network=network or nn.Identity(),
        normalisation=Normalisation(torch.tensor(MEAN[:channels])[:, None, None], 4 * torch.eye(channels)),
        layers=layers or [],
        prepared=shown,
        device=torch.device("cpu"),
        first_filters="",
        folded=True,
    )


# ---------------------------------------------------------------- tables, as stages write them

CHAIN = [("c1", 1, "conv"), ("p1", 1, "pool"), ("c2", 2, "conv"), ("c3", 3, "conv"), ("p3", 3, "pool"), ("fc", 4, "fc")]


def zeros(trained: dict[str, float], untrained: dict[str, float], count=80, seed=0, network="n") -> pd.DataFrame:
    """zeros.parquet with these means; all layers of an image share its own offset."""
    rng = np.random.default_rng(seed)
    parts = []
    for state, means, shown in (("trained", trained, count), ("untrained", untrained, count // 2)):
        offset = rng.normal(0, 0.02, shown)
        for name, depth, kind in CHAIN:
            heading = {"network": network, "state": state, "layer": name, "alias": name, "depth": depth, "kind": kind}
            parts.append(pd.DataFrame({**heading, "image": np.arange(shown), "zero_fraction": means[name] + offset}))
    return pd.concat(parts, ignore_index=True)


def energies(trained, untrained, count=60, seed=0, network="n") -> pd.DataFrame:
    """energy.parquet of c1, c2, c3 and fc: of each so much less outside the own subject than outside the others'.

    An image's own offset is in all of its shares; outside the others' subjects lies 0.6 on the average.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for state, kept in (("trained", trained), ("untrained", untrained)):
        offset = rng.normal(0, 0.05, count)
        for (name, depth, kind), less in zip([CHAIN[0], *CHAIN[2:4], CHAIN[5]], kept, strict=True):
            heading = {"network": network, "state": state, "layer": name, "alias": name, "depth": depth, "kind": kind}
            shares = {"outside_others_fraction": 0.6 + offset, "others_outside_fraction": 0.6 + offset[::-1]}
            shares["energy_outside_fraction"] = 0.6 - less + offset + offset[::-1] - offset.mean()
            parts.append(pd.DataFrame({**heading, "image": np.arange(count), **shares}))
            parts[-1]["image_energy_outside_fraction"] = 0.6
    return pd.concat(parts, ignore_index=True)


def purities(rises: dict[str, float], seed=0, count=200, mapped=("c4", "c5")) -> dict:
    """What stage embed writes of four classes: purity 0.2 in the first of three layers, rising by ``rises[state]``.

    An image has as many of its own class among its ten neighbours as the purity says, rounded at random; which they are
    is drawn. The same images are hard in all layers and states.
    """
    depths, kept = {"c1": 1, "c4": 2, "c5": 3}, 10
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    rows, by_image, neighbours = [], [], {}
    hard = rng.uniform(-0.1, 0.1, count)
    for state, rise in rises.items():
        for name, depth in depths.items():
            near = np.empty((count, kept), np.int32)
            for image in range(count):
                wanted = 0.2 + rise * (depth - 1) / 2 + hard[image]
                own = int(np.floor(kept * wanted + rng.random()))
                same = np.flatnonzero((labels == labels[image]) & (np.arange(count) != image))
                other = np.flatnonzero(labels != labels[image])
                near[image] = [*rng.choice(same, own, False), *rng.choice(other, kept - own, False)]
            value = (labels[near] == labels[:, None]).mean(1)
            heading = {"state": state, "layer": f"{name}.relu"}
            rows.append({**heading, "alias": name, "depth": depth, "kind": "conv", "value": value.mean()})
            by_image.append(pd.DataFrame({**heading, "image": np.arange(count), "label": labels, "value": value}))
            neighbours[f"{state}/{name}.relu"] = near
    layers = pd.DataFrame({"layer": [f"{name}.relu" for name in mapped]})
    tables = {"purity": pd.DataFrame(rows), "purity_images": pd.concat(by_image), "layers": layers}
    return tables | {"neighbours": neighbours}


def identities(gaps: dict[str, float], seed=0, units=(40, 60), measures=("responses", "stimuli")):
    """Tables of stage identity with so much own-minus-others by state; channels vary by 0.1 in all their pairs."""
    rng = np.random.default_rng(seed)
    rows, tests = [], []
    for state, gap in gaps.items():
        for measure in measures:
            for group, count in zip(("a", "b"), units, strict=True):
                channel = rng.normal(0, 0.1, count)
                for pair in range(3):
                    others = rng.normal(0.3, 0.05, count)
                    own = others + gap + channel + 0.1 * (pair - 1)  # farther pairs are more alike
                    heading = {"state": state, "measure": measure, "group": group, "unit": np.arange(count)}
                    depths = {"depth": pair, "other_depth": 2 * pair + 2}
                    rows.append(pd.DataFrame({**heading, **depths, "own": own, "others": others}))
            tests.append({"state": state, "measure": measure, "group": "all", "p_value": 0.25})
    table = pd.concat(rows, ignore_index=True)
    table.loc[table["unit"] == 3, "own"] = np.nan  # a dead channel in both groups
    return {"units": table, "tests": pd.DataFrame(tests)}


TUNED = [layer("a", 7), layer("b", 19), layer("c", 99)]
"""Two layers whose field fits in the image, and one whose field does not."""


def tuned(shares: dict[str, float], units: int = 40, colour: bool = True, network="n") -> pd.DataFrame:
    """units.parquet of stage selectivity, of the layers ``TUNED``.

    In every state this share of a layer's units is selective, and double opponent; two units more are silent.
    """
    parts = []
    for state, share in shares.items():
        for depth, of in enumerate(TUNED, 1):
            verdict = pd.array(np.arange(units) < share * units, dtype="boolean")
            judged = pd.DataFrame({"unit": np.arange(units), "selective": verdict, "double_opponent": verdict})
            silent = pd.DataFrame({"unit": [units, units + 1]})
            heading = {"network": network, "state": state, "layer": of.name, "alias": of.alias, "depth": depth}
            rows = pd.concat([judged, silent]).assign(**heading)
            rows["colour_index"] = 1.0 if colour else np.nan
            parts.append(rows.astype({"selective": "boolean", "double_opponent": "boolean"}))
    table = pd.concat(parts, ignore_index=True)
    return table if colour else table.assign(double_opponent=pd.array([pd.NA] * len(table), dtype="boolean"))


def ablation(inactive: int, loss: float | None) -> dict:
    """inactive.json of a network with so many inactive units, noise on which changes the loss by so much."""
    interval = None if loss is None else [loss - 0.01, loss + 0.01]
    return {
        "inactive_units": list(range(inactive)), "units": 64, "images": 1000, "layer": "pool", "threshold": 0.0,
        "weakest_maximum": 0.5, "delta_loss": loss, "delta_loss_interval": interval, "delta_loss_random": loss,
        "delta_loss_random_interval": interval, "delta_loss_random_active": 0.003,
        "delta_loss_random_active_interval": [-0.001, 0.01],
        "control": {"units_each": max(1, inactive), "mean": 0.02, "low": 0.01, "high": 0.03},
    }  # fmt: skip


# ---------------------------------------------------------------- maximized images


def smooth(rng: np.random.Generator, units: int, size: int) -> np.ndarray:
    """Broad shapes: a slow wave per unit, of random direction and phase; unit x y x x x channel."""
    y, x = np.mgrid[:size, :size] / size
    waves = []
    for _ in range(units):
        angle, phase = rng.random(2) * 2 * np.pi
        waves.append(np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) + phase))
    return 0.1 * np.repeat(np.array(waves)[..., None], 3, -1)


def mean_stimuli(rng: np.random.Generator, means: np.ndarray, baseline: np.ndarray, noise: float) -> dict:
    """Arrays of stage stimuli: a mean over a baseline, with noise of its own in each half of the images.

    The first half has a third of the patches.
    """
    halves = [baseline + means + noise * rng.normal(size=means.shape) for _ in range(2)]
    counts = np.full((2, len(means)), [[100], [200]])
    differs = 0.1 * rng.normal(size=baseline.shape)  # the halves' other patches, too
    of_halves = baseline - differs, baseline + differs / 2
    halves = [half + of - baseline for half, of in zip(halves, of_halves, strict=True)]
    return {
        "mean_interior": (halves[0] + 2 * halves[1]) / 3, "count_interior": counts.sum(0),
        "baseline_interior": (of_halves[0] + 2 * of_halves[1]) / 3, "half_interior": halves[0],
        "half_count_interior": counts[0], "half_baseline_interior": of_halves[0],
        "half_share_interior": np.array(1 / 3),
    }  # fmt: skip


def maximized_neurons(
    networks=("resnet34",), agrees=True, top_loses_detail=True, statuses=None, boxes=None, units=8,
    with_stimuli=("low", "high"), noise=0.0,
) -> Study:  # fmt: skip
    """A study of two layers of 12 and 16 px: mean stimuli over a baseline, and maximized images on a grey start.

    ``noise`` is that of each half of the images in the mean stimuli.
    """
    rng = np.random.default_rng(1)
    rows, pixels, stimuli, layers = [], {}, {}, []
    boxes = boxes or {"low": (4, 4, 16, 16), "high": (8, 8, 24, 24)}
    start = np.broadcast_to(MEAN, (SIDE, SIDE, 3))
    for depth, (name, size) in enumerate((("low", 12), ("high", 16))):
        top, left, bottom, right = boxes[name]
        layers.append(layer(name, size, (top, left), units, depth))
        shapes, detail = smooth(rng, units, size), 0.1 * rng.normal(size=(units, size, size, 3))
        means = shapes + (0 if name == "high" and top_loses_detail else 1) * detail
        baseline = rng.random((size, size, 3))  # what all patches share says nothing of a unit
        stimuli[name] = mean_stimuli(rng, means, baseline, noise)
        own = shapes + detail if agrees else np.roll(shapes + detail, 1, 0)
        seen = own[:, max(0, -top) : size - max(0, bottom - SIDE), max(0, -left) : size - max(0, right - SIDE)]
        for preset in ("ks", "ks_redirected"):
            # what lies inside the image
            pixels[f"{name}/neuron/{preset}/zero"] = start[max(0, top) : bottom, max(0, left) : right] + 3 * seen
            for unit in range(units):
                heading = {"layer": name, "objective": "neuron", "preset": preset, "initialisation": "zero"}
                box = dict(zip(("top_px", "left_px", "bottom_px", "right_px"), boxes[name], strict=True))
                status = (statuses or {}).get((name, unit), "ok")
                rows.append({**heading, "unit": unit, "status": status, **box})
    shown = images()
    return study(
        networks,
        seed=3,
        layers=lambda training: layers,
        maximization=lambda training: (pd.DataFrame(rows), pixels),
        stimuli=lambda training, name: stimuli[name] if name in with_stimuli else None,
        prepared=lambda dataset, classes: shown,
        load=lambda params, training, trained: subject(training, shown, layers=layers),
    )


def class_images(
    networks, noise: np.ndarray, mean: np.ndarray, statuses=("ok",) * 4, shown: Prepared | None = None, seed=3
) -> Study:
    """A study with class images by initialisation, class x y x x x channel; of noise also several starts, in turn."""
    rows, pixels, shown = [], {}, shown or images()
    for name, pictures in (("noise", noise), ("mean", mean)):
        pixels[f"scores/class/tg_class/{name}"] = pictures
        for place in range(len(pictures)):
            unit, start = place % 4, place // 4
            heading = {"layer": "scores", "objective": "class", "preset": "tg_class", "initialisation": name}
            status = statuses[unit] if name == "mean" else "ok"
            rows.append({**heading, "unit": unit, "start": start, "status": status})
    layers = [layer("low", 12), layer("high", 16), layer("scores", None, units=4)]
    return study(
        networks,
        seed=seed,
        noise_starts=len(noise) // 4,
        maximization=lambda training: (pd.DataFrame(rows), pixels),
        prepared=lambda dataset, classes: shown,
        load=lambda params, training, trained: subject(training, shown, layers=layers),
    )


def grey_texture(strength: float, seed: int = 0, count: int = 4) -> np.ndarray:
    """Detail without colour, class x y x x x channel."""
    texture = np.random.default_rng(seed).normal(0.5, strength, (count, SIDE, SIDE, 1))
    return np.repeat(texture, 3, -1)


def colourful(seed: int = 0) -> np.ndarray:
    """Broad colours: no two classes alike, no detail."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    phases = np.random.default_rng(seed).random((4, 1, 1, 3)) * 6
    return 0.5 + 0.4 * np.sin(3 * (x + y)[None, ..., None] + phases)


# ---------------------------------------------------------------- filters

RING = 13
"""First filters of a ring."""


def ring() -> np.ndarray:
    """Filters k x q x y x x round a ring: the cosine of two falls with the angle between them."""
    places = np.arange(RING) + np.random.default_rng(1).uniform(-0.2, 0.2, RING)  # no ties
    angles = 2 * np.pi * places / RING
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(27, 2)))[0]
    return (np.stack([np.cos(angles), np.sin(angles)], 1) @ basis.T).reshape(RING, 3, 3, 3)


def weights(like: float, seed: int = 0, sign: bool = False, units: int = 40) -> np.ndarray:
    """Weights p x k x 1 x 1: each unit's own favourite filter, and the others as they are like it, and by chance."""
    rng = np.random.default_rng(seed)
    flat = ring().reshape(RING, -1)
    favourite = rng.integers(0, RING, units)
    following = (flat @ flat.T)[favourite]
    drawn = like * following + (1 - abs(like)) * rng.normal(0, 0.3, following.shape)
    drawn[np.arange(units), favourite] = 2
    if sign:
        drawn *= rng.choice([-1, 1], (units, 1))
    return drawn[..., None, None]


def coupled(trained: np.ndarray, untrained: np.ndarray, networks=("resnet34",)) -> Study:
    """A study of networks with the filters of the ring and these weights of the second layer."""

    def read(training: str, names: list[str], after: bool) -> list[np.ndarray]:
        assert names == ["conv1.weight", "projection.weight"]
        return [ring(), trained if after else untrained]

    names = {"first": "conv1.weight", "second": "projection.weight"}
    return study(networks, seed=2, settings={"permutations": 100}, filters=lambda name: ({}, names), weights=read)


def repeating(seed: int = 0) -> np.ndarray:
    """Ten first filters, n x y x x x channel: the second is the first turned, the fourth the third recoloured."""
    filters = np.random.default_rng(seed).normal(size=(10, 3, 3, 3))
    filters[1] = np.rot90(filters[0])
    filters[3] = 2 * filters[2][..., [2, 0, 1]]
    return filters
