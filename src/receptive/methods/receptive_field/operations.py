"""The operations that a receptive field can be followed through, and what each does to it.

Operations are known by the type of the module, and by the name of the function or method. Functions that work in place
end in an underscore, which is left off here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from receptive.methods.receptive_field.sights import View
from receptive.methods.receptive_field.sites import Sum

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink,
    nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip
NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.InstanceNorm2d, nn.LocalResponseNorm,
    nn.LayerNorm, nn.GroupNorm,
)  # fmt: skip
POSITIONWISE = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.Softmax2d, nn.ChannelShuffle,
)  # fmt: skip
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
PADS = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d)
_REPEATING = {nn.ReflectionPad2d: "reflect", nn.ReplicationPad2d: "replicate", nn.CircularPad2d: "circular"}
WEIGHT_LAYERS = ("conv", "linear", "elementwise linear")
"""The kinds of node that count in depth."""
SKIPPED_IN_TRAINING = ("StochasticDepth", "DropPath")
"""Modules of torchvision and timm that leave out whole branches while training, and do nothing otherwise."""
SHAPES = (nn.Flatten, nn.Unflatten)
SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin)
LEAVES = (
    nn.Conv2d, nn.Linear, *ACTIVATIONS, *NORMS, *POSITIONWISE, *POOLS, *ADAPTIVE_POOLS,
    *PADS, *SHAPES, *SOFTMAXES, Sum,
)  # fmt: skip


_FORWARD = ("forward", "_conv_forward", "__call__")
"""What a module's output is computed by."""


def is_known(module: nn.Module) -> bool:
    """Whether a module has a rule here. A module with a forward pass of its own, or a part of one, has none."""
    if any(name in vars(module) for name in _FORWARD):
        return False
    return any(
        isinstance(module, known)
        and all(getattr(type(module), name, None) is getattr(known, name, None) for name in _FORWARD)
        for known in LEAVES
    )


ACTIVATION_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "sigmoid", "logsigmoid", "hardsigmoid", "hardswish", "hardtanh", "hardshrink", "softshrink",
    "softplus", "softsign", "tanh", "tanhshrink", "threshold", "clamp", "clamp_min",
}  # fmt: skip
ADD_NAMES = {"add", "iadd"}
NORM_NAMES = {"batch_norm", "instance_norm", "layer_norm", "group_norm", "local_response_norm"}
MIXING_NAMES = {"scaled_dot_product_attention", "matmul", "bmm", "einsum"}
"""Functions that mix positions in any way; known only where every position sees the whole image already."""
POSITIONWISE_NAMES = {
    "sub", "isub", "mul", "imul", "div", "truediv", "itruediv", "neg", "abs", "square",
    "sqrt", "rsqrt", "pow", "exp", "log", "clamp_max", "maximum", "minimum", "dropout", "dropout2d",
    "alpha_dropout", "feature_dropout", "stochastic_depth", "contiguous", "clone", "detach", "to",
    "float", "double", "half", "type", "type_as", "channel_shuffle",
}  # fmt: skip
SHAPE_NAMES = {"flatten", "view", "reshape"}
POOL_ARGUMENTS: dict[str, tuple[tuple[str, int, Any], ...]] = {
    "max_pool2d": (("kernel_size", 1, None), ("stride", 2, None), ("padding", 3, 0), ("dilation", 4, 1)),
    "avg_pool2d": (("kernel_size", 1, None), ("stride", 2, None), ("padding", 3, 0)),
    "lp_pool2d": (("kernel_size", 2, None), ("stride", 3, None)),
}
"""The arguments of pooling functions that set the windows: (keyword, position, default)."""
AXIS_ARGUMENTS: dict[str, tuple[str, int, Any]] = {
    "cat": ("dim", 1, 0),
    "concat": ("dim", 1, 0),
    "chunk": ("dim", 2, 0),
    "split": ("dim", 2, 0),
    "softmax": ("dim", 1, None),
    "log_softmax": ("dim", 1, None),
    "mean": ("dim", 1, None),
    "sum": ("dim", 1, None),
    "amax": ("dim", 1, None),
    "normalize": ("dim", 2, 1),
    "unsqueeze": ("dim", 1, None),
    "squeeze": ("dim", 1, None),
}
"""The argument of a function that names the axes along which it works: (keyword, position, default)."""
REDUCTIONS = {"mean", "sum", "amax", "squeeze"}
UNKNOWN = (
    "not supported; known are Conv2d, 2-d pooling, Linear after flattening, batch norm and positionwise "
    "operations; replace it by these"
)


def conv_geometry(conv: nn.Conv2d) -> tuple[Any, Any, Any, Any]:
    """Kernel, stride, leading padding and dilation of a convolution, each (y, x)."""
    return conv.kernel_size, conv.stride, _leading(conv.padding, conv.kernel_size, conv.dilation), conv.dilation


