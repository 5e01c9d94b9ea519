"""Several processes at one job: who they are, how they are started, and how they speak with one another.

The engine is PyTorch's own: its elastic launcher (what ``torchrun`` is made of) starts one process a device and
ends all of them when one is lost; ``torch.distributed`` carries the tensors, by gloo between CPUs and by
NCCL between GPUs. Alone, nothing of it is loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from receptive.errors import ReceptiveError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from receptive.io.params import Scale

# Where a worker that ends in an error says why: a folder of the launcher's, one file a worker.
_FAILURES = "RECEPTIVE_FAILURES"  # receptive.stages knows the name, too
# Where the machines of one job meet; belongs to the machines, not to the study, so it is no parameter.
_MEETING_POINT = "RECEPTIVE_RENDEZVOUS"
# What torch says when another process has gone.
_GONE = ("connection closed", "connection reset", "connection refused", "broken pipe", "nccl", "socket", "gloo", "peer")


@dataclass(frozen=True)
class Workers:
    """One process and the group it works in; ``ALONE`` where there is no other.

    Attributes:
        rank: number of this process, from 0 on; only 0 writes.
        size: how many processes there are, over all machines.
        local_rank: number on this machine, and of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def device(self, device: torch.device) -> torch.device:
        """The device of this process, where the study's is ``device``: each has a GPU of its own."""
        import torch

        if self.size > 1 and device.type == "cuda":
            device = torch.device("cuda", self.local_rank)
            torch.cuda.set_device(device)
        return device

    def part(self, rows: int) -> slice:
        """The rows of a batch that are this process's: neighbours, all of them shared out, none twice."""
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over all processes, the same tensor in each; ``numbers`` themselves where there is one."""
        if self.size == 1:
            return numbers
        import torch.distributed

        total = numbers.clone()
        torch.distributed.all_reduce(total)
        return total

    def gather(self, state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """In process 0 the states of all others, in the order of their ranks, one at a time; elsewhere nothing.

        Args:
            state: of this process; names, types and numbers of dimensions are the same in all, or it is empty.
        """
        if self.size == 1:
            return
        import torch
        import torch.distributed

        filled = torch.zeros(self.size, dtype=torch.int64)
        filled[self.rank] = bool(state)
        filled = self.sum(filled)
        if self.rank:
            for tensor in state.values():
                if tensor.dim():
                    torch.distributed.send(torch.tensor(tensor.shape, dtype=torch.int64), 0)
                torch.distributed.send(tensor.cpu().contiguous(), 0)
            return
        for source in filled.nonzero().flatten().tolist():
            if source:
                received = {}
                for name, own in state.items():
                    shape = torch.tensor(own.shape, dtype=torch.int64)
                    if own.dim():
                        torch.distributed.recv(shape, source)
                    received[name] = torch.empty(shape.tolist(), dtype=own.dtype)
                    torch.distributed.recv(received[name], source)
                yield received

    def furthest(self, content: bytes, progress: int) -> bytes:
        """In all processes the content of the one with the greatest progress, the first of equals.

        Args:
            content: this process's own; progress: how far it has come, 0 or more.
        """
        if self.size == 1:
            return content
        import torch
        import torch.distributed

        numbers = torch.zeros(2, self.size, dtype=torch.int64)
        numbers[:, self.rank] = torch.tensor([progress, len(content)])
        progresses, lengths = self.sum(numbers).tolist()
        source = progresses.index(max(progresses))
        shared = torch.zeros(lengths[source], dtype=torch.uint8)
        if self.rank == source:
            shared[:] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else shared
        torch.distributed.broadcast(shared, source)
        return shared.numpy().tobytes()

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Within the block, process 0 is done before the others begin, for what it leaves in a cache."""
        import torch

        if self.rank:
            self.sum(torch.zeros(1))
        yield
        if not self.rank:
            self.sum(torch.zeros(1))

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network whose gradients are the mean over all processes; the network itself where there is one."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        # batch norms are computed over all processes, so their running statistics never differ
        return DistributedDataParallel(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            forward_sync_buffers=False,
            gradient_as_bucket_view=True,
        )

    @contextlib.contextmanager
    def whole_batch_norms(self, network: nn.Module) -> Iterator[None]:
        """Within the block, batch norms in training mode see the batch of all processes.

        The weights and running statistics stay the same tensors, and the layers their names.
        """
        if self.size == 1:
            yield
            return
        from receptive.networks.whole_batch_norm import exchanged

        with exchanged(network):
            yield


ALONE = Workers()


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


def launch(scale: Scale, device: str, module: str, *args: str) -> bool:
    """Runs ``python -m module args`` once a device and waits, where ``scale`` asks for more than one.

    Returns:
        True when they have done the work; False where this process is to do it: it is one of them, or alone.

    Raises:
        ReceptiveError: there are fewer GPUs, the other machines cannot be met, a worker was lost (killed, out of
            memory, gone with its machine), or the error of a worker; no other worker goes on after it.
    """
    if is_worker() or scale.devices * scale.nodes == 1:
        return False
    _check_devices(scale, device)

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
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // scale.devices))),
            "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
        }
        config = LaunchConfig(
            min_nodes=scale.nodes,
            max_nodes=scale.nodes,
            nproc_per_node=scale.devices,
            max_restarts=0,  # what is left of a training is its checkpoint: the next run of the stage goes on from it
            rdzv_backend="c10d",
            logs_specs=DefaultLogsSpecs(log_dir=str(Path(folder) / "logs")),
            **_meeting(scale, f"{module} {' '.join(args)}"),
        )
        with _environment(environment):
            try:
                elastic_launch(config, sys.executable)("-m", module, *args)
            except ChildFailedError as error:
                ended = {rank: failure.exitcode for rank, failure in error.failures.items()}
                raise _cause(failures, ended, scale) from None
            except SignalException as stop:
                if stop.sigval == signal.SIGINT:
                    raise KeyboardInterrupt from None
                raise SystemExit(128 + stop.sigval) from None
            except (RendezvousError, RuntimeError, OSError) as error:
                if scale.nodes == 1:
                    raise
                raise ReceptiveError(
                    f"the {scale.nodes} machines of train.nodes did not meet at {os.environ[_MEETING_POINT]} "
                    f"({str(error).splitlines()[0]}): start the same command on each, and let them reach that port"
                ) from None
    return True


def _check_devices(scale: Scale, device: str) -> None:
    import torch

    if scale.nodes > 1 and not os.environ.get(_MEETING_POINT):
        raise ReceptiveError(
            f"train.nodes is {scale.nodes}, but the machines do not know where to meet: set {_MEETING_POINT} to "
            "HOST:PORT of one of them, the same on all, or set train.nodes: 1"
        )
    gpus = torch.cuda.device_count()
    if device.startswith("cuda:") and scale.devices > 1:
        raise ReceptiveError(f"device: {device} is one GPU, but train.devices is {scale.devices}: set device: auto")
    if (device == "cuda" or (device == "auto" and gpus)) and gpus < scale.devices:
        raise ReceptiveError(
            f"train.devices is {scale.devices}, but there are {gpus} GPUs here: set it to {max(1, gpus)}"
        )


def _meeting(scale: Scale, job: str) -> dict:
    if scale.nodes == 1:
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


def _cause(failures: Path, ended: dict[int, int], scale: Scale) -> Exception:
    """Which of all workers' ends was the first cause: a lost one, a user's error, a defect; then what follows these."""
    workers = scale.devices * scale.nodes
    cure = "run the same command again (a training goes on from its last epoch), or lower train.devices"
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
