"""Which of a network's weights belong to the first and the second layer, by their names and shapes (no torch)."""

import re

from receptive.errors import ReceptiveError


def second_filters(first: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Name of the weights whose virtual filters are shown (KS 3.2): their layer sees the first convolution's units.

    In a network with skip connections they are those of the first 1x1 projection. In ResNet34 it stands at the entrance
    of the second group, and the identity skips of the first group carry the channels of conv1 there. Elsewhere they are
    those of the second convolution.

    Args:
        first: name of the first convolution's weights.
        shapes: of all weights, by name.

    Raises:
        ReceptiveError: there is no such layer, or it does not see the units of the first convolution.
    """
    kernels = sorted((name for name, shape in shapes.items() if len(shape) == 4), key=_natural)
    projections = [name for name in kernels if name.endswith(".downsample.0.weight")]
    later = projections or kernels[kernels.index(first) + 1 :]
    if not later or shapes[later[0]][1] != shapes[first][0]:
        raise ReceptiveError(
            f"no second convolution sees the units of '{first}': such networks have no virtual filters"
        )
    return later[0]


def first_batch_norm(first: str, shapes: dict[str, tuple[int, ...]]) -> str | None:
    """Name of the batch norm module after the first convolution; None where there is none.

    It is ``bn1`` beside ``conv1``, ``c1.bn`` beside ``c1.conv``, and in FiveCNN ``n1`` after the pool of ``c1``.

    Args:
        first: name of the first convolution's weights.
        shapes: of all weights, by name.
    """
    module = first.removesuffix(".weight")
    for name in (module.replace("conv", "bn"), re.sub(r"^c(\d+)\.conv$", r"n\1", module)):
        if f"{name}.running_var" in shapes:
            return name
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
