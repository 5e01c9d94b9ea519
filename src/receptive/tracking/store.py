"""MLflow's store in the project's own folder (``mlflow.db``, ``mlruns``), for one process at a time."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import platform
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when MLflow is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from receptive.artifacts.root import project_root
from receptive.errors import ReceptiveError

EXPERIMENT = "receptive"
PATIENCE_S = 20.0
"""Seconds that a database is waited for while another program writes to it; as long as MLflow's own."""


@dataclass(frozen=True)
class Store:
    """The store while it is open; reading and writing go on after that.

    Attributes:
        client: MLflow's.
        experiment: The id of the project's experiment.
    """

    client: MlflowClient
    experiment: str

    def search(self, condition: str) -> list[Run]:
        """All runs of the experiment for which an MLflow search expression holds, newest first."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment], condition, max_results=1000, page_token=token)
            runs, token = runs + page, page.token
            if not token:
                return runs

    def create(self, name: str, began: float, pid: int, tags: dict[str, str]) -> Run:
        """A new run in the state RUNNING, until ``close``, or until process ``pid`` of this machine is gone."""
        tags = tags | process_tags(pid)
        return self.client.create_run(self.experiment, start_time=milliseconds(began), tags=tags, run_name=name)

    def log(
        self,
        run: Run,
        metrics: list[Metric] | None = None,
        params: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Logs in as few calls as MLflow's limits on one call allow; parameters that are no text as JSON."""
        metrics = metrics or []
        for start in range(0, len(metrics), 1000):
            self.client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])
        texts = [Param(key, v if isinstance(v, str) else json.dumps(v)) for key, v in (params or {}).items()]
        for start in range(0, len(texts), 100):
            self.client.log_batch(run.info.run_id, params=texts[start : start + 100])
        if tags:
            self.client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def close(self, run: Run, status: str, ended: float | None = None) -> None:
        """Ends a run: "FINISHED", "FAILED" or "KILLED"."""
        self.client.set_terminated(run.info.run_id, status, end_time=milliseconds(ended or time.time()))


@contextlib.contextmanager
def open_store() -> Iterator[Store]:
    """The project's store, for this process alone; runs of processes that are gone are closed as KILLED.

    Raises:
        ReceptiveError: The store cannot be opened, read or written.
    """
    root = project_root()
    database, files = root / "mlflow.db", str(root / "mlruns")
    with one_line(), _locked(root / "scratch"):
        if not database.exists() or database.stat().st_size == 0:
            _create(database)
        _check_writable(database)
        client = _client(database)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None and experiment.lifecycle_stage == "deleted":  # its name could not be used again
            client.restore_experiment(experiment.experiment_id)
        if experiment is not None and experiment.artifact_location != files:  # the project's folder was moved
            until = time.strftime("%Y-%m-%d %H:%M:%S")
            client.rename_experiment(
                experiment.experiment_id, f"{EXPERIMENT} until {until} in {experiment.artifact_location}"
            )
            experiment = None
        identity = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, files)
        store = Store(client, identity)
        for run in store.search("attributes.status = 'RUNNING'"):
            if run.data.tags.get("host") == platform.node() and not _alive(int(run.data.tags["pid"])):
                store.close(run, "KILLED")
        yield store


def process_tags(pid: int) -> dict[str, str]:
    """The tags by which runs of a process of this machine are closed when it is gone."""
    return {"host": platform.node(), "pid": str(pid)}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # no signal, only a look
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _client(database: Path) -> MlflowClient:
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        # MLflow logs how it makes a database, and each of its errors with a traceback: ours is one line
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=f"sqlite:///{database}")


def _create(database: Path) -> None:
    """Makes the database elsewhere and puts it in place when it is whole: MLflow cannot resume this."""
    with tempfile.TemporaryDirectory(dir=database.parent / "scratch", prefix="mlflow-") as folder:
        new = Path(folder) / database.name
        _client(new).delete_experiment("0")  # MLflow's "Default", whose files would go to the working folder
        beside = database.with_name(f"{database.name}.part")
        shutil.copyfile(new, beside)  # not moved: MLflow still holds the new one open
        os.replace(beside, database)


def _check_writable(database: Path) -> None:
    """Raises sqlite3.Error at once where MLflow itself would try a damaged database ten times."""
    with contextlib.closing(sqlite3.connect(database, timeout=PATIENCE_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT count(*) FROM experiments")
        connection.execute("ROLLBACK")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits until no other process is in the block; a process that ends in any way leaves the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "mlflow.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def closing(close: Callable[[str], None]) -> Iterator[None]:
    """Calls ``close`` at the block's end with the status that tells how the block ended."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    close("FINISHED")


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Turns every error of the store into one line with cause and cure; defects keep their traceback."""
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


def milliseconds(seconds: float) -> int:
    """Seconds as MLflow counts times."""
    return int(seconds * 1000)
