"""The sections of the report: what is shown, in which order, and the words around it.

Each function takes what it needs through ``Writer``, which saves figures and tables and hands back the parts.
"""

import numpy as np
import pandas as pd

from receptive.figures import data, sparsity, stimuli, training
from receptive.io import artifacts
from receptive.io.params import Params
from receptive.networks.sites import Layer, field_rows
from receptive.report import tables
from receptive.report.page import Picture, Section, Table, table_html

_KS_LAYERS = ("max pool", "layer 3", "layer 7")


class Writer:
    """Saves figures and tables under a report folder and returns them as parts of the page."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def picture(self, name: str, figure, alt: str, caption: str) -> Picture:
        """A figure as PNG; the file holds no date and no version, so the same figure has the same bytes."""
        figure.savefig(self.folder / "figures" / f"{name}.png", metadata={"Software": None})
        return Picture(f"figures/{name}.png", alt, caption)

    def table(self, name: str, table: pd.DataFrame, caption: str, formats=None, folded=False, open=False) -> Table:
        """A table as CSV, Markdown and HTML."""
        table.to_csv(self.folder / "tables" / f"{name}.csv", index=False)
        (self.folder / "tables" / f"{name}.md").write_text(table.to_markdown(index=False) + "\n")
        files = [f"tables/{name}.csv", f"tables/{name}.md"]
        return Table(table_html(table, formats), caption, files, folded, open)


def images(params: Params, write: Writer) -> Section:
    """What the networks are shown."""
    parts = []
    for name in params.datasets:
        prepared = artifacts.read_prepared(name)
        rows = prepared.labels[prepared.labels["split"] == "validation"].sort_values(["label", "image"])
        # two of every class, up to twenty
        rows = rows.groupby("label", sort=True).head(2).iloc[:20]
        numbers = rows["image"].to_numpy()
        masks = None if prepared.subject_mask is None else np.asarray(prepared.subject_mask[numbers])
        outlined = "" if masks is None else " The outlined leaf is the subject: the label names its photograph."
        counts = prepared.labels["split"].value_counts()
        parts.append(
            write.picture(
                f"data_{name}",
                data.samples(np.asarray(prepared.images[numbers]), rows["class_name"].tolist(), masks),
                f"Validation images of {name}, two of every class",
                f"{name}: {counts['train']:,} training and {counts['validation']:,} validation images of "
                f"{prepared.images.shape[2]} px in {len(prepared.classes)} classes.{outlined}",
            )
        )
    text = (
        "Collages are dead leaves cut from photographs: a background, small leaves, and one large subject leaf on "
        "top. Training and validation share the photographs, never a composition, so accuracy here says how well a "
        "network tells these photographs apart in clutter, not how well it would know new objects."
        if "collages" in params.datasets
        else "The images that the networks learned and are judged on."
    )
    return Section("images", "Images", text, parts)


def learning(params: Params, write: Writer) -> Section:
    """Accuracies and learning curves."""
    metrics = {network: artifacts.read_network_metrics(network) for network in params.models}
    history = pd.concat(
        [artifacts.read_history(network).assign(network=network) for network in params.models], ignore_index=True
    )
    seen = {}
    for network in params.models:
        description = artifacts.read_description(network)
        seen[network] = f"{description['dataset']}, {len(description['classes'])} classes"
    shares = ["top-1, training", "top-1, validation", "top-5, validation", "loss, validation"]
    formats = dict.fromkeys([*shares, "paper: training", "paper: validation"], ".3f")
    return Section(
        "accuracy",
        "Accuracy",
        "Training accuracy is the running mean of the last epoch, with augmentation and dropout, as the usual "
        "frameworks report it. The papers' numbers were measured on other data and stand here for orientation only.",
        [
            write.table(
                "accuracy", tables.accuracy(metrics, seen), "Accuracy of every network beside its paper's.", formats
            ),
            write.picture(
                "training_curves",
                training.curves(history),
                "Loss and accuracy by epoch for every network",
                "Loss and top-1 accuracy by epoch: solid on the validation images, dashed on the training images.",
            ),
        ],
    )


def fields(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Receptive fields beside the published ones."""
    parts = []
    for network in params.models:
        table = tables.receptive_fields(network, field_rows(layers[network]))
        known = table["agrees"] != ""
        agree = (
            f"{(table['agrees'] == 'yes').sum()} of {known.sum()} published layers agree"
            if known.any()
            else "the paper gives none"
        )
        if not known.any():
            table = table.drop(columns=["published size", "published stride", "agrees"])
        # the two tables that YU print are open
        shown = known.sum() > 3
        parts.append(write.table(f"fields_{network}", table, f"{network}: {agree}.", folded=True, open=shown))
    return Section(
        "fields",
        "Receptive fields",
        "The patch of the image that one position of a layer can see, in px, from the traced graph: position i sees "
        "the pixels from start + i × stride on, size of them; a negative start lies in the padding. "
        "Published: YU tables 1 and 2, KS figure 4.",
        parts,
    )


