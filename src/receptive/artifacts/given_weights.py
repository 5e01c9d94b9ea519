"""A user's own file of weights."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from receptive.artifacts.files import digest_files
from receptive.artifacts.root import project_root
from receptive.errors import ReceptiveError


class GivenState(NamedTuple):
    """A user's file of weights.

    Attributes:
        state: The state dict, on the CPU.
        digest: SHA-256 of the file.
    """

    state: dict[str, Tensor]
    digest: str


def read_state(path: str) -> GivenState:
    """The state dict in a user's file of weights, and the file's digest. Nothing in the file is executed.

    Args:
        path: A .safetensors file, or what ``torch.save`` wrote of a state dict (also within a checkpoint, under
            "state_dict" or "model"). A relative path starts from the project's folder.

    Raises:
        ReceptiveError: The file is missing, may not be read, or holds no weights.
    """
    file = project_root() / Path(path).expanduser()
    if not file.is_file():
        raise ReceptiveError(
            f"there is no file of weights '{path}': give a .safetensors or .pt file, or weights: ours or pretrained"
        )
    try:
        state: Any
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            with warnings.catch_warnings(action="ignore"):  # torch's, of what is refused below
                state = torch.load(file, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):
            state = state.get(key, state) if isinstance(state, dict) else state
        if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
            raise ValueError
    except MemoryError:
        raise
    except PermissionError:
        raise ReceptiveError(f"'{path}' may not be read: change the file's permissions") from None
    except Exception:  # a damaged file makes the libraries raise nearly anything, with advice that is not for our users
        raise ReceptiveError(
            f"'{path}' cannot be read as weights: it holds no state dict of tensors (damaged, or a whole pickled "
            "module): save model.state_dict() with torch.save, or as .safetensors"
        ) from None
    # what a network in DataParallel saves
    state = {name.removeprefix("module."): value for name, value in state.items()}
    return GivenState(state, digest_files(file))
