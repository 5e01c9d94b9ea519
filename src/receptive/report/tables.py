"""The report's tables, as pandas frames."""

import pandas as pd

from receptive.networks import base_name
from receptive.published import ACCURACY, FIELDS


def accuracy(metrics: dict[str, dict], images: dict[str, str]) -> pd.DataFrame:
    """One row a training: what it is, how well it does, and what the network's paper reports on other data.

    Args:
        metrics: network (``resnet34-2`` for its second training) to the content of metrics.json.
        images: network to a description of its images.
    """
    rows = []
    for network, measured in metrics.items():
        paper = ACCURACY.get(base_name(network), {})
        rows.append(
            {
                "network": network,
                "images": images[network],
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


def receptive_fields(network: str, rows: list[dict]) -> pd.DataFrame:
    """The receptive-field table of one network with the published numbers and whether they agree.

    Args:
        rows: of ``networks.sites.field_rows``.
    """
    published = FIELDS.get(network, {})
    table = pd.DataFrame(rows)
    for i, number in enumerate(("size", "stride")):
        table[f"published {number}"] = pd.array(
            [published.get(alias, (None, None))[i] for alias in table["alias"]], dtype="Int64"
        )
    known = table["published size"].notna()
    strides = table["published stride"].isna() | (table["published stride"] == table["stride"])
    table["agrees"] = [
        ("yes" if same else "no") if there else ""
        for there, same in zip(known, (table["published size"] == table["size"]) & strides, strict=True)
    ]
    return table


def sparsity(layers: pd.DataFrame) -> pd.DataFrame:
    """Share of zero responses by layer (convolutions and pools), one column of numbers for all networks."""
    table = layers[layers["kind"].isin(["conv", "pool"])]
    return table[["network", "layer", "alias", "depth", "kind", "zero_fraction"]].reset_index(drop=True)


def activity(units: pd.DataFrame) -> pd.DataFrame:
    """One row a layer: how many of its units never answer a validation image, and how many answer nearly all.

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


def headline(metrics: dict[str, dict], layers: pd.DataFrame, units: pd.DataFrame) -> dict[str, dict]:
    """reports/metrics.json: a few numbers a network, for ``dvc metrics`` and ``dvc exp show``."""
    lines = {}
    for network, measured in metrics.items():
        mine = layers[(layers["network"] == network) & layers["kind"].isin(["conv", "pool"])]
        its = units[(units["network"] == network) & units["kind"].isin(["conv", "pool"])]
        lines[network] = {
            "top1": round(measured["validation"]["top1"], 4),
            "loss": round(measured["validation"]["loss"], 4),
            "sparsity_first": round(float(mine["zero_fraction"].iloc[0]), 4),
            "sparsity_last": round(float(mine["zero_fraction"].iloc[-1]), 4),
            "dead_units": int((its["max"] <= 0).sum()),
        }
    return lines
