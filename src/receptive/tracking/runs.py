"""MLflow: one parent run for every run of the pipeline, under it one child for every stage of it.

Nothing here is a result: the study is complete without it. ``record`` notes while the pipeline runs what
really ran, ``log_pipeline`` writes everything down at its end, ``live_training`` optionally shows a training
while it goes on. The store lies in the project's own folder (``mlflow.db``, ``mlruns``), also for experiments
that DVC runs in a temporary copy. MLflow is imported only where it is used: that alone takes seconds.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import logging
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from receptive.errors import ReceptiveError
from receptive.io import artifacts
from receptive.io.artifacts import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from receptive.params.schema import Params

EXPERIMENT = "receptive"
STAGE = "track"
"""The stage that logs; it is no run itself."""

_PATIENCE_S = 20.0  # for a database that another process is writing to, as long as MLflow's own
_LOCK_PATIENCE_S = 120.0  # for the other processes' turns at the store, each a few seconds
_SAME_START_S = 2.0  # start times of one process, read twice, differ by what the clock was corrected


# ---------------------------------------------------------------- which run of the pipeline this is


@dataclass(frozen=True)
class Pipeline:
    """One run of the pipeline: the experiment or commit it belongs to, and its parameters."""

    name: str
    """What DVC calls the experiment; ``repro-<commit>`` where there is none."""
    key: str
    """Name and digest of params.yaml: what has the same key has the same parameters, and one parent run."""
    commit: str | None
    """The full hash of the commit that it started from."""


def this_pipeline() -> Pipeline:
    """The run of the pipeline that this process is part of, from DVC's variables, git and params.yaml."""
    commit = os.environ.get("DVC_EXP_BASELINE_REV") or _head()
    name = os.environ.get("DVC_EXP_NAME") or f"repro-{commit[:7] if commit else 'workspace'}"
    digest = hashlib.sha256(Path("params.yaml").read_bytes()).hexdigest()[:12]
    return Pipeline(name, re.sub(r"[^\w.-]", "_", f"{name}-{digest}"), commit)


def _head() -> str | None:
    """The commit checked out in the project's folder; None without a commit, a repository, or git."""
    command = ["git", "-C", str(project_root()), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None
    except OSError:
        return None


# ---------------------------------------------------------------- what really ran


def record(stage: str, item: str, seconds: float) -> None:
    """Notes that a stage ran now; what has no note when the run is logged came out of DVC's cache.

    Does nothing outside DVC, and never fails: a note that cannot be written only costs the tag.

    Args:
        item: the network or data set; empty for a stage that has none.
        seconds: how long it took.
    """
    if "DVC_STAGE" not in os.environ or stage == STAGE:
        return
    with contextlib.suppress(OSError):
        note = _note(this_pipeline(), stage, item)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"seconds": seconds, "ended": time.time()}))


def _note(pipeline: Pipeline, stage: str, item: str) -> Path:
    return project_root() / "scratch" / "executed" / pipeline.key / f"{_name(stage, item)}.json"


def _read_note(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):  # none, or cut off by a full disk
        return None


# ---------------------------------------------------------------- logging the whole run


@dataclass(frozen=True)
class Instance:
    """One stage of the pipeline for one item, as DVC has it in dvc.lock."""

    stage: str
    item: str
    lock_hash: str
    """Digest of its entry: command, dependencies, parameters and outputs."""
    outs: tuple[Path, ...]


