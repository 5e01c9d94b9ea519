"""The sections of params.yaml: the parameters and their possible values.

Nothing here has a default but None, for what is absent: params.yaml says every value, so this file has no say in any
result.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from receptive import networks
from receptive.errors import ReceptiveError
from receptive.params.recipe import Name, Positive, Section

Count = Annotated[int, Field(ge=1)]


def _network(name: str) -> str:
    """A network's name as it stands in ``trainings``: ``torchvision:vgg16`` becomes ``torchvision-vgg16``."""
    try:
        networks.check_name(name)
    except ReceptiveError as error:
        raise ValueError(str(error)) from None
    base = networks.base_name(name)
    if base != networks.slug(name):
        raise ValueError(f"'{name}' is one training of {base}: name the network")
    return base


Network = Annotated[Name, AfterValidator(_network)]
"""A network's name. Other names would have no effect, so they are refused."""


class Training(Section):
    """One entry of ``trainings``: a network that is trained once. ``receptive compose`` works it out."""

    network: Name
    """The network; its recipe is the section of ``train`` with this name."""
    family: Name
    """The file of ``networks/families`` that builds it."""
    images: Name
    """The prepared set that it learns."""
    classes: list[Name] | None
    """The classes of that set that it learns; None: all."""


class Data(Section):
    """Section ``data``: the prepared set of each kind of data."""

    natural: Name
    digits: Name
    five: Annotated[list[Name], Field(min_length=5, max_length=5)] | None
    """Names or folders of the five classes of the natural set that FiveCNN learns (TG 4.1); None: not chosen."""


class Collages(Section):
    """Section ``prepare.collages``; ``datasets.collages.generate`` says what they mean."""

    store: Literal["raw"]
    """How images are stored; sets that are made here, and small ones, as their bytes."""
    size: Annotated[int, Field(ge=32, le=256)]
    train_images: Count
    validation_images: Count
    classes: Annotated[list[Name], Field(min_length=2)]
    leaves: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Digits(Section):
    """Section ``prepare.digits``."""

    store: Literal["raw"]
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
    """Files that cannot be decoded are left out, or stop the preparation."""
    store: Literal["raw", "jpeg"]
    """How images are stored: as their bytes, or as JPEGs, which take a sixth of the room."""
    quality: Annotated[int, Field(ge=1, le=100)]
    """Of the JPEGs, as libjpeg counts it; of no account for ``raw``."""

    @model_validator(mode="after")
    def _even_margin(self) -> Self:
        if self.stored_size < self.size or (self.stored_size - self.size) % 2:
            raise ValueError(f"stored_size must be size ({self.size}) or an even number more, not {self.stored_size}")
        return self


class Folder(Decoded):
    """Section ``prepare.folder``."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of the images of each class that validate, where the folders have no splits of their own."""


class Mnist(Section):
    """Section ``prepare.mnist``."""

    store: Literal["raw"]
    path: Name | None
    """The folder of the four IDX files; None: the environment variable RECEPTIVE_MNIST, else data/raw/mnist."""
    download: bool
    """Whether torchvision fetches them into that folder when they are missing."""


class Prepare(Section):
    """Section ``prepare``: one section per data set that can be prepared; None where it is absent."""

    collages: Collages | None = None
    digits: Digits | None = None
    folder: Folder | None = None
    imagenet: Decoded | None = None
    mnist: Mnist | None = None


class Extract(Section):
    """Section ``extract``."""

    top: Count
    """Strongest responses kept per unit."""
    hits_per_image: Annotated[int, Field(ge=0)]
    """Largest number of them that may come from one image; 0 is no limit."""
    control_images: Annotated[int, Field(ge=2)]
    """Validation images, from the first on, whose zeros are counted in the untrained network, too."""
    batch_size: Count
    """Images per batch, here and in the sections below."""
    shards: Count
    """Parts of the pass over the images, each kept when it is done; with 1 there are none. Results are the same."""

    def check_shard(self, shard: int) -> None:
        """Refuses a number of a shard that there is not.

        Raises:
            ReceptiveError: it is none of 0 to ``shards - 1``, or there are no shards.
        """
        if self.shards == 1:
            raise ReceptiveError("extract.shards is 1, so there are no shards: 'receptive compose extract.shards=16'")
        if not 0 <= shard < self.shards:
            raise ReceptiveError(
                f"extract.shards is {self.shards}: a shard is one of 0 to {self.shards - 1}, not {shard}"
            )


class Workers(Section):
    """Section ``workers``: the processes that train and extract together. They change results by rounding only."""

    devices: Count
    """Processes per machine; each has a GPU of its own where there are GPUs."""
    nodes: Count
    """Number of machines."""


