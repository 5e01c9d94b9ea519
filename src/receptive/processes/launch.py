"""How several processes are started, joined and ended: one line for the user, whichever of them fails.

The engine is PyTorch's own elastic launcher (what ``torchrun`` is made of): it starts one process per device and ends
all of them when one is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from receptive.errors import ReceptiveError
from receptive.parallel.workers import ALONE, Workers

if TYPE_CHECKING:
    from receptive.params.sections import Workers as Asked

# Where a worker that ends in an error says why: a folder of the launcher's, one file a worker.
_FAILURES = "RECEPTIVE_FAILURES"  # receptive.stages knows the name, too
# Where the machines of one job meet; belongs to the machines, not to the study, so it is no parameter.
_MEETING_POINT = "RECEPTIVE_RENDEZVOUS"
# What torch says when another process has gone.
_GONE = ("connection closed", "connection reset", "connection refused", "broken pipe", "nccl", "socket", "gloo", "peer")


def is_worker() -> bool:
    """Whether this process was started by ``launch``."""
    return _FAILURES in os.environ


@contextlib.contextmanager
def working() -> Iterator[Workers]:
    """The group of this process, joined within the block: ``ALONE``, unless ``launch`` started it."""
    if not is_worker():
        yield ALONE
        return
    import torch.distributed

    torch.distributed.init_process_group(_backends())
    try:
        yield Workers(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        torch.distributed.barrier()  # no worker leaves while another still reads from it
    finally:
        torch.distributed.destroy_process_group()


def _backends() -> str:
    import torch

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def launch(asked: Asked, device: str, module: str, *args: str) -> bool:
    """Runs ``python -m module args`` once a device and waits, where ``asked`` says so for for more than one.

    Returns:
        True when they have done the work; False where this process is to do it: it is one of them, or alone.

    Raises:
        ReceptiveError: there are fewer GPUs, the other machines cannot be met, a worker was lost (killed, out of
            memory, gone with its machine), or the error of a worker; no other worker goes on after it.
    """
    if is_worker() or asked.devices * asked.nodes == 1:
        return False
    _check_devices(asked, device)

    import logging
    import sys

    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with tempfile.TemporaryDirectory(prefix="receptive-") as folder, _quiet(logging):
        failures = Path(folder) / "failures"
        failures.mkdir()
        environment = {
            _FAILURES: str(failures),
            # each process would take all cores, and torch warns of what a lost peer leaves behind
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // asked.devices))),
            "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
        }
        config = LaunchConfig(
            min_nodes=asked.nodes,
            max_nodes=asked.nodes,
            nproc_per_node=asked.devices,
            max_restarts=0,  # what is left of a training is its checkpoint: the next run of the stage goes on from it
            rdzv_backend="c10d",
            logs_specs=DefaultLogsSpecs(log_dir=str(Path(folder) / "logs")),
            **_meeting(asked, f"{module} {' '.join(args)}"),
        )
        with _environment(environment):
            try:
                elastic_launch(config, sys.executable)("-m", module, *args)
            except ChildFailedError as error:
                ended = {rank: failure.exitcode for rank, failure in error.failures.items()}
                raise _cause(failures, ended, asked) from None
            except SignalException as stop:
                if stop.sigval == signal.SIGINT:
                    raise KeyboardInterrupt from None
                raise SystemExit(128 + stop.sigval) from None
            except (RendezvousError, RuntimeError, OSError) as error:
                if asked.nodes == 1:
                    raise
                raise ReceptiveError(
                    f"the {asked.nodes} machines of workers.nodes did not meet at {os.environ[_MEETING_POINT]} "
                    f"({str(error).splitlines()[0]}): start the same command on each, and let them reach that port"
                ) from None
    return True


def _check_devices(asked: Asked, device: str) -> None:
    import torch

    if asked.nodes > 1 and not os.environ.get(_MEETING_POINT):
        raise ReceptiveError(
            f"workers.nodes is {asked.nodes}, but the machines do not know where to meet: set {_MEETING_POINT} to "
            "HOST:PORT of one of them, the same on all, or set workers.nodes: 1"
        )
    gpus = torch.cuda.device_count()
    if device.startswith("cuda:") and asked.devices > 1:
        raise ReceptiveError(f"device: {device} is one GPU, but workers.devices is {asked.devices}: set device: auto")
    if (device == "cuda" or (device == "auto" and gpus)) and gpus < asked.devices:
        raise ReceptiveError(
            f"workers.devices is {asked.devices}, but there are {gpus} GPUs here: set it to {max(1, gpus)}"
        )


def _meeting(asked: Asked, job: str) -> dict:
    if asked.nodes == 1:
        return {"rdzv_endpoint": "localhost:0", "local_addr": "localhost", "run_id": "alone"}
    return {"rdzv_endpoint": os.environ[_MEETING_POINT], "run_id": job, "rdzv_configs": {"timeout": 600}}


@contextlib.contextmanager
def _quiet(logging) -> Iterator[None]:
    """The launcher's own account of a failure is a page long; the user gets one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def tell_launcher(error: BaseException) -> None:
    """Leaves the cause of a worker's end to its launcher, which shows one of all workers' causes."""
    kind = "user" if isinstance(error, ReceptiveError) else "defect"
    if kind == "defect" and isinstance(error, RuntimeError | OSError) and _speaks_of_a_peer(error):
        kind = "peer"
    text = str(error) if kind == "user" else "".join(traceback.format_exception(error))
    path = Path(os.environ[_FAILURES]) / f"{os.environ['RANK']}.json"
    path.write_text(json.dumps({"kind": kind, "text": text}))


def _speaks_of_a_peer(error: BaseException) -> bool:
    return any(word in str(error).lower() for word in _GONE)


def _cause(failures: Path, ended: dict[int, int], asked: Asked) -> Exception:
    """Which of all workers' ends was the first cause: a lost one, a user's error, a defect; then what follows these."""
    workers = asked.devices * asked.nodes
    cure = "run the same command again (a training goes on from its last epoch), or lower workers.devices"
    for rank, code in sorted(ended.items()):
        if code < 0 and code != -signal.SIGTERM:  # SIGTERM: by the launcher, because of another
            name = signal.Signals(-code).name
            why = ", often for want of memory" if name == "SIGKILL" else ""
            return ReceptiveError(f"worker {rank + 1} of {workers} was lost ({name}{why}): {cure}")
    told = [json.loads(path.read_text()) for path in sorted(failures.glob("*.json"))]
    for kind in ("user", "defect"):
        for failure in told:
            if failure["kind"] == kind:
                return ReceptiveError(failure["text"]) if kind == "user" else WorkerDefect(failure["text"])
    return ReceptiveError(f"one of {workers} workers was lost (on another machine, or without a word): {cure}")


class WorkerDefect(RuntimeError):
    """A defect of the program in a worker; the text is the worker's own traceback."""

    def __str__(self):
        return f"in a worker:\n{self.args[0]}"
