"""What every position of a map sees along one axis of the image, position by position. Needs no torch.

``Axis`` says it in three numbers, which hold for windows that do not care for borders. ``Sight`` keeps besides, for
each position, the first and last pixel of the image that it really sees. This is exact at the borders, too: where
padding repeats or mirrors pixels, where a layer skips pixels or leaves some unread, where windows are unequal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from receptive.methods.receptive_field.fields import Axis, Field

_NOTHING = (2**30, -1)
"""First pixel and the one after the last where nothing is seen: neither the least nor the greatest of others."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What the positions of a map see along one axis of the image.

    Attributes:
        axis: the windows as three numbers; None where the positions have no such windows in common.
        first: (position,) first pixel seen.
        after: (position,) the pixel after the last one seen; not greater than ``first`` where nothing is seen.
        length: of the image, px.
    """

    axis: Axis | None
    first: Int[np.ndarray, "position"]
    after: Int[np.ndarray, "position"]
    length: int

    @classmethod
    def of_image(cls, length: int) -> "Sight":
        """Each pixel sees itself."""
        return cls(Axis(), np.arange(length), np.arange(length) + 1, length)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sight) and self._facts == other._facts

    def __hash__(self) -> int:
        return hash(self._facts)

    @cached_property
    def _facts(self) -> tuple:
        return self.axis, self.length, self.first.tobytes(), self.after.tobytes()

    @property
    def positions(self) -> int:
        """Number of positions."""
        return len(self.first)

    def through(
        self, positions: int, kernel: int, stride: int = 1, before: int = 0, dilation: int = 1, filled: str = ""
    ) -> "Sight":
        """After one more layer of windows.

        Args:
            positions: of the layer's output.
            before: padding before position 0; negative where pixels are cut off.
            filled: how padding repeats pixels: "reflect", "replicate", "circular"; "" for zeros and other constants.
        """
        read = np.arange(positions)[:, None] * stride - before + np.arange(kernel) * dilation
        read, inside = _place(read, self.positions, filled)
        first = np.where(inside, self.first[read], _NOTHING[0]).min(1, initial=_NOTHING[0])
        after = np.where(inside, self.after[read], _NOTHING[1]).max(1, initial=_NOTHING[1])
        axis = self.axis and self.axis.through(kernel, stride, before, dilation)
        return replace(self, axis=axis, first=first, after=after)

    def pooled_to(self, positions: int) -> "Sight":
        """After adaptive pooling: windows of one size where ``positions`` divides the map, else of unequal ones."""
        at, before = np.arange(positions), self.positions
        starts, ends = at * before // positions, -(-(at + 1) * before // positions)
        first = np.array([self.first[a:b].min() for a, b in zip(starts, ends, strict=True)], int)
        after = np.array([self.after[a:b].max() for a, b in zip(starts, ends, strict=True)], int)
        equal = positions > 1 and before % positions == 0
        axis = self.axis.through(before // positions, before // positions) if self.axis and equal else None
        return replace(self, axis=axis, first=first, after=after)

    def everywhere(self, positions: int = 1) -> "Sight":
        """Each of ``positions`` sees what all positions together see: after a mean, or statistics, over the axis."""
        first, after = (np.full(positions, seen) for seen in (self.first.min(), self.after.max()))
        return replace(self, axis=None, first=first, after=after)

    def repeated(self, positions: int) -> "Sight":
        """One position spread over a map (broadcast): each position sees the same. A map of this size stays."""
        return self if self.positions == positions else self.everywhere(positions)

    def strays(self) -> int | None:
        """The first position that sees more of the image than its window holds; None if there is no such position."""
        if self.axis is None:
            return None
        start, end = self.axis.interval(np.arange(self.positions))
        stray = (self.first < self.after) & ((self.first < start) | (self.after > end))
        return int(stray.argmax()) if stray.any() else None


def hull(sights: Sequence[Sight]) -> Sight:
    """What positions see through several branches. Windows stay windows only if all branches have some.

    Raises:
        ValueError: the windows of the branches have unequal strides, so that they have no common window.
    """
    axis = None
    axes = [sight.axis for sight in sights]
    if all(one is not None for one in axes):
        windows = [one for one in axes if one is not None]
        if any(one.stride != other.stride for one, other in pairwise(windows)):
            raise ValueError("unequal strides")
        start = min(one.start for one in windows)
        axis = Axis(max(one.start + one.size for one in windows) - start, windows[0].stride, start)
    first = np.min([sight.first for sight in sights], axis=0)
    after = np.max([sight.after for sight in sights], axis=0)
    return replace(sights[0], axis=axis, first=first, after=after)


def _place(
    read: Int[np.ndarray, "position taps"], length: int, filled: str
) -> tuple[Int[np.ndarray, "position taps"], Bool[np.ndarray, "position taps"]]:
    """The positions that padded ones repeat, and whether there is one: zeros repeat none."""
    inside = (read >= 0) & (read < length)
    if filled == "reflect":  # -1 is 1, and the last is not repeated
        read = np.abs(read)
        read = length - 1 - np.abs(length - 1 - read)
    elif filled == "replicate":
        read = np.clip(read, 0, length - 1)
    elif filled == "circular":
        read = read % length
    return (read, np.ones_like(inside)) if filled else (np.where(inside, read, 0), inside)


@dataclass(frozen=True)
class View:
    """What the positions of a value see, along both axes of the image.

    Attributes:
        y: of the rows; x: of the columns. A value that is no map has one row and one column.
        in_a_row: whether it is a map flattened to a sequence, whose positions nothing has mixed since. As a whole it
            sees the whole image.
    """

    y: Sight
    x: Sight
    in_a_row: bool = False

    @property
    def field(self) -> Field:
        """The same as numbers of windows."""
        return Field(self.y.axis, self.x.axis, (self.y.length, self.x.length))

    @property
    def whole(self) -> bool:
        """Whether there are no windows along either axis."""
        return self.y.axis is None and self.x.axis is None

    def everywhere(self, in_a_row: bool = False) -> "View":
        """One position that sees what all together see."""
        return View(self.y.everywhere(), self.x.everywhere(), in_a_row)

    def on_map(self, rows: int, columns: int) -> "View":
        """The same on a map of this size; one position is spread over it.

        Raises:
            ValueError: it has windows on a map of another size.
        """
        y, x = (aligned(sight, size) for sight, size in ((self.y, rows), (self.x, columns)))
        return self if y is self.y and x is self.x else View(y, x, self.in_a_row)


def merged(views: Sequence[View], local: bool) -> View:
    """What positions see through several branches on maps of one size.

    Args:
        local: leave out branches without windows along an axis, where others have some.

    Raises:
        ValueError: windows have unequal strides; the text names the axis.
    """
    sights = []
    for along in ("y", "x"):
        branches: list[Sight] = [getattr(view, along) for view in views]
        if local:
            branches = [sight for sight in branches if sight.axis is not None] or branches
        sights.append(hull(branches))
    y, x = sights
    return View(y, x, all(view.in_a_row for view in views))


def aligned(sight: Sight, positions: int) -> Sight:
    """A sight on a map of ``positions``, over which torch spreads a single position.

    Raises:
        ValueError: it has windows, and another number of positions.
    """
    if sight.axis is not None and sight.positions not in (1, positions):
        raise ValueError(f"{sight.positions} positions and {positions} do not go together")
    return sight.repeated(positions)
