"""Gives conf/ the resolver ``trainings``; Hydra finds it by the folder's name, DVC by ``hydra.plugins_path``."""

import re

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

OTHERS = "others"
"""The recipe of networks that have none of their own."""
FAMILIES = {
    "resnet": r"(resnet|plainnet)\d+",
    "alexcnn": "alexcnn",
    "vggcnn": "vggcnn",
    "smallnets": "digitcnn|fivecnn",
    "foreign": "(torchvision|timm)-.*",
}
"""The file of receptive.networks.families that builds a network, by a pattern of its name."""


def trainings(models, each, *, _root_) -> DictConfig:
    """The trainings by name: the first of resnet34 is resnet34, the third is resnet34-3.

    A value names what DVC follows for the training: the network (and so its recipe), the file of the network's family,
    the prepared set of its images, and the classes that it learns (None: all).

    A colon or a dot cannot stand in the names of DVC's stages: torchvision:vgg16 becomes torchvision-vgg16.
    DVC follows the section ``train.<network>``. So a network of torchvision or timm that has none gets a copy of
    ``train.others``.

    Args:
        models: names of networks.
        each: number of trainings per network, or a list of their numbers, which count from 1.
    """
    listed = list(each) if isinstance(each, ListConfig) else []
    numbers = list(range(1, each + 1)) if isinstance(each, int) else listed
    if 1 not in numbers or any(not isinstance(number, int) or number < 1 for number in numbers):
        raise ValueError(
            f"trainings_each={each}: a number from 1 on, or a list with 1, the training that the report shows"
        )
    # as receptive.networks.slug, which a temporary copy of the project may not be able to import
    bases = [re.sub(r"[:.]", "-", name) if re.match("(torchvision|timm):", name) else name for name in models]
    for base in bases:
        if re.match("(torchvision|timm)-", base) and base not in _root_.train:
            with open_dict(_root_):
                _root_.train[base] = OmegaConf.to_container(_root_.train[OTHERS], resolve=True)
    return OmegaConf.create(
        {base if number == 1 else f"{base}-{number}": _training(base, _root_) for number in numbers for base in bases}
    )


def _training(network: str, root) -> dict:
    family = next((name for name, pattern in FAMILIES.items() if re.fullmatch(pattern, network)), None)
    # what is no network, or has no recipe, is refused with its name when the parameters are read
    kind = root.train[network].data if network in root.train else "natural"
    return {
        "network": network,
        "family": family or "unknown",
        "images": root.data.digits if kind == "digits" else root.data.natural,
        "classes": list(root.data.five) if kind == "five" and root.data.five else None,
    }


OmegaConf.register_new_resolver("trainings", trainings, replace=True)
