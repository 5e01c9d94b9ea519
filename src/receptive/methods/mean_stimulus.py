"""Mean preferred stimulus of every unit (KS equations 4 and 5, figures 5 and 7).

The mean of the receptive-field patches to which a unit responds positively. Summing patches over
positions is the weight gradient of a convolution. It is computed here as a correlation in the frequency
domain, one phase of the layer's stride at a time, so that no patch is ever copied out; for the smallest
fields, where there are few lags and many positions, as one matrix product.

Which positions count, the papers do not say. Three readings:

- ``center``: the position in the middle of the map, one patch an image (the equation to the letter);
- ``interior``: every position whose receptive field lies wholly inside the image;
- ``all``: every position; pixels outside the image do not count, so each pixel has its own number of patches.
"""

import torch
from torch import Tensor

from receptive.errors import ReceptiveError
from receptive.methods.receptive_field.fields import Axis, Field

MODES = ("center", "interior", "all")

# Up to this side one matrix product over copied patches beats the transforms (at 64 px, measured).
_DIRECT_SIDE = 8


def positions(mode: str, field: Field, map_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Half-open ranges of rows and columns of the map that ``mode`` counts; (0, 0) twice if none.

    The middle of an even map is the position after the centre.
    """
    if mode == "center":
        return tuple((size // 2, size // 2 + 1) for size in map_size)
    if mode == "interior":
        return field.inside(map_size)
    if mode == "all":
        return tuple((0, size) for size in map_size)
    raise ReceptiveError(f"unknown mean '{mode}': choose one of {', '.join(MODES)}")


class MeanStimulus:
    """The mean preferred stimulus of every unit of one layer, gathered while images stream past.

    Args:
        field: the layer's receptive field; it must not be the whole image.
        map_size: height and width of the layer's map.
        mode: one of ``MODES``.

    Memory is unit x channel x size x size in float64, whatever the number of images.
    """

    def __init__(self, field: Field, map_size: tuple[int, int], mode: str):
        self.mode = mode
        self.size = (field.y.size, field.x.size)
        self.ranges = positions(mode, field, map_size)
        self.axes = [_Phases(axis, *span) for axis, span in zip((field.y, field.x), self.ranges, strict=True)]
        self.empty = self.ranges[0][1] == 0
        self.direct = max(self.size) <= _DIRECT_SIDE
        self._sums: Tensor | None = None
        self._count: Tensor | None = None

    def add(self, pixels: Tensor, responses: Tensor) -> None:
        """Takes one batch in.

        Args:
            pixels: image x channel x y x x, what the mean is taken of.
            responses: image x unit x row x column; a response counts where it is greater than 0.
        """
        if self.empty:
            return
        (top, bottom), (left, right) = self.ranges
        positive = (responses[:, :, top:bottom, left:right] > 0).to(pixels.dtype)
        # one more unit that answers everything: the mean of all patches, to compare with
        positive = torch.cat([positive, torch.ones_like(positive[:, :1])], 1)
        # one more channel that is 1 inside the image counts the patches that cover each pixel
        inside = torch.ones_like(pixels[:, :1])
        canvas = self._canvas(torch.cat([pixels, inside], 1))
        sums = self._product(canvas, positive) if self.direct else self._spectrum(canvas, positive)
        count = positive.sum((0, 2, 3), dtype=torch.float64)
        self._sums = sums if self._sums is None else self._sums + sums
        self._count = count if self._count is None else self._count + count

    def result(self) -> tuple[Tensor, Tensor, Tensor]:
        """The means, how many patches they are of, and the mean of all patches.

        Returns:
            (mean, count, baseline): mean is unit x channel x y x x, float32, NaN where a unit had no positive
            response (or where no patch covers the pixel); count is unit, int64; baseline, channel x y x x,
            is the mean over all counted positions whatever the response: what a unit without any
            preference would show. Empty tensors where the mode has no position.
        """
        if self._sums is None:
            return torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        sums = self._sums if self.direct else self._from_spectrum(self._sums)
        sums = sums.view(len(sums), -1, *self.size)
        cover = sums[:, -1:].round()
        mean = torch.where(cover > 0, sums[:, :-1] / cover, torch.nan).float()
        return mean[:-1], self._count[:-1].round().long(), mean[-1]

    def _canvas(self, pixels: Tensor) -> Tensor:
        """The part of the plane that the counted positions see; zero outside the image."""
        down, across = self.axes
        canvas = pixels.new_zeros(*pixels.shape[:2], down.extent, across.extent)
        (rows, source_rows), (columns, source_columns) = (
            down.overlap(pixels.shape[2]),
            across.overlap(pixels.shape[3]),
        )
        canvas[:, :, rows, columns] = pixels[:, :, source_rows, source_columns]
        return canvas

    def _product(self, canvas: Tensor, positive: Tensor) -> Tensor:
        """unit x (channel, y, x): the sums by copying every patch."""
        down, across = self.axes
        windows = canvas.unfold(2, self.size[0], down.stride).unfold(3, self.size[1], across.stride)
        windows = windows[:, :, : positive.shape[2], : positive.shape[3]].permute(0, 2, 3, 1, 4, 5)
        weight = positive.transpose(0, 1).flatten(1)
        return (weight @ windows.reshape(weight.shape[1], -1)).double()

    def _spectrum(self, canvas: Tensor, positive: Tensor) -> Tensor:
        """frequency x unit x (channel, phase): the sums' spectrum, over the images of a batch."""
        down, across = self.axes
        images, channels = canvas.shape[:2]
        phases = canvas.view(images, channels, down.length, down.stride, across.length, across.stride)
        phases = phases.permute(0, 1, 3, 5, 2, 4).reshape(images, -1, down.length, across.length)
        stimulus = torch.fft.rfft2(phases).flatten(2).permute(2, 0, 1)
        weight = torch.fft.rfft2(positive, s=(down.length, across.length)).flatten(2).permute(2, 1, 0)
        return torch.bmm(weight.conj(), stimulus).to(torch.complex128)

    def _from_spectrum(self, spectrum: Tensor) -> Tensor:
        down, across = self.axes
        _, units, parts = spectrum.shape
        spectrum = spectrum.permute(1, 2, 0).reshape(units, parts, down.length, across.length // 2 + 1)
        sums = torch.fft.irfft2(spectrum, s=(down.length, across.length))
        sums = sums.view(units, -1, down.stride, across.stride, down.length, across.length)
        # lag e at phase p is the patch's pixel e * stride + p
        sums = sums.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return sums[:, :, : self.size[0], : self.size[1]].flatten(1)


class _Phases:
    """One axis of the image, cut into the phases of the layer's stride, for positions first...after."""

    def __init__(self, axis: Axis, first: int, after: int):
        self.stride = axis.stride
        self.start = axis.start + first * axis.stride
        seen = max(after - first - 1, 0) * axis.stride + axis.size
        self.length = -(-seen // axis.stride)  # positions of one phase; no lag wraps around
        self.extent = self.length * axis.stride

    def overlap(self, length: int) -> tuple[slice, slice]:
        """Where the image lies on the canvas, and which part of the image that is."""
        begin, end = max(self.start, 0), min(self.start + self.extent, length)
        end = max(end, begin)
        return slice(begin - self.start, end - self.start), slice(begin, end)
