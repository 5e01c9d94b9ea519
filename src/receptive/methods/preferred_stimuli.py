"""Preferred stimuli: the images and positions that excite a unit most (KS 3.3, figures 4 and 6; YU figure 7).

All positions of all images are ranked by (-response, image, position). So ties have one answer, and the result is the
same for any batch size, order of images, number of processes, and after a restart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64, Integer, Shaped
from torch import Tensor

_NOBODY = torch.iinfo(torch.int64).max


@dataclass
class TopResponses:
    """The greatest responses of every unit of one layer, kept while images stream past.

    Args:
        units: how many the layer has.
        top: how many responses of each unit are kept.
        hits_per_image: most responses of one image among those of a unit; 0 for no limit. The papers give no number.
            With more than 1 the best ones come from neighbouring positions, and look nearly alike.
        device: where the responses are.

    Attributes:
        value: the responses, greatest first; -inf where fewer were seen.
        image: the numbers of their images; the greatest int64 where fewer were seen.
        position: their places in the map, row by row.
    """

    units: int
    top: int
    hits_per_image: int = 1
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        shape = (self.units, self.top)
        self.value: Float[Tensor, "unit rank"] = torch.full(shape, -torch.inf, device=self.device)
        self.image: Int64[Tensor, "unit rank"] = torch.full(shape, _NOBODY, device=self.device)
        self.position: Int64[Tensor, "unit rank"] = torch.zeros(shape, dtype=torch.int64, device=self.device)

    def add(
        self,
        responses: Float[Tensor, "image unit position"],
        largest: Float[Tensor, "image unit"],
        first: Int32[Tensor, "image unit"],
        images: Int64[Tensor, "image"],
    ) -> None:
        """Takes one batch in.

        Of the maps only those are looked at again whose greatest response can enter the list, and none for one hit per
        image.

        Args:
            largest: the greatest response of each map; first: the first position that has it.
            images: the images' numbers; no image may come twice.
        """
        hits = self.hits(responses.shape[2])
        worst, worst_image = self.value[:, -1], self.image[:, -1]
        enters = (largest > worst) | ((largest == worst) & (images[:, None] < worst_image))
        unit, row = enters.T.nonzero(as_tuple=True)
        if len(unit) == 0:
            return
        if hits == 1:
            value, position = largest[row, unit][:, None], first[row, unit][:, None].long()
        else:
            value, position = responses[row, unit].float().sort(dim=1, descending=True, stable=True)
            value, position = value[:, :hits], position[:, :hits]
        self._insert(
            unit.repeat_interleave(hits),
            value.flatten(),
            images[row].repeat_interleave(hits),
            position.flatten(),
        )

    def merge(self, other: "TopResponses") -> None:
        """Takes in what another pass over other images has kept."""
        unit = torch.arange(self.units, device=self.value.device).repeat_interleave(other.top)
        self._insert(unit, other.value.flatten(), other.image.flatten(), other.position.flatten())

    def hits(self, positions: int) -> int:
        """Most responses of one image in the list, where a map has so many positions."""
        limit = min(positions, self.top)
        return min(limit, self.hits_per_image) if self.hits_per_image else limit

    def _insert(
        self,
        unit: Int64[Tensor, "hit"],
        value: Float[Tensor, "hit"],
        image: Int64[Tensor, "hit"],
        position: Int64[Tensor, "hit"],
    ) -> None:
        touched = torch.unique(unit)
        old = self.top
        unit = torch.cat([touched.repeat_interleave(old), unit])
        value = torch.cat([self.value[touched].flatten(), value])
        image = torch.cat([self.image[touched].flatten(), image])
        position = torch.cat([self.position[touched].flatten(), position])
        # stable sorts by the last key first give the lexicographic order
        order = torch.arange(len(unit), device=unit.device)
        for key, descending in ((position, False), (image, False), (value, True), (unit, False)):
            order = order[key[order].sort(stable=True, descending=descending).indices]
        unit, value, image, position = unit[order], value[order], image[order], position[order]
        rank = torch.arange(len(unit), device=unit.device) - torch.searchsorted(unit, unit)
        keep = rank < self.top
        unit, rank = unit[keep], rank[keep]
        self.value[unit, rank] = value[keep]
        self.image[unit, rank] = image[keep]
        self.position[unit, rank] = position[keep]


def cut_patches(
    images: Shaped[np.ndarray, "patch y x channel"],
    boxes: Integer[np.ndarray, "patch 4"],
    side: tuple[int | np.integer, int | np.integer],
    outside: int = 128,
) -> Shaped[np.ndarray, "patch side_y side_x channel"]:
    """The image patches in boxes of one size, of the images' type; what lies outside the image is ``outside``.

    Args:
        images: the image of each patch: bytes, or any numbers in the shape of an image.
        boxes: top, left, bottom and right of each patch, half-open, in px; they may leave the image.
        side: height and width of the boxes.
    """
    height, width = images.shape[1:3]
    patches = np.full((len(images), *side, images.shape[3]), outside, images.dtype)
    for patch, image, (top, left, bottom, right) in zip(patches, images, boxes, strict=True):
        rows = slice(max(top, 0), min(bottom, height))
        columns = slice(max(left, 0), min(right, width))
        if rows.start < rows.stop and columns.start < columns.stop:
            patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[rows, columns]
    return patches
