"""Imports torchvision beside any build of torch.

The package index serves torchvision built for CUDA. Beside a CPU-only torch its compiled library
does not load, and the import then fails with ``operator torchvision::nms does not exist``, because
the schemas of two compiled operators are missing. Declaring them lets the models, the transforms
and the data set readers work; the compiled operators and the image decoder do not exist then, and
this project uses neither.
"""

import importlib
import sys
import warnings
from types import ModuleType

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared = []  # a torch.library.Library takes its operators along when it is collected


def import_torchvision() -> ModuleType:
    """The torchvision package, whichever way torch was built.

    Raises:
        RuntimeError, ImportError: as torchvision itself does, when something else is wrong with it.
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
        import torch

        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _declared.append(library)
        return importlib.import_module("torchvision")
