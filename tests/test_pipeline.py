"""The whole study on next to nothing (the smoke profile), through DVC, in a clone of its own."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from clone import Clone
from graph import NETWORKS, call, stages, uncovered

pytestmark = pytest.mark.slow  # a run of the whole study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("study"))
    clone.compose()
    clone.commit()
    clone.first = clone.run("dvc", "repro")
    clone.commit()
    return clone


HEADING = ["network", "layer", "alias", "depth", "kind"]
COLUMNS = {  # of data/<folder>/<network>/<table>.parquet
    "networks/history": ["epoch", "split", "loss", "top1", "top5", "lr", "images_per_s"],
    "activations/units": [*HEADING, "unit", "images", "positions", "mean", "max", "zero_fraction", "positive_images"],
    "activations/preferred": [
        *("network", "layer", "unit", "rank", "image", "y", "x", "activation"),
        *("top_px", "left_px", "bottom_px", "right_px"),
    ],
    "activations/zeros": ["network", "state", *HEADING[1:], "image", "zero_fraction"],
    "sparsity/layers": [*HEADING, "zero_fraction"],
    "maximization/paths": [
        *("network", "layer", "alias", "unit", "start", "objective", "preset", "initialisation", "path"),
    ],
    "stimuli/choices": ["network", "state", *HEADING[1:], "unit", "right"],
    "deconvolution/predictions": ["network", "image", "label", "class_name", "rank", "predicted", "probability"],
    "identity/units": [
        *("network", "state", "measure", "group", "layer", "alias", "depth", "other_layer", "other_alias"),
        *("other_depth", "unit", "own", "others", "share_less_similar"),
    ],
}
COLUMNS["deconvolution/units"] = [*COLUMNS["activations/preferred"], "alias", "depth", "response", "peak"]
ENERGY = [
    *("network", "state", "layer", "alias", "depth", "kind", "image", "label", "energy"),
    *("energy_outside_fraction", "outside_others_fraction", "others_outside_fraction"),
    *("area_outside_fraction", "image_energy_outside_fraction"),
]
DESCRIPTION = [
    *("channels", "classes", "dataset", "epochs", "first_filters", "image_size", "network", "normalisation", "options"),
    *("seed", "weights"),
]
MEASURED = ["loss", "top1", "top5"]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_first_run_makes_every_contract(study, network):
    data = study.folder / "data"
    tables = {}
    for name, columns in COLUMNS.items():
        folder, table = name.split("/")
        tables[name] = pd.read_parquet(data / folder / network / f"{table}.parquet")
        assert list(tables[name]) == columns, name
    units, preferred, zeros = (tables[f"activations/{table}"] for table in ("units", "preferred", "zeros"))
    # the best of the ranks is the maximum of the statistics: two independent paths through the pass
    best = preferred[preferred["rank"] == 0].set_index(["layer", "unit"])["activation"]
    assert (best == units.set_index(["layer", "unit"])["max"]).all()
    # the mean over images is that over units: two independent counts
    by_image = zeros[zeros["state"] == "trained"].groupby("layer")["zero_fraction"].mean()
    np.testing.assert_allclose(by_image, units.groupby("layer")["zero_fraction"].mean(), atol=1e-12)
    patches, carried = tables["deconvolution/units"], data / "deconvolution" / network
    with np.load(carried / "units.npz") as arrays:
        for layer in arrays:
            assert len(arrays[layer]) == (patches["layer"] == layer).sum()
            assert np.abs(arrays[layer]).max() <= 1
    images = pd.read_parquet(carried / "images.parquet")
    with np.load(carried / "representations.npz") as arrays:
        assert all(len(arrays[layer]) == len(images) for layer in arrays)
    if network == "digitcnn":
        assert not (carried / "energy.parquet").exists()
    else:
        assert list(pd.read_parquet(carried / "energy.parquet")) == ENERGY
    assert tables["identity/units"].empty == (network in ("digitcnn", "fivecnn"))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_form_of_a_trained_network(study, network):
    """Pinned with literals: ``artifacts/networks.py`` is no dep of stage train (``graph.NO_SAY_IN_TRAINING``)."""
    folder = study.folder / "data/networks" / network
    assert list(json.loads((folder / "network.json").read_text())) == DESCRIPTION
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {name: value if name == "parameters" else list(value) for name, value in metrics.items()} == {
        "parameters": metrics["parameters"],
        "train": MEASURED,
        "validation": MEASURED,
    }
    assert {path.name for path in folder.iterdir()} == {
        *("history.parquet", "metrics.json", "network.json", "normalisation.safetensors", "untrained.safetensors"),
        "weights.safetensors",
    }


def test_the_metrics_are_those_of_all_networks(study):
    metrics = json.loads((study.folder / "reports/metrics.json").read_text())
    assert list(metrics) == sorted(NETWORKS)


def test_the_report_shows_what_it_names(study):
    page = (study.folder / "reports/index.html").read_text()
    for name in [*NETWORKS, "smoke", "collages"]:
        assert name in page
    sources = [part.split('"')[0] for part in page.split('src="')[1:]]
    links = [part.split('"')[0] for part in page.split('href="')[1:]]
    assert len(sources) > 10
    for file in sources + [link for link in links if not link.startswith("#")]:
        assert "://" not in file, f"{file} would need a network"
        assert (study.folder / "reports" / file).is_file(), file


def test_the_second_run_does_nothing(study):
    again = study.run("dvc", "repro")
    assert "Running stage" not in again.stdout + again.stderr
    assert study.run("git", "status", "--porcelain").stdout == ""


@pytest.fixture(scope="module")
def copy(study, tmp_path_factory) -> Path:
    """The study's files without its repository: stages may write here."""
    folder = tmp_path_factory.mktemp("copy") / "study"
    shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns(".git", ".dvc", "mlruns"))
    return folder


