"""The device that holds the tensors, its precision in products, and whether networks are compiled there."""

from typing import Literal

import torch

from receptive.errors import ReceptiveError


def pick_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is the first GPU where there is one, else the CPU.

    Raises:
        ReceptiveError: This machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ReceptiveError(f"device '{name}' cannot be used ({reason}); set device: auto or cpu") from None
    return device


def autocast(device: torch.device) -> torch.autocast:
    """A context in which products are bfloat16 where a GPU computes it natively; elsewhere all stays float32."""
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def wants_compiling(choice: Literal["auto"] | bool, device: torch.device) -> bool:
    """Whether networks are compiled: as chosen; ``auto`` where the device is a GPU.

    On a CPU compiling takes longer than a laptop's whole training gains by it.
    """
    return device.type == "cuda" if choice == "auto" else choice
