"""The folder of the project, where checkpoints, the user's own files and the runs are."""

import os
from pathlib import Path


def project_root() -> Path:
    """The project's own folder, also inside the temporary copies that DVC makes for experiments."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()