# Prints to stderr which parameters a stage reads, each once; tracking logs any of them, and its log is no result.
RECORD = """
import runpy, sys
from receptive.params import reading, schema
load, fields, seen = reading.load_params, frozenset(schema.Params.model_fields), set()
def look(self, name):
    if name in fields and not sys._getframe(1).f_globals["__name__"].startswith("receptive.tracking"):
        seen.add(name)
    return object.__getattribute__(self, name)
def loaded(*args):
    params = load(*args)
    schema.Params.__getattribute__ = look
    return params
reading.load_params = loaded
stage, *sys.argv[1:] = sys.argv[1:]
try:
    runpy.run_module(f"receptive.stages.{stage}", run_name="__main__", alter_sys=True)
finally:
    print("parameters:", *sorted(seen), file=sys.stderr)
"""


@pytest.mark.parametrize("stage", [name for name in stages() if name != "track"])  # track writes no output
def test_every_stage_names_what_it_loads_and_reads(study, copy, stage):
    """DVC sees neither imports nor parameters that are read: deps and params of a stage name what it really uses."""
    done = subprocess.run(
        ["env", "PYTHONPATH=src", sys.executable, "-X", "importtime", "-c", RECORD, *call(stage)],
        cwd=copy,
        env=study.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    loaded = {module for module in loaded if module.partition(".")[0] == "receptive"} | {f"receptive.stages.{stage}"}
    assert len(loaded) > 5
    assert uncovered(stage, "smallnets", loaded) == []
    (read,) = [line.split()[1:] for line in lines if line.startswith("parameters:")]
    named = [params.partition(".")[0] for params in stages()[stage]["params"]]
    assert set(read) <= set(named)


def test_the_runs_are_in_one_store(study):
    with sqlite3.connect(study.folder / "mlflow.db") as store:
        tags = store.execute("select run_uuid, key, value from tags").fetchall()
    children = {run for run, key, _ in tags if key == "mlflow.parentRunId"}
    parents = {value for _, key, value in tags if key == "mlflow.parentRunId"}
    trained = {run for run, key, value in tags if key == "stage" and value == "train"}
    assert len(parents) == 1
    assert len(trained & children) == len(NETWORKS)


def test_an_experiment_with_one_network(study):
    done = study.run("dvc", "exp", "run", "-n", "plain", "-S", "profile=smoke", "-S", "model=plainnet34")
    # its own training and all before it are restored or unchanged; only the report is made anew
    assert "Running stage 'train" not in done.stdout
    assert "Running stage 'report'" in done.stdout
    metrics = json.loads((study.folder / "reports/metrics.json").read_text())
    assert list(metrics) == ["plainnet34"]
    params = yaml.safe_load((study.folder / "params.yaml").read_text())
    assert (params["model"], params["models"], params["profile"]) == ("plainnet34", ["plainnet34"], "smoke")
    shown = study.run("dvc", "exp", "show", "--csv").stdout
    assert "plain" in shown
    assert "plainnet34.top1" in shown
    study.run("git", "checkout", "-q", ".")
    study.run("dvc", "checkout", "-q")


def test_a_queued_experiment_runs_by_itself(study):
    """``dvc exp run --queue`` and ``dvc queue start``: as many experiments as one likes, in copies of their own."""
    before = study.run("git", "rev-parse", "HEAD").stdout
    study.run("dvc", "exp", "run", "--queue", "-n", "waiting", "-S", "profile=smoke", "-S", "model=digitcnn")
    assert "Queued" in study.run("dvc", "queue", "status").stdout
    study.run("dvc", "queue", "start")
    try:
        end = time.monotonic() + 120
        status = ""
        while not ("Success" in status or "Failed" in status) and time.monotonic() < end:
            time.sleep(1)
            status = study.run("dvc", "queue", "status").stdout
        assert "Success" in status, (
            f"{status}\n{study.run('dvc', 'queue', 'logs', 'waiting', code=None).stdout[-2000:]}"
        )
    finally:
        study.run("dvc", "queue", "stop", "--kill", code=None)
    shown = study.run("dvc", "exp", "show", "--csv").stdout.splitlines()
    column = shown[0].split(",").index("digitcnn.top1")
    (row,) = [line.split(",") for line in shown if "waiting" in line]
    assert 0 <= float(row[column]) <= 1
    # the workspace was left alone
    assert study.run("git", "rev-parse", "HEAD").stdout == before
    assert study.run("git", "status", "--porcelain").stdout == ""


def test_two_processes_extract_the_same_bytes(study, copy):
    """The stage starts its workers itself when ``workers.devices`` says so."""
    params = copy / "params.yaml"
    whole = params.read_text()
    folder = copy / "data/activations/fivecnn"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        params.write_text(whole.replace("devices: 1", "devices: 2").replace("  batch_size: 100", "  batch_size: 3"))
        call = ("env", "-C", str(copy), "PYTHONPATH=src", "python", "-m", "receptive.stages.extract", "fivecnn")
        done = study.run(*call)
        two = {path.name: path.read_bytes() for path in folder.iterdir()}
        params.write_text(params.read_text().replace("devices: 2", "devices: 1"))
        study.run(*call)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == two
        assert done.stdout.count("units of") == 1  # only the first process speaks
    finally:
        params.write_text(whole)
        for name, content in before.items():
            (folder / name).write_bytes(content)


def test_an_error_in_two_processes_is_one_line(study, copy):
    params = copy / "params.yaml"
    whole = params.read_text()
    try:
        params.write_text(
            whole.replace("devices: 1", "devices: 2").replace("learning_rate: 0.001", "learning_rate: 1.0e+30")
        )
        call = ("env", "-C", str(copy), "PYTHONPATH=src", "python", "-m", "receptive.stages.train", "fivecnn")
        before = sorted((copy / "data/networks").rglob("*"))
        done = study.run(*call, code=1)
        assert "error: the" in done.stderr.splitlines()[-1]
        assert "not finite" in done.stderr.splitlines()[-1]
        assert done.stderr.count("error") == 1
        assert "Traceback" not in done.stderr
        assert sorted((copy / "data/networks").rglob("*")) == before
    finally:
        params.write_text(whole)


def test_a_network_that_does_not_exist_is_refused(study):
    done = study.run("dvc", "exp", "run", "-S", "model=typo", code=None)
    assert done.returncode != 0
    assert "typo" in done.stderr
    assert "plainnet34" in done.stderr  # the options are listed
    assert "Running stage" not in done.stdout
    assert study.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize(
    ("stage", "args", "words"),
    [
        ("train", ["resnet35"], "unknown network 'resnet35'"),
        ("prepare", ["imagenet0"], "unknown data set 'imagenet0'"),
        ("extract", ["resnet18"], "params.yaml has no training 'resnet18'"),
    ],
)
def test_bad_names_end_in_one_line(study, stage, args, words):
    done = study.stage(stage, *args)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_damaged_files_end_in_one_line_and_leave_nothing_behind(study):
    images = study.folder / "data/prepared/digits/images.npy"
    whole = images.read_bytes()
    images.chmod(0o644)
    before = sorted(study.folder.glob("data/**/*"))
    try:
        images.write_bytes(whole[: len(whole) // 2])
        done = study.stage("extract", "digitcnn")
        assert done.returncode == 1
        assert "data/prepared/digits/images.npy is damaged" in done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(study.folder.glob("data/**/*")) == before
    finally:
        images.write_bytes(whole)


def test_impossible_parameters_are_refused_before_any_work(study):
    params = study.folder / "params.yaml"
    whole = params.read_text()
    try:
        params.write_text(whole.replace("epochs: 2", "epochs: -2").replace("live: false", "lively: false"))
        done = study.stage("train", "resnet34")
        assert done.returncode == 1
        for words in ("train.resnet34.epochs", "track.lively is not a parameter", "track.live is missing"):
            assert words in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        params.write_text(whole)


def test_wrong_calls_end_with_code_two(study):
    assert study.stage("train").returncode == 2
