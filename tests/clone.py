"""A copy of the project in a folder and git repository of its own, where DVC may run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from graph import PROJECT


class Clone:
    """A copy of the project's files in ``folder``."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=PROJECT, capture_output=True, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (PROJECT / name).is_file() and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, folder / name)
        # the settings of DVC, git and MLflow around the tests do not hold in the copy
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "MLFLOW_"))}
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@localhost",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@localhost",
            "DVC_NO_ANALYTICS": "1",
        }
        self.environment.pop("PYTHONPATH", None)
        self.run("git", "init", "-q", "-b", "main")

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if code is not None and done.returncode != code:
            ends = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            raise AssertionError(f"{command} ended with {done.returncode}:\n{ends}")
        return done

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "as it is")

    def stage(self, name: str, *args: str) -> subprocess.CompletedProcess:
        """A stage outside DVC, whatever its exit code."""
        return self.run("env", "PYTHONPATH=src", "python", "-m", f"receptive.stages.{name}", *args, code=None)

    def compose(self, *overrides: str) -> None:
        """Writes params.yaml of the smoke profile, with ``overrides``."""
        self.run("env", "PYTHONPATH=src", "python", "-m", "receptive", "compose", "profile=smoke", *overrides)

    def changed(self) -> set[str]:
        """The stages whose code, parameters, inputs or outputs differ from dvc.lock."""
        return set(json.loads(self.run("dvc", "status", "--json").stdout))
