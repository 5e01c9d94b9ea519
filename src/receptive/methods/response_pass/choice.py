"""Who reads the responses: the fastest reader that this machine has, or the one that was asked for."""

import torch

from receptive.errors import ReceptiveError
from receptive.methods.response_pass import reference
from receptive.methods.response_pass.reading import Kernels

try:
    from receptive.methods.response_pass import compiled
except ImportError:  # numba has no build for every machine
    compiled = None  # type: ignore[assignment]
try:
    from receptive.methods.response_pass import triton
except ImportError:  # torch without CUDA comes without Triton
    triton = None  # type: ignore[assignment]


def pick(device: torch.device, name: str | None = None) -> Kernels:
    """The kernels for responses on ``device``.

    Args:
        name: "reference", "compiled" (CPU) or "triton" (GPU); None takes the fastest that is there.

    Raises:
        ReceptiveError: the kernels called ``name`` are not there for this device.
    """
    there = {"reference": reference.KERNELS}
    if device.type == "cpu" and compiled is not None:
        there["compiled"] = compiled.KERNELS
    if device.type == "cuda" and triton is not None:
        there["triton"] = triton.KERNELS
    name = name or list(there)[-1]
    if name not in there:
        raise ReceptiveError(f"no kernels '{name}' for device {device.type}: choose {' or '.join(there)}")
    return there[name]
