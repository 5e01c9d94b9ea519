"""Data sets that may be fetched: torchvision fetches them, and checks the files."""

import importlib
from pathlib import Path

from receptive.datasets import mnist
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision


def download_mnist(root: Path) -> None:
    """Fetches MNIST's four files into ``root``/MNIST/raw where any is missing; else opens no connection.

    Raises:
        ReceptiveError: The files could not be fetched, or written.
    """
    if not mnist.missing(root):
        return
    import_torchvision()
    sets = importlib.import_module("torchvision.datasets")
    try:
        sets.MNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReceptiveError(
            f"MNIST could not be fetched to {root} ({reason}): connect to the internet, or put the four IDX files "
            "there and set prepare.mnist.download to false"
        ) from None
