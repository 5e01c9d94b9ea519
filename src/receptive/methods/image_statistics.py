"""Colour and texture of pictures: chroma, and the share of fine detail."""

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue in the luminance (ITU-R BT.709)."""


def high_frequency_share(
    pictures: Shaped[np.ndarray, "*pictures y x channel"], cutoff: float = 0.25
) -> Float64[np.ndarray, "*pictures"]:
    """Share of a picture's energy in fine detail: 0, only broad shapes; 1, only what changes from pixel to pixel.

    It is the energy of the Fourier transform above ``cutoff``, in any direction, over that at all frequencies but zero;
    energies of channels add. The mean is subtracted and a Hann window applied first, so that opposite borders that
    differ do not count as detail. White noise has 1 - pi * cutoff^2 in large pictures.

    Args:
        pictures: of any scale and offset.
        cutoff: cycles per px; 0.5 is the finest that pixels hold along an axis.

    Returns:
        NaN for pictures that are constant or hold a NaN.
    """
    pictures = np.asarray(pictures, np.float64)
    height, width = pictures.shape[-3:-1]
    window = np.outer(_hann(height), _hann(width))[:, :, None]
    mean = (pictures * window).sum((-3, -2), keepdims=True) / window.sum()
    energy = np.abs(np.fft.fft2((pictures - mean) * window, axes=(-3, -2))) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    total = energy.sum((-3, -2, -1))
    fine = energy[..., frequency > cutoff, :].sum((-2, -1))
    constant = total <= 1e-18 * (pictures**2).sum((-3, -2, -1)) * height * width
    return np.divide(fine, total, out=np.full(np.shape(total), np.nan), where=~constant & np.isfinite(total))


def _hann(size: int) -> Float64[np.ndarray, "value"]:
    """The periodic Hann window, shifted by half a pixel, so that no pixel has weight 0."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def luminance(pictures: Shaped[np.ndarray, "*pictures y x 3"]) -> Float64[np.ndarray, "*pictures y x 1"]:
    """Brightness without colour, linear in the pixels as they are stored."""
    return np.asarray(pictures, np.float64) @ np.array(WEIGHTS)[:, None]


def chroma(pictures: Shaped[np.ndarray, "*pictures y x 3"]) -> Float64[np.ndarray, "*pictures"]:
    """Mean chroma of a picture in CIE L*a*b*: 0 for grey, about 134 for pure blue, the strongest colour of sRGB.

    It is the distance of a pixel from grey, sqrt(a*^2 + b*^2), with white point D65 (CIE 1976; by scikit-image), and of
    these the mean over pixels.

    Args:
        pictures: sRGB in [0, 1]; values outside are clipped, since they are no colour.
    """
    lab = rgb2lab(np.clip(np.asarray(pictures, np.float64), 0, 1))
    return np.asarray(np.hypot(lab[..., 1], lab[..., 2]).mean((-2, -1)))


def broad_chroma(
    pictures: Shaped[np.ndarray, "*pictures y x 3"], sigma: float = 4.0
) -> Float64[np.ndarray, "*pictures"]:
    """Mean chroma of a blurred picture: 0 where neighbouring colours cancel, ``chroma`` where they are alike.

    Args:
        pictures: sRGB in [0, 1], clipped before the blur, so that it averages colours that can be shown.
        sigma: of the Gaussian, px; the picture is mirrored at its borders.
    """
    return chroma(gaussian_filter(np.clip(np.asarray(pictures, np.float64), 0, 1), sigma, axes=(-3, -2)))
