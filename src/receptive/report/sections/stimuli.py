"""Preferred stimuli and mean preferred stimuli: KS figures 4 to 7, and two sheets per network."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from receptive.artifacts.networks import read_description, read_first_filters
from receptive.artifacts.stimuli import read_choices, read_stimuli
from receptive.figures import choices as choice_figures
from receptive.figures import stimuli as figures
from receptive.networks.layers import KS_LAYERS, Layer, overview_layers
from receptive.params.schema import Params
from receptive.report import tables
from receptive.report.page import Part, Picture, Section
from receptive.report.writer import Writer

PAPER_FIGURES = {"resnet34": ("4", "5"), "plainnet34": ("6", "7")}
"""Of each network of KS the figures of its top patches and of its mean preferred stimuli."""


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """The paper's figures, the first filters, and the sheets."""
    parts: list[Part] = []
    filters = {network: read_first_filters(network) for network in params.models}
    for network in params.models:
        if network in PAPER_FIGURES and network in params.channels:
            parts += _paper_figures(params, network, layers[network], filters[network], write)
    parts.append(
        write.picture(
            "first_filters",
            figures.first_filters(filters),
            "First-layer filters of every network",
            "Filters of the first convolution, up to 32 per network, each scaled by itself; grey is zero.",
        )
    )
    for network in params.models:
        parts += _sheets(params, network, layers[network], write)
    parts += _choices(params, write)
    return Section(
        "stimuli",
        "Preferred stimuli",
        "For every channel all positions of all validation images are ranked by the response; shown are the patches "
        "of the best, at most one from each image. The mean preferred stimulus is the mean patch over all positive "
        "responses at positions whose receptive field lies wholly inside the image. Where a layer has no such "
        "position, it is the mean over all positions, counting only pixels inside the image. Means are stretched to "
        "full contrast, each by itself. All means resemble the mean of all patches, whatever the channel; what is "
        "particular to the channel shows in the difference from it (grey: no difference). Chequered: outside the "
        "image. Last, how much these patches tell: how often a model observer who has seen a unit's top and "
        "bottom patches predicts which of two unseen patches excites the unit more, as people are asked in Borowski "
        "et al. (2021) and Zimmermann et al. (2023). The observer sees coarse pixels and Gabor energies alone; 0.5 is "
        "guessing.",
        parts,
    )


def _paper_figures(
    params: Params, network: str, layers: list[Layer], filters: np.ndarray, write: Writer
) -> list[Picture]:
    limit = params.stimuli.largest_field * read_description(network)["image_size"]
    shown = [layer for layer in layers if layer.alias in KS_LAYERS and layer.fits(limit)]
    if not shown:
        return []
    channels = {layer.alias: params.channel_of(network, layer.units) for layer in shown}
    stimuli = [stimuli_of(network, layer, [channels[layer.alias]])[0] for layer in shown]
    first, words = params.channel_of(network, len(filters)), channel_words(channels)
    top, mean = PAPER_FIGURES[network]
    return [
        write.picture(
            f"ks{top}_top_patches_{network}",
            figures.top_patches(f"{network}, {words}", stimuli),
            f"Top 16 patches of {words} of {network} in three layers",
            f"As KS figure {top}: the 16 patches that excite {words} of {network} most, best first, in "
            "layers of growing receptive field.",
        ),
        write.picture(
            f"ks{mean}_mean_stimuli_{network}",
            figures.mean_stimuli(f"{network}, {words}", filters[first], stimuli),
            f"First filter {first} and mean preferred stimuli of {words} of {network}",
            f"As KS figure {mean}: first filter {first} of {network} and the mean preferred stimuli of {words} "
            "(KS equations 4 and 5); below, their difference from the mean of all patches. N counts the positive "
            "responses.",
        ),
    ]


