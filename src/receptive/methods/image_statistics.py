"""Colour and texture of pictures, as two numbers each: chroma, and the share of fine detail."""

import numpy as np

WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue in luminance (ITU-R BT.709)."""


def high_frequency_share(pictures: np.ndarray, cutoff: float = 0.25) -> np.ndarray:
    """Share of a picture's energy in fine detail: 0, only broad shapes; 1, only what changes from pixel to pixel.

    Energy of the Fourier transform at more than ``cutoff`` cycles a pixel, in any direction, over that at all
    frequencies but zero. The mean is taken off and a Hann window put on first, so that the borders of a picture that
    does not repeat do not count as detail. Of channels the energies add. White noise has 1 - pi * cutoff^2 in large
    pictures.

    Args:
        pictures: ... x y x x x channel, of any scale and offset.
        cutoff: cycles a pixel; 0.5 is the finest that pixels hold along an axis.

    Returns:
        (...,), float64; NaN for pictures that are constant or hold a NaN.
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


def _hann(size: int) -> np.ndarray:
    """The periodic Hann window, half a pixel off, so that no pixel has weight 0."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def luminance(pictures: np.ndarray) -> np.ndarray:
    """Brightness without colour, linear in the pixels as they are stored: ... x y x x x 3 to ... x y x x x 1."""
    return np.asarray(pictures, np.float64) @ np.array(WEIGHTS)[:, None]


def chroma(pictures: np.ndarray) -> np.ndarray:
    """Mean chroma of a picture in CIE L*a*b*: 0 for grey, about 134 for pure blue, the strongest that sRGB holds.

    The distance of each pixel from grey, sqrt(a*^2 + b*^2), white point D65 (CIE 1976; by scikit-image), and of these
    the mean over pixels.

    Args:
        pictures: ... x y x x x 3, sRGB in [0, 1]; what leaves that range is clipped, since it has no colour.

    Returns:
        (...,), float64.
    """
    from skimage.color import rgb2lab

    lab = rgb2lab(np.clip(np.asarray(pictures, np.float64), 0, 1))
    return np.hypot(lab[..., 1], lab[..., 2]).mean((-2, -1))


def broad_chroma(pictures: np.ndarray, sigma: float = 4.0) -> np.ndarray:
    """Mean chroma of what is left of a picture after a blur: 0 where colours cancel nearby, as ``chroma`` otherwise.

    Args:
        pictures: ... x y x x x 3, sRGB in [0, 1]; clipped before the blur, so that it averages what can be shown.
        sigma: of the Gaussian, px; the picture is mirrored at its borders.
    """
    from scipy.ndimage import gaussian_filter

    return chroma(gaussian_filter(np.clip(np.asarray(pictures, np.float64), 0, 1), sigma, axes=(-3, -2)))
