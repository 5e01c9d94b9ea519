"""``reports/``: where the finished report goes."""

import os
import shutil
from pathlib import Path

REPORTS = Path("reports")


def move_report(folder: Path) -> None:
    """Moves a finished report to ``reports/``, replacing what it replaces and nothing else."""
    for part in folder.iterdir():
        target = REPORTS / part.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(part, target)
    folder.rmdir()
