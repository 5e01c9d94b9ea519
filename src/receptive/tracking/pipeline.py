"""Which run of the pipeline a process is part of, and which stages ran in it; MLflow is not needed for that."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError

from receptive.artifacts.root import project_root
from receptive.errors import ReceptiveError
from receptive.params.schema import Params

STAGE = "track"
"""The stage that logs; it is no run itself."""


@dataclass(frozen=True)
class Pipeline:
    """One run of the pipeline: the experiment or commit that it belongs to, and its parameters.

    Attributes:
        name: What DVC calls the experiment; ``repro-<commit>`` where there is none.
        key: Name and digest of params.yaml. Runs with the same key have the same parameters, and one parent in MLflow.
        commit: The full hash of the commit that it started from.
    """

    name: str
    key: str
    commit: str | None


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


class Note(NamedTuple):
    """One execution of a stage: how long it took, and when it ended (seconds since 1970)."""

    seconds: float
    ended: float


def record(stage: str, item: str, seconds: float) -> None:
    """Notes that a stage ran now; a stage without a note was restored from DVC's cache.

    Does nothing outside DVC, and never fails: a note that cannot be written only costs a tag.

    Args:
        stage: The stage.
        item: The training or data set; empty for a stage that has none.
        seconds: How long it took.
    """
    if "DVC_STAGE" not in os.environ or stage == STAGE:
        return
    with contextlib.suppress(OSError):
        path = notes_folder(this_pipeline()) / f"{instance_name(stage, item)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": seconds, "ended": time.time()}))


def read_note(pipeline: Pipeline, stage: str, item: str) -> Note | None:
    """What ``record`` noted; None without a note, or where a full disk cut it off."""
    try:
        return Note(**json.loads((notes_folder(pipeline) / f"{instance_name(stage, item)}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def notes_folder(pipeline: Pipeline) -> Path:
    """The folder of the notes of one run of the pipeline."""
    return project_root() / "scratch" / "executed" / pipeline.key


def instance_name(stage: str, item: str) -> str:
    """What DVC calls a stage for one item."""
    return f"{stage}@{item}" if item else stage


@dataclass(frozen=True)
class Instance:
    """One stage of the pipeline for one item, and the digest of its whole entry in dvc.lock."""

    stage: str
    item: str
    lock_hash: str
    outs: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What DVC calls it."""
        return instance_name(self.stage, self.item)


def read_instances(params: Params) -> list[Instance]:
    """The stages of dvc.yaml that dvc.lock has, without old entries of items that are no longer in params.yaml.

    Raises:
        ReceptiveError: A file is missing or no YAML.
    """
    stages = _read_yaml(Path("dvc.yaml")).get("stages", {})
    items = {"", *params.trainings, *params.datasets}
    instances = []
    for name, entry in _read_yaml(Path("dvc.lock")).get("stages", {}).items():
        stage, _, item = name.partition("@")
        if stage in stages and stage != STAGE and item in items:
            text = json.dumps(entry, sort_keys=True)
            outs = tuple(Path(out["path"]) for out in entry.get("outs", []))
            instances.append(Instance(stage, item, hashlib.sha256(text.encode()).hexdigest()[:16], outs))
    return instances


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        return YAML(typ="safe").load(path.read_text()) or {}
    except FileNotFoundError:
        raise ReceptiveError(f"{path} is missing: run 'dvc repro' in the project's folder") from None
    except YAMLError as error:
        raise ReceptiveError(f"{path} is no valid YAML ({' '.join(str(error).split())}): restore it") from None