def _sheets(params: Params, network: str, layers: list[Layer], write: Writer) -> list[Picture]:
    """Two sheets per network: the KS layers where it has them, else its first pool and its deepest layer that fits."""
    limit = params.stimuli.largest_field * read_description(network)["image_size"]
    parts = []
    for layer in overview_layers(layers, limit)[-2:]:
        count = min(params.maximize.channels, layer.units)
        stimuli = stimuli_of(network, layer, range(count))
        rows = [(f"{channel}", unit) for channel, unit in enumerate(stimuli)]
        title = f"{network}, {layer.alias}: channels 0 to {count - 1}"
        parts.append(
            write.picture(
                f"sheet_{network}_{layer.alias.replace(' ', '_')}",
                figures.overview(title, rows),
                f"Mean stimulus and top patches of the first {count} channels of {network}, {layer.alias}",
                f"{network}, {layer.alias} (receptive field {layer.field.size} px): the first {count} channels, "
                "not chosen; on the left the mean preferred stimulus and its difference from the mean of all patches.",
            )
        )
    return parts


def _choices(params: Params, write: Writer) -> list[Part]:
    """How well unseen patches are told apart after a unit's top and bottom patches, by layer."""
    choices = pd.concat([read_choices(network) for network in params.models], ignore_index=True)
    if choices["right"].notna().sum() == 0:
        return []
    settings = params.choices
    return [
        write.picture(
            "right_choices",
            choice_figures.right_by_layer(choices),
            "Share of right choices of a model observer for the units of every layer, trained and before training",
            f"Does seeing a unit's patches help to predict it? A model observer gets the {settings.references} patches "
            f"of one half of {settings.images:,} validation images that excite a unit most and the "
            f"{settings.references} that excite it least, and says of two patches of the other half, one of the top "
            f"{settings.held_out} and one of the bottom {settings.held_out}, which excites it more. Boxes: quartiles "
            "over units, whiskers: the middle 90%. Dotted: guessing.",
        ),
        write.table(
            "right_choices",
            tables.right_choices(choices),
            "Right choices of the model observer: mean and quartiles over the units of each layer",
            dict.fromkeys(("mean", "lower", "median", "upper"), ".3f"),
            folded=True,
        ),
    ]


def channel_words(channels: dict[str, int]) -> str:
    """The channels of ``Params.channel_of`` in words.

    They are "channel 18", or "channel 15 (p1) and 18 (c4_1)" where some layers have fewer channels.

    Args:
        channels: by the layer's alias.
    """
    numbers = list(dict.fromkeys(channels.values()))
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    layers = {number: ", ".join(alias for alias in channels if channels[alias] == number) for number in numbers}
    return "channel " + " and ".join(f"{number} ({layers[number]})" for number in numbers)


def stimuli_of(network: str, layer: Layer, channels: Sequence[int]) -> list[figures.UnitStimuli]:
    """The preferred stimuli of some channels of a layer, read from data/stimuli.

    Raises:
        ReceptiveError: the layer's file is missing or damaged.
    """
    arrays = read_stimuli(network, layer.name)
    image_size = read_description(network)["image_size"]
    return [unit_stimuli(arrays, layer, channel, image_size) for channel in channels]


def unit_stimuli(arrays: dict[str, np.ndarray], layer: Layer, channel: int, image_size: int) -> figures.UnitStimuli:
    """What figures show of one channel of a layer.

    Args:
        arrays: of ``artifacts.stimuli``. The mean is over interior positions where the layer has any, else over all.
        image_size: side of the images, px.
    """
    rows = arrays["unit"] == channel
    mode = "interior" if len(arrays["mean_interior"]) else "all"
    count = int(arrays[f"count_{mode}"][channel])
    mean = arrays[f"mean_{mode}"][channel]
    return figures.UnitStimuli(
        title=f"{layer.alias}, {layer.field.size} px",
        patches=arrays["patches"][rows],
        boxes=arrays["box"][rows],
        image_size=image_size,
        mean=mean if count else None,
        baseline=arrays[f"baseline_{mode}"],
        mean_of=f"{mode} positions, N = {count:,}",
        dead=bool(arrays["activation"][rows].max(initial=-1.0) <= 0),
    )
