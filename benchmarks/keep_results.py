"""Keeps the small results of a study on this machine under docs/results/<hardware>/, as ``receptive keep`` does.

The folder has the name of the GPU.
"""

import sys

import torch
from gpu import hardware, slug

from receptive.comparison.keeping import keep
from receptive.errors import ReceptiveError


def main() -> None:
    facts = hardware(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        print(f"kept: {keep(slug(facts['name']))}")
    except ReceptiveError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
