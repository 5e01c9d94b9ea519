"""Devices by name, and what is done on them."""

import pytest
import torch

from receptive.errors import ReceptiveError
from receptive.parallel.device import autocast, pick_device, wants_compiling

CPU = torch.device("cpu")


def test_devices():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ReceptiveError, match=r"device 'tpu' cannot be used .*; set device: auto or cpu"):
        pick_device("tpu")
    with pytest.raises(ReceptiveError, match="device 'cuda:99' cannot be used"):
        pick_device("cuda:99")
    with autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_compiling_is_for_gpus_unless_chosen():
    assert wants_compiling("auto", torch.device("cuda"))
    assert not wants_compiling("auto", CPU)
    assert wants_compiling(True, CPU)
    assert not wants_compiling(False, torch.device("cuda"))
