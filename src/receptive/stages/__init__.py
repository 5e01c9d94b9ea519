"""The stages of the study, one script each: load, call, save.

``python -m receptive.stages.<stage> [NETWORK]`` from the project's folder; ``dvc repro`` runs them in order.
"""

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

import typer

from receptive.errors import ReceptiveError
from receptive.processes import failures, outer
from receptive.tracking import pipeline

# Two pools of threads that wait actively for each other stall; this makes timings steady.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(main: Callable[..., None], args: list[str] | None = None) -> None:
    """Runs a stage's ``main`` as a command: arguments by Typer, errors in one line, the exit code right.

    Exit codes: 0; 1 for what the user can mend; 2 for a wrong call; 130 when interrupted. Any other
    exception is a defect of the program and keeps its traceback.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    stage = main.__module__.rpartition(".")[2]
    if stage == "__main__":
        spec = sys.modules["__main__"].__spec__
        stage = spec.name.rpartition(".")[2] if spec else ""
    args = sys.argv[1:] if args is None else args
    began = time.perf_counter()
    try:
        outer.refuse_outer_group(stage)
        app(args, standalone_mode=True)
    except SystemExit as end:
        if end.code in (0, None) and _speaks():
            pipeline.record(stage, args[0] if args else "", time.perf_counter() - began)
        raise
    except ReceptiveError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        if _speaks():
            print("interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail(f"no space left on the disk ({error.filename or 'unknown file'}): free some and run again")
        _end_worker(error)
        raise
    except Exception as error:
        _end_worker(error)
        raise


def _speaks() -> bool:
    """Whether this process speaks for the stage: it is alone, or the first of those that another program started."""
    group = outer.outer_group()
    return not failures.is_worker() and (group is None or group.rank == 0)


def _end_worker(error: Exception) -> None:
    """Ends this process if it is one of several; the process that started them shows one cause for all."""
    if failures.is_worker():
        failures.tell_launcher(error)
        os._exit(1)  # at once: threads that wait for a lost process would hold up the exit
    if group := outer.joined_group():
        line = failures.in_one_line(error)
        told = f"error in process {group.rank + 1} of {group.size}: {line}" if line else traceback.format_exc().rstrip()
        sys.stderr.write(f"{told}\n")  # at one go, for others write, too
        sys.stderr.flush()
        os._exit(1)


def _fail(line: str) -> NoReturn:
    _end_worker(ReceptiveError(line))
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(1)
