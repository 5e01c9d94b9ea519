"""How a worker that ends in an error tells the process that started it.

Every stage asks ``is_worker`` at its start, so this module imports neither torch nor anything else that is slow.
"""

import json
import os
import signal
import traceback
from pathlib import Path

from receptive.errors import ReceptiveError

FOLDER_VARIABLE = "RECEPTIVE_FAILURES"
"""Names the folder of the launching process for its workers' errors, one file per worker; set in workers only."""

# What torch says when another process has gone.
_GONE = ("connection closed", "connection reset", "connection refused", "broken pipe", "nccl", "socket", "gloo", "peer")
_CURE_OF_OTHERS = "run the same command again (a training goes on from its last epoch)"
_CURE = f"{_CURE_OF_OTHERS}, or lower workers.devices"


class WorkerDefect(RuntimeError):
    """A defect of the program in a worker; the text is the worker's own traceback."""

    def __str__(self) -> str:
        return f"in a worker:\n{self.args[0]}"


def is_worker() -> bool:
    """Whether this process was started by ``processes.launch``."""
    return FOLDER_VARIABLE in os.environ


def tell_launcher(error: BaseException) -> None:
    """Writes the cause of this worker's end for the launching process, which shows one cause of all."""
    kind = _kind(error)
    text = str(error) if kind == "user" else "".join(traceback.format_exception(error))
    path = Path(os.environ[FOLDER_VARIABLE]) / f"{os.environ['RANK']}.json"
    path.write_text(json.dumps({"kind": kind, "text": text}))


def in_one_line(error: BaseException) -> str | None:
    """What a process of several that another launcher started says of its end; None for a defect of the program."""
    if _kind(error) == "peer":
        return f"another process was lost: {_CURE_OF_OTHERS}"
    return " ".join(str(error).split()) if _kind(error) == "user" else None


def _kind(error: BaseException) -> str:
    """Of the end of one process of several: "user", "peer" (another was lost) or "defect" (of the program)."""
    if isinstance(error, ReceptiveError):
        return "user"
    words = str(error).lower()
    return "peer" if isinstance(error, RuntimeError | OSError) and any(word in words for word in _GONE) else "defect"


def first_cause(folder: Path, exit_codes: dict[int, int], workers: int) -> ReceptiveError | WorkerDefect:
    """The first cause among the ends of all workers: a lost worker, a user's error, a defect; then what follows these.

    Args:
        folder: What ``tell_launcher`` wrote.
        exit_codes: Of the workers that failed, by rank; negative for a signal.
        workers: Number of workers, for the message.
    """
    for rank, code in sorted(exit_codes.items()):
        if code < 0 and code != -signal.SIGTERM:  # SIGTERM: by the launcher, because of another worker
            name = signal.Signals(-code).name
            why = ", often for want of memory" if name == "SIGKILL" else ""
            return ReceptiveError(f"worker {rank + 1} of {workers} was lost ({name}{why}): {_CURE}")
    failures = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for kind, cause in (("user", ReceptiveError), ("defect", WorkerDefect)):
        for failure in failures:
            if failure["kind"] == kind:
                return cause(failure["text"])
    return ReceptiveError(f"one of {workers} workers was lost (on another machine, or without a word): {_CURE}")