def conv_function_geometry(
    weight: Shaped[Tensor, "unit channel y x"], stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> tuple[Any, Any, Any, Any]:
    """The same of the function ``conv2d``, of its own arguments."""
    kernel = (weight.shape[2], weight.shape[3])
    return kernel, stride, _leading(padding, kernel, dilation), dilation


def _leading(padding: Any, kernel: Any, dilation: Any) -> Any:
    if padding == "valid":
        return 0
    if padding == "same":  # an odd total puts the extra pixel after the map
        return tuple((k - 1) * d // 2 for k, d in zip(_pair(kernel), _pair(dilation), strict=True))
    return padding


def repeats(padding: nn.Module | str) -> str:
    """How a padding layer, or a mode, repeats pixels: "reflect", "replicate", "circular"; "" for constants."""
    if isinstance(padding, str):
        return padding if padding in _REPEATING.values() else ""
    return next((filled for layer, filled in _REPEATING.items() if isinstance(padding, layer)), "")


def through_windows(
    view: View,
    result: Any,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    filled: str = "",
) -> View:
    """What is seen after sliding windows: those of a convolution, or of a pooling layer.

    Args:
        view: before; result: the layer's output.
        kernel, stride, padding, dilation: as torch takes them, one number or (y, x). The stride of a pooling layer is
            by default its kernel. ``ceil_mode`` adds positions at the end and moves none.
        filled: of ``Sight.through``.
    """
    stride = kernel if stride is None or stride == [] else stride
    steps = zip(*map(_pair, (kernel, stride, padding, dilation)), strict=True)
    sizes = (result if isinstance(result, Tensor) else result[0]).shape[-2:]
    y, x = (
        sight.through(size, kernel, stride, before, dilation, filled)
        for sight, size, (kernel, stride, before, dilation) in zip((view.y, view.x), sizes, steps, strict=True)
    )
    return View(y, x)


def _pair(number: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(number, int):
        return number, number
    return (number[0], number[-1])


def through_adaptive_pool(view: View, entering: Shaped[Tensor, "..."], result: Any) -> tuple[str, View]:
    """Kind of an adaptive pooling layer, and what is seen after it.

    It changes nothing where it keeps the map's size. It has equal windows where the new size divides the old one.
    Otherwise, and to a single position, there are no windows in common.
    """
    result = result if isinstance(result, Tensor) else result[0]
    if entering.shape == result.shape and max(result.shape[-2:]) > 1:
        return "other", view
    pooled = View(view.y.pooled_to(result.shape[-2]), view.x.pooled_to(result.shape[-1]))
    return ("global_pool" if None in (pooled.y.axis, pooled.x.axis) else "pool"), pooled


def through_reduction(
    name: str,
    view: View,
    entering: Shaped[Tensor, "..."],
    dims: int | Sequence[int] | None,
    result: Shaped[Tensor, "..."],
) -> tuple[str, View]:
    """Kind of a mean, sum, maximum or squeeze, and what is seen after it.

    Reduced over an axis of the map, every position sees that whole axis of the image.

    Args:
        name: of the function.
        entering: its input; dims: the axes that are reduced, None for all.
    """
    rank, kept = entering.ndim, result.shape[-2:] == entering.shape[-2:]
    reduced = {0, 1} if dims is None else map_axes(rank, dims)
    if name == "squeeze" and kept and (result.ndim == rank or min(result.shape[-2:]) > 1):
        return "other", view  # no axis of the map was dropped
    if not view.whole and not reduced:
        return "other", view
    pooled = name != "squeeze" and reduced and (result.ndim == 2 or result.shape[2:] == (1, 1))
    kind = "global_pool" if pooled else "other"
    if result.ndim < rank:  # the last two axes are no longer the map
        return kind, view.everywhere(in_a_row=view.in_a_row and result.ndim > 2)
    y, x = (sight.everywhere() if at in reduced else sight for at, sight in enumerate((view.y, view.x)))
    return kind, View(y, x)


def through_padding(view: View, result: Any, padding: Sequence[int], filled: str) -> View:
    """What is seen after explicit padding, which torch takes as left, right, top, bottom (or left, right alone)."""
    top = padding[2] if len(padding) > 2 else 0
    return through_windows(view, result, 1, 1, (top, padding[0]), 1, filled)


def through_map_norm(view: View, axes: set[int]) -> View:
    """What is seen after a normalisation by statistics over ``axes`` of the map (0 for y, 1 for x).

    Each position sees all that the positions along these axes see. A map of one position has no others.
    """
    if not axes or view.y.positions == view.x.positions == 1:
        return view
    y, x = (sight.everywhere(sight.positions) if at in axes else sight for at, sight in enumerate((view.y, view.x)))
    return View(y, x)


def norm_axes(module: nn.Module, rank: int) -> set[int]:
    """The axes of the map over which a normalisation takes its statistics in evaluation mode; none if it stored them.

    Args:
        rank: how many axes its input has.
    """
    if isinstance(module, nn.LocalResponseNorm):
        return set()  # over neighbouring channels
    if isinstance(module, nn.LayerNorm):
        return map_axes(rank, range(-len(module.normalized_shape), 0))
    if isinstance(module, nn.GroupNorm):
        return {0, 1}
    return {0, 1} if getattr(module, "running_mean", None) is None else set()


def norm_function_axes(name: str, function: Any, argument: Callable[..., Any], rank: int) -> set[int]:
    """The same of a normalisation by a function.

    Args:
        name: of the function, which is one of ``NORM_NAMES``.
        function: itself: torch.batch_norm orders its arguments in another way than torch.nn.functional.batch_norm.
        argument: looks up an argument of the call by keyword, position and default.
    """
    if name == "local_response_norm":
        return set()
    if name == "layer_norm":
        return map_axes(rank, range(-len(argument("normalized_shape", 1)), 0))
    if name == "group_norm":
        return {0, 1}
    native = function in (torch.batch_norm, torch.instance_norm)
    flag, default = ("use_input_stats", True) if name == "instance_norm" else ("training", False)
    lacks_statistics = argument("running_mean", 3 if native else 1) is None
    return {0, 1} if lacks_statistics or argument(flag, 5, default) else set()


def map_axes(rank: int, dims: int | Sequence[int]) -> set[int]:
    """The axes of the map (0 for y, 1 for x) that are among ``dims``, axes of a tensor of this rank."""
    dims = (dims,) if isinstance(dims, int) else dims
    return {dim % rank - (rank - 2) for dim in dims} & {0, 1}
