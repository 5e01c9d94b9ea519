"""Prepare a data set: images, labels, statistics, and subject masks where they are known."""

from typing import Annotated

import typer

from receptive.stages import run


def main(dataset: Annotated[str, typer.Argument(help="Name of the data set.")]) -> None:
    """Write data/prepared/DATASET."""
    from tqdm import tqdm

    from receptive import datasets
    from receptive.io import artifacts
    from receptive.io.params import load_params

    params = load_params()
    datasets.check_name(dataset)
    parameters = params.preparation(dataset)
    prepared = datasets.load(
        dataset,
        parameters,
        params.seed,
        progress=lambda rows: tqdm(rows, desc=f"prepare {dataset}", unit="image"),
    )
    folder = artifacts.write_prepared(prepared)
    print(f"{folder}: {len(prepared.images)} images of {len(prepared.classes)} classes")


if __name__ == "__main__":
    run(main)
