"""The 1000 classes of ImageNet (ILSVRC 2012): WordNet ids and readable names."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files as package_files


@cache
def class_names() -> dict[str, str]:
    """WordNet id to a readable name, all 1000 and all different, as torchvision names them and in its order."""
    text = package_files("receptive.datasets").joinpath("imagenet_classes.csv").read_text()
    return {row["wnid"]: row["name"] for row in csv.DictReader(text.splitlines())}
