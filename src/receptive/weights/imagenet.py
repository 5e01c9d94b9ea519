"""The scores of ImageNet's classes that a data set has, and the weights that belong to them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from receptive import networks
from receptive.datasets.imagenet_classes import class_names
from receptive.errors import ReceptiveError


def imagenet_rows(classes: Sequence[str], categories: Sequence[str], network: str) -> list[int]:
    """The rows of ImageNet's 1000 scores that are a data set's classes, in the order of its labels.

    A class goes by its WordNet id ("n01443537"), as ImageNet's folders do, or by its English name as torchvision
    lists it ("goldfish"), or by its name in the data set imagenet, which tells apart what ImageNet has twice.

    Args:
        classes: Of the data set, by label.
        categories: The 1000 names in the order of the scores.
        network: For the message.

    Raises:
        ReceptiveError: A class of the data set is none of ImageNet's.
    """
    row_of = {name: row for row, name in enumerate(categories) if list(categories).count(name) == 1}
    for row, (synset, readable) in enumerate(class_names().items()):
        row_of |= {synset: row, readable: row}
    for name in classes:
        if name not in row_of:
            raise ReceptiveError(
                f"the pretrained weights of {network} know ImageNet's 1000 classes, and '{name}' is none of them: take "
                "images of ImageNet's classes (dataset=imagenet, or folders named by WordNet id), or set weights: ours"
            )
    return [row_of[name] for name in classes]


def head_names(network: str, image_size: int, channels: int, options: dict[str, Any]) -> list[str]:
    """The names of the weights whose first axis is the classes; arguments as of ``networks.build``."""
    two, three = (networks.outline(network, n, image_size, channels, **options).state_dict() for n in (2, 3))
    return [key for key in two if two[key].shape != three[key].shape]


def select_rows(state: dict[str, Tensor], heads: Sequence[str], rows: Sequence[int]) -> dict[str, Tensor]:
    """The weights of a network that scores only the classes ``rows``, in this order.

    Args:
        state: Of a network that scores all classes.
        heads: As ``head_names`` gives them.
        rows: As ``imagenet_rows`` gives them.
    """
    index = torch.as_tensor(rows)
    return {name: value[index] if name in heads else value for name, value in state.items()}
