"""What a study is computed with: versions and hardware, without names of machines or people."""

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "scikit-learn", "scikit-image", "openTSNE", "dvc")
"""Those that have a say in numbers, and the one that ran the stages."""


def versions() -> dict[str, Any]:
    """Versions, system, device and threads of this environment: ``hardware``, ``system``, ``python``, ``packages``."""
    gpu = torch.cuda.is_available()
    hardware = {
        "name": torch.cuda.get_device_name() if gpu else f"CPU {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    if gpu:
        hardware |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "memory_gb": torch.cuda.get_device_properties(0).total_memory / 1e9,
        }
    return {
        "hardware": hardware,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
