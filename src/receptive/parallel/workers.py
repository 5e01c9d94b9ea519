"""Several processes at one job: who they are, how they are started, and how they speak with one another.

The engine is PyTorch's own: its elastic launcher (what ``torchrun`` is made of) starts one process a device and
ends all of them when one is lost; ``torch.distributed`` carries the tensors, by gloo between CPUs and by
NCCL between GPUs. Alone, nothing of it is loaded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


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
        from receptive.parallel.whole_batch_norm import exchanged

        with exchanged(network):
            yield


ALONE = Workers()
