"""params.yaml, validated: the one place that says which parameters there are and what they may be."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from receptive import datasets, networks
from receptive.errors import ReceptiveError
from receptive.recipe import Name, Positive, Recipe, Section

Count = Annotated[int, Field(ge=1)]
_AMONG_RECIPES = ("devices", "nodes")


def _network(name: str) -> str:
    """A network's name as sections are looked up by it: ``torchvision:vgg16`` becomes ``torchvision-vgg16``."""
    try:
        networks.check_name(name)
    except ReceptiveError as error:
        raise ValueError(str(error)) from None
    base = networks.base_name(name)
    if base != networks.slug(name):
        raise ValueError(f"'{name}' is one training of {base}: name the network")
    return base


Network = Annotated[Name, AfterValidator(_network)]
"""Names that are no network's would be passed over without a word, so they are refused."""


class Data(Section):
    """Which prepared set each kind of data is."""

    natural: Name
    digits: Name
    five: Annotated[list[Name], Field(min_length=5, max_length=5)] | None
    """Names, or folders, of the five classes of the natural set that FiveCNN learns (TG 4.1); None: not chosen."""


class Collages(Section):
    """Section ``prepare.collages``; ``datasets.collages.generate`` says what they mean."""

    size: Annotated[int, Field(ge=32, le=256)]
    train_images: Count
    validation_images: Count
    classes: Annotated[list[Name], Field(min_length=2)]
    leaves: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Digits(Section):
    """Section ``prepare.digits``."""

    validation_images: Annotated[int, Field(ge=10, le=4990)]


class Decoded(Section):
    """Sections ``prepare.imagenet`` and ``prepare.folder``; ``datasets.files.prepare_files`` says what they mean."""

    path: Name | None
    """The folder of the images; None: the variable RECEPTIVE_IMAGENET or RECEPTIVE_FOLDER, else data/raw."""
    classes: Annotated[list[Name], Field(min_length=2)] | None
    """Folders of the classes to take; None takes all."""
    size: Annotated[int, Field(ge=8)]
    """Side of what networks see, px."""
    stored_size: Annotated[int, Field(ge=8)]
    """Side of what is stored, px, for random crops to reach."""
    damaged: Literal["skip", "stop"]
    """What to do about files that cannot be decoded."""

    @model_validator(mode="after")
    def _even_margin(self):
        if self.stored_size < self.size or (self.stored_size - self.size) % 2:
            raise ValueError(f"stored_size must be size ({self.size}) or an even number more, not {self.stored_size}")
        return self


class Folder(Decoded):
    """Section ``prepare.folder``."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of each class that is held back where the tree has no splits of its own."""


class Mnist(Section):
    """Section ``prepare.mnist``."""

    path: Name | None
    """The folder of the four IDX files; None: the environment variable RECEPTIVE_MNIST, else data/raw/mnist."""
    download: bool
    """Fetch them there, with torchvision, when they are missing."""


class Prepare(Section):
    """One section a data set that can be prepared."""

    collages: Collages | None = None
    digits: Digits | None = None
    folder: Folder | None = None
    imagenet: Decoded | None = None
    mnist: Mnist | None = None


class Extract(Section):
    """Section ``extract``."""

    top: Count
    """Responses kept for every unit."""
    hits_per_image: Annotated[int, Field(ge=0)]
    """Most hits that one image may have among them; 0 is no limit."""
    control_images: Annotated[int, Field(ge=2)]
    """Validation images, the first ones, whose zeros are counted in the untrained network, too."""
    batch_size: Count


class Scale(Section):
    """How the work is done, not what is computed; rounding apart, nothing depends on it.

    Section ``scale``, and of section ``train`` what stands there beside the networks' recipes.
    """

    devices: Count
    """``train.devices``: processes on each machine, with a GPU each where there are GPUs."""
    nodes: Count
    """``train.nodes``: machines."""
    compile: Literal["auto", True, False]
    """Compile networks (``torch.compile``); auto: on a GPU."""
    resident: Literal["auto", True, False]
    """Keep all training images in the GPU's memory; auto: where they fill at most half of what is free."""


