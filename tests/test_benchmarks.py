"""The mechanics of the benchmarks, on the CPU; the speeds there say nothing of a GPU."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kept import write_study

from receptive.params.reading import compose

PROJECT = Path(__file__).parents[1]


def script(monkeypatch, name: str):
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module(name)


def bench(*arguments: str, script: str = "gpu") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(PROJECT / f"benchmarks/{script}.py"), *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line_and_ends_well(tmp_path):
    done = bench("--out", str(tmp_path / "bench.json"))
    assert done.stdout.startswith("no GPU is present")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_on_a_cpu_its_mechanics_run(tmp_path):
    out = tmp_path / "bench.json"
    done = bench("--device", "cpu", "--quick", "--out", str(out))
    written = json.loads(out.read_text())
    assert written["hardware"]["name"].startswith("CPU")
    (rows,) = written["networks"].values()
    assert set(rows) == {"training", "extraction"}
    for what, row in rows.items():
        assert row["share"] == pytest.approx(row["images_per_s"] / row["bare_images_per_s"])
        assert row["peak_memory_gb"] > 0.05
        assert f"resnet34 {what}: {row['images_per_s']:.0f} images/s" in done.stdout


@pytest.mark.slow
def test_images_are_measured(monkeypatch):
    images = script(monkeypatch, "images")
    found = images.measure(images.parse(["--images", "12", "--side", "64", "--batch", "5", "--repeats", "1"]))
    assert set(found["sizes"]) == {"photographs", "collages", "noise"}
    rows = {(row["quality"], row["subsampling"]): row["bytes"] for row in found["sizes"]["photographs"]}
    assert rows[85, "444"] < rows[90, "444"] < rows[95, "444"]
    assert rows[90, "420"] < rows[90, "444"]
    exact = [row for row in found["decoders"] if row["subsampling"] == "444" and "," not in row["decoder"]]
    assert {"simplejpeg", "pillow"} <= {row["decoder"] for row in exact}
    assert {row["pixels_differ_by"] for row in exact} == {0}
    read, training = found["reading"]["noise"], found["training"]["noise"]
    assert training["cores_used"] == pytest.approx(6900 / read["jpeg"])
    assert training["times_wanted"] * 6900 == pytest.approx(1 / (read["alone_s"] / 5 + 1 / (15 * read["jpeg"])))


@pytest.mark.slow
def test_extraction_is_compared_with_the_network_and_with_hooks(tmp_path):
    out = tmp_path / "extraction.json"
    done = bench("--quick", "--repeats", "2", "--out", str(out), script="extraction")
    written = json.loads(out.read_text())
    assert json.loads(done.stdout) == written
    assert len(written["cases"]) == 3
    for case in written["cases"].values():
        for row in ("network", "hooks", "extraction"):
            assert 0 < case[row]["least"] <= case[row]["median"] <= case[row]["greatest"]
        assert case["wanted"] < 1


def test_operations_are_those_of_vgg16_by_hand(monkeypatch):
    """Two for each weight and position (Simonyan & Zisserman 2014, configuration D); backward twice forward, but for
    the first layer, whose input needs no gradient."""
    count = script(monkeypatch, "flops").count("vggcnn", 224, 1000)
    convolutions = [(3, 64, 224), (64, 64, 224), (64, 128, 112), (128, 128, 112), (128, 256, 56)]
    convolutions += [(256, 256, 56)] * 2 + [(256, 512, 28)] + [(512, 512, 28)] * 2 + [(512, 512, 14)] * 3
    each = [2 * 9 * a * b * side**2 for a, b, side in convolutions]
    full = 2 * (7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000)
    assert count["forward"] == sum(each) + full
    assert count["step"] == 3 * (sum(each) + full) - each[0]
    assert count["parameters"] == 138_357_544  # as published


def test_results_are_kept_under_the_name_of_the_hardware(tmp_path, monkeypatch, capsys):
    kept = script(monkeypatch, "keep_results")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROJECT / "conf", "conf")
    compose(Path(), ("model=digitcnn",))
    with pytest.raises(SystemExit) as end:
        kept.main()
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("error: the study is not finished (digitcnn is not measured: run 'dvc re")
    write_study()
    monkeypatch.setattr(kept, "hardware", lambda device: {"name": "Some GPU 80GB"})
    kept.main()
    assert capsys.readouterr().out == "kept: docs/results/some-gpu-80gb\n"
    assert json.loads(Path("docs/results/some-gpu-80gb/versions.json").read_text())["python"]
