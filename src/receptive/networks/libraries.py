"""Imports torchvision or timm, and refuses names of networks that they do not have.

Nothing here decides what a network computes.
"""

import difflib
import importlib
from types import ModuleType

from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision


def torchvision_models_with(name: str) -> ModuleType:
    """torchvision.models, which has the classification network ``name``.

    Raises:
        ReceptiveError: it does not have that network; the line names the nearest one.
    """
    models = import_torchvision().models
    names = models.list_models(module=models)
    if name not in names:
        raise ReceptiveError(f"torchvision has no classification network '{name}'{_hint(name, names)}")
    return models


def timm_with(name: str) -> ModuleType:
    """The package timm, which has the network ``name`` ("resnet18.a1_in1k": with weights of that tag).

    Raises:
        ReceptiveError: timm is not installed, or has no such network or tag.
    """
    import_torchvision()  # timm imports torchvision, which may not load by itself (torchvision_loader)
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
    tags = [variant.partition(".")[2] for variant in timm.list_models(f"{bare}.*", pretrained=True)]
    if tag and tag not in tags:
        raise ReceptiveError(f"timm has no weights '{tag}' of {bare}: choose {' or '.join(tags) or 'the bare name'}")
    return timm


def _hint(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f": did you mean {near[0]}?" if near else ""
