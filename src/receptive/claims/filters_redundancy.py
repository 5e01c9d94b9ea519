"""Claim 10: filters repeat each other up to rotation and colour."""

import numpy as np

from receptive.claims import Row, Study, measured, not_measured
from receptive.io import artifacts
from receptive.methods.filters_redundancy import CHANGES, best_likeness, likenesses, most_alike, shuffled_pixels
from receptive.methods.inference import Estimate, apart, difference_of_shares, share

NUMBER = 10
TITLE = "Filters repeat up to rotation and colour"
STATEMENT = "Some filters of a layer are the same but for their colours, or turned by some angle."
SOURCE = "TG 5.1 (3)"
STATISTIC = (
    "The share of first-layer filters with a partner whose cosine, in size, reaches claims.same_cosine: as they are, "
    "turned (quarter turns and reflection exactly, finer rotations by interpolation for kernels of 5 px and more), "
    "recoloured (the best orthogonal map of the colours), or both."
)
CONTROL = (
    "The same filters with the pixels of each in random order (mean and middle 95% of claims.shuffles sets), and the "
    "same layer before training. Turning and recolouring make chance likenesses, in small kernels many; both controls "
    "have them too."
)
RULE = (
    "For the three networks of TG (VGGCNN, DigitCNN, FiveCNN) two rows each decide: the share with a partner turned or "
    "recoloured, minus that of shuffled pixels, and minus that before training (Wilson and Newcombe intervals over the "
    "filters). Supported where all intervals lie above 0. The other networks are shown beside."
)
NETWORKS = ("vggcnn", "digitcnn", "fivecnn")
_BOTH = CHANGES[-1]


def measure(study: Study) -> list[Row]:
    """Shares of repeated filters of every network by what they may undergo, and the two differences."""
    rows = [
        not_measured(network, f"{_BOTH}: beyond shuffled pixels", study.missing(network))
        for network in NETWORKS
        if study.missing(network)
    ]
    for network in study.networks:
        rows += study.across(_rows, network, given=(network in NETWORKS,))
    return rows


def figure(study: Study, rows: list[Row]):
    """The most alike pairs of every network, and the shares by change."""
    from receptive.figures import filters_redundancy as figures

    settings = study.params.claims
    filters = {network: artifacts.read_first_filters(network) for network in study.networks}
    pairs = {
        network: most_alike(likenesses(its, _BOTH, settings.angle_step), figures.PAIRS)
        for network, its in filters.items()
    }
    return figures.repeats(filters, pairs, rows, CHANGES, settings.same_cosine)


def _rows(study: Study, network: str, decides: bool) -> list[Row]:
    settings = study.params.claims
    filters, before = artifacts.read_first_filters(network), artifacts.read_first_filters(network, trained=False)
    chance = study.chance("redundancy", network)
    shuffled = [_counts(shuffled_pixels(filters, chance), settings) for _ in range(settings.shuffles)]
    trained, untrained = _counts(filters, settings), _counts(before, settings)
    units, rows = len(filters), []
    for change in CHANGES:
        drawn = np.array([counts[change] for counts in shuffled]) / units
        rows.append(
            measured(
                network, change, share(trained[change], units), "filters", units=units, decides=False,
                control=(drawn.mean(), *np.quantile(drawn, [0.025, 0.975])),
                reason=f"{trained[change]} of {units} filters, {untrained[change]} before training",
            )
        )  # fmt: skip
    its = Estimate(rows[-1].value, rows[-1].low, rows[-1].high)
    control = Estimate(rows[-1].control, rows[-1].control_low, rows[-1].control_high)
    beyond = {
        "beyond shuffled pixels": apart(its, control),
        "beyond the network before training": difference_of_shares(trained[_BOTH], units, untrained[_BOTH], units),
    }
    return rows + [
        measured(network, f"{_BOTH}: {name}", estimate, "filters", units=units, decides=decides)
        for name, estimate in beyond.items()
    ]


def _counts(filters: np.ndarray, settings) -> dict[str, int]:
    likeness = best_likeness(filters, settings.angle_step)
    return {change: int((values >= settings.same_cosine).sum()) for change, values in likeness.items()}
