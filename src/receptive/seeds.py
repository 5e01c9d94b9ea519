"""Named sources of chance: every random draw of the project comes from one of these."""

import hashlib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def named_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the draw called ``names``; different names give unrelated draws.

    ``named_seed(0, "train", "resnet34", "order")`` does not depend on which other draws are made. So a new stage or
    network leaves all other numbers as they are.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> "torch.Generator":
    """A CPU torch.Generator for the draw called ``names``."""
    torch = importlib.import_module("torch")  # data sets take ``named_seed`` alone, without the time that torch takes
    return torch.Generator().manual_seed(named_seed(seed, *names))
