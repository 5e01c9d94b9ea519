"""Imports torchvision beside any build of torch.

The package index serves torchvision built for CUDA. Its compiled library does not load beside a CPU-only torch.
The import then fails with ``operator torchvision::nms does not exist``, because the schemas of two compiled
operators are missing. With these declared, the models, the transforms and the readers of data sets work. The
compiled operators and the image decoder do not exist then; this project uses neither.
"""

import importlib
import sys
import warnings
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # its operators are gone when a Library is collected


def import_torchvision() -> ModuleType:
    """The package torchvision, beside a torch built for CUDA or for the CPU alone.

    Raises:
        RuntimeError, ImportError: torchvision's own, for any other cause.
    """
    with warnings.catch_warnings():
        # torchvision warns that its image decoder is missing; nothing here decodes with it.
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::nms" not in str(error):
                raise
        for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
            del sys.modules[name]  # what the failed import left behind
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _declared.append(library)
        return importlib.import_module("torchvision")
