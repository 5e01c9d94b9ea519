"""A small made-up project with results to log, and MLflow's own view of its store.

Making a database takes seconds, so one is made (by two processes at once, which is a test of its own) and
every test gets a copy in its own folder.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from ruamel.yaml import YAML

from receptive.artifacts import networks
from receptive.artifacts.files import write_json, write_table
from receptive.params.reading import compose

HERE = Path(__file__).resolve().parents[1]
NETWORKS = ("resnet34", "plainnet34")
GRAPH = """
stages:
  prepare: {matrix: {dataset: "${datasets}"}, cmd: x}
  train: {foreach: "${trainings}", do: {cmd: x}}
  sparsity: {foreach: "${trainings}", do: {cmd: x}}
  report: {cmd: x}
  track: {cmd: x}
"""
CHILDREN = {f"{stage}@{name}" for stage in ("train", "sparsity") for name in NETWORKS}
CHILDREN |= {"prepare@collages", "prepare@digits", "report"}


def history(epochs: int, network: str = "resnet34") -> list[dict]:
    return [
        {
            "epoch": epoch,
            "split": split,
            "loss": 2.0 / epoch + (split == "train"),
            "top1": 0.1 * epoch + 0.01 * NETWORKS.index(network),
            "top5": 0.2 * epoch,
            "lr": 0.5**epoch,
            "images_per_s": 1234.5,
        }
        for epoch in range(1, epochs + 1)
        for split in ("train", "validation")
    ]


def write_lock(folder: Path, **changed: str) -> None:
    entries = {}
    for name in sorted(CHILDREN | {"train@vggcnn", "gone@resnet34", "track"}):
        stage, _, item = name.partition("@")
        kind = {"prepare": "prepared", "train": "networks"}.get(stage, stage)
        outs = [{"path": f"data/{kind}/{item}", "md5": changed.get(name.replace("@", "_"), "0")}]
        entries[name] = {"cmd": f"x {item}", "outs": outs if item else []}
    YAML().dump({"schema": "2.0", "stages": entries}, folder / "dvc.lock")


def write_data(folder: Path) -> None:
    for network in NETWORKS:
        trained = folder / networks.FOLDER / network
        write_table(trained / "history.parquet", pd.DataFrame(history(3, network)))
        write_json(trained / "metrics.json", {"validation": {"top1": 0.3}, "parameters": 12})
        heading = {"network": network, "layer": ["a", "b"], "alias": ["c1", "c2"], "depth": [1, 2], "kind": "conv"}
        table = pd.DataFrame({**heading, "zero_fraction": [0.25, 0.75]})
        write_table(folder / Path("data/sparsity") / network / "layers.parquet", table)
    (folder / "reports/figures").mkdir(parents=True)
    (folder / "reports/index.html").write_text("<p>")
    (folder / "reports/figures/one.svg").write_text("<svg/>")
    write_json(folder / "reports/metrics.json", {n: {"top1": 0.3, "note": "x"} for n in NETWORKS})


def set_params(folder: Path, *overrides: str) -> None:
    compose(folder, ("model=residual", "profile=smoke", *overrides))


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    return kept | {"PYTHONPATH": str(HERE / "src"), "GIT_CEILING_DIRECTORIES": "/"}


def start(folder: Path, code: str, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=clean_environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def under_dvc(monkeypatch, project: Path, stage: str = "track", **variables: str) -> None:
    for name, value in {"DVC_STAGE": stage, "DVC_ROOT": str(project), **variables}.items():
        monkeypatch.setenv(name, value)


class Store:
    """What MLflow itself reads in a project's store."""

    def __init__(self, folder: Path):
        self.client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        self.experiment = self.client.get_experiment_by_name("receptive").experiment_id

    def runs(self, condition: str = "") -> list:
        return self.client.search_runs([self.experiment], condition, max_results=1000)

    def parents(self, name: str = "repro-workspace") -> list:
        return self.runs(f"attributes.run_name = '{name}'")

    def children(self, parent=None) -> dict:
        parent = parent or self.parents()[0]
        found = self.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert len({run.info.run_name for run in found}) == len(found)
        return {run.info.run_name: run for run in found}

    def steps(self, run, metric: str) -> list[tuple[int, float]]:
        found = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((metric.step, metric.value) for metric in found)

    def files(self, run, folder: str | None = None) -> set[str]:
        found = set()
        for file in self.client.list_artifacts(run.info.run_id, folder):
            found |= self.files(run, file.path) if file.is_dir else {file.path}
        return found

    def everything(self) -> set:
        """All that is logged, without the times of the runs."""
        found = set()
        for run in self.runs():
            name = run.info.run_id
            found |= {(name, "status", run.info.status), *((name, "file", f) for f in self.files(run))}
            found |= {(name, "tag", *tag) for tag in run.data.tags.items() if tag[0] != "process_started"}
            found |= {(name, "param", *param) for param in run.data.params.items()}
            for metric in run.data.metrics:
                logged = self.client.get_metric_history(name, metric)
                found |= {(name, "metric", metric, m.step, m.value, m.timestamp) for m in logged}
        return found
