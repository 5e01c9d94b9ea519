"""How a worker's error reaches the process that started it."""

import os
import signal
import subprocess
import sys

import pytest

from receptive.errors import ReceptiveError
from receptive.processes.failures import FOLDER_VARIABLE, WorkerDefect, first_cause, is_worker, tell_launcher

TOLD = {
    "user": ReceptiveError("no more images: buy some"),
    "defect": ValueError("seven is not prime"),
    "peer": RuntimeError("[gloo] Connection closed by peer"),
}


@pytest.fixture
def tell(tmp_path, monkeypatch):
    """Leaves errors of workers in a folder, by rank, and gives the folder."""

    def call(*kinds):
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
        for rank, kind in enumerate(kinds):
            monkeypatch.setenv("RANK", str(rank))
            tell_launcher(TOLD[kind])
        return tmp_path

    return call


def test_a_stage_can_ask_without_torch():
    code = "import sys, receptive.processes.failures as f; print(f.is_worker(), 'torch' in sys.modules)"
    for folder, answer in ((None, "False False"), ("x", "True False")):
        variables = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
        variables |= {FOLDER_VARIABLE: folder} if folder else {}
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == answer
    assert not is_worker()


@pytest.mark.parametrize(
    ("kinds", "kind", "text"),
    [
        (("peer", "user"), ReceptiveError, "^no more images: buy some$"),
        (("defect", "user"), ReceptiveError, "^no more images: buy some$"),
        (("peer", "defect"), WorkerDefect, r"(?s)^in a worker:\n.*ValueError: seven is not prime"),
        (("peer", "peer"), ReceptiveError, "^one of 2 workers was lost .*without a word"),
        ((), ReceptiveError, "^one of 2 workers was lost"),
    ],
)
def test_of_several_errors_the_first_cause_is_told(tell, kinds, kind, text):
    cause = first_cause(tell(*kinds), {0: 1, 1: 1}, 2)
    assert type(cause) is kind
    with pytest.raises(kind, match=text):
        raise cause


def test_a_killed_worker_is_the_cause_of_all(tell):
    """SIGTERM is what the launcher sends to the others."""
    cause = first_cause(tell("user", "peer"), {0: -signal.SIGTERM, 1: -signal.SIGKILL}, 4)
    assert str(cause).startswith("worker 2 of 4 was lost (SIGKILL, often for want of memory): run the same command")
    assert str(first_cause(tell("user"), {0: -signal.SIGTERM}, 4)) == "no more images: buy some"
