"""Two-alternative choice: do a unit's top and bottom patches tell which of two unseen patches excites it more?

Borowski et al. (ICLR 2021) and Zimmermann et al. (2021, 2023) show people patches that excite a unit most and least,
and ask which of two further patches excites it more: 50% is guessing. Here a model observer answers instead of people,
so that every unit gets a score. It sees fixed features that nobody trained, the patch itself in coarse pixels and the
energy of Gabor filters in it, and answers with Fisher's linear discriminant between the references. It knows nothing of
the network and sees no better than that: what it cannot tell, people may.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

SIDE = 16
"""Patches are seen at so many px a side, whatever their own size."""
PIXELS = 8
"""Side of the coarse picture among the features."""
ORIENTATIONS = 4
WAVELENGTHS = (4.0, 8.0)
"""Of the Gabor filters, in px of the ``SIDE``."""
CELLS = 2
"""Energies are averaged in so many cells a side."""
STEP = 2
"""Energies are taken at every so many px; they change little from one pixel to the next."""
RIDGE = 0.3
"""Share of the mean variance of a feature that is added to the covariance; few references are noisy."""


def features(patches: Float[Tensor, "patch channel y x"]) -> Float[Tensor, "patch feature"]:
    """What the observer sees of patches: coarse pixels and Gabor energies, both of luminance and two colour axes.

    Colour is turned into (r + g + b) / 3, r - g and (r + g) / 2 - b. Energies are the roots of the sums of squares of
    an even and an odd Gabor filter without response to uniform patches (Adelson & Bergen 1985), averaged in cells.

    Args:
        patches: in [0, 1], 1 or 3 channels.
    """
    seen = functional.interpolate(patches, (SIDE, SIDE), mode="bilinear", antialias=True)
    if patches.shape[1] == 3:
        red, green, blue = seen.unbind(1)
        seen = torch.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], 1)
    planes = seen.flatten(0, 1)[:, None]
    bank = gabors().to(seen)
    padded = functional.pad(planes, [bank.shape[-1] // 2] * 4, mode="reflect")
    even, odd = functional.conv2d(padded, bank, stride=STEP).unflatten(1, (2, -1)).unbind(1)
    energies = functional.adaptive_avg_pool2d((even**2 + odd**2).sqrt(), CELLS)
    pixels = functional.adaptive_avg_pool2d(seen, PIXELS)
    return torch.cat([pixels.flatten(1), energies.flatten(1).unflatten(0, seen.shape[:2]).flatten(1)], 1)


def gabors() -> Float[Tensor, "filter 1 y x"]:
    """The even filters of all wavelengths and orientations, then the odd ones; their values sum to 0."""
    half = 6
    y, x = torch.meshgrid(*[torch.arange(-half, half + 1, dtype=torch.float32)] * 2, indexing="ij")
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for wavelength in WAVELENGTHS:
        for turn in range(ORIENTATIONS):
            angle = math.pi * turn / ORIENTATIONS
            along = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / wavelength
            window = torch.exp(-(x**2 + y**2) / (2 * (0.5 * wavelength) ** 2))
            for part, wave in zip(parts, (along.cos(), along.sin()), strict=True):
                kernel = window * (wave - (window * wave).sum() / window.sum())
                part.append(kernel / kernel.norm())
    return torch.stack([*parts[0], *parts[1]])[:, None]


def right_choices(
    seen: Float[Tensor, "patch feature"],
    responses: Float[Tensor, "patch unit"],
    half: Bool[Tensor, "patch"],
    references: int,
    held_out: int,
) -> Float[Tensor, "unit"]:
    """Share of right choices of the model observer for each unit: 0.5 is guessing, 1 is always right.

    The references are the patches of one half that excite the unit most and least, the trials all pairs of the
    ``held_out`` patches of the other half that excite it most and least; then the halves change roles. The observer
    weighs features by (C + ridge)^-1 (mean of the top references - mean of the bottom ones), C the covariance of all
    patches of the references' half, and chooses the patch with the larger sum; equal sums count half. The share over
    all pairs is the area under the ROC curve.

    Args:
        seen: of ``features``.
        half: whether a patch belongs to the first half. Patches of one image should be in the same half.
        references, held_out: how many top patches, and as many bottom patches.

    Returns:
        NaN for a unit that has no answer: among the patches of a half its least top response is not above its greatest
        bottom response, as in silent units. Equal responses are ranked by the order of the patches: have it random.
    """
    halves = [_half(seen[part], responses[part], max(references, held_out)) for part in (half, ~half)]
    shares = [_share(known, asked, references, held_out) for known, asked in (halves, halves[::-1])]
    return (shares[0] + shares[1]) / 2


class _Half(NamedTuple):
    """One half of the patches: features, and of every unit the best and worst patches, ends first (unit x rank)."""

    seen: Float[Tensor, "patch feature"]
    top: Int64[Tensor, "unit rank"]
    bottom: Int64[Tensor, "unit rank"]
    top_response: Float[Tensor, "unit rank"]
    bottom_response: Float[Tensor, "unit rank"]

    def apart(self, count: int) -> Bool[Tensor, "unit"]:
        """Whether the ``count`` top responses of a unit all are above its ``count`` bottom responses."""
        if 2 * count > len(self.seen):
            return torch.zeros(len(self.top), dtype=torch.bool, device=self.seen.device)
        return self.top_response[:, count - 1] > self.bottom_response[:, count - 1]


def _half(seen: Float[Tensor, "patch feature"], responses: Float[Tensor, "patch unit"], count: int) -> _Half:
    values, order = responses.T.contiguous().sort(dim=1, stable=True)
    ends = order.flip(1)[:, :count], order[:, :count], values.flip(1)[:, :count], values[:, :count]
    return _Half(seen, *ends)


def _share(known: _Half, asked: _Half, references: int, held_out: int) -> Float[Tensor, "unit"]:
    """Right choices among the patches of one half after references from the other one."""
    deviations = (known.seen - known.seen.mean(0)).double()
    covariance = deviations.T @ deviations  # its length has no say: the ridge grows with it
    # features that are the same in all patches stay without weight
    covariance.diagonal().add_(RIDGE * covariance.diagonal().mean().clamp_min(1e-12))
    top, bottom = (known.seen[end[:, :references]].mean(1) for end in (known.top, known.bottom))
    weights = torch.linalg.solve(covariance, (top - bottom).double().T)
    sums = (asked.seen @ weights.to(asked.seen)).T
    high, low = (sums.gather(1, end[:, :held_out]) for end in (asked.top, asked.bottom))
    gap = high[:, :, None] - low[:, None, :]
    share = (gap > 0).float().mean((1, 2)) + (gap == 0).float().mean((1, 2)) / 2
    return torch.where(known.apart(references) & asked.apart(held_out), share, torch.nan)
