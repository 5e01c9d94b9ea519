"""Prepare a data set: images, labels, statistics, and subject masks where they are known."""

from typing import Annotated

import typer

from receptive.stages import run


def main(dataset: Annotated[str, typer.Argument(help="Name of the data set.")]) -> None:
    """Write data/prepared/DATASET; an interrupted decoding of files goes on where it stopped."""
    import shutil

    from tqdm import tqdm

    from receptive import datasets
    from receptive.artifacts.checkpoints import scratch
    from receptive.artifacts.downloading import download_mnist
    from receptive.artifacts.image_store import open_store
    from receptive.artifacts.prepared import raw_folder, write_prepared
    from receptive.params.reading import load_params

    params = load_params()
    datasets.check_name(dataset)
    parameters = params.preparation(dataset)
    store, quality = parameters.pop("store"), parameters.pop("quality", None)
    root, decoded = None, None
    if dataset in datasets.FROM_FILES:
        root = raw_folder(dataset, parameters.pop("path"))
        if parameters.pop("download", False):
            download_mnist(root)
        code = ("receptive.datasets", "receptive.artifacts.image_store")
        decoded = scratch(f"prepare-{dataset}", str(root), store, code=code)
    prepared = datasets.load(
        dataset,
        parameters,
        params.seed,
        progress=lambda rows: tqdm(rows, desc=f"prepare {dataset}", unit="image"),
        root=root,
        open_store=lambda images, side: open_store(decoded, images, side, store, quality),
    )
    folder = write_prepared(prepared)
    if decoded is not None:
        shutil.rmtree(decoded, ignore_errors=True)
    if prepared.origin is not None and len(prepared.origin.damaged):
        print(f"{len(prepared.origin.damaged)} files are damaged and left out: {folder}/damaged.parquet lists them")
    print(f"{folder}: {len(prepared.labels)} images of {len(prepared.classes)} classes")


if __name__ == "__main__":
    run(main)
