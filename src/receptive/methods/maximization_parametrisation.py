"""Images by their spatial frequencies and decorrelated colours, for the robust preset of activation maximization."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


def colour_basis(covariance: Float[Tensor, "channel channel"]) -> Float[Tensor, "channel channel"]:
    """The symmetric square root B of a covariance of colours, B B' = covariance: B times white noise has it.

    Args:
        covariance: of natural pixels.
    """
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


@dataclass(frozen=True)
class Fourier:
    """Images by their spatial frequencies and decorrelated colours (Olah et al. 2017; lucid's ``fft_image``).

    Steps of equal size in these coefficients follow natural statistics: the weight of a frequency falls as
    1 / frequency, and colours go together as in real images. A sigmoid brings the pixels into [0, 1].

    Attributes:
        size: height and width in px.
        colour: of ``colour_basis``. Scaled to greatest column norm 1 as in lucid, so without the natural contrast.
        to_input: from pixels in [0, 1] to normalised images.
    """

    size: tuple[int, int]
    colour: Float[Tensor, "channel channel"]
    to_input: Callable[[Tensor], Tensor] = lambda pixels: pixels

    @property
    def coefficients(self) -> tuple[int, ...]:
        """Shape of one image's coefficients: channel, frequency along y, along x, and 2 (real, imaginary)."""
        height, width = self.size
        return (len(self.colour), height, width // 2 + 1, 2)

    def picture(
        self, coefficients: Float[Tensor, "image channel frequency_y frequency_x 2"]
    ) -> Float[Tensor, "image channel y x"]:
        """The picture that the coefficients are the spectrum of, before colours and sigmoid."""
        height, width = self.size
        dtype, device = coefficients.dtype, coefficients.device
        down = torch.fft.fftfreq(height, dtype=dtype, device=device)[:, None]
        across = torch.fft.rfftfreq(width, dtype=dtype, device=device)[None, :]
        frequency = (down.square() + across.square()).sqrt().clamp(min=1 / max(height, width))
        weights = (height * width) ** 0.5 / 4 / frequency  # lucid's, with its division of the image by 4
        spectrum = torch.view_as_complex(coefficients.contiguous()) * weights
        return torch.fft.irfft2(spectrum, s=self.size)

    def __call__(
        self, coefficients: Float[Tensor, "image channel frequency_y frequency_x 2"]
    ) -> Float[Tensor, "image channel y x"]:
        """The normalised images of the coefficients."""
        scaled = self.colour / self.colour.norm(dim=0).max()
        coloured = torch.einsum("dc,nchw->ndhw", scaled, self.picture(coefficients))
        # image by image, because the last digit of a sigmoid depends on the number's place in its batch
        return self.to_input(torch.cat([torch.sigmoid(image) for image in coloured.split(1)]))


FOURIER_START = 0.01
"""Standard deviation of the coefficients at the start (lucid's)."""
