"""What claims are measured on: the study's parameters, networks and trainings, and the data of each training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from receptive.artifacts.ablation import read_ablation
from receptive.artifacts.activations import read_units, read_zeros
from receptive.artifacts.deconvolution import read_energy
from receptive.artifacts.embedding import purity_space, read_embedding, read_neighbours
from receptive.artifacts.filters import read_filters
from receptive.artifacts.identity import identity_pair, read_identity, read_similarities
from receptive.artifacts.layers import read_layers
from receptive.artifacts.maximization import read_maximization
from receptive.artifacts.networks import read_first_filters, read_weights
from receptive.artifacts.prepared import read_images
from receptive.artifacts.selectivity import read_selectivity
from receptive.artifacts.stimuli import has_stimuli, read_stimuli
from receptive.artifacts.untrained import read_untrained, read_untrained_filters
from receptive.claims.row import Row, across_trainings
from receptive.datasets.prepared import Prepared
from receptive.measurements.maximization import find_group, plan, starting_pixels
from receptive.measurements.subject import Subject
from receptive.networks.layers import Layer
from receptive.params.schema import Params
from receptive.seeds import named_seed


def load_subject(params: Params, training: str, trained: bool) -> Subject:
    """A trained network ready to be run, or the same network before training."""
    subject = Subject.load(params, training)
    return subject if trained else subject.untrained()


def _remarked(row: Row, remark: str) -> Row:
    return replace(row, reason="; ".join(filter(None, [row.reason, remark])))


def stimuli_of(training: str, layer: str) -> dict[str, np.ndarray] | None:
    """The stimuli of a layer (``artifacts.stimuli``); None where the layer sees too much of the image to have any."""
    return read_stimuli(training, layer) if has_stimuli(training, layer) else None


class Maximized(NamedTuple):
    """Maximized images of some units of a layer.

    Attributes:
        results: rows of results.parquet, one per unit.
        images: pixels in the order of ``results``, unit x y x x x channel: the part of the units' box inside the image.
        starts: the pixels that the optimisation began with, likewise.
    """

    results: pd.DataFrame
    images: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class Study:
    """Hands a claim its data. ``Study(params)`` reads them from data/; any of them can be given instead.

    Every attribute but ``params`` is a function whose first argument is the name of a training (of ``untrained`` and
    ``untrained_filters``, of a network). It gives what the
    function of ``receptive.artifacts`` that stands here gives.

    Attributes:
        params: the whole of params.yaml.
        layers: the layers of the network, shallow layers first.
        units, zeros: units.parquet and zeros.parquet of stage extract.
        ablation: inactive.json of stage ablate.
        energy: energy.parquet of stage deconvolve; None where the subject of the images is unknown.
        embedding: a table of stage embed, by name.
        neighbours: the nearest neighbours whose labels stage embed counts, by state and layer (``near`` finds some).
        selectivity: units.parquet of stage selectivity.
        identity: a table of stage identity, by name.
        similarities: channel x channel similarities of stage identity (``similarity`` finds one).
        maximization: results.parquet and the pixels by group of stage maximize (``maximized`` finds some).
        stimuli: arrays of stage stimuli for a layer, by its name; None where it has none.
        filters: arrays and names of stage filters.
        weights: some weights of the network, by their names, trained or (False) not.
        first_filters: weights of the first convolution, unit x y x x x channel, trained or (False) not.
        untrained: a table of stage untrained, of a network (``drawn`` asks for it).
        untrained_filters: first and second weights of each untrained draw of a network (``drawn_filters`` asks for it).
        prepared: the images of a data set, by its name, reduced to some classes (``images`` gives a training's).
        load: the network itself, from the parameters, the name, and whether it is trained (``subject``).
    """

    params: Params
    layers: Callable[[str], list[Layer]] = read_layers
    units: Callable[[str], pd.DataFrame] = read_units
    zeros: Callable[[str], pd.DataFrame] = read_zeros
    ablation: Callable[[str], dict] = read_ablation
    energy: Callable[[str], pd.DataFrame | None] = read_energy
    embedding: Callable[[str, str], pd.DataFrame] = read_embedding
    neighbours: Callable[[str], dict[str, np.ndarray]] = read_neighbours
    selectivity: Callable[[str], pd.DataFrame] = read_selectivity
    identity: Callable[[str, str], pd.DataFrame] = read_identity
    similarities: Callable[[str], dict[str, np.ndarray]] = read_similarities
    maximization: Callable[[str], tuple[pd.DataFrame, dict[str, np.ndarray]]] = read_maximization
    stimuli: Callable[[str, str], dict[str, np.ndarray] | None] = stimuli_of
    filters: Callable[[str], tuple[dict[str, np.ndarray], dict]] = read_filters
    weights: Callable[[str, list[str], bool], list[np.ndarray]] = read_weights
    first_filters: Callable[[str, bool], np.ndarray] = read_first_filters
    untrained: Callable[[str, str], pd.DataFrame] = read_untrained
    untrained_filters: Callable[[str], tuple[np.ndarray, np.ndarray] | None] = read_untrained_filters
    prepared: Callable[[str, Sequence[str] | None], Prepared] = read_images
    load: Callable[[Params, str, bool], Subject] = load_subject

    @property
    def networks(self) -> list[str]:
        """The networks of this study, in its order."""
        return list(self.params.models)

    def trainings(self, network: str) -> list[str]:
        """Names of all trainings of a network; empty where the study does not have it."""
        return self.params.trainings_of(network)

    def missing(self, *networks: str) -> str:
        """Why a claim about these networks cannot be measured; empty where it can."""
        absent = [name for name in networks if name not in self.networks]
        return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not in this study" if absent else ""

    def unequal(self, *networks: str) -> str:
        """How the recipes of two networks differ ("recipes differ: epochs 5 against 7"); empty where they do not.

        Both what is built (``params.recipe``: width, batch norm, ...) and how it is trained counts.
        """
        recipes = [self.params.train[name].model_dump() for name in networks if name in self.params.train]
        if len(recipes) < 2:
            return ""
        first, second = recipes
        differing = [
            f"{name.replace('_', ' ')} {first[name]} against {second[name]}"
            for name in first
            if first[name] != second[name]
        ]
        return f"recipes differ: {', '.join(differing)}" if differing else ""

    def across(self, measure: Callable[..., list[Row]], *networks: str, given: tuple = ()) -> list[Row]:
        """The rows that ``measure`` gives, put together over all trainings of the networks (``across_trainings``).

        Every row is marked with the networks and the trainings. Where two networks were trained by different recipes
        its remark says so: then the row compares recipes as well as networks.

        Args:
            measure: called with this study, the name of one training of every network, and ``given``. Its rows have
                the same order for every training.
            networks: one, or those that are compared: n-th training with n-th training.
        """
        by_training, unequal = [], self.unequal(*networks)
        for trainings in zip(*(self.trainings(network) for network in networks), strict=True):
            rows = measure(self, *trainings, *given)
            rows = [row if row.value is None else _remarked(row, unequal) for row in rows]
            by_training.append([replace(row, networks=networks, trainings=trainings) for row in rows])
        return [across_trainings(same) for same in zip(*by_training, strict=True)]

    def chance(self, *names: str | int) -> np.random.Generator:
        """The source of every random draw called ``names`` in a claim."""
        return np.random.default_rng(named_seed(self.params.seed, "claims", *names))

    def images(self, training: str) -> Prepared:
        """The images that a training learned and was validated on."""
        recorded = self.params.training(training)
        return self.prepared(recorded.images, recorded.classes)

    def subject(self, training: str, trained: bool = True) -> Subject:
        """The trained network with its images, ready to be run; ``trained=False`` gives it before training."""
        return self.load(self.params, training, trained)

    def drawn(self, table: Literal["zeros", "energy", "selectivity"], network: str) -> pd.DataFrame | None:
        """A table of the untrained draws of a network, with the column ``draw``; None where there are none."""
        return self.untrained(network, table) if network in getattr(self.params.untrained, table) else None

    def drawn_filters(self, network: str) -> tuple[np.ndarray, np.ndarray] | None:
        """First weights (draw x k x q x y x x) and second (draw x p x k x y x x) of the untrained draws, or None."""
        return self.untrained_filters(network) if network in self.params.untrained.filters else None

    def near(self, training: str, state: str, layer: str) -> np.ndarray:
        """The nearest neighbours of each position in a layer's space, position x neighbour; -1 for none.

        Args:
            state: "trained", "untrained" or "pixels".
        """
        return self.neighbours(training)[purity_space(state, layer)]

    def similarity(self, training: str, state: str, measure: str, layer: str, other_layer: str) -> np.ndarray:
        """How alike the channels of two layers are, channel x channel."""
        return self.similarities(training)[identity_pair(state, measure, layer, other_layer)]

    def maximized(
        self, training: str, objective: str, preset: str, initialisation: str | None = None
    ) -> dict[str, Maximized]:
        """What stage maximize made of a network with these settings, by layer, in the order of results.parquet.

        Args:
            objective: "neuron", "channel" or "class".
            preset: one of ``methods.maximization.PRESETS``.
            initialisation: "zero", "noise" or "mean"; None: whichever was used.

        Raises:
            ReceptiveError: params.yaml no longer asks for these images.
        """
        results, pixels = self.maximization(training)
        chosen = results[(results["objective"] == objective) & (results["preset"] == preset)]
        if initialisation is not None:
            chosen = chosen[chosen["initialisation"] == initialisation]
        if chosen.empty:
            return {}
        subject = self.subject(training)
        groups = plan(self.params, subject)
        by_layer = {}
        for layer, rows in chosen.groupby("layer", sort=False):
            group = find_group(groups, str(layer), objective, preset, rows["initialisation"].iloc[0])
            by_layer[str(layer)] = Maximized(rows, pixels[group.name], starting_pixels(subject, group))
        return by_layer