def log_pipeline(params: "Params") -> tuple[str, int]:
    """Logs what this run of the pipeline did and is not logged yet; a second call adds nothing.

    The parent has all parameters, the headline numbers and the report; a child has its network's
    section ``train``, the numbers in the ``metrics.json`` of its outputs and, for a training, the curves.
    The child's tag ``source`` says whether the stage ran or its outputs were restored.

    Returns:
        (name, logged): the parent's name and how many children are new.

    Raises:
        ReceptiveError: the store cannot be written, or a file to log is missing or damaged.
    """
    pipeline = this_pipeline()
    instances = _instances(params)
    notes = {one: _read_note(_note(pipeline, one.stage, one.item)) for one in instances}
    with _store() as (client, experiment):
        began = min((note["ended"] - note["seconds"] for note in notes.values() if note), default=time.time())
        parent = _open_parent(client, experiment, pipeline, params, began)
        with _closing(lambda status: client.set_terminated(parent.info.run_id, status)):
            children = _search(client, experiment, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
            done = {_identity(run) for run in children if run.info.status == "FINISHED"}
            new = [one for one in instances if (one.stage, one.item, one.lock_hash) not in done]
            for one in new:
                live = _live_child(children, one) if notes[one] else None
                _log_child(client, parent, pipeline, params, one, notes[one], live)
            _log_report(client, parent)
            # A note tells of one execution: it must not speak for the next one.
            shutil.rmtree(_note(pipeline, STAGE, "").parent, ignore_errors=True)
    return pipeline.name, len(new)


def _instances(params: "Params") -> list[Instance]:
    """The stages of dvc.yaml that dvc.lock knows, without the stale entries of other networks."""
    stages = _read_yaml(Path("dvc.yaml")).get("stages", {})
    locked = _read_yaml(Path("dvc.lock")).get("stages", {})
    values = params.model_dump()
    found = []
    for name, entry in locked.items():
        stage, _, item = name.partition("@")
        if stage not in stages or stage == STAGE:
            continue
        items = _items(stages[stage], values)
        if items is not None and item not in items:
            continue
        text = json.dumps(entry, sort_keys=True)
        outs = tuple(Path(out["path"]) for out in entry.get("outs", []))
        found.append(Instance(stage, item, hashlib.sha256(text.encode()).hexdigest()[:16], outs))
    return found


def _items(stage: dict, values: dict) -> set[str] | None:
    """The items of a stage as DVC names them; None where that takes more than lists of params.yaml."""
    axes = []
    for axis in [stage["foreach"]] if "foreach" in stage else stage.get("matrix", {}).values():
        if isinstance(axis, str):
            found = values
            for part in axis.removeprefix("${").removesuffix("}").split("."):
                found = found.get(part) if isinstance(found, dict) else None
            axis = found
        if not isinstance(axis, list | dict):
            return None
        axes.append([str(value) for value in axis])  # of a dict: the keys
    return {"-".join(combination) for combination in itertools.product(*axes)}


def _read_yaml(path: Path) -> dict:
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe").load(path.read_text()) or {}
    except FileNotFoundError:
        raise ReceptiveError(f"{path} is missing: run 'dvc repro' in the project's folder") from None
    except YAMLError as error:
        raise ReceptiveError(f"{path} is no valid YAML ({' '.join(str(error).split())}): restore it") from None


def _log_child(
    client: "MlflowClient",
    parent: "Run",
    pipeline: Pipeline,
    params: "Params",
    one: Instance,
    note: dict | None,
    live: "Run | None",
) -> None:
    """Logs one stage: into the child that showed it live, where there is one, else into a new one."""
    began, ended = (note["ended"] - note["seconds"], note["ended"]) if note else (time.time(), time.time())
    tags = {"lock_hash": one.lock_hash, "source": "run" if note else "restored"}
    run = live or _create_child(client, parent, pipeline, params, one.stage, one.item, began)
    # Only a finished child counts as logged.
    with _closing(lambda status: client.set_terminated(run.info.run_id, status, end_time=_ms(ended))):
        metrics = _metrics({"seconds": note["seconds"]} if note else {})
        for out in one.outs:
            if (out / "metrics.json").exists():
                metrics += _metrics(artifacts.read_json(out / "metrics.json", _name(one.stage, one.item)))
        if one.stage == "train":
            metrics += _missing_epochs(client, run, artifacts.read_history(one.item).to_dict("records"))
        if one.stage == "sparsity":
            path = artifacts.SPARSITY / one.item / "layers.parquet"
            layers = artifacts.read_table(path, _name(one.stage, one.item))
            metrics += _metrics({"zero_fraction": layers["zero_fraction"].mean()})
        _log(client, run, metrics=metrics, tags=tags)


def _name(stage: str, item: str) -> str:
    """What DVC calls this stage."""
    return f"{stage}@{item}" if item else stage


def _create_child(
    client: "MlflowClient",
    parent: "Run",
    pipeline: Pipeline,
    params: "Params",
    stage: str,
    item: str,
    began: float,
    **tags: str,
) -> "Run":
    tags |= {
        "mlflow.parentRunId": parent.info.run_id,
        "stage": stage,
        "item": item,
        **_commit_tags(pipeline),
        **_process_tags(os.getpid()),
    }
    network = next((part for part in (item, *item.split("-")) if part in params.trainings), None)
    if network:
        tags["network"] = network
    run = client.create_run(parent.info.experiment_id, start_time=_ms(began), tags=tags, run_name=_name(stage, item))
    if network:
        # Without the prefix train.<network>, so that one column compares the networks.
        _log(
            client, run, params=_flat(params.model_dump(exclude_unset=True)["train"][params.trainings[network].network])
        )
    return run


def _log_report(client: "MlflowClient", parent: "Run") -> None:
    """The headline numbers, where they are new, and the report's folder, in place of an older one."""
    if not artifacts.REPORTS.is_dir():
        return
    if (artifacts.REPORTS / "metrics.json").exists():
        metrics = _metrics(artifacts.read_json(artifacts.REPORTS / "metrics.json", "report"))
        _log(client, parent, metrics=[m for m in metrics if parent.data.metrics.get(m.key) != m.value])
    # MLflow only adds files; figures that the report no longer has must go.
    shutil.rmtree(Path(parent.info.artifact_uri) / artifacts.REPORTS.name, ignore_errors=True)
    client.log_artifacts(parent.info.run_id, str(artifacts.REPORTS), artifacts.REPORTS.name)


def _identity(run: "Run") -> tuple[str, str, str | None]:
    tags = run.data.tags
    return tags.get("stage", ""), tags.get("item", ""), tags.get("lock_hash")


# ---------------------------------------------------------------- training, epoch by epoch


@contextlib.contextmanager
def live_training(network: str, params: "Params") -> Iterator[Callable[[list[dict]], None]]:
    """Shows a training in MLflow while it goes on, when ``track.live`` says so.

    Its run is RUNNING inside the block and FINISHED after it, FAILED after an exception and KILLED
    after an interruption; ``log_pipeline`` completes it. A store that cannot be written costs one line on
    stderr and the rest of the live curves, never the training.

    Yields:
        The callback ``on_epoch`` of ``training.train``.
    """
    if not params.track.live:
        yield lambda rows: None
        return
    live = _Live(network, params)
    with _closing(live.end):
        yield live.log


class _Live:
    """The run of one training in progress; after the first error it does nothing more."""

    def __init__(self, network: str, params: "Params"):
        self._client = self._run = None
        with self._or_go_on():
            pipeline = this_pipeline()
            with _store() as (client, experiment):
                parent = _open_parent(client, experiment, pipeline, params, time.time())
                self._run = _create_child(client, parent, pipeline, params, "train", network, time.time(), live="true")
            self._client = client

    def log(self, rows: list[dict]) -> None:
        if self._client:
            with self._or_go_on(), _one_line():
                _log(self._client, self._run, metrics=_curves(rows))

    def end(self, status: str) -> None:
        if self._client:
            with self._or_go_on(), _one_line():
                self._client.set_terminated(self._run.info.run_id, status)

    @contextlib.contextmanager
    def _or_go_on(self) -> Iterator[None]:
        try:
            yield
        except ReceptiveError as error:
            self._client = None
            print(f"warning: training goes on without live logging: {error}", file=sys.stderr)


def _live_child(children: list["Run"], one: Instance) -> "Run | None":
    """The newest training of this network that was shown live to its end and is not completed yet."""
    found = [
        run
        for run in children
        if _identity(run) == (one.stage, one.item, None) and "live" in run.data.tags and run.info.status == "FINISHED"
    ]
    return max(found, key=lambda run: run.info.start_time, default=None)


def _missing_epochs(client: "MlflowClient", run: "Run", rows: list[dict]) -> list["Metric"]:
    """The curves without the epochs that the run has: a live one lacks those before a resumption."""
    logged = set()
    if "train_loss" in run.data.metrics:
        logged = {metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")}
    return _curves([row for row in rows if row["epoch"] not in logged])


def _curves(rows: list[dict]) -> list["Metric"]:
    """History rows as metrics ``<split>_<measure>`` and ``lr``, the epoch as the step."""
    from mlflow.entities import Metric

    now = _ms(time.time())
    metrics = []
    for row in rows:
        values = {f"{row['split']}_{measure}": row[measure] for measure in ("loss", "top1", "top5")}
        if row["split"] == "train":
            values["lr"] = row["lr"]
        metrics += [Metric(name, float(value), now, int(row["epoch"])) for name, value in values.items()]
    return metrics


# ---------------------------------------------------------------- runs


def _open_parent(client: "MlflowClient", experiment: str, pipeline: Pipeline, params: "Params", began: float) -> "Run":
    """The parent run of this pipeline run, made if there is none yet, in any case RUNNING."""
    # A parent lives as long as DVC does, not as long as the stage that opened it.
    process = os.getppid() if "DVC_STAGE" in os.environ else os.getpid()
    tags = {**_commit_tags(pipeline), **_process_tags(process)}
    found = _search(client, experiment, f"tags.key = '{pipeline.key}'")
    if found:
        _log(client, found[0], tags=tags)
        client.update_run(found[0].info.run_id, status="RUNNING")
        return found[0]
    tags |= {"model": params.model, "dataset": params.dataset, "profile": params.profile}
    run = client.create_run(experiment, start_time=_ms(began), tags=tags, run_name=pipeline.name)
    _log(client, run, params=_flat(params.model_dump(exclude_unset=True)))
    _log(client, run, tags={"key": pipeline.key})  # last: what is found by it has its parameters
    return run


def _commit_tags(pipeline: Pipeline) -> dict[str, str]:
    if not pipeline.commit:
        return {"commit": "none"}
    return {"commit": pipeline.commit, "mlflow.source.git.commit": pipeline.commit}


def _process_tags(pid: int) -> dict[str, str]:
    """What tells this process from every other one, also from a later one with the same number."""
    import psutil

    try:
        started = psutil.Process(pid).create_time()
    except psutil.Error:  # ended just now, or not ours to look at
        started = 0.0
    return {"host": platform.node(), "pid": str(pid), "process_started": f"{started:.2f}"}


def _close_stale(client: "MlflowClient", experiment: str) -> None:
    """Closes the runs whose process died without a chance to do so, as KILLED; other hosts' are left alone."""
    for run in _search(client, experiment, "attributes.status = 'RUNNING'"):
        tags = run.data.tags
        if tags.get("host") == platform.node() and not _alive(tags):
            client.set_terminated(run.info.run_id, "KILLED")


def _alive(tags: dict[str, str]) -> bool:
    import psutil

    try:
        process = psutil.Process(int(tags["pid"]))
        same = abs(process.create_time() - float(tags["process_started"])) < _SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _search(client: "MlflowClient", experiment: str, condition: str) -> list["Run"]:
    found, token = [], None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _log(
    client: "MlflowClient",
    run: "Run",
    metrics: list["Metric"] | None = None,
    params: dict[str, object] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Logs in as few calls as MLflow's limits on one call allow."""
    from mlflow.entities import Param, RunTag

    metrics = metrics or []
    for start in range(0, len(metrics), 1000):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])
    shown = [Param(k, v if isinstance(v, str) else json.dumps(v)) for k, v in (params or {}).items()]
    for start in range(0, len(shown), 100):
        client.log_batch(run.info.run_id, params=shown[start : start + 100])
    if tags:
        client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _metrics(values: dict) -> list["Metric"]:
    """Every number in nested ``values`` as a metric called by its path; what is no number is left out."""
    from mlflow.entities import Metric

    now = _ms(time.time())
    numbers = ((name, value) for name, value in _flat(values).items() if isinstance(value, (int, float)))
    return [Metric(name, float(value), now, 0) for name, value in numbers]


def _flat(values: dict, prefix: str = "") -> dict[str, object]:
    """Nested dictionaries as one, the keys joined by dots."""
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


@contextlib.contextmanager
def _closing(close: Callable[[str], None]) -> Iterator[None]:
    """Calls ``close`` at the block's end with the status that tells how it ended."""
    try:
        yield
    except BaseException as error:
        # The first error is the one to tell, not that of a store that fails again.
        with contextlib.suppress(Exception):
            close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    close("FINISHED")


# ---------------------------------------------------------------- the store


@contextlib.contextmanager
def _store() -> Iterator[tuple["MlflowClient", str]]:
    """The project's store, for this process alone, with no stale runs in it.

    Yields:
        (client, experiment): MLflow's client, which stays usable, and the experiment's id.

    Raises:
        ReceptiveError: the store cannot be opened, read or written.
    """
    root = project_root()
    database, files = root / "mlflow.db", root / "mlruns"
    with _one_line(), _locked(root / "scratch"):
        if not database.exists() or database.stat().st_size == 0:
            _create(database)
        _adopt(database, files)
        client = _client(database)
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            experiment = client.create_experiment(EXPERIMENT, artifact_location=str(files))
        else:
            experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":  # by a click; its name could not be used again
                client.restore_experiment(experiment)
        _close_stale(client, experiment)
        yield client, experiment


def _client(database: Path) -> "MlflowClient":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when MLflow is imported
    from mlflow import MlflowClient

    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        # It logs how it makes a database, and each error of one with a traceback: ours is one line.
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=f"sqlite:///{database}")