class Mine(Section):
    """Section ``mine``."""

    largest_field: Positive
    """Layers whose receptive field is at most this many times the image's side are mined."""
    batch_size: Count


class Ablate(Section):
    """Section ``ablate``; ``methods.ablation.ablate`` says what they mean."""

    threshold: Annotated[float, Field(ge=0)]
    """A unit that never answers with more than this counts as inactive; 0 is the paper's."""
    minibatch: Count
    """Images that share the unit drawn for dL_rnd: part of its definition, unlike ``batch_size``."""
    control_draws: Count
    """Sets of random active units."""
    control_images: Annotated[int, Field(ge=2)]
    """Validation images, drawn at random, for the control and the sweep; dL and dL_rnd use all."""
    sigmas: Annotated[list[Positive], Field(min_length=1)]
    """Noise levels of the sweep; the paper's, 1, is always among them."""
    sweep_draws: Count
    """How many of the control's sets enter the sweep."""
    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap samples an interval."""
    batch_size: Count


class MaximizeGroup(Section):
    """One entry of ``maximize.groups``: what is maximised for every unit shown of some layers."""

    networks: list[Network] | None = None
    """Which networks it is for; None is all."""
    layers: Annotated[list[Name], Field(min_length=1)]
    """Names or aliases of layers, or the words of ``networks.sites.select_layers``."""
    objective: Literal["neuron", "channel", "class"]
    preset: Literal["ks", "ks_redirected", "tg_channel", "tg_class", "robust"]
    """``methods.maximization.PRESETS`` says what they are."""
    initialisation: Literal["zero", "noise", "mean"] | None = None
    """None: the preset's own."""

    @model_validator(mode="after")
    def _possible(self):
        if self.initialisation == "mean" and self.objective != "class":
            raise ValueError("initialisation mean is a class's mean image: it needs the objective class")
        if self.preset == "robust" and (self.initialisation not in (None, "noise") or self.objective == "neuron"):
            raise ValueError("the preset robust starts from noise and moves the image: objective channel or class")
        return self


class Maximize(Section):
    """Section ``maximize``."""

    groups: Annotated[list[MaximizeGroup], Field(min_length=1)]
    iterations: dict[Literal["ks", "ks_redirected", "tg_channel", "tg_class", "robust"], Count]
    """In place of a preset's own number of iterations."""
    batch_size: Count


class Deconvolve(Section):
    """Section ``deconvolve``."""

    images: Count
    """Validation images whose representations are shown (YU figures 4 and 5): the first of each class in turn."""
    energy_images: Annotated[int, Field(ge=0)]
    """Validation images, in the same order, whose reconstructions are measured against the subject mask."""
    units: Count
    """Units of each layer that are shown by their top patches (YU figure 7), from unit 0 on."""
    patches: Count
    """Top patches of each; no more than ``extract.top`` are known."""
    batch_size: Count


class Embed(Section):
    """Section ``embed``; ``methods.embedding.embed`` and ``methods.purity`` say what the numbers mean."""

    layers: dict[Network, Annotated[list[Name], Field(min_length=1)]]
    """Layers to map, by network; others map the two that correspond to YU's c4_1 and c5_3 of VGGCNN."""
    images: Count
    """Validation images, drawn at random, whose positions are mapped."""
    positions: Count
    """Points of a map, spread evenly over the images."""
    components: Annotated[int, Field(ge=2)]
    """Dimensions that PCA leaves."""
    perplexity: Annotated[float, Field(gt=1)]
    opentsne_from: Count
    """Points from which openTSNE makes the map instead of scikit-learn."""
    neighbours: Count
    """Nearest neighbours of purity and trustworthiness."""
    cells: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=2, max_length=2)]
    """Cells along each side of the filled plane, coarse and fine."""
    region_cells: Annotated[int, Field(ge=2)]
    """Side of a region in cells of the fine grid."""
    regions: dict[Network, dict[Name, list[Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2)]]]]
    """Centres to look at instead, by network and layer: [across, up], as parts of the plane."""
    units: Count
    """Strongest units shown of each region."""
    patches: Count
    """Patches shown of each region, and top patches of each unit."""
    purity_images: Annotated[int, Field(ge=2)]
    """Validation images, drawn at random, one position each, for the purity of every layer."""
    batch_size: Count

    @model_validator(mode="after")
    def _possible(self):
        if self.region_cells > self.cells[1]:
            raise ValueError("region_cells: a region is larger than the fine grid")
        return self


