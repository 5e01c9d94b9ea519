"""The normalisation of pixels before a network sees them.

Every mode is one affine map per pixel, ``matrix @ (pixel - shift)``, stored beside the weights:

- ``standardise``: per channel to mean 0 and standard deviation 1 (the reading of KS "whiten with the channels");
- ``whiten``: 3x3 decorrelation of the channels by ZCA, the literal reading of the same sentence;
- ``subtract_mean_image``: minus the training set's mean image (YU 3.1), over one common standard deviation,
  since pixels are in [0, 1] here and were in [0, 255] there;
- ``scale``: pixels in [0, 1] as they are (TG 2.1);
- ``imagenet``: per channel by the mean and standard deviation of ImageNet, for any images; pretrained weights need it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from receptive.errors import ReceptiveError

MODES = ("standardise", "whiten", "subtract_mean_image", "scale", "imagenet")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training pixels in [0, 1], as all its public weights use them."""


class Normalisation(nn.Module):
    """``matrix @ (pixel - shift)`` for every pixel; pixels in [0, 1].

    Shapes: image x channel x y x x in and out; ``shift`` is channel x 1 x 1, or the mean image (channel x y x x);
    ``matrix`` is channel x channel.
    """

    def __init__(self, shift: Tensor, matrix: Tensor):
        super().__init__()
        self.register_buffer("shift", shift.float())
        self.register_buffer("matrix", matrix.float())
        diagonal = torch.diagonal(self.matrix)
        self.per_channel = bool(torch.equal(torch.diag(diagonal), self.matrix))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised images of pixels in [0, 1]."""
        centred = pixels - self.shift
        if self.per_channel:
            return centred * torch.diagonal(self.matrix)[:, None, None]
        return torch.einsum("dc,nchw->ndhw", self.matrix, centred)

    def inverse(self, normalised: Tensor) -> Tensor:
        """The pixels of normalised images; of images that are no photographs they may lie outside [0, 1]."""
        return torch.einsum("dc,nchw->ndhw", torch.linalg.inv(self.matrix), normalised) + self.shift

    @classmethod
    def of_channels(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalisation":
        """The map that subtracts a mean from every channel and divides it by a standard deviation."""
        return cls(torch.tensor(mean)[:, None, None], torch.diag(1 / torch.tensor(std)))

    @classmethod
    def fit(
        cls, mode: str, mean: np.ndarray, std: np.ndarray, covariance: np.ndarray, mean_image: np.ndarray
    ) -> "Normalisation":
        """The map of ``mode`` from the statistics of the training pixels, which are in [0, 1].

        Args:
            mode: one of ``MODES``.
            mean, std: per channel, (channel,).
            covariance: of the channels, channel x channel.
            mean_image: y x x x channel.

        Raises:
            ReceptiveError: ``imagenet`` for images that do not have 3 channels.
        """
        mean, std, covariance = (torch.as_tensor(np.asarray(a, np.float64)) for a in (mean, std, covariance))
        if mode == "imagenet":
            if len(mean) != 3:
                raise ReceptiveError(f"normalisation imagenet is for 3 channels, not {len(mean)}: choose another")
            return cls.of_channels(IMAGENET_MEAN, IMAGENET_STD)
        # a channel without contrast is divided by this instead of by 0, and stays at 0
        floor = 1e-3
        channels = len(mean)
        shift = mean[:, None, None]
        if mode == "standardise":
            matrix = torch.diag(1 / std.clamp(min=floor))
        elif mode == "whiten":
            values, vectors = torch.linalg.eigh(covariance)
            matrix = vectors @ torch.diag(values.clamp(min=floor**2).rsqrt()) @ vectors.T
        elif mode == "subtract_mean_image":
            shift = torch.as_tensor(np.asarray(mean_image, np.float64)).permute(2, 0, 1)
            matrix = torch.eye(channels, dtype=torch.float64) / std.square().mean().sqrt().clamp(min=floor)
        elif mode == "scale":
            shift = torch.zeros(channels, 1, 1)
            matrix = torch.eye(channels)
        else:
            raise ValueError(f"unknown normalisation '{mode}': choose one of {', '.join(MODES)}")
        return cls(shift, matrix)


def pixels(images: Tensor) -> Tensor:
    """Pixels in [0, 1], image x channel x y x x (channels last in memory), of bytes, image x y x x x channel."""
    return images.permute(0, 3, 1, 2).float() / 255
