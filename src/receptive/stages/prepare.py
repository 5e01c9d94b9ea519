"""Prepare a data set: images, labels, statistics, and subject masks where they are known."""

from typing import Annotated

import typer

from receptive.stages import run


def main(dataset: Annotated[str, typer.Argument(help="Name of the data set.")]) -> None:
    """Write data/prepared/DATASET."""
    import shutil

    from tqdm import tqdm

    from receptive import datasets
    from receptive.artifacts.image_store import ImageStore
    from receptive.io import artifacts
    from receptive.params.reading import load_params

    params = load_params()
    datasets.check_name(dataset)
    parameters = params.preparation(dataset)
    root, scratch = None, None
    if dataset in datasets.FROM_FILES:
        root = artifacts.raw_folder(dataset, parameters.pop("path"))
        if parameters.pop("download", False):
            from receptive.artifacts.downloading import download_mnist

            download_mnist(root)
        code = ("receptive.datasets.files", "receptive.datasets.decoding")
        scratch = artifacts.scratch(f"prepare-{dataset}", str(root), code=code)
    prepared = datasets.load(
        dataset,
        parameters,
        params.seed,
        progress=lambda rows: tqdm(rows, desc=f"prepare {dataset}", unit="image"),
        root=root,
        open_store=lambda images, side: ImageStore(scratch, images, side),
    )
    folder = artifacts.write_prepared(prepared)
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    if prepared.origin is not None and len(prepared.origin.damaged):
        print(f"{len(prepared.origin.damaged)} files are damaged and left out: {folder}/damaged.parquet lists them")
    print(f"{folder}: {len(prepared.labels)} images of {len(prepared.classes)} classes")


if __name__ == "__main__":
    run(main)
