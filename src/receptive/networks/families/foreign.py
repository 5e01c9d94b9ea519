"""Networks of torchvision and timm, made like ours, and the weights that their makers trained on ImageNet."""

import difflib
import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from receptive.errors import ReceptiveError
from receptive.networks import base_name, check_pretrained, in_library
from receptive.networks.parts.normalisation import IMAGENET_MEAN, IMAGENET_STD
from receptive.networks.separate_sites import separate_sites

_NAMING = {"ResNet": "residual", "VGG": "grouped"}
"""Classes of torchvision and timm whose layers have names in the papers."""
_CONNECT_S = 20.0
"""How long a server may stay silent before a download is given up."""


def build_foreign(library: str, name: str, classes: int, channels: int, options: dict) -> nn.Module:
    """A network of ``library`` with fresh weights, every response in a module of its own (``separate_sites``).

    Weights have the names that the library gives them; those for training alone (auxiliary classifiers) are gone,
    and ``unused_weights`` lists their names.

    Raises:
        ReceptiveError: there is no such network or library, it takes no such option or images, or it cannot be traced.
    """
    spelled = f"{library}:{name}"
    for option, value in options.items():
        if not (option == "width" and value == 1):
            raise ReceptiveError(f"{spelled} takes no option '{option}'; leave it out")
    if library == "timm":
        network = _timm(name).create_model(name, num_classes=classes, in_chans=channels)
    else:
        if channels != 3:
            raise ReceptiveError(
                f"{spelled} sees images of 3 channels and these have {channels}: choose colour images, or timm"
            )
        # googlenet and inception warn unless they are told
        extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network = _torchvision(name).get_model(name, weights=None, num_classes=classes, **extra)
    kind, names = type(network).__name__, list(network.state_dict())
    try:
        separate = separate_sites(network)
    except ReceptiveError as error:
        raise ReceptiveError(f"{spelled}: {error}") from None
    kept = separate.state_dict()
    separate.unused_weights = [key for key in names if key not in kept]
    separate.naming = _NAMING.get(kind, "")
    return separate


def _torchvision(name: str) -> ModuleType:
    """torchvision.models, once it is known to have a classification network ``name``."""
    from receptive.networks.torchvision_loader import import_torchvision

    models = import_torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise ReceptiveError(f"torchvision has no classification network '{name}'{_hint(name, known)}")
    return models


def _timm(name: str) -> ModuleType:
    """The package timm, once it is known to have a network ``name``."""
    from receptive.networks.torchvision_loader import import_torchvision

    import_torchvision()  # timm imports it, and it may need help
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ReceptiveError(
            f"timm:{name} needs the package timm: pip install -e '.[timm]', or choose torchvision:<name>"
        ) from None
    bare, _, tag = name.partition(".")
    if not timm.is_model(bare):
        raise ReceptiveError(f"timm has no network '{bare}'{_hint(bare, timm.list_models())}")
    tags = [known.partition(".")[2] for known in timm.list_models(f"{bare}.*", pretrained=True)]
    if tag and tag not in tags:
        raise ReceptiveError(f"timm has no weights '{tag}' of {bare}: choose {' or '.join(tags) or 'the bare name'}")
    return timm


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f": did you mean {near[0]}?" if near else ""


@dataclass(frozen=True)
class Pretrained:
    """Weights trained on ImageNet's 1000 classes by the makers of a network.

    Attributes:
        state: the state dict, on the CPU.
        mean, std: of the pixels in [0, 1], by channel: what the weights expect to be subtracted and divided by.
        origin: who made them: "torchvision ResNet34_Weights.IMAGENET1K_V1".
    """

    state: dict[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def pretrained(name: str) -> Pretrained:
    """The ImageNet weights of a network: torchvision's or timm's, and torchvision's for the ResNets of ours.

    Of several the oldest, IMAGENET1K_V1: trained as the papers of the networks describe. The file comes from the
    cache of torch.hub (or, for timm, of huggingface_hub), or is fetched with a progress bar.

    Args:
        name: of the network, in any spelling; ``resnet34`` is ours.

    Raises:
        ReceptiveError: nobody has such weights, or they are not in the cache and cannot be fetched.
    """
    check_pretrained(name)
    library, there = in_library(name) or ("torchvision", base_name(name))
    return _pretrained_timm(there) if library == "timm" else _pretrained_torchvision(there)


def imagenet_categories() -> list[str]:
    """The English names of ImageNet's 1000 classes, in the order of the scores, as torchvision lists them."""
    return list(_torchvision("alexnet").get_model_weights("alexnet").DEFAULT.meta["categories"])


def _pretrained_torchvision(name: str) -> Pretrained:
    models = _torchvision(name)
    known = models.get_model_weights(name)
    entry = getattr(known, "IMAGENET1K_V1", None) or getattr(known, "DEFAULT", None)
    if entry is None or len(entry.meta["categories"]) != 1000:
        raise ReceptiveError(f"torchvision has no ImageNet weights of {name}: set weights to ours or to a file")
    with _fetching(f"torchvision:{name}", f"put {entry.url} into {torch.hub.get_dir()}/checkpoints"):
        network = models.get_model(name, weights=entry, progress=True)
    preset = entry.transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    if getattr(network, "transform_input", False):
        # these weights map the usual normalisation to pixels * 2 - 1 inside the network; ours takes such pixels
        mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    return Pretrained(network.state_dict(), mean, std, f"torchvision {type(entry).__name__}.{entry.name}")


def _pretrained_timm(name: str) -> Pretrained:
    timm = _timm(name)
    with _fetching(f"timm:{name}", "fetch them on another machine, and set weights to the file"):
        network = timm.create_model(name, pretrained=True)
    given = network.pretrained_cfg
    if given.get("num_classes") != 1000:
        raise ReceptiveError(f"the weights of timm:{name} are not of ImageNet's 1000 classes: choose another tag")
    mean, std = given.get("mean", IMAGENET_MEAN), given.get("std", IMAGENET_STD)
    return Pretrained(network.state_dict(), tuple(mean), tuple(std), f"timm {given['architecture']}.{given['tag']}")


@contextmanager
def _fetching(name: str, cure: str) -> Iterator[None]:
    """Turns whatever a download can end with into one line."""
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
