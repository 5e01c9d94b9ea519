"""``reports/``: the page, its figures, maps and tables, and metrics.json."""

import os
import shutil
from pathlib import Path

FOLDER = Path("reports")
STAGE = "report"


def move_report(folder: Path, target: Path = FOLDER) -> None:
    """Moves the parts of a finished report from ``folder`` to ``target`` and removes ``folder``.

    A part replaces the part of the same name; everything else in ``target`` stays.
    """
    for part in folder.iterdir():
        place = target / part.name
        if place.is_dir():
            shutil.rmtree(place)
        os.replace(part, place)
    folder.rmdir()
