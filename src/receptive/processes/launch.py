"""How several processes are started, joined and ended: one line for the user, whichever of them fails.

The engine is PyTorch's own elastic launcher (what ``torchrun`` is made of): it starts one process per device and ends
all of them when one is lost.
"""

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from receptive.errors import ReceptiveError
from receptive.parallel.workers import ALONE, Workers
from receptive.processes.failures import FOLDER_VARIABLE, first_cause, is_worker
from receptive.processes.outer import MEETING_POINT, check_machines, joined_group


class Asked(Protocol):
    """How many processes are asked for: section ``workers`` of params.yaml.

    Attributes:
        devices: Processes on each machine, each with a GPU where there are GPUs.
        nodes: Machines.
    """

    @property
    def devices(self) -> int: ...  # noqa: D102

    @property
    def nodes(self) -> int: ...  # noqa: D102


@contextlib.contextmanager
def working() -> Iterator[Workers]:
    """Joins the group of this process within the block: ``ALONE``, unless ``launch`` or torchrun started several."""
    if not is_worker() and joined_group() is None:
        yield ALONE
        return
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Workers(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        torch.distributed.barrier()  # no worker leaves while another still reads from it
    finally:
        torch.distributed.destroy_process_group()


def launch(asked: Asked, device: str, module: str, *args: str) -> bool:
    """Runs ``python -m module args`` in as many processes as are asked for and waits, where this is more than one.

    Returns:
        True when they have done the work; False where this process is to do it: it is a worker, alone, or one of
        several that torchrun started.

    Raises:
        ReceptiveError: There are fewer GPUs, another launcher started another number of processes, the other machines
            cannot be met, or a worker was lost (killed, out of memory, gone with its machine); or the error of a
            worker. No other worker goes on after it.
        WorkerDefect: A worker ended by a defect of the program.
    """
    if is_worker() or _joins_torchrun(asked, device):
        return False
    check_machines(asked.nodes)
    if asked.devices * asked.nodes == 1:
        return False
    _check_meeting(asked)
    _check_devices(asked.devices, device, f"workers.devices is {asked.devices}", "set it to")
    with tempfile.TemporaryDirectory(prefix="receptive-") as folder, _quiet():
        failures = Path(folder) / "failures"
        failures.mkdir()
        environment = {
            FOLDER_VARIABLE: str(failures),
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
                exit_codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
                raise first_cause(failures, exit_codes, asked.devices * asked.nodes) from None
            except SignalException as stop:
                if stop.sigval == signal.SIGINT:
                    raise KeyboardInterrupt from None
                raise SystemExit(128 + stop.sigval) from None
            except (RendezvousError, RuntimeError, OSError) as error:
                if asked.nodes == 1:
                    raise
                raise ReceptiveError(
                    f"the {asked.nodes} machines of workers.nodes did not meet at {os.environ[MEETING_POINT]} "
                    f"({str(error).splitlines()[0]}): start the same command on each, and let them reach that port"
                ) from None
    return True


def _joins_torchrun(asked: Asked, device: str) -> bool:
    """Whether this process shares the work with others that torchrun started; theirs is then the number."""
    group = joined_group()
    if group is None:
        return False
    if asked.devices * asked.nodes not in (1, group.size):
        raise ReceptiveError(
            f"torchrun started {group.size} processes, but workers asks for {asked.nodes} x {asked.devices}: set both "
            "workers.devices and workers.nodes to 1, or start one process, without torchrun"
        )
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    _check_devices(here, device, f"torchrun started {here} processes on this machine", "set --nproc-per-node to")
    return True


def _check_meeting(asked: Asked) -> None:
    if asked.nodes > 1 and not os.environ.get(MEETING_POINT):
        raise ReceptiveError(
            f"workers.nodes is {asked.nodes}, but the machines do not know where to meet: set {MEETING_POINT} to "
            "HOST:PORT of one of them, the same on all, or set workers.nodes: 1"
        )


def _check_devices(processes: int, device: str, many: str, cure: str) -> None:
    gpus = torch.cuda.device_count()
    if device.startswith("cuda:") and processes > 1:
        raise ReceptiveError(f"device: {device} is one GPU, but {many}: set device: auto")
    if (device == "cuda" or (device == "auto" and gpus)) and gpus < processes:
        raise ReceptiveError(f"{many}, but there are {gpus} GPUs here: {cure} {max(1, gpus)}")


def _meeting(asked: Asked, job: str) -> dict[str, Any]:
    if asked.nodes == 1:
        return {"rdzv_endpoint": "localhost:0", "local_addr": "localhost", "run_id": "alone"}
    return {"rdzv_endpoint": os.environ[MEETING_POINT], "run_id": job, "rdzv_configs": {"timeout": 600}}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the launcher's own account of a failure, a page long, from the user, who gets one line."""
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
