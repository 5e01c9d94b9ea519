"""What each operation does to what positions see: one rule for modules, one for functions and methods.

A rule gives the kind of the operation (``nodes.NodeField``) and what is seen after it. It raises ``NoRule`` with the
reason where it cannot say.
"""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Shaped
from torch import Tensor, nn

from receptive.methods.receptive_field.operations import (
    ACTIVATION_NAMES,
    ACTIVATIONS,
    ADAPTIVE_POOLS,
    ADD_NAMES,
    AXIS_ARGUMENTS,
    MIXING_NAMES,
    NORM_NAMES,
    NORMS,
    PADS,
    POOL_ARGUMENTS,
    POOLS,
    POSITIONWISE,
    POSITIONWISE_NAMES,
    REDUCTIONS,
    SHAPE_NAMES,
    SHAPES,
    SKIPPED_IN_TRAINING,
    SOFTMAXES,
    UNKNOWN,
    conv_function_geometry,
    conv_geometry,
    map_axes,
    norm_axes,
    norm_function_axes,
    repeats,
    through_adaptive_pool,
    through_map_norm,
    through_padding,
    through_reduction,
    through_windows,
)
from receptive.methods.receptive_field.sights import View
from receptive.methods.receptive_field.sites import Sum


class NoRule(Exception):
    """Why no receptive field can be told after an operation."""


def through_module(module: nn.Module, view: View, entering: Any, result: Any) -> tuple[str, View]:
    """Kind of a module, and what is seen after it.

    Args:
        view: the hull of its inputs; entering: the first of them; result: its output.

    Raises:
        NoRule: it has no rule, or mixes positions in a way that has none.
    """
    if isinstance(module, nn.Conv2d):
        return "conv", through_windows(view, result, *conv_geometry(module), repeats(module.padding_mode))
    if isinstance(module, nn.Linear):
        return _linear(view, result)
    if isinstance(module, POOLS):
        padding, dilation = getattr(module, "padding", 0), getattr(module, "dilation", 1)
        return "pool", through_windows(view, result, module.kernel_size, module.stride, padding, dilation)
    if isinstance(module, ADAPTIVE_POOLS):
        return through_adaptive_pool(view, entering, result)
    if isinstance(module, Sum):
        return "add", view
    if isinstance(module, ACTIVATIONS):
        return "activation", view
    if isinstance(module, NORMS):
        return "norm", through_map_norm(view, norm_axes(module, entering.ndim))
    if isinstance(module, POSITIONWISE) or type(module).__name__ in SKIPPED_IN_TRAINING:
        return "other", view
    if isinstance(module, PADS):
        return "other", through_padding(view, result, module.padding, repeats(module))
    if isinstance(module, SHAPES):
        return "other", _reshaped(view, entering, result)
    if isinstance(module, SOFTMAXES):
        return "other", _along(view, entering.ndim, module.dim)
    if isinstance(module, nn.MultiheadAttention) and view.whole:
        return "other", view.everywhere()
    raise NoRule(UNKNOWN)


