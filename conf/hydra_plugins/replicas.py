"""Gives conf/ the resolver ``replicas``; Hydra finds it by the folder's name, DVC by ``hydra.plugins_path``."""

from omegaconf import DictConfig, ListConfig, OmegaConf


def replicas(models, seeds) -> DictConfig:
    """Each training of each network, and the network: the first has its name, the third of resnet34 is resnet34-3.

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
    names = {model if number == 1 else f"{model}-{number}": model for number in numbers for model in models}
    return OmegaConf.create(names)


OmegaConf.register_new_resolver("replicas", replicas, replace=True)