class Scale(Section):
    """Section ``scale``: how the work is done. It changes results by rounding only."""

    compile: Literal["auto", True, False]
    """Compile networks (``torch.compile``); auto: on a GPU."""
    resident: Literal["auto", True, False]
    """Keep all training images in the GPU's memory; auto: where they fill at most half of what is free."""


class Stimuli(Section):
    """Section ``stimuli``."""

    largest_field: Positive
    """Largest receptive field of a layer that has stimuli, as a multiple of the image's side."""
    batch_size: Count


class Ablate(Section):
    """Section ``ablate``; ``methods.ablation.ablate`` says what they mean."""

    threshold: Annotated[float, Field(ge=0)]
    """A unit whose responses are never above this is inactive; KS take 0."""
    minibatch: Count
    """Images that share the unit drawn for dL_rnd. It is part of the definition of dL_rnd; ``batch_size`` is not."""
    control_draws: Count
    """Number of sets of random active units."""
    control_images: Annotated[int, Field(ge=2)]
    """Validation images, drawn at random, of the control and the sweep; dL and dL_rnd use all images."""
    sigmas: Annotated[list[Positive], Field(min_length=1)]
    """Standard deviations of the noise in the sweep; KS's, 1, is always among them."""
    sweep_draws: Count
    """Number of the control's sets that are in the sweep."""
    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap samples per interval."""
    batch_size: Count


class MaximizeGroup(Section):
    """One entry of ``maximize.groups``: what is maximized, for the units of some layers."""

    networks: list[Network] | None = None
    """The networks that it concerns; None is all."""
    layers: Annotated[list[Name], Field(min_length=1)]
    """Names or aliases of layers, or the words of ``networks.layers.select_layers``."""
    objective: Literal["neuron", "channel", "class"]
    preset: Literal["ks", "ks_redirected", "tg_channel", "tg_class", "robust"]
    """One of ``methods.maximization.PRESETS``."""
    initialisation: Literal["zero", "noise", "mean"] | None = None
    """The first image; None: the preset's own."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.initialisation == "mean" and self.objective != "class":
            raise ValueError("initialisation mean is a class's mean image: it needs the objective class")
        if self.preset == "robust" and (self.initialisation not in (None, "noise") or self.objective == "neuron"):
            raise ValueError("the preset robust starts from noise and moves the image: objective channel or class")
        return self


class Maximize(Section):
    """Section ``maximize``."""

    groups: Annotated[list[MaximizeGroup], Field(min_length=1)]
    iterations: dict[Literal["ks", "ks_redirected", "tg_channel", "tg_class", "robust"], Count]
    """By preset, the number of iterations in place of its own."""
    channels: Count
    """Channels of every layer that are maximized, from channel 0 on, beside its channel of ``channels``. The overview
    sheets of the report show them."""
    batch_size: Count
    """Images that are optimized at a time."""
    natural_batch_size: Count
    """Validation images per batch, of the pass that measures the natural responses."""


class Deconvolve(Section):
    """Section ``deconvolve``."""

    images: Count
    """Validation images whose representations are shown (YU figures 4 and 5): the first image of each class in turn."""
    energy_images: Annotated[int, Field(ge=0)]
    """Validation images, in the same order, whose reconstructions are compared with the subject mask."""
    units: Count
    """Units per layer, from unit 0 on, that are shown by their top patches (YU figure 7)."""
    patches: Count
    """Top patches per unit, at most ``extract.top``."""
    batch_size: Count


class Embed(Section):
    """Section ``embed``; ``methods.embedding.embed`` and ``methods.embedding_purity`` say what the numbers mean."""

    layers: dict[Network, Annotated[list[Name], Field(min_length=1)]]
    """By network, the layers that are mapped. Other networks map the two that correspond to c4_1 and c5_3 (YU)."""
    images: Count
    """Validation images, drawn at random, whose positions are mapped."""
    positions: Count
    """Points per map, spread evenly over the images."""
    components: Annotated[int, Field(ge=2)]
    """Dimensions after PCA."""
    perplexity: Annotated[float, Field(gt=1)]
    opentsne_from: Count
    """Smallest number of points for which openTSNE makes the map; below it scikit-learn does."""
    neighbours: Count
    """Number of nearest neighbours, for purity and trustworthiness."""
    cells: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=2, max_length=2)]
    """Cells per side of the filled plane, coarse and fine."""
    region_cells: Annotated[int, Field(ge=2)]
    """Side of a region, in cells of the fine grid."""
    regions: dict[Network, dict[Name, list[Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2)]]]]
    """By network and layer, the centres of the regions, [across, up] as shares of the plane; others are chosen."""
    units: Count
    """Strongest units shown per region."""
    patches: Count
    """Patches shown per region, and top patches per unit."""
    purity_images: Annotated[int, Field(ge=2)]
    """Validation images, drawn at random, whose purity is measured in every layer at one position each."""
    batch_size: Count

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.region_cells > self.cells[1]:
            raise ValueError("region_cells: a region is larger than the fine grid")
        return self


