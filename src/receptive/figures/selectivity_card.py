"""The card of V1 properties of one network: the units of every layer, trained and untrained, and cells of V1."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator, PercentFormatter

from receptive.figures.selectivity import CONTROLS, NAMES
from receptive.figures.style import colour, figure, say
from receptive.methods.selectivity_card import PROPERTIES

_COLUMNS = 5
_STATES = ("untrained", "trained")
_V1 = "#b8860b"
_LOGARITHMIC = ("peak_frequency", "summation_field", "surround_diameter", "maximum_response")


def card(network: str, summary: pd.DataFrame, units: pd.DataFrame, published: dict[str, tuple]) -> Figure:
    """One panel per property; for medians every unit is a dot, the bar is the middle half, the mark the median.

    Args:
        summary: card.parquet of the network.
        units: card_units.parquet of the network.
        published: property to (edges, counts) of a histogram of cells, or to (value,) of a share.
    """
    fig = figure(3.1 * _COLUMNS, 2.6 * -(-len(PROPERTIES) // _COLUMNS) + 0.5)
    grid = fig.subplots(-(-len(PROPERTIES) // _COLUMNS), _COLUMNS).ravel()
    layers = list(summary["alias"].unique())
    for axes, (name, facts) in zip(grid, PROPERTIES.items(), strict=True):
        rows = summary[summary["property"] == name]
        axes.set_title(facts.words, fontsize=9)
        if not rows["measured"].any():
            say(axes, "\n".join(dict.fromkeys(_wrapped(reason) for reason in rows["reason"])), 7)
            continue
        for place, alias in enumerate(layers):
            for state in _STATES:
                (row,) = rows[(rows["alias"] == alias) & (rows["state"] == state)].to_dict("records")
                of = units[(units["alias"] == alias) & (units["state"] == state)]
                at = place + (-0.18 if state == "untrained" else 0.18)
                ink = colour(network) if state == "trained" else CONTROLS[state][0]
                _mark(axes, at, row, of[name].dropna().to_numpy() if facts.statistic == "median" else None, ink)
        if name in published:
            _cells(axes, len(layers), published[name])
        axes.set_xticks(range(len(layers)), layers, fontsize=7.5)
        axes.set_xlim(-0.5, len(layers) - 0.5 + (0.8 if len(published.get(name, ())) == 2 else 0))
        axes.tick_params(labelsize=7.5)
        axes.spines[["top", "right"]].set_visible(False)
        if facts.statistic == "share":
            axes.set_ylim(0, 1.03)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        elif name in _LOGARITHMIC and rows["value"].min() > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel("share of units" if facts.statistic == "share" else facts.unit, fontsize=8)
    fig.legend(handles=_handles(network), frameon=False, fontsize=8.5, ncols=3, loc="outside upper center")
    return fig


def _mark(axes: Axes, at: float, row: dict, values: np.ndarray | None, ink: str) -> None:
    """One layer in one state: dots, the quartiles as a bar, the value with its interval."""
    if not row["measured"]:
        axes.text(at, 0.02, "none", transform=axes.get_xaxis_transform(), ha="center", fontsize=6, color=ink)
        return
    if values is not None:
        # spread sideways by rank, so that the same units always give the same picture
        side = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.26
        axes.plot(at + side, values, ".", color=ink, markersize=4, alpha=0.4, markeredgewidth=0)
        axes.vlines(at, row["lower"], row["upper"], color=ink, linewidth=5, alpha=0.35)
    ends = np.abs(np.nan_to_num([[row["value"] - row["low"]], [row["high"] - row["value"]]]))
    axes.errorbar(at, row["value"], ends, fmt="o", color=ink, markersize=4.5, linewidth=1.3, capsize=2, zorder=3)


def _cells(axes: Axes, layers: int, cells: tuple) -> None:
    """Published cells: the histogram sideways at the right, its median (or the share) as a dashed line."""
    if len(cells) == 1:
        axes.axhline(cells[0], color=_V1, linestyle="--", linewidth=1.2)
        return
    edges, counts = (np.asarray(part, float) for part in cells)
    start = layers - 0.4
    axes.stairs(start + 0.65 * counts / counts.max(), edges, orientation="horizontal", baseline=start, fill=True,
                color=_V1, alpha=0.55)  # fmt: skip
    total = np.concatenate([[0], counts.cumsum()]) / counts.sum()
    axes.axhline(float(np.interp(0.5, total, edges)), color=_V1, linestyle="--", linewidth=1.2)


def _wrapped(words: str, width: int = 30) -> str:
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _handles(network: str) -> list[Line2D | Patch]:
    trained = Line2D([], [], color=colour(network), marker="o", markersize=4.5, label=f"{network}, trained")
    untrained = Line2D([], [], color=CONTROLS["untrained"][0], marker="o", markersize=4.5, label=NAMES["untrained"])
    return [
        trained,
        untrained,
        Patch(color=_V1, alpha=0.55, label="cells of macaque V1; dashed: their median or share"),
    ]