def _create(database: Path) -> None:
    """Makes the database elsewhere and puts it in place when it is whole: MLflow cannot resume this."""
    with tempfile.TemporaryDirectory(dir=database.parent / "scratch", prefix="mlflow-") as folder:
        new = Path(folder) / database.name
        client = _client(new)
        client.delete_experiment("0")  # MLflow's "Default", whose files would go to the working folder
        # Copied, not moved: MLflow still holds the new one open.
        beside = database.with_name(f"{database.name}.part")
        shutil.copyfile(new, beside)
        os.replace(beside, database)


def _adopt(database: Path, files: Path) -> None:
    """Makes sure of a database that can be written, and of paths into this folder.

    MLflow itself tries a damaged database ten times. It stores absolute paths, and has no call to change
    them after the project's folder was moved.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=_PATIENCE_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        row = connection.execute(query, (EXPERIMENT,)).fetchone()
        if row is not None and (old := row[0]) != str(files):
            update = "UPDATE experiments SET artifact_location = ? WHERE name = ?"
            connection.execute(update, (str(files), EXPERIMENT))
            update = "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?"
            connection.execute(update, (f"{files}/", len(old) + 2, len(old) + 1, f"{old}/"))
        connection.execute("COMMIT")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps every other process out; ends with the process, however that ends.

    With ``fcntl``, for no package that the project names itself brings a file lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + _LOCK_PATIENCE_S
    with (folder / "mlflow.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise ReceptiveError(
                        f"another process has been logging for {_LOCK_PATIENCE_S:.0f} s "
                        f"(it holds {file.name}): wait for it or end it, and run 'dvc repro' again"
                    ) from None
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turns every error of the store into a line with cause and cure; defects keep their traceback."""
    try:
        yield
    except Exception as error:
        theirs = type(error).__module__.partition(".")[0] in ("mlflow", "sqlalchemy", "alembic")
        if not theirs and not isinstance(error, (OSError, sqlite3.Error)):
            raise
        raise ReceptiveError(_cause_and_cure(error)) from None


def _cause_and_cure(error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    anew = "move mlflow.db and mlruns elsewhere and run 'dvc repro' again, which starts a new one"
    cures = {
        "is locked": "close what is using it (a browser of SQLite databases, a backup) and run 'dvc repro' again",
        "malformed|not a database|no such table": f"it is damaged: {anew}",
        "is full|No space": "free some disk space and run 'dvc repro' again",
        "readonly|[Pp]ermission|unable to open": "make mlflow.db, mlruns and their folder writable",
        "schema|revision": f"it is of another version of MLflow: run 'mlflow db upgrade', or {anew}",
    }
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason = "No space left on the disk"
    cure = next((cure for pattern, cure in cures.items() if re.search(pattern, reason)), anew)
    return f"the results are complete, but MLflow's store cannot be used ({reason}): {cure}"
