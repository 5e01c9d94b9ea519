"""Inactive units of the first pool, and the change of the loss by noise on them (KS 3.5, table 1)."""

import pandas as pd

from receptive.artifacts.ablation import read_ablation
from receptive.figures import ablation as figures
from receptive.params.schema import Params
from receptive.published import INACTIVE
from receptive.report.page import Section
from receptive.report.writer import Writer


def section(params: Params, write: Writer) -> Section:
    """KS table 1 for every network, its control, and the sweep over the noise."""
    measured = {network: read_ablation(network) for network in params.models}
    formats = dict.fromkeys(("dL", "dL_rnd"), "+.2e") | dict.fromkeys(("paper: dL", "paper: dL_rnd"), "+.5e")
    control = ("inactive", "active: mean", "active: low", "active: high", "one active per mini-batch")
    first = next(iter(measured.values()))
    images, threshold = first["control"]["images"], first["threshold"]
    return Section(
        "ablation",
        "Inactive units",
        "A unit is inactive when it stays at "
        + ("0" if threshold == 0 else f"{threshold:g} or below")
        + " everywhere in every validation image. To the output of such units of the first pooling layer we add, at "
        "every position, max(x, 0) with x drawn from a standard normal distribution: to all of them (dL: mean loss "
        "with noise minus mean loss without, in nats), and to one of them drawn anew for every mini-batch of "
        f"{first['minibatch']} images (dL_rnd; KS print no size). Brackets: 95% bootstrap intervals, paired over "
        "the images; for dL_rnd they hold for the units drawn.\n\n"
        "Noise on any unit may change the loss, so a change alone says little about inactive ones. The control adds "
        f"the same noise to as many active units, in random sets, on {images} of the images; where no unit is "
        "inactive, to single active units, so that the size of such changes is seen.",
        [
            write.table(
                "ks1_inactive_units",
                inactive_table(measured),
                "KS table 1 for every network. A dash means that there is no such unit, not that nothing changed.",
                formats,
            ),
            write.table(
                "ablation_control",
                control_table(measured),
                "The control: change of loss with the same noise on active units (low, high: 2.5% and 97.5% of the "
                "sets), and, on the same images, on all inactive ones.",
                dict.fromkeys(control, "+.2e") | {"sets at least as bad": ".0%", "active: mean response": ".2f"},
            ),
            write.picture(
                "ablation_control",
                figures.change_of_loss(measured),
                "Change of loss with noise on inactive and on active units of every network",
                f"Noise on the inactive units beside the same noise on sets of as many active ones (grey dots, one "
                f"per set; both on the same {images} images), and noise on one unit per mini-batch (squares, all "
                "images). "
                "Lines: 95% intervals. Note the scales.",
            ),
            write.picture(
                "ablation_sweep",
                figures.noise_sweep(measured),
                "Change of loss by the standard deviation of the noise",
                "The same for weaker and stronger noise; σ = 1 is the paper's. Grey: sets of active units.",
            ),
        ],
    )


def inactive_table(measured: dict[str, dict]) -> pd.DataFrame:
    """KS table 1: one row per network, with the published numbers; no number where there is no inactive unit.

    Args:
        measured: network to the content of inactive.json (``artifacts.ablation``).
    """
    rows = []
    for network, result in measured.items():
        paper = INACTIVE.get(network, {})
        none = f"no inactive unit: the weakest reaches {result['weakest_maximum']:.2g}"
        rows.append(
            {
                "network": network,
                "pool": result["alias"],
                "units": result["units"],
                "inactive": len(result["inactive_units"]),
                "dL": result["delta_loss"],
                "95% of dL": interval(result["delta_loss_interval"]),
                "dL_rnd": result["delta_loss_random"],
                "95% of dL_rnd": interval(result["delta_loss_random_interval"]),
                "remark": "" if result["inactive_units"] else none,
                "paper: inactive": paper.get("inactive"),
                "paper: dL": paper.get("delta_loss"),
                "paper: dL_rnd": paper.get("delta_loss_random"),
            }
        )
    numbers = {"paper: inactive": "Int64"} | dict.fromkeys(("dL", "dL_rnd", "paper: dL", "paper: dL_rnd"), "Float64")
    return pd.DataFrame(rows).astype(numbers)


def control_table(measured: dict[str, dict]) -> pd.DataFrame:
    """The same noise on active units, one row per network.

    Args:
        measured: network to the content of inactive.json (``artifacts.ablation``).
    """
    rows = []
    for network, result in measured.items():
        control = result["control"]
        rows.append(
            {
                "network": network,
                "units noised": control["units_each"],
                "images": control["images"],
                "sets": len(control["units"]),
                "inactive": control["inactive_delta_loss"],
                "95% of inactive": interval(control["inactive_delta_loss_interval"]),
                "active: mean": control["mean"],
                "active: low": control["low"],
                "active: high": control["high"],
                "sets at least as bad": control["share_at_least_inactive"],
                "one active per mini-batch": result["delta_loss_random_active"],
                "95% of one active": interval(result["delta_loss_random_active_interval"]),
                "active: mean response": result["active_mean"],
            }
        )
    table = pd.DataFrame(rows)
    words = [name for name in table if name.startswith("95%") or name == "network"]
    return table.astype({name: "Float64" for name in table if name not in [*words, "units noised", "images", "sets"]})


def interval(ends: list[float] | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if ends is None else f"[{ends[0]:+.2e}, {ends[1]:+.2e}]"
