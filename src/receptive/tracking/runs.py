"""What is logged to MLflow: one parent per run of the pipeline, under it one child per stage and item.

Nothing here is a result: the study is complete without it. ``pipeline.record`` notes while the pipeline runs what
ran, and ``log_pipeline`` writes everything down at its end. ``Live`` shows a training while it goes on.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from mlflow.entities import Metric, Run

from receptive.artifacts import report
from receptive.artifacts.files import read_json
from receptive.artifacts.networks import read_history
from receptive.artifacts.sparsity import read_sparsity
from receptive.errors import ReceptiveError
from receptive.params.schema import Params
from receptive.tracking.pipeline import (
    Instance,
    Note,
    Pipeline,
    instance_name,
    notes_folder,
    read_instances,
    read_note,
    this_pipeline,
)
from receptive.tracking.store import Store, closing, milliseconds, one_line, open_store, process_tags


def log_pipeline(params: Params) -> tuple[str, int]:
    """Logs what this run of the pipeline did and is not logged yet; a second call adds nothing.

    The parent has all parameters, the headline numbers and the report. A child has its network's section ``train``,
    the numbers in the ``metrics.json`` of its outputs and, for a training, the curves. The child's tag ``source``
    says whether the stage ran or its outputs were restored.

    Returns:
        (name, logged): the parent's name and the number of new children.

    Raises:
        ReceptiveError: The store cannot be written, or a file to log is missing or damaged.
    """
    pipeline = this_pipeline()
    instances = read_instances(params)
    notes = {instance: read_note(pipeline, instance.stage, instance.item) for instance in instances}
    with open_store() as store:
        began = min((note.ended - note.seconds for note in notes.values() if note), default=time.time())
        parent = _open_parent(store, pipeline, params, began)
        with closing(lambda status: store.close(parent, status)):
            children = store.search(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
            logged = {_identity(run) for run in children if run.info.status == "FINISHED"}
            new = [i for i in instances if (i.stage, i.item, i.lock_hash) not in logged]
            for instance in new:
                note = notes[instance]
                run = _live_child(children, instance) if note else None
                began = note.ended - note.seconds if note else time.time()
                run = run or _create_child(store, parent, pipeline, params, instance.stage, instance.item, began)
                _log_child(store, run, instance, note)
            _log_report(store, parent)
            # a note tells of one execution: it must not speak for the next one
            shutil.rmtree(notes_folder(pipeline), ignore_errors=True)
    return pipeline.name, len(new)


def _open_parent(store: Store, pipeline: Pipeline, params: Params, began: float) -> Run:
    """The parent run of this run of the pipeline, made if there is none yet, in any case RUNNING."""
    # a parent lives as long as DVC does, not as long as the stage that opened it
    pid = os.getppid() if "DVC_STAGE" in os.environ else os.getpid()
    tags = _commit_tags(pipeline)
    parents = store.search(f"tags.key = '{pipeline.key}'")
    if parents:
        store.log(parents[0], tags=tags | process_tags(pid))
        store.client.update_run(parents[0].info.run_id, status="RUNNING")
        return parents[0]
    tags |= {"model": params.model, "dataset": params.dataset, "profile": params.profile}
    run = store.create(pipeline.name, began, pid, tags)
    store.log(run, params=_flat(params.model_dump(exclude_unset=True)))
    store.log(run, tags={"key": pipeline.key})  # last: a run that is found by its key has its parameters
    return run


def _create_child(
    store: Store, parent: Run, pipeline: Pipeline, params: Params, stage: str, item: str, began: float, **tags: str
) -> Run:
    tags |= {"mlflow.parentRunId": parent.info.run_id, "stage": stage, "item": item, **_commit_tags(pipeline)}
    training = params.trainings.get(item)
    if training:
        tags["network"] = item
    run = store.create(instance_name(stage, item), began, os.getpid(), tags)
    if training:
        # without the prefix train.<network>, so that one column compares the networks
        store.log(run, params=_flat(params.train[training.network].model_dump(exclude_unset=True)))
    return run


def _log_child(store: Store, run: Run, instance: Instance, note: Note | None) -> None:
    """Logs one stage. Only a child that is FINISHED counts as logged."""
    ended = note.ended if note else time.time()
    with closing(lambda status: store.close(run, status, ended)):
        metrics = _metrics({"seconds": note.seconds} if note else {})
        for out in instance.outs:
            if (out / "metrics.json").exists():
                metrics += _metrics(read_json(out / "metrics.json", instance.name))
        if instance.stage == "train":
            epochs = _logged_epochs(store, run)
            history = read_history(instance.item)
            metrics += _curves(history[~history["epoch"].isin(epochs)].to_dict("records"))
        if instance.stage == "sparsity":
            metrics += _metrics({"zero_fraction": read_sparsity(instance.item)["zero_fraction"].mean()})
        store.log(run, metrics=metrics, tags={"lock_hash": instance.lock_hash, "source": "run" if note else "restored"})


def _log_report(store: Store, parent: Run) -> None:
    """The headline numbers, where they are new, and the report's folder, in place of an older one."""
    folder = report.FOLDER
    if not folder.is_dir():
        return
    if (folder / "metrics.json").exists():
        metrics = _metrics(read_json(folder / "metrics.json", "report"))
        store.log(parent, metrics=[m for m in metrics if parent.data.metrics.get(m.key) != m.value])
    # MLflow only adds files; figures that the report no longer has must go
    shutil.rmtree(Path(parent.info.artifact_uri) / folder.name, ignore_errors=True)
    store.client.log_artifacts(parent.info.run_id, str(folder), folder.name)


