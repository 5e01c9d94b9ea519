"""The command ``receptive``: networks, data sets and receptive fields; params.yaml; studies kept and compared."""

import csv
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    from receptive.networks.layers import Layer

EFFECTIVE = ("exact_px", "effective_px", "untrained_px")
"""The columns of ``receptive fields --effective``."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command()
def fields(
    network: Annotated[str, typer.Argument(help="A network of ours, torchvision:<name> or timm:<name>.")],
    size: Annotated[int | None, typer.Option(help="Side of the image in px; the papers' by default.", min=1)] = None,
    effective: Annotated[bool, typer.Option(help="Add the effective fields that the study measured.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.table,
) -> None:
    """Print the receptive fields of NETWORK, layer by layer, in px; no weights or data are needed.

    A layer's position i sees the pixels start + i * stride up to start + i * stride + size; start is
    negative where padding is seen. Where an operation over the whole map comes before (squeeze and
    excitation, normalisation by the map's own statistics), every position sees the whole image:
    whole_from names the operation, and the numbers are those of the local part. Layers that see the
    whole image and have no local part are left out.

    With --effective NETWORK is a training of the study, after its stage extract: effective_px and
    untrained_px are the sides of the squares with as many pixels as hold 95.45% of the gradient's
    energy, after and before training, and exact_px the side of the field within the image.
    """
    from receptive import networks
    from receptive.networks.layers import field_rows, layers

    networks.check_name(network)
    papers_side, channels = networks.default_image(network)
    side = size or papers_side
    if effective:
        found, measured = _measured_fields(network, size)
    else:
        found = layers(networks.outline(network, image_size=side, channels=channels), side, channels)
        measured = {}
    rows = field_rows(found)
    for row in rows if effective else []:
        row |= measured.get(row["layer"], dict.fromkeys(EFFECTIVE, ""))
    if format is Format.json:
        print(json.dumps(rows, indent=2))
        return
    columns = ["layer", "alias", "kind", "size", "stride", "start", *(EFFECTIVE if effective else ()), "whole_from"]
    if format is Format.csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    if not any(row["whole_from"] for row in rows):
        columns.remove("whole_from")
    texts = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in texts) for i in range(len(columns))]
    for line in texts:
        left = [text.ljust(width) for text, width in zip(line[:3], widths, strict=False)]
        numbers = slice(3, len(columns) - ("whole_from" in columns))
        right = [text.rjust(width) for text, width in zip(line[numbers], widths[numbers], strict=True)]
        print("  ".join(left + right + line[numbers.stop :]).rstrip())
    tabled = {row["layer"] for row in rows}
    whole: dict[str, list[str]] = {}
    for layer in found:
        if layer.name not in tabled:
            whole.setdefault(layer.whole_from, []).append(layer.alias)
    for origin, aliases in whole.items():
        print(f"the whole image, from {origin} on: {', '.join(aliases)}")


def _measured_fields(network: str, size: int | None) -> tuple[list["Layer"], dict[str, dict[str, float]]]:
    """The layers of a training, and by layer the sides of its exact and effective fields in px."""
    from receptive.artifacts.activations import read_effective_fields
    from receptive.artifacts.layers import read_layers

    if size:
        raise ReceptiveError("--effective shows fields on the images of the study: leave --size out")
    table = read_effective_fields(network)
    measured: dict[str, dict[str, float]] = {}
    for row in table.itertuples():
        sides = measured.setdefault(row.layer, {"exact_px": round(row.field_px, 1)})
        sides["effective_px" if row.state == "trained" else "untrained_px"] = round(row.side_px, 1)
    return read_layers(network), measured


@app.command()
def compose(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="As for dvc exp run -S: profile=smoke, model=residual, seed=1 ...")
    ] = None,
) -> None:
    """Rewrite params.yaml from conf/: the default choice of every group, or what OVERRIDES choose instead.

    Impossible parameters are refused, and params.yaml stays as it was.
    """
    from receptive.params import reading

    print(f"wrote {reading.compose(overrides=tuple(overrides or ()))}")


@app.command(name="networks")
def list_networks() -> None:
    """List the networks that can be named."""
    from receptive import networks

    for name in networks.names():
        print(f"{name:<12} {networks.DESCRIPTIONS.get(name, '')}".rstrip())
    print(f"{'torchvision:<name>':<12} any classification network of torchvision")
    print(f"{'timm:<name>':<12} any convolutional network of the package timm")


@app.command(name="datasets")
def list_datasets() -> None:
    """List the data sets that can be prepared."""
    from receptive import datasets

    for name, description in datasets.DATASETS.items():
        print(f"{name:<12} {description}")


@app.command()
def check(dataset: Annotated[str, typer.Argument(help="folder, imagenet or mnist.")]) -> None:
    """Check the files of a data set: what is missing or damaged, and whether they are those that were prepared."""
    from importlib import import_module

    from receptive import datasets
    from receptive.artifacts.prepared import prepared_sources, raw_folder
    from receptive.datasets.files import check_damage
    from receptive.params.reading import load_params

    datasets.check_name(dataset)
    if dataset not in datasets.FROM_FILES:
        raise ReceptiveError(f"{dataset} has no files of yours to check: check one of {', '.join(datasets.FROM_FILES)}")
    params = load_params()
    chosen = params.preparation(dataset) if getattr(params.prepare, dataset) else {}  # {}: the reader's defaults
    root = raw_folder(dataset, chosen.get("path"))
    reader = import_module(f"receptive.datasets.{dataset}")
    if dataset == "mnist":
        if lacking := reader.missing(root):
            raise ReceptiveError(reader.what_is_missing(root, lacking))
        print(f"{reader.folder_of(root)}: the four files of MNIST")
        return
    names = ("classes", "validation_share")
    seed = {"seed": params.seed} if dataset == "folder" else {}
    listing = reader.find(root, **{name: chosen[name] for name in names if name in chosen}, **seed)
    counts = {split: int((listing.splits == split).sum()) for split in ("train", "validation")}
    print(
        f"{listing.root}: {counts['train']:,} training and {counts['validation']:,} validation images "
        f"of {len(listing.classes)} classes"
    )
    unreadable = listing.unreadable()
    check_damage(listing, unreadable, chosen.get("damaged", "skip"))
    for row, reason in unreadable.items():
        print(f"damaged, to be left out: {listing.files[row]} ({reason})")
    if prepared_sources(dataset) not in (None, listing.digest()):
        raise ReceptiveError(
            f"data/prepared/{dataset} was made of other files, or of another split: run "
            f"'dvc repro --force --single-item prepare@{dataset}', then 'dvc repro'"
        )


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="The study that is to come out again.")],
    second: Annotated[str, typer.Argument(help="The study that is judged by it.")] = ".",
    rows: Annotated[int, typer.Option(help="The largest number of rows of a table; 0 for all.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead.")] = False,
) -> None:
    """Say whether SECOND came out as FIRST, quantity by quantity; verdicts that flipped come first.

    Each is a project's folder, results kept in docs/results, a git revision or a DVC experiment. Exit code 0: nothing
    of FIRST is different or missing in SECOND. 1: something is. 2: they cannot be compared.
    """
    from receptive.comparison.comparing import compare as compare_studies
    from receptive.comparison.pages import markdown, plain
    from receptive.comparison.sources import find

    try:
        comparison = compare_studies(find(first), find(second), (first, second))
    except ReceptiveError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(json.dumps(plain(comparison), indent=2) if as_json else markdown(comparison, rows))
    raise typer.Exit(0 if comparison.agree else 1)


@app.command()
def keep(
    name: Annotated[str, typer.Argument(help="The folder below docs/results; results of that name are replaced.")],
) -> None:
    """Keep the small results of the finished study here in docs/results/NAME: claims, numbers, tables, a few figures.

    Versions and hardware are written down as they are now: run it where the study ran.
    """
    from receptive.comparison.keeping import keep as keep_results

    folder = keep_results(name)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


def main() -> None:
    """Runs the command. Errors that the user can mend end in one line and exit code 1."""
    try:
        app()
    except ReceptiveError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
