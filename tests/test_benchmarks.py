"""The benchmark's mechanics on the CPU; what it measures there says nothing of a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).parents[1]


def bench(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks/gpu.py"), *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line_and_ends_well(tmp_path):
    done = bench("--out", str(tmp_path / "bench.json"))
    assert done.stdout.startswith("no GPU is present")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_on_a_cpu_its_mechanics_run(tmp_path):
    out = tmp_path / "bench.json"
    done = bench("--device", "cpu", "--quick", "--out", str(out))
    found = json.loads(out.read_text())
    assert found["hardware"]["name"].startswith("CPU")
    (rows,) = found["networks"].values()
    assert set(rows) == {"training", "extraction"}
    for what, row in rows.items():
        assert row["share"] == pytest.approx(row["images_per_s"] / row["bare_images_per_s"])
        assert row["peak_memory_gb"] > 0.05
        assert f"resnet34 {what}: {row['images_per_s']:.0f} images/s" in done.stdout
    # the loop's own overhead: loose, for a machine that others use at the same time
    assert 0.4 < rows["training"]["share"] < 2.5