class Live:
    """The run of one training in progress; after the first error of the store it does nothing more."""

    def __init__(self, training: str, params: Params):
        self._store: Store | None = None
        with self._or_go_on(), open_store() as store:
            pipeline = this_pipeline()
            parent = _open_parent(store, pipeline, params, time.time())
            self._run = _create_child(store, parent, pipeline, params, "train", training, time.time(), live="true")
            self._store = store

    def log(self, rows: list[dict[str, Any]]) -> None:
        """Logs the rows of an epoch."""
        if self._store:
            with self._or_go_on(), one_line():
                self._store.log(self._run, metrics=_curves(rows))

    def __enter__(self) -> "Live":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store:
            status = "FINISHED" if kind is None else "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            with self._or_go_on(), one_line():
                self._store.close(self._run, status)

    @contextlib.contextmanager
    def _or_go_on(self) -> Iterator[None]:
        try:
            yield
        except ReceptiveError as error:
            self._store = None
            print(f"warning: training goes on without live logging: {error}", file=sys.stderr)


def _live_child(children: list[Run], instance: Instance) -> Run | None:
    """The newest training of this name that was shown live to its end and is not completed yet."""
    live = [
        run
        for run in children
        if _identity(run) == (instance.stage, instance.item, None)
        and "live" in run.data.tags
        and run.info.status == "FINISHED"
    ]
    return max(live, key=lambda run: run.info.start_time, default=None)


def _logged_epochs(store: Store, run: Run) -> set[int]:
    """The epochs whose curves a run has: one that was shown live may lack those before a resumption."""
    if "train_loss" not in run.data.metrics:
        return set()
    return {metric.step for metric in store.client.get_metric_history(run.info.run_id, "train_loss")}


def _identity(run: Run) -> tuple[str, str, str | None]:
    tags = run.data.tags
    return tags.get("stage", ""), tags.get("item", ""), tags.get("lock_hash")


def _commit_tags(pipeline: Pipeline) -> dict[str, str]:
    if not pipeline.commit:
        return {"commit": "none"}
    return {"commit": pipeline.commit, "mlflow.source.git.commit": pipeline.commit}


def _curves(rows: Sequence[Mapping[Any, Any]]) -> list[Metric]:
    """History rows as metrics ``<split>_<measure>`` and ``lr``, the epoch as the step."""
    now = milliseconds(time.time())
    metrics = []
    for row in rows:
        values = {f"{row['split']}_{measure}": row[measure] for measure in ("loss", "top1", "top5")}
        if row["split"] == "train":
            values["lr"] = row["lr"]
        metrics += [Metric(name, float(value), now, int(row["epoch"])) for name, value in values.items()]
    return metrics


def _metrics(values: dict[str, Any]) -> list[Metric]:
    """Every number in nested ``values`` as a metric called by its path; what is no number is left out."""
    now = milliseconds(time.time())
    numbers = ((name, value) for name, value in _flat(values).items() if isinstance(value, (int, float)))
    return [Metric(name, float(value), now, 0) for name, value in numbers]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, the keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
