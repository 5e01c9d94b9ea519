"""The report's tables, and what its figures draw, as pandas frames.

Intervals are columns ``low, high``, computed by ``receptive.methods.inference``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from receptive.methods.inference import mean_interval, wilson
from receptive.published import ACCURACY, FIELDS


def accuracy(metrics: Mapping[str, dict], networks: Mapping[str, str], images: Mapping[str, str]) -> pd.DataFrame:
    """One row per training: how well it does, and what the paper of its network reports on other data.

    Args:
        metrics: training (``resnet34-2`` is the second of ``resnet34``) to the content of metrics.json.
        networks: training to the network that it trains.
        images: training to a description of its images.
    """
    rows = []
    for training, measured in metrics.items():
        paper = ACCURACY.get(networks[training], {})
        rows.append(
            {
                "network": training,
                "images": images[training],
                "parameters": measured["parameters"],
                "top-1, training": measured["train"]["top1"],
                "top-1, validation": measured["validation"]["top1"],
                "top-5, validation": measured["validation"]["top5"],
                "loss, validation": measured["validation"]["loss"],
                "paper: training": paper.get("train"),
                "paper: validation": paper.get("validation"),
                "paper: on": paper.get("on", "not reported"),
            }
        )
    return pd.DataFrame(rows)


def receptive_fields(network: str, rows: Sequence[dict]) -> pd.DataFrame:
    """The receptive fields of one network beside the published ones, and whether these agree.

    Args:
        rows: one per layer (``networks.layers.field_rows``).
    """
    published = FIELDS.get(network, {})
    table = pd.DataFrame(rows)
    if "whole_from" in table and not table["whole_from"].any():
        table = table.drop(columns="whole_from")
    for i, number in enumerate(("size", "stride")):
        table[f"published {number}"] = pd.array(
            [published.get(alias, (None, None))[i] for alias in table["alias"]], dtype="Int64"
        )
    in_paper = table["published size"].notna()
    strides_agree = table["published stride"].isna() | (table["published stride"] == table["stride"])
    agree = (table["published size"] == table["size"]) & strides_agree
    table["agrees"] = np.where(in_paper, np.where(agree.fillna(False).astype(bool), "yes", "no"), "")
    return table


def sparsity(layers: pd.DataFrame) -> pd.DataFrame:
    """Share of zero responses of every convolution and pool, one row per layer."""
    table = layers[layers["kind"].isin(["conv", "pool"])]
    return table[["network", "layer", "alias", "depth", "kind", "zero_fraction"]].reset_index(drop=True)


def activity(units: pd.DataFrame) -> pd.DataFrame:
    """Counts of units that never answer a validation image, and of those that answer nearly all; one row per layer.

    Args:
        units: units.parquet of any number of networks.
    """
    table = units[units["kind"].isin(["conv", "pool"])].copy()
    table["never active"] = table["max"] <= 0
    table["active on 95% of the images"] = table["positive_images"] >= 0.95 * table["images"]
    keys = ["network", "alias", "depth", "kind"]
    counts = table.groupby(keys, sort=False).agg(
        units=("unit", "size"),
        **{name: (name, "sum") for name in ("never active", "active on 95% of the images")},
    )
    return counts.reset_index()


def headline(metrics: Mapping[str, dict], layers: pd.DataFrame, units: pd.DataFrame) -> dict[str, dict]:
    """reports/metrics.json: a few numbers per training, for ``dvc metrics`` and ``dvc exp show``."""
    lines = {}
    for training, measured in metrics.items():
        zeros = sparsity(layers[layers["network"] == training])["zero_fraction"]
        responding = units[(units["network"] == training) & units["kind"].isin(["conv", "pool"])]
        lines[training] = {
            "top1": round(measured["validation"]["top1"], 4),
            "loss": round(measured["validation"]["loss"], 4),
            "sparsity_first": round(float(zeros.iloc[0]), 4),
            "sparsity_last": round(float(zeros.iloc[-1]), 4),
            "dead_units": int((responding["max"] <= 0).sum()),
        }
    return lines


def zeros_by_layer(zeros: pd.DataFrame) -> pd.DataFrame:
    """Share of zero responses of every convolution and pool, mean over images: one row per network, state and layer.

    Args:
        zeros: zeros.parquet of any number of networks.

    Returns:
        ``network, state, layer, depth, kind, zero_fraction``, in the order of ``zeros``.
    """
    table = zeros[zeros["kind"].isin(["conv", "pool"])]
    keys = ["network", "state", "layer", "depth", "kind"]
    return table.groupby(keys, sort=False)["zero_fraction"].mean().reset_index()


def energy_by_depth(energy: pd.DataFrame) -> pd.DataFrame:
    """Share of a reconstruction's energy outside the subject, mean over images: one row per network, state and depth.

    Args:
        energy: energy.parquet of any number of networks.

    Returns:
        ``network, state, depth, value, low, high, kind`` (of the layer), ``others_value`` (the share outside the other
        images' subjects) and ``image_value``: the share of the images themselves.
    """
    keys = ["network", "state", "depth"]
    table = mean_interval(energy, "energy_outside_fraction", keys)
    of_layers = {"kind": ("kind", "last"), "others_value": ("outside_others_fraction", "mean")}
    kinds = energy.groupby(keys).agg(**of_layers).reset_index()
    images = energy[energy["state"] == "trained"].groupby("network")["image_energy_outside_fraction"].mean()
    table = table.merge(kinds, on=keys, validate="one_to_one")
    return _in_order(table.assign(image_value=table["network"].map(images)), energy)


def right_choices(choices: pd.DataFrame) -> pd.DataFrame:
    """Right choices of the model observer over the units of each layer.

    Args:
        choices: choices.parquet of any number of networks.

    Returns:
        ``network, alias, depth, state, units, answered`` (units for which there is an answer), ``mean, lower, median,
        upper`` (quartiles).
    """
    groups = choices.groupby(["network", "alias", "depth", "state"], sort=False)["right"]
    counts = groups.agg(units="size", answered="count", mean="mean")
    quartiles = groups.quantile([0.25, 0.5, 0.75]).unstack()
    return counts.join(quartiles.rename(columns={0.25: "lower", 0.5: "median", 0.75: "upper"})).reset_index()


def osi_by_depth(units: pd.DataFrame) -> pd.DataFrame:
    """Orientation selectivity of the units: ``network, state, depth, lower, median, upper`` (the quartiles).

    Args:
        units: data/selectivity's units.parquet of any number of networks.
    """
    quartiles = units.groupby(["network", "state", "depth"], sort=False)["osi"].quantile([0.25, 0.5, 0.75]).unstack()
    table = quartiles.rename(columns={0.25: "lower", 0.5: "median", 0.75: "upper"}).reset_index()
    return _in_order(table, units)


def shares_by_depth(units: pd.DataFrame, verdicts: Sequence[str]) -> pd.DataFrame:
    """Share of the units that are selective, or opponent, with Wilson's 95% interval.

    Args:
        units: data/selectivity's units.parquet of any number of networks.
        verdicts: columns of it. Units of which a verdict cannot be said (silent ones) do not count.

    Returns:
        ``network, state, depth, verdict, value, low, high``, one row per group of units that has a verdict.
    """
    long = units.melt(["network", "state", "depth"], list(verdicts), var_name="verdict", value_name="is").dropna()
    groups = long.astype({"is": float}).groupby(["network", "state", "verdict", "depth"])["is"]
    table = groups.agg(value="mean", successes="sum", trials="size").reset_index()
    low, high = wilson(table.pop("successes").to_numpy(), table.pop("trials").to_numpy())
    return _in_order(table.assign(low=low, high=high), units)


def preferred_orientations(units: pd.DataFrame, orientations: int) -> pd.DataFrame:
    """Shares of the orientations that the selective units of a network prefer: one row per network, state and bin.

    Args:
        units: data/selectivity's units.parquet of any number of networks, of the layers to count.
        orientations: of the gratings: as many bins, the first around 0 degrees.

    Returns:
        ``network, state, orientation`` (degrees), ``share`` (of the selective units, 0 without any), ``selective`` and
        ``units`` (their counts, the same in every bin).
    """
    tables = []
    for (network, state), group in units.groupby(["network", "state"], sort=False):
        selective = group[group["selective"].fillna(False).astype(bool)]
        bins = np.round(selective["orientation"] / (180 / orientations)).astype(int) % orientations
        tables.append(
            pd.DataFrame(
                {
                    "network": network,
                    "state": state,
                    "orientation": np.arange(orientations) * 180 / orientations,
                    "share": np.bincount(bins, minlength=orientations) / max(1, len(selective)),
                    "selective": len(selective),
                    "units": len(group),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _in_order(table: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """The rows by network, in the order in which the networks stand in ``like``, and then by depth."""
    place = {network: number for number, network in enumerate(like["network"].unique())}
    return table.sort_values(
        ["network", "depth"], key=lambda keys: keys.map(place) if keys.name == "network" else keys, kind="stable",
        ignore_index=True,
    )  # fmt: skip


def effective_fields(fields: pd.DataFrame) -> pd.DataFrame:
    """One row per network and layer: the side of the exact field, and of the effective one before and after training.

    Args:
        fields: effective_fields.parquet of every network, one after the other.
    """
    heading = ["network", "layer", "alias"]
    trained, untrained = (fields[fields["state"] == state].set_index(heading) for state in ("trained", "untrained"))
    table = pd.DataFrame(
        {
            "exact": trained["field_px"],
            "effective, trained": trained["side_px"],
            "effective, untrained": untrained["side_px"],
            "spread, trained": trained["spread_px"],
        }
    )
    return table.loc[trained.index].reset_index()
