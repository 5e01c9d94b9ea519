"""Subjects whose untrained network is handed over instead of read, and a network with a dead layer."""

from dataclasses import dataclass, replace

import torch
from oracles import with_random_statistics
from torch import nn

from receptive import networks
from receptive.measurements.subject import Subject


@dataclass(frozen=True)
class Controlled(Subject):
    """A subject with a control in memory."""

    control: nn.Module | None = None

    def untrained(self) -> Subject:
        return replace(self, network=self.control)


def controlled(subject: Subject, control: nn.Module) -> Controlled:
    """The same subject, whose network before training is ``control``."""
    return Controlled(**vars(subject), control=control)


def with_a_dead_layer(classes: int, side: int, seed: int = 0) -> nn.Module:
    """FiveCNN with random weights whose layer c4 answers nothing."""
    torch.manual_seed(seed)
    network = with_random_statistics(networks.build("fivecnn", classes, side, width=0.25), seed).eval()
    for parameter in network.c4.parameters():
        nn.init.zeros_(parameter)
    return network
