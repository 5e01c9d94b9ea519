"""Random networks with branches, gates, paddings and normalisations, and what their positions see by the gradient."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn


class Graph(nn.Module):
    """Steps that read the results of earlier steps; an identity marks the result of each.

    Args:
        steps: a module and the numbers of its inputs; 0 is the image, n the result of the n-th step.
    """

    def __init__(self, steps: Sequence[tuple[nn.Module, tuple[int, ...]]]):
        super().__init__()
        self.steps = nn.ModuleList(module for module, _ in steps)
        self.inputs = [inputs for _, inputs in steps]
        self.marks = nn.ModuleList(nn.Identity() for _ in steps)

    def forward(self, x: Tensor) -> Tensor:
        results = [x]
        for step, inputs, mark in zip(self.steps, self.inputs, self.marks, strict=True):
            results.append(mark(step(*(results[number] for number in inputs))))
        return results[-1]


class Function(nn.Module):
    """A function of tensors as a step; its weights are given by name."""

    def __init__(self, name: str, function: Callable[..., Tensor], **weights: Tensor):
        super().__init__()
        self.name, self.function = name, function
        for key, value in weights.items():
            self.register_parameter(key, nn.Parameter(value))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, *self.parameters())

    def extra_repr(self) -> str:
        return self.name


def bent(x: Tensor) -> Tensor:
    """A bend after a gate, without which a later normalisation would divide by what the gate multiplies."""
    return (x + 1).log()


class BorderConv(nn.Conv2d):
    """A convolution that repeats the border by itself, whatever its own padding says."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(F.pad(input, (1, 1, 1, 1), mode="replicate"), weight, bias)