def preferred(params: Params, layers: dict[str, list[Layer]], write: Writer) -> Section:
    """Preferred stimuli and mean preferred stimuli: KS figures 4 to 7, and one sheet a network."""
    parts = []
    numbers = {"resnet34": ("4", "5"), "plainnet34": ("6", "7")}
    filters = {network: artifacts.read_first_filters(network) for network in params.models}
    for network in params.models:
        if network in numbers and network in params.report.channels:
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
    channel = min(params.report.channels[network], len(filters) - 1)
    shown = [layer for layer in layers if layer.alias in _KS_LAYERS]
    known = [stimuli_of(params, network, layer, channel) for layer in shown if mined(params, network, layer)]
    if not known:
        return []
    top, mean = numbers
    return [
        write.picture(
            f"ks{top}_top_patches_{network}",
            stimuli.top_patches(f"{network}, channel {channel}", known),
            f"Top 16 patches of channel {channel} of {network} in three layers",
            f"As KS figure {top}: the 16 patches that excite channel {channel} of {network} most, best first, in "
            "layers of growing receptive field.",
        ),
        write.picture(
            f"ks{mean}_mean_stimuli_{network}",
            stimuli.mean_stimuli(f"{network}, channel {channel}", filters[channel], known),
            f"First filter and mean preferred stimuli of channel {channel} of {network}",
            f"As KS figure {mean}: the first filter of channel {channel} of {network} and its mean preferred stimuli "
            "(KS equations 4 and 5); below, their difference from the mean of all patches. N counts the positive "
            "responses.",
        ),
    ]


def _sheets(params, network, layers, write) -> list[Picture]:
    """Two sheets a network: the KS layers where it has them, else its first pool and its deepest mined layer."""
    there = [layer for layer in layers if mined(params, network, layer)]
    wanted = [layer for layer in there if layer.alias in _KS_LAYERS[1:]]
    if len(wanted) < 2:
        pools = [layer for layer in there if layer.kind == "pool"]
        wanted = [*pools[:1], *there[-1:]]
    parts = []
    for layer in dict.fromkeys(wanted):
        count = min(params.report.overview_channels, layer.units)
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
    limit = params.mine.largest_field * artifacts.read_description(network)["image_size"]
    return max(layer.field.y.size, layer.field.x.size) <= limit


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


def sparseness(params: Params, write: Writer) -> tuple[Section, pd.DataFrame, pd.DataFrame]:
    """Sparsity by depth, and units that are never active; also the two tables, for the headline numbers."""
    layers = pd.concat([artifacts.read_sparsity(network) for network in params.models], ignore_index=True)
    units = pd.concat([artifacts.read_units(network) for network in params.models], ignore_index=True)
    section = Section(
        "sparsity",
        "Sparsity",
        "The share of responses that are exactly zero, over all units, positions and validation images, of every "
        "convolution after its rectification and every pooling layer.",
        [
            write.picture(
                "yu6_sparsity",
                sparsity.sparsity_by_depth(layers),
                "Share of zero responses by depth",
                "As YU figure 6, network beside network: filled marks are convolutions, open ones pooling layers, "
                "half a step behind the convolution that they follow.",
            ),
            write.table(
                "sparsity",
                tables.sparsity(layers),
                "Share of zero responses by layer",
                {"zero_fraction": ".4f"},
                folded=True,
            ),
            write.table(
                "activity",
                tables.activity(units),
                "Units that never answer, and units that answer nearly every image",
                folded=True,
            ),
        ],
    )
    return section, layers, units
