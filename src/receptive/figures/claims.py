"""Measured rows of a claim as points with intervals, each with its control below it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from receptive.figures.style import colour, figure, say

CONTROL = "#8a8f99"
"""Ink of controls."""
_BAND = "#dfe6f3"
"""Ink of the smallest effect of interest."""
_VERDICTS = {
    "supported": "#1b7837",
    "contradicted": "#a03030",
    "equivalent": "#2b4b8c",
    "undecided": "#6b6b6b",
    "not measured": "#a03030",
}


class Measured(Protocol):
    """What is drawn of a row of a claim (``claims.row.Row``)."""

    @property
    def network(self) -> str:
        """The network, or the difference of two, for display."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The first of them has the colour."""

    @property
    def layer(self) -> str:
        """Alias of the layer; empty where it is of the whole network."""

    @property
    def what(self) -> str:
        """The quantity in words."""

    @property
    def value(self) -> float | None:
        """None where nothing was measured."""

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""

    @property
    def control(self) -> float | None:
        """Value of the control."""

    @property
    def control_low(self) -> float | None:
        """Lower end of its interval."""

    @property
    def control_high(self) -> float | None:
        """Upper end of its interval."""

    @property
    def draws(self) -> tuple[float, ...]:
        """The control in each untrained network, where several were drawn."""

    @property
    def threshold(self) -> float:
        """What the interval must lie above."""

    @property
    def smallest(self) -> float | None:
        """The smallest effect of interest, a distance from the threshold; None where none was stated."""

    @property
    def verdict(self) -> str:
        """What the interval says."""

    @property
    def reason(self) -> str:
        """Why nothing was measured."""

    @property
    def published(self) -> float | None:
        """The paper's own number."""

    @property
    def decides(self) -> bool:
        """Whether it enters the verdict of its claim."""


Rows = Sequence[Measured]
Label = Callable[[Measured], str]
"""The words at the line of a row."""


def estimates(rows: Rows, quantity: str, label: Label | None = None, width: float = 9.5) -> Figure:
    """``draw_estimates`` as a figure of its own, as high as it has rows."""
    fig = figure(width, 1.5 + 0.42 * max(1, len(rows)))
    draw_estimates(fig.subplots(), rows, quantity, label)
    return fig


def panels(parts: Sequence[tuple[Rows, str]], label: Label | None = None, width: float = 9.5) -> Figure:
    """``draw_estimates`` for several quantities, one below the other.

    Args:
        parts: rows and quantity of each panel; a panel without rows is left out.
        label: of ``draw_estimates``.
        width: inches.
    """
    parts = [part for part in parts if part[0]] or [((), "")]
    heights = [1.5 + 0.42 * max(1, len(rows)) for rows, _ in parts]
    fig = figure(width, sum(heights))
    places = fig.subplots(len(parts), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (rows, quantity) in zip(places, parts, strict=True):
        draw_estimates(axes, rows, quantity, label)
    return fig


def draw_estimates(axes: Axes, rows: Rows, quantity: str, label: Label | None = None) -> None:
    """One line per row: its value with the 95% interval, its control in grey below, its verdict at the right.

    The line of a row that was not measured says why. A star is the paper's own number. The dashed lines are the
    thresholds of the verdicts, the bands around them the smallest effects of interest. Short grey strokes are
    untrained draws, less their mean, where the value is beyond that mean.

    Args:
        rows: from the top down.
        quantity: what the axis shows, with its unit.
        label: the words at a line; if None the network, and where rows differ in it also what was measured.
    """
    if not rows:
        say(axes, "nothing to measure")
        return
    same = len({row.what for row in rows}) == 1
    label = label or (lambda row: row.network if same else f"{row.network}: {row.what}")
    beside = axes.get_yaxis_transform()
    for place, row in enumerate(rows):
        ink = colour(row.networks[0] if row.networks else "")
        if row.control is not None and row.draws:  # the value is beyond their mean, and so is each of them
            places = [row.threshold + draw - row.control for draw in row.draws]
            axes.plot(places, [place + 0.28] * len(places), "|", color=CONTROL, markersize=7)
        elif row.control is not None:
            _point(axes, place + 0.22, row.control, row.control_low, row.control_high, CONTROL, "s", 4.5)
        if row.published is not None and row.value is not None:
            axes.plot(row.published, place, "*", color="#222222", markersize=9, markerfacecolor="white", zorder=4)
        if row.value is None:
            words = f"{row.verdict}: {row.reason}" if row.reason else row.verdict
            words += "" if row.published is None else f" (the paper's own: {row.published:.3g})"
            axes.text(0.01, place, words, transform=beside, va="center", fontsize=8, color=_VERDICTS["not measured"])
            continue
        _point(axes, place, row.value, row.low, row.high, ink, "o" if row.decides else "D", 6 if row.decides else 4.5)
        axes.plot([row.threshold] * 2, [place - 0.42, place + 0.42], "--", color="#333333", linewidth=1)
        if row.smallest is not None:
            ends = row.threshold - row.smallest, row.threshold + row.smallest
            axes.fill_betweenx([place - 0.42, place + 0.42], *ends, color=_BAND, linewidth=0, zorder=0)
        words = row.verdict if row.decides else "shown beside"
        ink = _VERDICTS[row.verdict] if row.decides else CONTROL
        axes.text(1.01, place, words, transform=beside, va="center", fontsize=8, color=ink)
    axes.set_yticks(range(len(rows)), [label(row) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(quantity, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles = [Line2D([], [], color="#333333", marker="o", linewidth=2, markersize=6, label="measured")]
    if any(row.draws for row in rows):
        handles.append(Line2D([], [], color=CONTROL, marker="|", linewidth=0, markersize=7, label="untrained draws"))
    if any(row.control is not None and not row.draws for row in rows):
        handles.append(Line2D([], [], color=CONTROL, marker="s", linewidth=2, markersize=4.5, label="control"))
    if any(row.published is not None and row.value is not None for row in rows):
        handles.append(
            Line2D(
                [], [], color="#222222", marker="*", markersize=9, markerfacecolor="white", linewidth=0,
                label="the paper's own",
            )
        )  # fmt: skip
    if any(row.smallest is not None and row.value is not None for row in rows):
        handles.append(Patch(color=_BAND, linewidth=0, label="smallest effect of interest"))
    axes.legend(
        handles=handles, frameon=False, fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0), borderpad=0
    )


def _point(
    axes: Axes, place: float, value: float, low: float | None, high: float | None, ink: str, marker: str, size: float
) -> None:
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], "-", color=ink, linewidth=2, solid_capstyle="butt")
    axes.plot(value, place, marker, color=ink, markersize=size)
