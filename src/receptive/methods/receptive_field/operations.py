"""The operations that a receptive field can be followed through, and what each does to it.

Operations are known by the type of the module, and by the name of the function or method. Functions that work in place
end in an underscore, which is left off here.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Shaped
from torch import Tensor, nn

from receptive.methods.receptive_field.fields import Axis, Field
from receptive.methods.receptive_field.sites import Sum

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink,
    nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LocalResponseNorm)
MAP_NORMS = (nn.LayerNorm, nn.GroupNorm)  # their statistics are those of the whole map
POSITIONWISE = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.Softmax2d, nn.ChannelShuffle,
)  # fmt: skip
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
PADS = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
SKIPPED_IN_TRAINING = ("StochasticDepth", "DropPath")
"""Modules of torchvision and timm that leave out whole branches while training, and do nothing otherwise."""
SHAPES = (nn.Flatten, nn.Unflatten)
SOFTMAXES = (nn.Softmax, nn.LogSoftmax, nn.Softmin)
LEAVES = (
    nn.Conv2d, nn.Linear, *ACTIVATIONS, *NORMS, *MAP_NORMS, *POSITIONWISE, *POOLS, *ADAPTIVE_POOLS,
    *PADS, *SHAPES, *SOFTMAXES, Sum,
)  # fmt: skip


def is_known(module: nn.Module) -> bool:
    """Whether a module has a rule here. A subclass with a forward pass of its own has none."""
    return any(isinstance(module, known) and type(module).forward is known.forward for known in LEAVES)


ACTIVATION_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "sigmoid", "logsigmoid", "hardsigmoid", "hardswish", "hardtanh", "hardshrink", "softshrink",
    "softplus", "softsign", "tanh", "tanhshrink", "threshold", "clamp", "clamp_min",
}  # fmt: skip
ADD_NAMES = {"add", "iadd"}
NORM_NAMES = {"batch_norm", "local_response_norm"}
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
    padding: Any = conv.padding
    if padding == "valid":
        padding = 0
    elif padding == "same":  # an odd total puts the extra pixel after the map
        padding = tuple((k - 1) * d // 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return conv.kernel_size, conv.stride, padding, conv.dilation


def through_windows(field: Field, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Field:
    """The field after sliding windows: those of a convolution, or of a pooling layer.

    Args:
        field: before.
        kernel, stride, padding, dilation: as torch takes them, one number or (y, x). The stride of a pooling layer is
            by default its kernel. ``ceil_mode`` does not matter: it adds positions at the end and moves none.
    """
    stride = kernel if stride is None or stride == [] else stride
    steps = zip(*map(_pair, (kernel, stride, padding, dilation)), strict=True)
    y, x = (None if axis is None else axis.through(*step) for axis, step in zip((field.y, field.x), steps, strict=True))
    return Field(y, x, field.image_size)


def _pair(number: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(number, int):
        return number, number
    return (number[0], number[-1])


def through_adaptive_pool(field: Field, entering: Shaped[Tensor, "..."], result: Any) -> tuple[str, Field]:
    """Kind and field of an adaptive pooling layer.

    It changes nothing where it keeps the map's size. It has equal windows where the new size divides the old one.
    Otherwise, and to a single position, every position sees the whole image.
    """
    result = result if isinstance(result, Tensor) else result[0]
    axes: list[Axis | None] = []
    for axis, before, after in zip((field.y, field.x), entering.shape[-2:], result.shape[-2:], strict=True):
        if axis is None or after == 1 or before % after:
            axes.append(None)
        else:
            axes.append(axis.through(before // after, before // after))
    pooled = Field(axes[0], axes[1], field.image_size)
    if entering.shape == result.shape and max(result.shape[-2:]) > 1:
        return "other", field
    return ("global_pool" if None in axes else "pool"), pooled


def through_reduction(
    name: str, field: Field, rank: int, dims: int | Sequence[int] | None, result: Shaped[Tensor, "..."]
) -> tuple[str, Field]:
    """Kind and field of a mean, sum, maximum or squeeze.

    Reduced over an axis of the map, every position sees that whole axis of the image.

    Args:
        name: of the function.
        rank: how many axes its input has; dims: those that are reduced, None for all.
    """
    reduced = {0, 1} if dims is None else map_axes(rank, dims)
    if not field.whole_image and not reduced:
        return "other", field
    pooled = name != "squeeze" and reduced and (result.ndim == 2 or result.shape[2:] == (1, 1))
    kind = "global_pool" if pooled else "other"
    if result.ndim < rank:  # the last two axes are no longer the map
        return kind, Field(None, None, field.image_size)
    y, x = (None if at in reduced else axis for at, axis in enumerate((field.y, field.x)))
    return kind, Field(y, x, field.image_size)


def through_padding(field: Field, padding: Sequence[int]) -> Field:
    """The field after explicit padding, which torch takes as left, right, top, bottom."""
    return through_windows(field, 1, 1, (padding[2], padding[0]))


def map_axes(rank: int, dims: int | Sequence[int]) -> set[int]:
    """The axes of the map (0 for y, 1 for x) that are among ``dims``, axes of a tensor of this rank."""
    dims = (dims,) if isinstance(dims, int) else dims
    return {dim % rank - (rank - 2) for dim in dims} & {0, 1}
