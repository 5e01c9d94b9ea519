"""What one position sees: its extent along each axis of the image, and as a box. Needs no torch."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

BOX = ["top_px", "left_px", "bottom_px", "right_px"]
"""The columns of a box in every table: half-open, in px, and it may leave the image (``Field.box``)."""

Positions = TypeVar("Positions", int, np.integer, np.ndarray)
"""A row or column of a map, or an integer array of them, of any shape."""

Numbers = int | tuple[int | None, int | None] | None
"""One number for both axes; (y, x) where they differ; None for an axis of which every position sees all."""


def central(map_size: tuple[int, int]) -> tuple[int, int]:
    """The central position (y, x) of a map; of an even number of rows or columns the one behind the middle."""
    return map_size[0] // 2, map_size[1] // 2


@dataclass(frozen=True)
class Axis:
    """The receptive field along one axis of the image, in px. Size 1, stride 1, start 0 is the image itself.

    Attributes:
        size: pixels seen by one position.
        stride: pixels from the box of one position to that of the next.
        start: first pixel seen by position 0; negative where padding is seen.
    """

    size: int = 1
    stride: int = 1
    start: int = 0

    def through(self, kernel: int, stride: int = 1, padding_before: int = 0, dilation: int = 1) -> "Axis":
        """The field after one more convolution or pooling layer.

        Args:
            padding_before: of the layer's input, before position 0; padding at the end moves no position.
        """
        return Axis(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding_before * self.stride,
        )

    def interval(self, position: Positions) -> tuple[Positions, Positions]:
        """First pixel seen by a position, and the first pixel after its last; both may lie outside the image."""
        first: Any = self.start + position * self.stride
        return first, first + self.size

    def inside(self, positions: int, length: int) -> tuple[int, int]:
        """Half-open range of the positions that see only pixels of the image; (0, 0) where there is none.

        Args:
            positions: of the map, along this axis.
            length: of the image, along this axis, in px.
        """
        first = max(0, -(self.start // self.stride))
        after = min(positions, (length - self.size - self.start) // self.stride + 1)
        return (first, after) if first < after else (0, 0)


@dataclass(frozen=True)
class Field:
    """The receptive field of a node, on images of one size.

    Attributes:
        y: along the height; None where every position sees the full height, or where the positions have no windows
            of one size at equal steps (unequal adaptive pooling). Boxes then hold the full height.
        x: along the width, likewise.
        image_size: height and width of the image, px.
    """

    y: Axis | None
    x: Axis | None
    image_size: tuple[int, int]

    @property
    def whole_image(self) -> bool:
        """Whether every position sees the whole image, as after global pooling and in linear layers."""
        return self.y is None and self.x is None

    @property
    def size(self) -> Numbers:
        """Pixels that a position sees along an axis."""
        return self._both("size")

    @property
    def stride(self) -> Numbers:
        """Pixels from the box of one position to that of the next."""
        return self._both("stride")

    @property
    def start(self) -> Numbers:
        """First pixel seen by position 0; negative where padding is seen."""
        return self._both("start")

    def box(self, y: Positions, x: Positions) -> tuple[Positions, Positions, Positions, Positions]:
        """The pixels that positions see, as ``top, left, bottom, right``: half-open; a box may leave the image.

        Args:
            y: rows of the map; x: columns. Their shapes broadcast.
        """
        (top, bottom), (left, right) = self._intervals(y, x)
        return top, left, bottom, right

    def centre(self, y: Positions, x: Positions) -> tuple[Any, Any]:
        """Centres of the boxes (y, x), in px; a whole number is the centre of a pixel."""
        (top, bottom), (left, right) = self._intervals(y, x)
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    def inside(self, map_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Half-open ranges of the rows and columns of a map whose boxes lie wholly inside the image.

        Both are (0, 0) where no position qualifies. A field of the whole image always lies inside.
        """
        rows, columns = (
            (0, count) if axis is None else axis.inside(count, length)
            for axis, count, length in zip((self.y, self.x), map_size, self.image_size, strict=True)
        )
        return (rows, columns) if rows[1] and columns[1] else ((0, 0), (0, 0))

    def side_within(self, map_size: tuple[int, int]) -> float:
        """Side in px of the square with as many pixels of the image as the box of a map's central position."""
        top, left, bottom, right = self.box(*central(map_size))
        height, width = self.image_size
        rows, columns = min(bottom, height) - max(top, 0), min(right, width) - max(left, 0)
        return float(max(rows, 0) * max(columns, 0)) ** 0.5

    def _both(self, number: str) -> Numbers:
        down, across = (None if axis is None else getattr(axis, number) for axis in (self.y, self.x))
        return down if down == across else (down, across)

    def _intervals(self, y: Any, x: Any) -> list[tuple[Any, Any]]:
        # positions are often stored in 16 bits; pixels may need more, and a sign
        y, x = (at if isinstance(at, int) else np.asarray(at).astype(np.int64) for at in (y, x))
        return [
            (0 * at, 0 * at + length) if axis is None else axis.interval(at)
            for axis, at, length in zip((self.y, self.x), (y, x), self.image_size, strict=True)
        ]
