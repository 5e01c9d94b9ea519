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
    fine, total = _energies(np.abs(_spectrum(pictures)) ** 2, cutoff)
    constant = total <= 1e-18 * (pictures**2).sum((-3, -2, -1)) * height * width
    return np.divide(fine, total, out=np.full(np.shape(total), np.nan), where=~constant & np.isfinite(total))


def shared_high_frequency_share(
    first: Shaped[np.ndarray, "*pictures y x channel"],
    second: Shaped[np.ndarray, "*pictures y x channel"],
    cutoff: float = 0.25,
    least: float = 0.2,
) -> Float64[np.ndarray, "*pictures"]:
    """``high_frequency_share`` of what two noisy copies of a picture have in common: their noise is not in it.

    A mean of few patches holds noise, which has as much fine detail as the patches. In the cross spectrum of two
    independent halves, the real part of one spectrum times the conjugate of the other, noise is 0 on the average. So
    the share may be a little below 0 or above 1.

    Args:
        first, second: the same picture with independent noise.
        cutoff: cycles per px.
        least: where the halves share less than this part of their energy there is mostly noise, and no share.

    Returns:
        NaN for such pictures, for constant ones and for those that hold a NaN.
    """
    spectra = [_spectrum(np.asarray(pictures, np.float64)) for pictures in (first, second)]
    fine, total = _energies((spectra[0] * spectra[1].conj()).real, cutoff)
    own = [_energies(np.abs(spectrum) ** 2, cutoff)[1] for spectrum in spectra]
    with np.errstate(invalid="ignore"):
        shared = total > least * (own[0] + own[1]) / 2
    return np.divide(fine, total, out=np.full(np.shape(total), np.nan), where=shared & (total > 0))


def _spectrum(pictures: Float64[np.ndarray, "*pictures y x channel"]) -> Shaped[np.ndarray, "*pictures y x channel"]:
    """The Fourier transform of pictures less their mean, under a Hann window; complex."""
    window = np.outer(*map(_hann, pictures.shape[-3:-1]))[:, :, None]
    mean = (pictures * window).sum((-3, -2), keepdims=True) / window.sum()
    return np.fft.fft2((pictures - mean) * window, axes=(-3, -2))


def _energies(
    energy: Float64[np.ndarray, "*pictures y x channel"], cutoff: float
) -> tuple[Float64[np.ndarray, "*pictures"], Float64[np.ndarray, "*pictures"]]:
    """Energy above ``cutoff`` cycles per px, and all of it."""
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, energy.shape[-3:-1]), indexing="ij"))
    return np.asarray(energy[..., frequency > cutoff, :].sum((-2, -1))), np.asarray(energy.sum((-3, -2, -1)))


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
