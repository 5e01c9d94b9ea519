"""Networks written by hand whose answers can be worked out on paper, and slow literal measurements.

``impulse_boxes`` and ``gradient_boxes`` find by trying which pixels a position can see; they know
nothing of kernels and strides.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, fx, nn


class Branches(nn.Module):
    """Several paths from one input, added or joined along the channels."""

    def __init__(self, *paths: nn.Module, merge: str = "add"):
        super().__init__()
        self.paths = nn.ModuleList(paths)
        self.merge = merge

    def forward(self, x: Tensor) -> Tensor:
        outputs = [path(x) for path in self.paths]
        return torch.cat(outputs, 1) if self.merge == "cat" else sum(outputs[1:], start=outputs[0])


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip, with one ReLU module that is called twice, as torchvision does."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.relu(self.conv1(x)))
        out += self.shortcut(x)
        return self.relu(out)


class SqueezeExcitation(nn.Module):
    """A map scaled by a gate that has seen the whole image."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


def linear_unit(weight: Tensor) -> nn.Sequential:
    """One unit w.x over a whole image: weight has the axes channel, y, x; the output is image x 1."""
    unit = nn.Linear(weight.numel(), 1, bias=False).to(weight.dtype)
    unit.weight.data.copy_(weight.reshape(1, -1))
    return nn.Sequential(nn.Flatten(), unit)


def one_hot_conv(taps: Sequence[tuple[int, int, int]], channels: int, kernel: int) -> nn.Conv2d:
    """A convolution whose unit k copies the input at taps[k] = (channel, y, x) of its kernel."""
    conv = nn.Conv2d(channels, len(taps), kernel, bias=False)
    conv.weight.data.zero_()
    for unit, (channel, y, x) in enumerate(taps):
        conv.weight.data[unit, channel, y, x] = 1.0
    return conv


def made_positive(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same network, changed in place: float64, evaluation mode, weights in [0.5, 1.5], biases 0.

    On images without negative pixels no rectifier then cuts anything off, and nothing cancels.
    """
    generator = torch.Generator().manual_seed(seed)
    network.double().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
        else:
            parameter.data.uniform_(0.5, 1.5, generator=generator)
    return network


def node_outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Output of every node of the traced network that is a feature map, by the node's name."""
    outputs: dict[str, Tensor] = {}

    class Record(fx.Interpreter):
        def run_node(self, node: fx.Node):
            value = super().run_node(node)
            if isinstance(value, Tensor) and value.ndim == 4 and node.op not in ("output", "get_attr"):
                outputs[node.name] = value.clone()  # something later may work in place
            return value

    Record(fx.symbolic_trace(network)).run(images)
    return outputs


def impulse_boxes(network: nn.Module, height: int, width: int, channels: int = 1) -> dict[str, np.ndarray]:
    """What each position sees, found by lighting one pixel at a time on a black image.

    Holds for positive networks (see ``made_positive``) that keep black images black; the maximum in a
    pool lets every pixel through this way, as its gradient does not.

    Returns:
        By node name, y x x x (top, left, bottom, right), half-open; zeros where a position sees nothing.
    """
    images = torch.zeros(height * width, channels, height * width, dtype=torch.float64)
    pixels = torch.arange(height * width)
    images[pixels, :, pixels] = 1.0
    with torch.no_grad():
        outputs = node_outputs(network, images.reshape(height * width, channels, height, width))
    return {
        name: _hull(output.ne(0).any(1).reshape(height, width, *output.shape[2:]).permute(2, 3, 0, 1))
        for name, output in outputs.items()
    }


def gradient_boxes(network: nn.Module, height: int, width: int, channels: int = 1) -> dict[str, np.ndarray]:
    """What each position sees, as the support of its gradient at a random positive image."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, channels, height, width, dtype=torch.float64, generator=generator).requires_grad_()
    boxes = {}
    for name, output in node_outputs(network, image).items():
        rows, columns = output.shape[2:]
        pick = torch.eye(rows * columns, dtype=torch.float64).reshape(-1, 1, rows, columns)
        (gradient,) = torch.autograd.grad(output.sum(1), image, pick, is_grads_batched=True, retain_graph=True)
        seen = gradient.ne(0).any(2).reshape(rows, columns, height, width)
        boxes[name] = _hull(seen)
    return boxes


def _hull(seen: Tensor) -> np.ndarray:
    """Smallest box around the pixels seen: position y, position x, pixel y, pixel x -> position y, x, 4."""
    boxes = np.zeros((*seen.shape[:2], 4), int)
    for y, x in np.ndindex(*seen.shape[:2]):
        at = seen[y, x].nonzero().numpy()
        if len(at):
            boxes[y, x] = [*at.min(0), *(at.max(0) + 1)]
    return boxes


def with_integers(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same network, changed in place: evaluation mode, every weight a whole number from -2 to 2.

    On images of small whole numbers float32 then computes without rounding, so that the order of a sum, the
    batch size and the memory format can change nothing, and there are many ties.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.eval().parameters():
        parameter.data.copy_(torch.randint(-2, 3, parameter.shape, generator=generator))
    return network


def with_random_statistics(network: nn.Module, seed: int = 0) -> nn.Module:
    """The same network, changed in place: batch norms far from the identity, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for numbers, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
            ):
                numbers.data.uniform_(low, high, generator=generator)
    return network


def sliding_conv(image: np.ndarray, conv: nn.Conv2d) -> np.ndarray:
    """A convolution with zero padding, one position after the other: channel x y x x in, unit x y x x out."""
    weight, bias = conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()
    (pad_y, pad_x), (stride_y, stride_x), (height, width) = conv.padding, conv.stride, conv.kernel_size
    canvas = np.pad(np.asarray(image, np.float64), ((0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    rows, columns = (canvas.shape[1] - height) // stride_y + 1, (canvas.shape[2] - width) // stride_x + 1
    result = np.zeros((len(weight), rows, columns))
    for y, x in np.ndindex(rows, columns):
        patch = canvas[:, y * stride_y : y * stride_y + height, x * stride_x : x * stride_x + width]
        result[:, y, x] = (weight * patch).sum((1, 2, 3)) + bias
    return result


def affinities_by_bisection(vectors: np.ndarray, perplexity: float, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """t-SNE's affinities by the equations alone: point x point, and the perplexity of each row.

    p(j|i) are Gaussian weights over the nearest neighbours, whose width is found by bisection on its logarithm, and the
    affinities (p(j|i) + p(i|j)) / 2n (van der Maaten & Hinton 2008, section 3).
    """
    points = len(vectors)
    squares = ((vectors[:, None] - vectors) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    far = np.argsort(squares, axis=1, kind="stable")[:, neighbours:]
    np.put_along_axis(squares, far, np.inf, axis=1)
    squares -= squares.min(1, keepdims=True)  # a factor common to the row, which the sum cancels
    low, high = np.full((points, 1), -60.0), np.full((points, 1), 60.0)  # logarithm of the precision
    for _ in range(100):
        middle = (low + high) / 2
        weights = np.exp(-squares * np.exp(middle))
        conditional = weights / weights.sum(1, keepdims=True)
        logarithms = np.log2(conditional, where=conditional > 0, out=np.zeros_like(conditional))
        perplexities = 2 ** -(conditional * logarithms).sum(1)
        wide = perplexities[:, None] > perplexity
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return (conditional + conditional.T) / (2 * points), perplexities
