"""Memory does not grow with the number of images: the same passes over few and over many, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FEW, MANY = 100, 1500
IMAGE_MB = 32 * 32 * 3 / 2**20
MAPS_MB = 32 * 32 * 16 * 4 / 2**20  # of the first layer alone, an image


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    found = {}
    for images in (FEW, MANY):
        file = tmp_path_factory.mktemp("memory") / "images.npy"
        done = subprocess.run(
            [sys.executable, str(HERE / "memory_of_passes.py"), str(images), str(file)],
            env=os.environ | {"PYTHONPATH": str(HERE.parent / "src"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        found[images] = {name: float(peak) for name, peak in (line.split() for line in done.stdout.splitlines())}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["extract", "maximize", "stimuli"])
def test_memory_does_not_grow_with_the_images(peaks, stage):
    """Nothing that is kept of an image may be as large as a map; the images themselves, mapped from the file, may."""
    grown = peaks[MANY][stage] - peaks[FEW][stage]
    mapped = (MANY - FEW) * IMAGE_MB
    assert grown < mapped + 17, peaks
    assert mapped + 17 < (MANY - FEW) * MAPS_MB / 4  # keeping maps would be seen
