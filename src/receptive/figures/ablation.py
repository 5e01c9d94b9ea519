"""Change of the loss by noise on units of the first pool (KS 3.5)."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from receptive.figures.style import colour, figure, say

_CONTROL = "#8a8f99"


def change_of_loss(measured: dict[str, dict]) -> Figure:
    """Change of loss by noise on the inactive units, and on sets of as many active ones: one panel per network.

    Args:
        measured: network to the content of inactive.json (``artifacts.ablation``).
    """
    columns = min(3, len(measured))
    rows = -(-len(measured) // columns)
    fig = figure(3.9 * columns, 2.5 * rows)
    panels = fig.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(measured) :]:
        axes.axis("off")
    for axes, (network, result) in zip(panels, measured.items(), strict=False):
        control = result["control"]
        axes.axvline(0, color="#333333", linewidth=0.8)
        drawn = np.array(control["delta_loss"])
        # spread sideways by rank alone, so that nothing is drawn at random
        axes.scatter(drawn, 0.25 * np.cos(2.4 * np.arange(len(drawn))), s=16, color=_CONTROL, alpha=0.7, linewidth=0)
        rows_of = [
            (1, control["inactive_delta_loss"], control["inactive_delta_loss_interval"], "o", colour(network)),
            (2, result["delta_loss_random"], result["delta_loss_random_interval"], "s", colour(network)),
            (3, result["delta_loss_random_active"], result["delta_loss_random_active_interval"], "s", _CONTROL),
        ]
        for place, value, interval, marker, ink in rows_of:
            if value is not None:
                axes.plot(interval, [place, place], color=ink, linewidth=2)
                axes.plot(value, place, marker, color=ink, markersize=7)
        if not result["inactive_units"]:
            axes.text(
                0.98, 1.5, "no unit is inactive", color="#a03030", fontsize=9, ha="right", va="center",
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        units = control["units_each"]
        axes.set_yticks(
            [0, 1, 2, 3],
            [f"{units} active", "all inactive", "one inactive\nper mini-batch", "one active\nper mini-batch"],
            fontsize=8,
        )
        axes.set_ylim(3.6, -0.6)
        axes.set_title(
            f"{network}, {result['alias']}: {len(result['inactive_units'])} of {result['units']} inactive", fontsize=10
        )
        axes.tick_params(axis="x", labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("change of loss", fontsize=9)
    return fig


def noise_sweep(measured: dict[str, dict]) -> Figure:
    """Change of loss by the noise's standard deviation: inactive units (line and band) and active sets (thin grey).

    Args:
        measured: as for ``change_of_loss``.
    """
    columns = min(3, len(measured))
    rows = -(-len(measured) // columns)
    fig = figure(3.9 * columns, 2.7 * rows)
    panels = fig.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(measured) :]:
        axes.axis("off")
    for axes, (network, result) in zip(panels, measured.items(), strict=False):
        axes.set_title(network, fontsize=10)
        sigmas = [row["sigma"] for row in result["sweep"]]
        active = np.array([row["control"] for row in result["sweep"]])
        units = result["control"]["units_each"]
        if not active.size and not result["inactive_units"]:
            say(axes, "no unit to add noise to")
            continue
        for i, line in enumerate(active.T):
            label = f"{units} active unit{'s' * (units > 1)}" if i == 0 else None
            axes.plot(sigmas, line, "-", color=_CONTROL, linewidth=1.2, label=label)
        if result["inactive_units"]:
            axes.plot(
                sigmas, [row["delta_loss"] for row in result["sweep"]], "o-", color=colour(network), linewidth=1.8,
                label=f"{units} inactive unit{'s' * (units > 1)}",
            )  # fmt: skip
            low, high = np.array([row["delta_loss_interval"] for row in result["sweep"]]).T
            axes.fill_between(sigmas, low, high, color=colour(network), alpha=0.2, linewidth=0)
        else:
            axes.text(0.04, 0.68, "no unit is inactive", color="#a03030", fontsize=9, transform=axes.transAxes)
        axes.axhline(0, color="#333333", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
        axes.set_xlabel("noise σ", fontsize=9)
        axes.set_ylabel("change of loss", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    return fig
