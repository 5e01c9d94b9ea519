"""Which of a network's weights are the second layer's, told by their names alone (no torch)."""

import re

from receptive.errors import ReceptiveError


def second_filters(first: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Name of the layer whose virtual filters are shown (KS 3.2): it sees the first convolution's units.

    In a network with skip connections this is the first 1x1 projection: in ResNet34 the one at the entrance of the
    second group, which the identity skips of the first group carry conv1's channels to. Elsewhere it is the
    second convolution.

    Args:
        first: name of the first convolution's weights; shapes: of all weights, by name.

    Raises:
        ReceptiveError: there is no such layer, or it does not see the first one's units.
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
    """Name, without its last part, of the batch norm behind the first convolution; None where there is none.

    ``bn1`` beside ``conv1``, ``c1.bn`` beside ``c1.conv``, and FiveCNN's ``n1`` behind the pool of ``c1``.
    """
    module = first.removesuffix(".weight")
    for name in (module.replace("conv", "bn"), re.sub(r"^c(\d+)\.conv$", r"n\1", module)):
        if f"{name}.running_var" in shapes:
            return name
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