class ShiftedPool(nn.AvgPool2d):
    """A pool with a forward pass of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(input, (2, 0, 0, 1)), 3, 1)


class Reach(nn.Module):
    """What a max pool can see: the same windows, with a positive weight for each pixel instead of the winner alone."""

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        pool, channels = self.pool, x.shape[1]
        rows, columns = pool(x).shape[-2:]
        (height, width), (down, across), (top, left), dilation = (
            (number, number) if isinstance(number, int) else number
            for number in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
        )
        below = (rows - 1) * down + (height - 1) * dilation[0] + 1 - x.shape[2] - top
        right = (columns - 1) * across + (width - 1) * dilation[1] + 1 - x.shape[3] - left
        x = F.pad(x, (left, max(right, 0), top, max(below, 0)))
        kernel = torch.ones(channels, 1, height, width, dtype=x.dtype)
        return F.conv2d(x, kernel, None, (down, across), 0, dilation, channels)[..., :rows, :columns]


def seen_by_gradient(network: Graph, height: int, width: int, channels: int) -> dict[int, np.ndarray]:
    """The smallest box around what each position of each step sees, as the support of its gradient in float64.

    Weights become positive and are scaled so that numbers neither grow nor vanish; normalisations are followed by a
    bend, without which a later mean would take away what they add.

    Returns:
        By the number of the step, y x x x (top, left, bottom, right); zeros where a position sees nothing.
    """
    generator = torch.Generator().manual_seed(0)
    network.double().eval()
    for parameter in network.parameters():
        scale = max(1, parameter[0].numel()) if parameter.dim() == 4 else 1
        parameter.data.uniform_(0.5 / scale, 1.5 / scale, generator=generator)
    for number, step in enumerate(network.steps):
        if isinstance(step, nn.MaxPool2d):
            network.steps[number] = Reach(step)
    results: dict[int, Tensor] = {}
    for number, mark in enumerate(network.marks):
        mark.register_forward_hook(lambda module, inputs, output, number=number: results.update({number: output}))
    image = torch.rand(1, channels, height, width, dtype=torch.float64, generator=generator) + 0.5
    network(image.requires_grad_())
    boxes = {}
    for number, result in results.items():
        rows, columns = result.shape[2:]
        pick = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, 1, rows, columns)
        (gradient,) = torch.autograd.grad(result.sum(1), image, pick, is_grads_batched=True, retain_graph=True)
        assert gradient.isfinite().all()
        boxes[number] = _hulls(gradient.ne(0).any(2)[:, 0].numpy()).reshape(rows, columns, 4)
    return boxes


def _hulls(seen: np.ndarray) -> np.ndarray:
    """Smallest boxes around what is true: picture x y x x -> picture x 4."""
    boxes = np.zeros((len(seen), 4), int)
    for box, picture in zip(boxes, seen, strict=True):
        at = np.argwhere(picture)
        if len(at):
            box[:] = [*at.min(0), *(at.max(0) + 1)]
    return boxes


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, tuple[int, int, int]]:
    """A network of two to seven steps, and the height, width and channels of its images."""
    size = (draw(st.integers(7, 11)), draw(st.integers(7, 11)), draw(st.sampled_from([1, 2])))
    shapes = [(size[2], size[0], size[1])]
    steps: list[tuple[nn.Module, tuple[int, ...]]] = []
    for _ in range(draw(st.integers(2, 7))):
        source = draw(st.sampled_from([len(shapes) - 1, len(shapes) - 1, max(0, len(shapes) - 2)]))
        alike = [other for other, shape in enumerate(shapes) if shape[1:] == shapes[source][1:]]
        step = draw(_steps(shapes[source]))
        if len(alike) > 1 and draw(st.booleans()):
            other = draw(st.sampled_from([at for at in alike if at != source]))
            same = shapes[other][0] == shapes[source][0]
            step, inputs = draw(_merges(same)), (source, other)
        else:
            inputs = (source,)
        try:
            with torch.no_grad():
                made = step.double().eval()(*(torch.ones(1, *shapes[n], dtype=torch.float64) for n in inputs))
        except (RuntimeError, ValueError):
            continue  # the map is too small for it
        if made.dim() != 4 or min(made.shape[1:]) < 1 or made.shape[1] > 8:
            continue
        shapes.append((made.shape[1], made.shape[2], made.shape[3]))
        steps.append((step, inputs))
        if _is_norm(step):
            shapes.append(shapes[-1])
            steps.append((nn.Softplus(), (len(shapes) - 2,)))
    return Graph(steps or [(nn.Identity(), (0,))]), size


def _is_norm(step: nn.Module) -> bool:
    return "norm" in type(step).__name__.lower() or "norm" in getattr(step, "name", "")


def _merges(same_channels: bool) -> st.SearchStrategy[nn.Module]:
    joined = [("cat", lambda a, b: torch.cat([a, b], 1))]
    if same_channels:
        joined += [("add", lambda a, b: a + b), ("gate", lambda a, b: bent((a + 1) * (b + 1)))]
        joined += [("squeeze", lambda a, b: bent((a + 1) * b.mean((2, 3), keepdim=True)))]
        joined += [("rows", lambda a, b: bent((a + 1) * b.mean(3, keepdim=True)))]
    return st.sampled_from(joined).map(lambda named: Function(*named))


@st.composite
def _steps(draw: st.DrawFn, shape: tuple[int, int, int]) -> nn.Module:
    """One layer that fits maps of this shape, mostly."""
    channels, height, width = shape

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    kernel, stride = pair(1, 4), draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 2), (2, 1)]))
    kinds = ["conv", "conv", "conv", "pool", "pad", "gate", "own", "other"]
    kind = draw(st.sampled_from(kinds if min(height, width) < 2 else [*kinds, "norm"]))  # of one value it is constant
    if kind == "conv":
        groups = draw(st.sampled_from([1, channels]))
        units = groups * draw(st.sampled_from([1, 2]))
        mode = draw(st.sampled_from(["zeros"] * 6 + ["reflect", "replicate", "reflect", "replicate", "circular"]))
        if draw(st.booleans()) and mode == "zeros" and stride == (1, 1):
            return nn.Conv2d(channels, units, kernel, padding="same", dilation=pair(1, 2), groups=groups)
        padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
        return nn.Conv2d(channels, units, kernel, stride, padding, pair(1, 2), groups, padding_mode=mode)
    if kind == "pool":
        padding, ceil = tuple(draw(st.integers(0, k // 2)) for k in kernel), draw(st.booleans())
        return draw(
            st.sampled_from(
                [
                    nn.AvgPool2d(kernel, stride, padding, ceil),
                    nn.MaxPool2d(kernel, stride, padding, pair(1, 2), ceil_mode=ceil),
                    nn.LPPool2d(1, kernel, stride, ceil),
                    nn.AdaptiveAvgPool2d((draw(st.integers(1, height)), draw(st.integers(1, width)))),
                    Function("avg_pool2d", lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil)),
                    Function("adaptive", lambda x: F.adaptive_avg_pool2d(x, (1, x.shape[3]))),
                ]
            )
        )
    if kind == "pad":
        sides = tuple(draw(st.integers(-1, 3)) for _ in range(4))
        most = tuple(draw(st.integers(0, 2)) for _ in range(4))
        mode = draw(st.sampled_from(["constant", "constant", "reflect", "replicate", "reflect", "circular"]))
        return draw(
            st.sampled_from(
                [
                    nn.ZeroPad2d(sides),
                    nn.ConstantPad2d(sides, 1.0),
                    nn.ReflectionPad2d(most),
                    nn.ReplicationPad2d(most),
                    Function("pad", lambda x: F.pad(x, most, mode=mode)),
                    Function("cut", lambda x: F.pad(x, sides)),
                ]
            )
        )
    if kind == "norm":
        return draw(
            st.sampled_from(
                [
                    nn.BatchNorm2d(channels),
                    nn.BatchNorm2d(channels, track_running_stats=False),
                    nn.InstanceNorm2d(channels),
                    nn.InstanceNorm2d(channels, track_running_stats=True),
                    nn.GroupNorm(channels, channels),
                    nn.GroupNorm(1, channels),
                    nn.LayerNorm([channels, height, width]),
                    nn.LayerNorm([height, width]),
                    nn.LayerNorm([width]),
                    nn.LocalResponseNorm(2),
                    Function("instance_norm", lambda x: F.instance_norm(x)),
                    Function("group_norm", lambda x: F.group_norm(x, 1)),
                    Function("layer_norm", lambda x: F.layer_norm(x, x.shape[1:])),
                    Function("batch_norm", lambda x: F.batch_norm(x, None, None, training=True)),
                    Function("normalize", lambda x: F.normalize(x, dim=3)),
                ]
            )
        )
    if kind == "gate":
        return draw(
            st.sampled_from(
                [
                    Function("mean", lambda x: bent((x + 1) * (1 + x.mean((2, 3), keepdim=True)))),
                    Function("column", lambda x: bent(x + x.mean(2, keepdim=True))),
                    Function("window", lambda x: bent((x + 1) * F.avg_pool2d(x, (height, width), stride=1))),
                    Function("pooled", lambda x: bent((x + 1) * F.adaptive_avg_pool2d(x, 1))),
                    Function("vector", lambda x: bent((x + 1) * x.mean((2, 3))[:, :, None, None])),
                    Function(
                        "kernel",
                        lambda x, w: bent((x + 1) * F.conv2d(x, w)),
                        weight=torch.ones(channels, channels, height, width),
                    ),
                ]
            )
        )
    if kind == "own":
        return draw(
            st.sampled_from(
                [
                    BorderConv(channels, channels, 3),
                    ShiftedPool(2),
                    Function(
                        "conv2d",
                        lambda x, w: F.conv2d(x, w, None, stride, 1, 2),
                        weight=torch.ones(2, channels, 3, 2),
                    ),
                ]
            )
        )
    return draw(st.sampled_from([nn.Softplus(), nn.Identity(), nn.Dropout2d(), nn.ChannelShuffle(1)]))
