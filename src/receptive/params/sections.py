"""The sections of params.yaml: which parameters there are and what they may be."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.params.recipe import Name, Positive, Section

Count = Annotated[int, Field(ge=1)]


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


class Training(Section):
    """One entry of ``trainings``: a network that is trained once, worked out from models, recipes and data."""

    network: Name
    """The network, and the section of ``train`` with its recipe."""
    family: Name
    """The file of ``networks/families`` that builds it."""
    images: Name
    """The prepared set that its images come from."""
    classes: list[Name] | None
    """The classes that it learns; None: all of its set."""


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


class Workers(Section):
    """Section ``workers``: how many processes train and extract together. Rounding apart, no result depends on it."""

    devices: Count
    """Processes on each machine, with a GPU each where there are GPUs."""
    nodes: Count
    """Machines."""


class Scale(Section):
    """Section ``scale``: how the work is done. Rounding apart, no result depends on it."""

    compile: Literal["auto", True, False]
    """Compile networks (``torch.compile``); auto: on a GPU."""
    resident: Literal["auto", True, False]
    """Keep all training images in the GPU's memory; auto: where they fill at most half of what is free."""


class Stimuli(Section):
    """Section ``stimuli``."""

    largest_field: Positive
    """Layers whose receptive field is at most this many times the image's side have stimuli."""
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
    channels: Count
    """Channels of every layer that are maximised, from channel 0 on, beside its channel of ``channels``; the report
    shows as many on its overview sheets."""
    batch_size: Count
    """Images that are optimised at a time."""
    natural_batch_size: Count
    """Validation images at a time, of the pass that measures the natural responses."""


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


class Selectivity(Section):
    """Section ``selectivity``; ``methods.selectivity`` says what the numbers mean."""

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