def through_function(
    name: str, function: Any, view: View, entering: Any, argument: Callable[..., Any], result: Any
) -> tuple[str, View]:
    """Kind of a function or method, and what is seen after it.

    Args:
        name: of the function, without a trailing underscore; function: itself.
        view: the hull of its inputs; entering: its first input; result: its output.
        argument: looks up an argument of the call by keyword, position and default.

    Raises:
        NoRule: it has no rule, or mixes positions in a way that has none.
    """
    if name in ACTIVATION_NAMES:
        return "activation", view
    if name in NORM_NAMES:
        return "norm", through_map_norm(view, norm_function_axes(name, function, argument, entering.ndim))
    if name in ADD_NAMES:
        return "add", view
    if name in POSITIONWISE_NAMES:
        return "other", view
    if name == "conv2d":
        settings = (argument("stride", 3, 1), argument("padding", 4, 0), argument("dilation", 5, 1))
        return "conv", through_windows(view, result, *conv_function_geometry(argument("weight", 1), *settings))
    if name in POOL_ARGUMENTS:
        return "pool", through_windows(view, result, *(argument(*number) for number in POOL_ARGUMENTS[name]))
    if name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return through_adaptive_pool(view, entering, result)
    if name == "pad" and len(argument("pad", 1)) in (2, 4):
        filled = repeats(argument("mode", 2, "constant"))
        return "other", through_padding(view, result, argument("pad", 1), filled)
    if name in SHAPE_NAMES:
        return "other", _reshaped(view, entering, result)
    if name == "getitem":
        return "other", _indexed(view, entering, argument("index", 1))
    if name == "transpose":
        return "other", _along(view, entering.ndim, (argument("dim0", 1), argument("dim1", 2)))
    if name == "linear":
        return _linear(view, result)
    if name in ("permute", "unbind") and view.whole:
        return "other", view
    if name in MIXING_NAMES and view.whole:
        return "other", view.everywhere()
    if name in ("expand", "expand_as") and isinstance(result, Tensor) and result.ndim == entering.ndim:
        return "other", view  # one position is spread over the map, or nothing
    if name in AXIS_ARGUMENTS:
        dims = argument(*AXIS_ARGUMENTS[name])
        tensor = entering if isinstance(entering, Tensor) else entering[0]
        rank = tensor.ndim + (name == "unsqueeze")
        if name in REDUCTIONS:
            return through_reduction(name, view, tensor, dims, result)
        if name == "normalize" and not view.whole and map_axes(rank, dims):
            return "norm", through_map_norm(view, map_axes(rank, dims))
        return ("concat" if name in ("cat", "concat") else "other"), _along(view, rank, dims)
    raise NoRule(UNKNOWN)


def _linear(view: View, result: Shaped[Tensor, "..."]) -> tuple[str, View]:
    """A linear layer: of a vector it mixes all; of a sequence it works on each element alone."""
    if not view.whole:
        raise NoRule("it mixes positions of a map; flatten the map before it")
    return ("linear", view.everywhere()) if result.ndim == 2 else ("elementwise linear", view)


def _along(view: View, rank: int, dims: int | Sequence[int] | None) -> View:
    """The same, if the operation works along none of the map's axes, the last two; else there is no rule."""
    if view.whole or (dims is not None and not map_axes(rank, dims)):
        return view
    raise NoRule("it works along the axes of the map; only channels may be mixed")


def _reshaped(view: View, entering: Shaped[Tensor, "..."], result: Shaped[Tensor, "..."]) -> View:
    """The same, if only channels are regrouped; the whole image, if the map becomes one vector or sequence."""
    if result.ndim >= 4 and result.shape[-2:] == entering.shape[-2:]:
        return view
    if view.in_a_row and result.ndim == 4:
        raise NoRule("it makes a map of a sequence, in which the positions of the map before are lost")
    if view.whole:
        return view if view.in_a_row else view.everywhere()
    # image x vector, and what attention works on: image x channel x position
    if result.ndim <= 2 or (result.ndim == 3 and result.shape[:2] == entering.shape[:2]):
        return view.everywhere(in_a_row=True)
    raise NoRule(
        f"it turns the shape {tuple(entering.shape)} into {tuple(result.shape)}, in which positions of the map are lost"
    )


def _indexed(view: View, entering: Any, index: Any) -> View:
    """The same, if only images and channels are picked, or one of several tensors; else there is no rule."""
    if not isinstance(entering, Tensor) or (view.whole and not view.in_a_row):
        return view
    index = index if isinstance(index, tuple) else (index,)
    kept = 1 if view.in_a_row else entering.ndim - 2
    if len(index) <= kept and all(isinstance(part, int | slice) for part in index):
        return view
    raise NoRule("it cuts the map; only indexing of images and channels keeps the field")
