"""The weights that the makers of a network trained on ImageNet, from torchvision or timm."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from receptive.errors import ReceptiveError
from receptive.networks import check_pretrained, in_library
from receptive.networks.libraries import timm_with, torchvision_models_with
from receptive.networks.parts.normalisation import IMAGENET_MEAN, IMAGENET_STD

_CONNECT_S = 20.0
"""Seconds that a server may stay silent before a download is given up."""


@dataclass(frozen=True)
class Pretrained:
    """Weights trained on ImageNet's 1000 classes by the makers of a network.

    Attributes:
        state: the state dict, on the CPU.
        mean, std: per channel, what the weights expect to be subtracted from pixels in [0, 1], and then divided by.
        origin: who made them: "torchvision ResNet34_Weights.IMAGENET1K_V1".
    """

    state: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def pretrained(name: str) -> Pretrained:
    """The ImageNet weights of a network: its library's, and torchvision's for our ResNets.

    Where torchvision has several, these are IMAGENET1K_V1: trained as the papers of the networks describe. The file
    comes from the cache of torch.hub (for timm: of huggingface_hub), or is fetched with a progress bar.

    Args:
        name: of the network, in any spelling that ``receptive.networks`` takes; ``resnet34`` is ours.

    Raises:
        ReceptiveError: there are no such weights, or they are not in the cache and cannot be fetched.
    """
    check_pretrained(name)
    library, name_there = in_library(name) or ("torchvision", name)
    return _pretrained_timm(name_there) if library == "timm" else _pretrained_torchvision(name_there)


def imagenet_categories() -> list[str]:
    """The English names of ImageNet's 1000 classes, in the order of the scores, as torchvision lists them."""
    return list(torchvision_models_with("alexnet").get_model_weights("alexnet").DEFAULT.meta["categories"])


def _pretrained_torchvision(name: str) -> Pretrained:
    models = torchvision_models_with(name)
    choices = models.get_model_weights(name)
    entry = getattr(choices, "IMAGENET1K_V1", None) or getattr(choices, "DEFAULT", None)
    if entry is None or len(entry.meta["categories"]) != 1000:
        raise ReceptiveError(f"torchvision has no ImageNet weights of {name}: set weights to ours or to a file")
    with _fetching(f"torchvision:{name}", f"put {entry.url} into {torch.hub.get_dir()}/checkpoints"):
        network = models.get_model(name, weights=entry, progress=True)
    preset = entry.transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    if getattr(network, "transform_input", False):
        # the library's network turns the usual normalisation into pixels * 2 - 1 itself; ours is given such pixels
        mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    return Pretrained(network.state_dict(), mean, std, f"torchvision {type(entry).__name__}.{entry.name}")


def _pretrained_timm(name: str) -> Pretrained:
    timm = timm_with(name)
    with _fetching(f"timm:{name}", "fetch them on another machine, and set weights to the file"):
        network = timm.create_model(name, pretrained=True)
    config = network.pretrained_cfg
    if config.get("num_classes") != 1000:
        raise ReceptiveError(f"the weights of timm:{name} are not of ImageNet's 1000 classes: choose another tag")
    mean, std = config.get("mean", IMAGENET_MEAN), config.get("std", IMAGENET_STD)
    return Pretrained(network.state_dict(), tuple(mean), tuple(std), f"timm {config['architecture']}.{config['tag']}")


@contextmanager
def _fetching(name: str, cure: str) -> Iterator[None]:
    """Within the block, every error of a download becomes one line with its cure."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_S)
    try:
        yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # libraries of several makers raise errors of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ReceptiveError(
            f"the pretrained weights of {name} cannot be had ({reason}): connect to a network, or {cure}"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
