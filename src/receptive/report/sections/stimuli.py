"""Preferred stimuli and mean preferred stimuli: KS figures 4 to 7, and two sheets a network."""

from receptive.figures import stimuli
from receptive.io import artifacts
from receptive.networks.layers import KS_LAYERS, Layer, overview_layers
from receptive.params.schema import Params
from receptive.report.page import Picture, Section
from receptive.report.writer import Writer


def section(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """The paper's figures, the first filters, and the sheets."""
    parts = []
    numbers = {"resnet34": ("4", "5"), "plainnet34": ("6", "7")}
    filters = {network: artifacts.read_first_filters(network) for network in params.models}
    for network in params.models:
        if network in numbers and network in params.channels:
            parts += _paper_figures(params, network, layers[network], filters[network], numbers[network], write)
    parts.append(
        write.picture(
            "first_filters",
            stimuli.first_filters(filters),
            "First-layer filters of every network",
            "Filters of the first convolution, up to 32 a network, each scaled by itself; grey is zero.",
        )
    )
    for network in params.models:
        parts += _sheets(params, network, layers[network], write)
    return Section(
        "preferred",
        "Preferred stimuli",
        "For every channel all positions of all validation images are ranked by the response; shown are the patches "
        "of the best, at most one from each image. The mean preferred stimulus is the mean patch over all positive "
        "responses at positions whose receptive field lies wholly inside the image; where a layer has no such "
        "position, over all positions, counting only pixels inside the image. Means are stretched to full contrast, "
        "each by itself. All means resemble the mean of all patches, whatever the channel; what is the channel's own "
        "shows in the difference from it (grey: no difference). Chequered: outside the image.",
        parts,
    )


def _paper_figures(params, network, layers, filters, numbers, write) -> list[Picture]:
    shown = [layer for layer in layers if layer.alias in KS_LAYERS and mined(params, network, layer)]
    if not shown:
        return []
    channels = {layer.alias: params.channel_of(network, layer.units) for layer in shown}
    known = [stimuli_of(params, network, layer, channels[layer.alias]) for layer in shown]
    first, words = params.channel_of(network, len(filters)), channel_words(channels)
    top, mean = numbers
    return [
        write.picture(
            f"ks{top}_top_patches_{network}",
            stimuli.top_patches(f"{network}, {words}", known),
            f"Top 16 patches of {words} of {network} in three layers",
            f"As KS figure {top}: the 16 patches that excite {words} of {network} most, best first, in "
            "layers of growing receptive field.",
        ),
        write.picture(
            f"ks{mean}_mean_stimuli_{network}",
            stimuli.mean_stimuli(f"{network}, {words}", filters[first], known),
            f"First filter {first} and mean preferred stimuli of {words} of {network}",
            f"As KS figure {mean}: first filter {first} of {network} and the mean preferred stimuli of {words} "
            "(KS equations 4 and 5); below, their difference from the mean of all patches. N counts the positive "
            "responses.",
        ),
    ]


def _sheets(params, network, layers, write) -> list[Picture]:
    """Two sheets a network: the KS layers where it has them, else its first pool and its deepest mined layer."""
    largest = params.stimuli.largest_field * artifacts.read_description(network)["image_size"]
    parts = []
    for layer in overview_layers(layers, largest)[-2:]:
        count = min(params.maximize.channels, layer.units)
        rows = [(f"{channel}", stimuli_of(params, network, layer, channel)) for channel in range(count)]
        title = f"{network}, {layer.alias}: channels 0 to {count - 1}"
        parts.append(
            write.picture(
                f"sheet_{network}_{layer.alias.replace(' ', '_')}",
                stimuli.overview(title, rows),
                f"Mean stimulus and top patches of the first {count} channels of {network}, {layer.alias}",
                f"{network}, {layer.alias} (receptive field {layer.field.size} px): the first {count} channels, "
                "not chosen; on the left the mean preferred stimulus and its difference from the mean of all patches.",
            )
        )
    return parts


def mined(params: Params, network: str, layer: Layer) -> bool:
    """Whether the stage ``mine`` has cut this layer's patches."""
    if layer.field.whole_image:
        return False
    limit = params.stimuli.largest_field * artifacts.read_description(network)["image_size"]
    return max(layer.field.y.size, layer.field.x.size) <= limit


def channel_words(channels: dict[str, int]) -> str:
    """The channels of ``Params.channel_of`` in words: "channel 18", or, where only some layers have that many,
    "channel 15 (p1) and 18 (c4_1)".

    Args:
        channels: by the layer's alias.
    """
    numbers = list(dict.fromkeys(channels.values()))
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    layers = {number: ", ".join(alias for alias, its in channels.items() if its == number) for number in numbers}
    return "channel " + " and ".join(f"{number} ({layers[number]})" for number in numbers)


def stimuli_of(params: Params, network: str, layer: Layer, channel: int) -> stimuli.UnitStimuli:
    """What the figures show of one channel of one layer."""
    arrays = artifacts.read_stimuli(network, layer.name)
    rows = arrays["unit"] == channel
    mode = "interior" if len(arrays["mean_interior"]) else "all"
    count = int(arrays[f"count_{mode}"][channel])
    mean = arrays[f"mean_{mode}"][channel]
    return stimuli.UnitStimuli(
        title=f"{layer.alias}, {layer.field.size} px",
        patches=arrays["patches"][rows],
        boxes=arrays["box"][rows],
        image_size=artifacts.read_description(network)["image_size"],
        mean=mean if count else None,
        baseline=arrays[f"baseline_{mode}"],
        mean_of=f"{mode} positions, N = {count:,}",
        dead=bool(arrays["activation"][rows].max(initial=-1.0) <= 0),
    )
