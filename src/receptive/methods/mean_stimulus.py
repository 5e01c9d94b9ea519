"""Mean preferred stimulus of every unit (KS equations 4 and 5, figures 5 and 7).

It is the mean of the image patches in the receptive field to which the unit responds positively. Summing patches over
positions is the weight gradient of a convolution. It is computed as a correlation in the frequency domain, for one
phase of the layer's stride after the other, so no patch is copied. For the smallest fields, which have few lags and
many positions, it is computed as one matrix product over copied patches.

The papers do not say which positions count. Three readings:

- ``center``: the position in the middle of the map, one patch per image (the equation to the letter);
- ``interior``: every position whose receptive field lies wholly inside the image;
- ``all``: every position. Pixels outside the image do not count, so each pixel has its own number of patches.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, Shaped
from torch import Tensor

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.fields import Axis, Field

MODES = ("center", "interior", "all")

# px; up to this side one matrix product over copied patches is faster than the transforms (measured at 64 px)
_DIRECT_SIDE = 8


def positions(mode: str, field: Field, map_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Half-open ranges of the rows and columns of the map that ``mode`` counts; (0, 0) twice if none.

    The middle of a map of even size is the later of the two middle positions.

    Raises:
        ReceptiveError: there is no such mode.
    """
    height, width = map_size
    if mode == "center":
        return (height // 2, height // 2 + 1), (width // 2, width // 2 + 1)
    if mode == "interior":
        return field.inside(map_size)
    if mode == "all":
        return (0, height), (0, width)
    raise ReceptiveError(f"unknown mean '{mode}': choose one of {', '.join(MODES)}")


class MeanStimulus:
    """The mean preferred stimulus of every unit of one layer, gathered while images stream past.

    Memory is a float64 array (unit, channel, y, x) of the field's size, whatever the number of images.

    Args:
        field: the layer's receptive field; along neither axis the whole image.
        map_size: height and width of the layer's map.
        mode: one of ``MODES``.
    """

    def __init__(self, field: Field, map_size: tuple[int, int], mode: str):
        if field.y is None or field.x is None:
            raise ReceptiveError("there is no mean of patches where every position sees the whole image")
        self.mode = mode
        self.size = (field.y.size, field.x.size)
        self.ranges = positions(mode, field, map_size)
        self.axes = [_Phases(axis, *span) for axis, span in zip((field.y, field.x), self.ranges, strict=True)]
        self.empty = self.ranges[0][1] == 0
        self.direct = max(self.size) <= _DIRECT_SIDE
        self._sums: Tensor | None = None
        self._count: Tensor | None = None

    def add(
        self, pixels: Float[Tensor, "image channel y x"], responses: Float[Tensor, "image unit map_y map_x"]
    ) -> None:
        """Takes one batch in.

        Args:
            pixels: what the mean is taken of.
            responses: a position counts where the response is greater than 0.
        """
        if self.empty:
            return
        (top, bottom), (left, right) = self.ranges
        positive = (responses[:, :, top:bottom, left:right] > 0).to(pixels.dtype)
        # one more unit that answers at every position: the mean of all patches, to compare with
        positive = torch.cat([positive, torch.ones_like(positive[:, :1])], 1)
        # one more channel that is 1 inside the image counts the patches that cover each pixel
        inside = torch.ones_like(pixels[:, :1])
        canvas = self._canvas(torch.cat([pixels, inside], 1))
        sums = self._product(canvas, positive) if self.direct else self._spectrum(canvas, positive)
        count = positive.sum((0, 2, 3), dtype=torch.float64)
        self._sums = sums if self._sums is None else self._sums + sums
        self._count = count if self._count is None else self._count + count

    def result(self) -> tuple[Float32[Tensor, "..."], Int64[Tensor, "unit"], Float32[Tensor, "..."]]:
        """The means, the number of patches in each, and the mean of all patches.

        Returns:
            (mean, count, baseline). The mean (unit, channel, y, x) is NaN where a unit had no positive response, or no
            patch covers the pixel. The baseline (channel, y, x) is the mean over all positions that count, whatever the
            response: what a unit without any preference would show. All are empty where the mode has no position.
        """
        if self._sums is None or self._count is None:
            return torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        sums = self._sums if self.direct else self._from_spectrum(self._sums)
        sums = sums.view(len(sums), -1, *self.size)
        cover = sums[:, -1:].round()
        mean = torch.where(cover > 0, sums[:, :-1] / cover, torch.nan).float()
        return mean[:-1], self._count[:-1].round().long(), mean[-1]

    def plus(self, other: "MeanStimulus") -> "MeanStimulus":
        """The mean over the patches of both, of the same layer and mode; neither is changed."""
        both = MeanStimulus.__new__(MeanStimulus)
        both.__dict__.update(self.__dict__ if self._sums is not None else other.__dict__)
        if self._sums is not None and other._sums is not None and self._count is not None and other._count is not None:
            both._sums, both._count = self._sums + other._sums, self._count + other._count
        return both

    def _canvas(self, pixels: Float[Tensor, "image channel y x"]) -> Float[Tensor, "image channel canvas_y canvas_x"]:
        """The part of the plane that the counted positions see; zero outside the image."""
        down, across = self.axes
        canvas = pixels.new_zeros(*pixels.shape[:2], down.extent, across.extent)
        (rows, source_rows), (columns, source_columns) = (
            down.overlap(pixels.shape[2]),
            across.overlap(pixels.shape[3]),
        )
        canvas[:, :, rows, columns] = pixels[:, :, source_rows, source_columns]
        return canvas

    def _product(
        self,
        canvas: Float[Tensor, "image channel canvas_y canvas_x"],
        positive: Float[Tensor, "image unit map_y map_x"],
    ) -> Float64[Tensor, "unit value"]:
        """The sums, by copying every patch; the values of a unit are (channel, y, x)."""
        down, across = self.axes
        windows = canvas.unfold(2, self.size[0], down.stride).unfold(3, self.size[1], across.stride)
        windows = windows[:, :, : positive.shape[2], : positive.shape[3]].permute(0, 2, 3, 1, 4, 5)
        weight = positive.transpose(0, 1).flatten(1)
        return (weight @ windows.reshape(weight.shape[1], -1)).double()

    def _spectrum(
        self,
        canvas: Float[Tensor, "image channel canvas_y canvas_x"],
        positive: Float[Tensor, "image unit map_y map_x"],
    ) -> Shaped[Tensor, "frequency unit part"]:
        """The spectrum of the sums over the images of a batch; its parts are (channel, phase), complex128."""
        down, across = self.axes
        images, channels = canvas.shape[:2]
        phases = canvas.view(images, channels, down.length, down.stride, across.length, across.stride)
        phases = phases.permute(0, 1, 3, 5, 2, 4).reshape(images, -1, down.length, across.length)
        stimulus = torch.fft.rfft2(phases).flatten(2).permute(2, 0, 1)
        weight = torch.fft.rfft2(positive, s=(down.length, across.length)).flatten(2).permute(2, 1, 0)
        return torch.bmm(weight.conj(), stimulus).to(torch.complex128)

    def _from_spectrum(self, spectrum: Shaped[Tensor, "frequency unit part"]) -> Float64[Tensor, "unit value"]:
        down, across = self.axes
        _, units, parts = spectrum.shape
        spectrum = spectrum.permute(1, 2, 0).reshape(units, parts, down.length, across.length // 2 + 1)
        sums = torch.fft.irfft2(spectrum, s=(down.length, across.length))
        sums = sums.view(units, -1, down.stride, across.stride, down.length, across.length)
        # lag e at phase p is the patch's pixel e * stride + p
        sums = sums.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return sums[:, :, : self.size[0], : self.size[1]].flatten(1)


def other_half(
    mean: Shaped[np.ndarray, "unit y x channel"],
    count: Shaped[np.ndarray, "unit"],
    half: Shaped[np.ndarray, "unit y x channel"],
    half_count: Shaped[np.ndarray, "unit"],
) -> Float64[np.ndarray, "unit y x channel"]:
    """The mean over those patches that are not in one half, from the means of all and of that half.

    For the modes in which every pixel has all patches (``interior``).

    Args:
        mean, count: of all patches: their mean, and how many they are.
        half, half_count: the same of one half.

    Returns:
        NaN for a unit without patches in one of the halves.
    """
    weights = [np.asarray(number, np.float64)[:, None, None, None] for number in (count, half_count)]
    with np.errstate(invalid="ignore", divide="ignore"):
        other = (weights[0] * mean - weights[1] * half) / (weights[0] - weights[1])
    return np.where(weights[0] > weights[1], other, np.nan)


class _Phases:
    """One axis of the image, cut into the phases of the layer's stride, for the positions from first to before after.

    Attributes:
        stride: of the layer, px.
        start: first pixel that is seen; it may lie outside the image.
        length: positions of one phase, so many that no lag wraps around.
        extent: pixels from the first to the last that is seen, a multiple of the stride.
    """

    def __init__(self, axis: Axis, first: int, after: int):
        self.stride = axis.stride
        self.start = axis.start + first * axis.stride
        seen = max(after - first - 1, 0) * axis.stride + axis.size
        self.length = -(-seen // axis.stride)
        self.extent = self.length * axis.stride

    def overlap(self, length: int) -> tuple[slice, slice]:
        """Where the image lies on the canvas, and which part of the image lies there."""
        begin, end = max(self.start, 0), min(self.start + self.extent, length)
        end = max(end, begin)
        return slice(begin - self.start, end - self.start), slice(begin, end)