class Probe(Section):
    """Section ``probe``; ``methods.selectivity`` says what the numbers mean."""

    frequencies: Annotated[list[Annotated[float, Field(gt=0, le=0.5)]], Field(min_length=1)]
    """Cycles a px of the gratings."""
    orientations: Annotated[int, Field(ge=4, multiple_of=2)]
    """Of the luminance gratings, evenly spaced over 180 degrees."""
    colour_orientations: Annotated[int, Field(ge=2)]
    """The same of the isoluminant ones: a divisor of ``orientations``."""
    phases: Annotated[int, Field(ge=4, multiple_of=2)]
    background: Annotated[float, Field(gt=0, lt=1)]
    """Grey that all stimuli vary around, in pixel values."""
    amplitude: Positive
    """Greatest change of a pixel, as a length in its channels."""
    weakest: Annotated[float, Field(ge=0, lt=1)]
    """A unit that luminance gratings move by no more than this share of what colour does has no orientation tuning."""
    osi: Annotated[float, Field(ge=0, le=1)]
    """A unit whose 1 - circular variance is at least this is orientation-selective."""
    colour_index: Positive
    """A unit is opponent if isoluminant colour moves it at least this many times as much as luminance,"""
    colour_modulation: Annotated[float, Field(ge=0, le=1)]
    """and if it tells the two ends of the axis apart at least so well."""
    uniform: Annotated[float, Field(ge=0)]
    """It is double opponent if uniform colour moves it at most this many times as much as the best grating."""
    batch_size: Count

    @model_validator(mode="after")
    def _possible(self):
        if self.orientations % self.colour_orientations:
            raise ValueError("colour_orientations must divide orientations, so that both axes share them")
        if self.amplitude > min(self.background, 1 - self.background):
            raise ValueError("amplitude leaves [0, 1]: it must be at most background and at most 1 - background")
        return self


class Identity(Section):
    """Section ``identity``."""

    images: Annotated[int, Field(ge=2)]
    """Validation images, the first ones, whose responses are compared channel by channel."""
    draws: Annotated[int, Field(ge=99)]
    """Permutations of the channels."""
    batch_size: Count


class Filters(Section):
    """Section ``filters``."""

    fold_batch_norm: bool
    """Multiply the first filters with the scale of their batch norm; KS equation 3 takes the bare weights."""


