"""The whole of params.yaml, and what its parts must agree on."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from receptive import datasets, networks
from receptive.errors import ReceptiveError
from receptive.params.recipe import Name, Recipe, Section
from receptive.params.sections import (
    Ablate,
    Claims,
    Count,
    Data,
    Deconvolve,
    Embed,
    Extract,
    FeatureMaps,
    Filters,
    Identity,
    Maximize,
    Network,
    Prepare,
    Report,
    Scale,
    Selectivity,
    Stimuli,
    Track,
    Training,
    Workers,
)


class Params(Section):
    """The whole of params.yaml."""

    model: Name
    models: Annotated[list[Name], Field(min_length=1)]
    dataset: Name
    datasets: Annotated[list[Name], Field(min_length=1)]
    profile: Name
    seed: Annotated[int, Field(ge=0)]
    trainings_each: Count | Annotated[list[Count], Field(min_length=1)]
    """Number of trainings per network, or a list of their numbers."""
    trainings: dict[Name, Training]
    """The trainings by name, in order. The first training of a network has the name of the network."""
    device: Name
    weights: Name
    """``train.<network>.weights`` of the networks that set no other."""
    workers: Workers
    scale: Scale
    channels: dict[Network, Annotated[int, Field(ge=0)]]
    """By network, the channel of the detailed figures (KS 4 to 7); stage ``maximize`` maximizes it, too."""
    data: Data
    prepare: Prepare
    train: dict[Name, Recipe]
    extract: Extract
    stimuli: Stimuli
    ablate: Ablate
    filters: Filters
    claims: Claims
    feature_maps: FeatureMaps
    maximize: Maximize
    deconvolve: Deconvolve
    identity: Identity
    embed: Embed
    selectivity: Selectivity
    report: Report
    track: Track

    @field_validator("models", mode="before")
    @classmethod
    def _spelled_for_folders(cls, models: object) -> object:
        """``torchvision:vgg16`` becomes ``torchvision-vgg16``, as in ``trainings``, folders and tables."""
        return [networks.slug(name) for name in models] if isinstance(models, list) else models

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.models:
            networks.check_name(name)
            if name not in self.train:
                raise ValueError(f"train: network '{name}' of models has no section train.{name}")
            if self.train[name].data == "five" and self.data.five is None:
                raise ValueError(
                    f"data.five: '{name}' learns five classes of {self.data.natural}: name them, "
                    "or choose other networks, for instance model=residual"
                )
            if self.train[name].weights == "pretrained":
                networks.check_pretrained(name, self.train[name].width)
        if len(set(self.models)) < len(self.models):
            raise ValueError("models: a network is listed twice")
        for name in self.datasets:
            datasets.check_name(name)
            if getattr(self.prepare, name, None) is None:
                raise ValueError(f"prepare: data set '{name}' of datasets has no section prepare.{name}")
        for kind in ("natural", "digits"):
            if getattr(self.data, kind) not in self.datasets:
                raise ValueError(f"data.{kind}: '{getattr(self.data, kind)}' is not one of datasets")
        if self.trainings != self._expected_trainings():
            raise ValueError("trainings: they are not those of models and trainings_each: run 'receptive compose'")
        return self

    def _expected_trainings(self) -> dict[str, Training]:
        each = self.trainings_each
        numbers = range(1, each + 1) if isinstance(each, int) else each
        if 1 not in numbers:
            return {}
        expected = {}
        for number in numbers:
            for name in self.models:
                kind = self.train[name].data
                expected[name if number == 1 else f"{name}-{number}"] = Training(
                    network=name,
                    family=networks.family_of(name),
                    images=self.data.digits if kind == "digits" else self.data.natural,
                    classes=self.data.five if kind == "five" else None,
                )
        return expected

    def training(self, name: str) -> Training:
        """The network, family, images and classes of the training called ``name``.

        Raises:
            ReceptiveError: params.yaml has no such training.
        """
        if name in self.trainings:
            return self.trainings[name]
        networks.check_name(name)
        raise ReceptiveError(
            f"params.yaml has no training '{name}': choose one of {', '.join(self.trainings)}, or other models"
        )

    def recipe(self, name: str) -> Recipe:
        """The section ``train.<network>`` of the network that the training called ``name`` trains.

        Raises:
            ReceptiveError: params.yaml has no such training.
        """
        return self.train[self.training(name).network]

    def trainings_of(self, network: str) -> list[str]:
        """Names of all trainings of ``network``: "resnet34", "resnet34-2", ..."""
        return [name for name, training in self.trainings.items() if training.network == network]

    def preparation(self, dataset: str) -> dict[str, Any]:
        """The section ``prepare.<dataset>``: the parameters of ``datasets.load``, and ``store``; of files also their
        ``path`` and the ``quality`` of JPEGs.

        Raises:
            ReceptiveError: there is no such data set, or it has no section.
        """
        datasets.check_name(dataset)
        section = getattr(self.prepare, dataset, None)
        if section is None:
            raise ReceptiveError(
                f"params.yaml has no section prepare.{dataset}: add one, or choose it with dataset={dataset}"
            )
        return section.model_dump()

    def channel_of(self, name: str, units: int) -> int:
        """The channel of the detailed figures, in a layer with ``units`` channels of the training called ``name``.

        It is the one of ``channels``, 0 for a network without one, and never more than the layer's last.
        """
        return min(self.channels.get(self.training(name).network, 0), units - 1)
