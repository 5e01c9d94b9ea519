"""Gives conf/ the resolver ``replicas``; Hydra finds it by the folder's name, DVC by ``hydra.plugins_path``."""

import re

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

OTHERS = "others"
"""The recipe of networks that have none of their own."""


def replicas(models, seeds, *, _root_) -> DictConfig:
    """Each training of each network, and the network: the first has its name, the third of resnet34 is resnet34-3.

    A colon or a dot cannot stand in the names of DVC's stages: torchvision:vgg16 becomes torchvision-vgg16.
    DVC follows the section ``train.<network>``, so a network of torchvision or timm without one gets ``train.others``.

    Args:
        models: names of networks.
        seeds: how many trainings of each, or a list of their numbers, from 1 on.
    """
    if isinstance(seeds, int):
        numbers = list(range(1, seeds + 1))
    else:
        numbers = list(seeds) if isinstance(seeds, ListConfig) else []
    if 1 not in numbers or any(not isinstance(number, int) or number < 1 for number in numbers):
        raise ValueError(f"seeds={seeds}: a number from 1 on, or a list with 1, the training that the report shows")
    # as receptive.networks.slug, which a temporary copy of the project may not be able to import
    bases = [re.sub(r"[:.]", "-", name) if re.match("(torchvision|timm):", name) else name for name in models]
    names = {base if number == 1 else f"{base}-{number}": base for number in numbers for base in bases}
    for base in bases:
        if re.match("(torchvision|timm)-", base) and base not in _root_.train:
            with open_dict(_root_):
                _root_.train[base] = OmegaConf.to_container(_root_.train[OTHERS], resolve=True)
    return OmegaConf.create(names)


OmegaConf.register_new_resolver("replicas", replicas, replace=True)