class Claims(Section):
    """Section ``claims``: what is common to the claims, and what single ones need."""

    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap samples an interval."""
    permutations: Annotated[int, Field(ge=100)]
    """Random exchanges a control, where all of them are too many."""
    same_cosine: Annotated[float, Field(gt=0, lt=1)]
    """Filters whose cosine reaches this, once one is turned or recoloured, count as repeats of each other."""
    angle_step: Annotated[float, Field(gt=0, le=90)]
    """Degrees between the rotations tried, beside the exact quarter turns; 90 tries those alone."""
    shuffles: Annotated[int, Field(ge=20)]
    """Sets of filters with shuffled pixels that the repeats are compared with."""
    batch_size: Count


class FeatureMaps(Section):
    """Section ``feature_maps``."""

    layers: Count
    """How many of the first convolutions."""
    classes: dict[Network, Name]
    """Network to the class whose first validation image is shown; without one, the class with label 0."""


class Report(Section):
    """Section ``report``."""

    channels: dict[Network, Annotated[int, Field(ge=0)]]
    """The channel of the detailed figures (KS 4 to 7), for each network that has them."""
    overview_channels: Count
    """Channels on the overview sheets, from channel 0 on."""
    filters: Count
    """Virtual filters shown of every network, strongest first."""
    filter_units: dict[Network, list[Annotated[int, Field(ge=0)]]]
    """Units of the second layer to show instead, by network."""
    deconvolution_sheets: Count
    """Layers of a network whose units are shown by their deconvolved patches, spread over depth; all of VGGCNN."""


class Track(Section):
    """Section ``track``."""

    live: bool
    """Log training to MLflow epoch by epoch instead of once at the end."""


class Params(Section):
    """The whole of params.yaml."""

    model: Name
    models: Annotated[list[Name], Field(min_length=1)]
    dataset: Name
    datasets: Annotated[list[Name], Field(min_length=1)]
    profile: Name
    seed: Annotated[int, Field(ge=0)]
    seeds: Count | Annotated[list[Count], Field(min_length=1)]
    """How many times each network is trained, or the numbers of its trainings."""
    replicas: dict[Name, Name]
    """Each training, in order, and its network; the first training has the network's own name."""
    device: Name
    weights: Name
    """What ``train.<network>.weights`` is for every network that sets no other."""
    scale: Scale
    data: Data
    prepare: Prepare
    train: dict[Name, Recipe]
    extract: Extract
    mine: Mine
    ablate: Ablate
    filters: Filters
    claims: Claims
    feature_maps: FeatureMaps
    maximize: Maximize
    deconvolve: Deconvolve
    identity: Identity
    embed: Embed
    probe: Probe
    report: Report
    track: Track

    @model_validator(mode="before")
    @classmethod
    def _devices_and_nodes(cls, values):
        """``train.devices`` and ``train.nodes`` are numbers among the recipes; here they belong to ``scale``."""
        sections = [values.get(name) for name in ("train", "scale")] if isinstance(values, dict) else [None]
        if all(isinstance(section, dict) for section in sections):
            train, scale = map(dict, sections)
            moved = {name: train.pop(name) for name in _AMONG_RECIPES if name in train}
            values = values | {"train": train, "scale": scale | moved}
        return values

    @field_validator("models", mode="before")
    @classmethod
    def _spelled_for_folders(cls, models):
        """``torchvision:vgg16`` becomes ``torchvision-vgg16``, as in ``replicas``, folders and tables."""
        return [networks.slug(name) for name in models] if isinstance(models, list) else models

    @model_validator(mode="after")
    def _consistent(self):
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
        numbers = range(1, self.seeds + 1) if isinstance(self.seeds, int) else self.seeds
        expected = {name if k == 1 else f"{name}-{k}": name for k in numbers for name in self.models}
        if self.replicas != expected or 1 not in numbers:
            raise ValueError("replicas: they are not those of models and seeds: run 'receptive compose'")
        for name in self.datasets:
            datasets.check_name(name)
            if getattr(self.prepare, name, None) is None:
                raise ValueError(f"prepare: data set '{name}' of datasets has no section prepare.{name}")
        for kind in ("natural", "digits"):
            if getattr(self.data, kind) not in self.datasets:
                raise ValueError(f"data.{kind}: '{getattr(self.data, kind)}' is not one of datasets")
        return self

    def recipe(self, network: str) -> Recipe:
        """The section of one network.

        Raises:
            ReceptiveError: there is no such network, or it has no section.
        """
        networks.check_name(network)
        network = networks.base_name(network)
        if network not in self.train:
            raise ReceptiveError(
                f"params.yaml has no section train.{network}: add one, or choose from {', '.join(self.train)}"
            )
        return self.train[network]

    def trainings(self, network: str) -> list[str]:
        """Names of all trainings of ``network``: ``resnet34``, ``resnet34-2``, ..."""
        return [replica for replica, base in self.replicas.items() if base == network]

    def preparation(self, dataset: str) -> dict:
        """The section of one data set, as ``datasets.load`` takes it; of files also where they are (``path``, ...).

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

    def dataset_of(self, network: str) -> str:
        """Name of the prepared set that the network's images come from."""
        return self.data.digits if self.recipe(network).data == "digits" else self.data.natural

    def channel_of(self, network: str, units: int) -> int:
        """The channel of the detailed figures of a layer with ``units`` channels: ``report.channels``, or its last."""
        return min(self.report.channels.get(networks.base_name(network), 0), units - 1)

    def classes_of(self, network: str) -> list[str] | None:
        """The classes that the network learns; None where it learns all of its set."""
        if self.recipe(network).data != "five":
            return None
        if self.data.five is None:
            raise ReceptiveError(f"data.five names no classes for {network} to learn: name five of {self.data.natural}")
        return list(self.data.five)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """The validated parameters of this project folder.

    Raises:
        ReceptiveError: the file is missing or no YAML, or a parameter is unknown, missing or
            impossible; the line names every such parameter.
    """
    from ruamel.yaml import YAML, YAMLError

    try:
        values = YAML(typ="safe").load(Path(path).read_text())
    except FileNotFoundError:
        raise ReceptiveError(
            f"{path} is missing: run this in the project's folder, or 'receptive compose' there"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ReceptiveError(f"{path} is no valid YAML ({reason}): mend it, or run 'receptive compose'") from None
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        sentences = [_sentence(e) for e in error.errors() if e["type"] != "missing" or not _follows(e, error)]
        raise ReceptiveError(f"{path}: {'; '.join(sentences)}") from None
    except ReceptiveError as error:
        raise ReceptiveError(f"{path}: {error}") from None


def _follows(missing: dict, error: ValidationError) -> bool:
    """Whether something is missing only because the section that it stands in is missing."""
    return missing["loc"][0] == "scale" and any(e["loc"] == ("train",) for e in error.errors())


def _sentence(error: dict) -> str:
    section, *rest = error["loc"] or [""]
    if section == "scale" and rest and rest[0] in _AMONG_RECIPES:
        section = "train"
    where = ".".join(str(part) for part in [section, *rest] if part != "[key]")
    if error["type"] == "model_type" and not where:
        return "it holds no parameters: run 'receptive compose'"
    if error["type"] == "extra_forbidden":
        return f"{where} is not a parameter: remove it"
    if error["type"] == "missing":
        return f"{where} is missing: add it, or run 'receptive compose'"
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {reason}" if where else reason
    return f"{where}: {reason[0].lower()}{reason[1:]}, not {error['input']!r}"


def compose(folder: Path = Path(), overrides: tuple[str, ...] = ()) -> Path:
    """Writes params.yaml from conf/, just as ``dvc exp run -S ...`` does; what is impossible leaves it as it is.

    Raises:
        ReceptiveError: there is no conf/ here, an override does not fit it, or what comes of it is impossible (as
            ``load_params``).
    """
    from dvc.utils.hydra import compose_and_dump  # DVC's own code, so that the bytes agree

    if not (folder / "conf" / "config.yaml").exists():
        raise ReceptiveError("conf/config.yaml is missing: run this in the project's folder")
    target, conf = folder / "params.yaml", str((folder / "conf").resolve())
    beside = folder / "params.part.yaml"  # DVC goes by the suffix
    try:
        try:
            compose_and_dump(beside, conf, None, "config", conf, list(overrides))
        except Exception as error:  # Hydra raises a family of its own, wrapped by DVC
            raise ReceptiveError(f"conf/ cannot be composed: {' '.join(str(error).split())}") from None
        try:
            load_params(beside)
        except ReceptiveError as error:
            raise ReceptiveError(f"{target} is not written: {str(error).removeprefix(f'{beside}: ')}") from None
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target
