"""Weights from elsewhere: whether they fit a network, and which of ImageNet's classes are a data set's."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from receptive import networks
from receptive.datasets.imagenet_classes import class_names
from receptive.errors import ReceptiveError

_SHOWN = 3  # entries named of each kind of misfit


def fitted(network: nn.Module, state: dict[str, Tensor], what: str) -> dict[str, Tensor]:
    """The state dict as ``network`` takes it; every weight must be there, of the right shape.

    Two things may differ: weights that the network has for training alone (``unused_weights``) may be there, and
    batch norms' counts of batches, which files of old do not hold, may be missing.

    Args:
        what: the weights in words, for the message: "the weights of /data/resnet34.pth".

    Raises:
        ReceptiveError: they do not fit; the line names the first entries that are missing, unexpected or of another
            shape. Or they are not finite.
    """
    expected = network.state_dict()
    unused = set(getattr(network, "unused_weights", ()))
    state = {name: value for name, value in state.items() if name in expected or name not in unused}
    counts = {name: value for name, value in expected.items() if name.endswith(".num_batches_tracked")}
    state = counts | state
    misfits = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} ({_shape(state[name])}, not {_shape(value)})"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    found = [f"{kind} {_few(names)}" for kind, names in misfits.items() if names]
    if found:
        raise ReceptiveError(
            f"{what} do not fit the network: {'; '.join(found)}; give weights of this very network, width and classes"
        )
    check_finite(state, what)
    return state


def check_finite(state: dict[str, Tensor], what: str) -> None:
    """Refuse weights with values that are infinite or no number, as float32.

    Raises:
        ReceptiveError: there are some; the line names the first tensor that has any.
    """
    for name, value in state.items():
        if value.is_floating_point() and not value.float().isfinite().all():
            raise ReceptiveError(
                f"{what} are not finite, first in {name}: the training that they are of diverged, or the file is "
                "damaged; give others"
            )


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "one number"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def imagenet_rows(classes: Sequence[str], categories: Sequence[str], network: str) -> list[int]:
    """Which of ImageNet's 1000 scores belong to a data set's classes, in the order of its labels.

    A class is known by its WordNet id ("n01443537"), as ImageNet's folders are called, or by its English name as
    torchvision lists it ("goldfish") or as the data set imagenet does, with two names for what ImageNet has twice.

    Args:
        categories: the 1000 names in the order of the scores.
        network: for the message.

    Raises:
        ReceptiveError: a class of the data set is none of ImageNet's.
    """
    known = {name: row for row, name in enumerate(categories) if list(categories).count(name) == 1}
    for row, (synset, readable) in enumerate(class_names().items()):
        known |= {synset: row, readable: row}
    for name in classes:
        if name not in known:
            raise ReceptiveError(
                f"the pretrained weights of {network} know ImageNet's 1000 classes, and '{name}' is none of them: take "
                "images of ImageNet's classes (dataset=imagenet, or folders named by WordNet id), or set weights: ours"
            )
    return [known[name] for name in classes]


def head_names(name: str, image_size: int, channels: int, options: dict) -> list[str]:
    """Names of the weights that belong to single class scores: those whose first axis is the classes."""
    two, three = (networks.outline(name, n, image_size, channels, **options).state_dict() for n in (2, 3))
    return [key for key in two if two[key].shape != three[key].shape]


def select_rows(state: dict[str, Tensor], heads: Sequence[str], rows: Sequence[int]) -> dict[str, Tensor]:
    """The weights of a network that scores only the classes ``rows``, in their order; the other scores are cut off."""
    index = torch.as_tensor(rows)
    return {name: value[index] if name in heads else value for name, value in state.items()}
