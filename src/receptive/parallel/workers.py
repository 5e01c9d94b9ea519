"""Several processes at one job: the part of each, and how they exchange tensors.

``torch.distributed`` carries the tensors, by gloo between CPUs and by NCCL between GPUs. ``processes.launch`` starts
the processes and joins them. ``ALONE`` is a process without others: it exchanges nothing.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from receptive.parallel.whole_batch_norm import exchanged


@dataclass(frozen=True)
class Workers:
    """One process and the group that it works in; ``ALONE`` where there is no other.

    Attributes:
        rank: Number of this process, from 0 on. Only process 0 writes.
        size: Number of processes, over all machines.
        local_rank: Number of this process on its machine, and of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def device(self, device: torch.device) -> torch.device:
        """The device of this process where the study's is ``device``: each process has a GPU of its own."""
        if self.size > 1 and device.type == "cuda":
            device = torch.device("cuda", self.local_rank)
            torch.cuda.set_device(device)
        return device

    def part(self, rows: int) -> slice:
        """The consecutive rows of a batch that this process takes; the parts of all processes are the whole batch."""
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over all processes, the same tensor in each; ``numbers`` themselves where there is one process."""
        if self.size == 1:
            return numbers
        total = numbers.clone()
        torch.distributed.all_reduce(total)
        return total

    def gather(self, state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """In process 0 the states of all other processes, by rank; elsewhere nothing.

        Process 0 holds one state at a time, which ``torch.distributed.gather_object`` would not allow.

        Args:
            state: Of this process. Names, types and numbers of dimensions are the same in all, or it is empty.
        """
        if self.size == 1:
            return
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
        """In all processes the content of the process with the greatest progress, the lowest rank of equals.

        Args:
            content: Of this process.
            progress: How far this process has come, 0 or more.
        """
        if self.size == 1:
            return content
        own = torch.zeros(self.size, dtype=torch.int64)
        own[self.rank] = progress
        progresses = self.sum(own).tolist()
        shared = [content]
        torch.distributed.broadcast_object_list(shared, progresses.index(max(progresses)))
        return shared[0]

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Within the block, process 0 finishes before the others begin: they find what it leaves in a cache."""
        if self.rank:
            self.sum(torch.zeros(1))
        yield
        if not self.rank:
            self.sum(torch.zeros(1))

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over all processes; the network itself where there is one process."""
        if self.size == 1:
            return network
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

        The weights and running statistics stay the same tensors, and the layers keep their names.
        """
        with exchanged(network) if self.size > 1 else contextlib.nullcontext():
            yield


ALONE = Workers()
