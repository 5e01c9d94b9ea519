"""Batch norm over the batch of all processes, so that many processes train as one would.

On GPUs this is torch's ``SyncBatchNorm``. It refuses CPUs, so on CPUs this module exchanges the same sums. The
tests show that the result is torch's batch norm of the whole batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

_BatchNorm = nn.modules.batchnorm._BatchNorm


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(context: Any, numbers: Tensor) -> Tensor:
        total = numbers.clone()
        torch.distributed.all_reduce(total)
        return total

    backward = forward  # type: ignore[assignment]


_sum = _Sum.apply


class WholeBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance in training are those of the batches of all processes together.

    Shapes: image x channel, or image x channel x y x x, in and out; processes may have different numbers of images.
    """

    def forward(self, responses: Tensor) -> Tensor:
        """The normalised responses; in evaluation mode by the running statistics."""
        if not self.training:
            return super().forward(responses)
        axes = [axis for axis in range(responses.dim()) if axis != 1]
        own = torch.tensor([responses.numel() / responses.shape[1]], dtype=responses.dtype)
        sums = _sum(torch.cat([responses.sum(axes), own]))
        count = sums[-1].detach()
        mean = _by_channel(sums[:-1] / count, responses)
        # two passes: the difference of large squares would lose digits
        variance = _sum((responses - mean).square().sum(axes)) / count
        if self.track_running_stats:
            self._remember(mean.detach().flatten(), variance.detach() * count / (count - 1))
        normalised = (responses - mean) * _by_channel((variance + self.eps).rsqrt(), responses)
        if not self.affine:
            return normalised
        return normalised * _by_channel(self.weight, responses) + _by_channel(self.bias, responses)

    def _check_input_dim(self, responses: Tensor) -> None:
        """Accepts responses with any number of positions."""

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (variance - self.running_var)


def _by_channel(numbers: Tensor, responses: Tensor) -> Tensor:
    return numbers.view(1, -1, *[1] * (responses.dim() - 2))


@contextmanager
def exchanged(network: nn.Module) -> Iterator[None]:
    """Within the block, the batch norms of ``network`` see whole batches, with the same weights and statistics."""
    kept = []
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, WholeBatchNorm | nn.SyncBatchNorm):
                kept.append((parent, name, child))
                setattr(parent, name, _whole(child))
    try:
        yield
    finally:
        for parent, name, child in kept:
            child.train(getattr(parent, name).training)
            setattr(parent, name, child)


def _whole(norm: _BatchNorm) -> _BatchNorm:
    parameters = [*norm.parameters(), *norm.buffers()]
    kind = nn.SyncBatchNorm if parameters and parameters[0].is_cuda else WholeBatchNorm
    whole = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name in ("weight", "bias"):
        setattr(whole, name, getattr(norm, name))
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(whole, name, getattr(norm, name))  # the same tensors: changed in place
    return whole.train(norm.training)