class Selectivity(Section):
    """Section ``selectivity``; ``methods.selectivity`` says what the numbers mean."""

    frequencies: Annotated[list[Annotated[float, Field(gt=0, le=0.5)]], Field(min_length=1)]
    """Of the gratings, in cycles per px."""
    orientations: Annotated[int, Field(ge=4, multiple_of=2)]
    """Number of orientations of the luminance gratings, evenly spaced over 180 degrees."""
    colour_orientations: Annotated[int, Field(ge=2)]
    """Number of orientations of the isoluminant gratings: a divisor of ``orientations``."""
    phases: Annotated[int, Field(ge=4, multiple_of=2)]
    background: Annotated[float, Field(gt=0, lt=1)]
    """Grey level, in [0, 1], that all stimuli vary around."""
    amplitude: Positive
    """Largest change of a pixel: the length of the vector of the changes of its channels."""
    weakest: Annotated[float, Field(ge=0, lt=1)]
    """A unit has no orientation tuning if its response to luminance gratings varies by at most this share of its
    variation with colour."""
    osi: Annotated[float, Field(ge=0, le=1)]
    """A unit is orientation-selective if 1 - its circular variance is at least this."""
    colour_index: Positive
    """A unit is opponent if its response varies with isoluminant colour at least this many times as much as with
    luminance, and if its ``colour_modulation`` is large enough."""
    colour_modulation: Annotated[float, Field(ge=0, le=1)]
    """The least modulation of an opponent unit between the two ends of the axis of colour."""
    uniform: Annotated[float, Field(ge=0)]
    """An opponent unit is double opponent if its response varies with uniform colour at most this many times as much as
    with the best grating."""
    batch_size: Count

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.orientations % self.colour_orientations:
            raise ValueError("colour_orientations must divide orientations, so that both axes share them")
        if self.amplitude > min(self.background, 1 - self.background):
            raise ValueError("amplitude leaves [0, 1]: it must be at most background and at most 1 - background")
        return self


class Identity(Section):
    """Section ``identity``."""

    images: Annotated[int, Field(ge=2)]
    """Validation images, from the first on, whose responses are compared channel by channel."""
    draws: Annotated[int, Field(ge=99)]
    """Number of random permutations of the channels."""
    batch_size: Count


class Filters(Section):
    """Section ``filters``."""

    fold_batch_norm: bool
    """Whether the first filters are multiplied by the scale of their batch norm; in KS equation 3 they are not."""


class Claims(Section):
    """Section ``claims``."""

    resamples: Annotated[int, Field(ge=100)]
    """Bootstrap samples per interval."""
    permutations: Annotated[int, Field(ge=100)]
    """Random exchanges per control, where all exchanges would be too many."""
    same_cosine: Annotated[float, Field(gt=0, lt=1)]
    """Two filters repeat each other if, with one of them turned or recoloured, their cosine is at least this."""
    angle_step: Annotated[float, Field(gt=0, le=90)]
    """Degrees between the rotations that are tried beside the exact quarter turns; with 90 there are no others."""
    shuffles: Annotated[int, Field(ge=20)]
    """Number of sets of filters with shuffled pixels, with which the repeats are compared."""
    batch_size: Count


class FeatureMaps(Section):
    """Section ``feature_maps``."""

    layers: Count
    """Number of convolutions, from the first on."""
    classes: dict[Network, Name]
    """By network, the class whose first validation image is shown; elsewhere it is the class with label 0."""


class Report(Section):
    """Section ``report``."""

    filters: Count
    """Virtual filters shown per network, the strongest ones."""
    filter_units: dict[Network, list[Annotated[int, Field(ge=0)]]]
    """By network, the units of the second layer whose virtual filters are shown instead."""
    deconvolution_sheets: Count
    """Layers per network, spread over depth, whose units are shown by their deconvolved patches; of VGGCNN all are."""


class Track(Section):
    """Section ``track``."""

    live: bool
    """Whether training is logged to MLflow after every epoch, instead of once at the end."""
